"""The demo's sender: real OTLP over real gRPC, decoded with the generated classes, and how it runs and ends."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from app.demo.bank import load_bank
from app.demo.command import DemoOptions, run
from app.demo.conditions import Running
from app.demo.sender import GrpcWire, Sender
from app.demo.simulate import simulate

BANK = load_bank()
NOON = 1_767_319_200  # Friday 2 January 2026, 10:00 in the bank


class Receiver(
    trace_service_pb2_grpc.TraceServiceServicer,
    logs_service_pb2_grpc.LogsServiceServicer,
    metrics_service_pb2_grpc.MetricsServiceServicer,
):
    """An OTLP gRPC server that keeps what it gets."""

    def __init__(self):
        self.requests = []
        self._server = grpc.server(ThreadPoolExecutor(2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(self, self._server)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(self, self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(None).wait()

    def Export(self, request, _context):
        """Keeps one request of any signal."""
        self.requests.append(request)
        answers = {
            trace_service_pb2.ExportTraceServiceRequest: trace_service_pb2.ExportTraceServiceResponse,
            logs_service_pb2.ExportLogsServiceRequest: logs_service_pb2.ExportLogsServiceResponse,
            metrics_service_pb2.ExportMetricsServiceRequest: metrics_service_pb2.ExportMetricsServiceResponse,
        }
        return answers[type(request)]()

    def spans(self):
        """(resource attributes, attributes, span) of every span."""
        return [
            (plain(group.resource.attributes), plain(span.attributes), span)
            for request in list(self.requests) if isinstance(request, trace_service_pb2.ExportTraceServiceRequest)
            for group in request.resource_spans for scope in group.scope_spans for span in scope.spans
        ]

    def lines(self):
        """(resource attributes, record) of every log line."""
        return [
            (plain(group.resource.attributes), record)
            for request in list(self.requests) if isinstance(request, logs_service_pb2.ExportLogsServiceRequest)
            for group in request.resource_logs for scope in group.scope_logs for record in scope.log_records
        ]

    def metrics(self):
        """When each metric was measured, in seconds, by its name."""
        found = {}
        for request in list(self.requests):
            if isinstance(request, metrics_service_pb2.ExportMetricsServiceRequest):
                for group in request.resource_metrics:
                    for metric in (metric for scope in group.scope_metrics for metric in scope.metrics):
                        times = found.setdefault(metric.name, [])
                        times += [point.time_unix_nano / 1e9 for point in metric.gauge.data_points]
        return found


def plain(attributes):
    """Attributes as a dict."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@pytest.fixture(scope="module")
def received():
    """What a receiver got of some seconds with three incidents at once."""
    incidents = [Running(name, NOON - 300) for name in ("breaker-open", "failing-core", "traffic-surge")]
    with Receiver() as receiver:
        sender = Sender(BANK, GrpcWire(receiver.endpoint))
        sender.begin(simulate(BANK, 1, NOON, 40, incidents, 8.0))
        sender.finish((NOON + 120) * 1_000_000)
        assert sender.flush()
        sender.close()
        assert len(receiver.spans()) == sender.sent_spans
        yield receiver


def attributes_of(receiver, service, kind, **wanted):
    """The attributes of the spans of a service and kind."""
    return [
        own for resource, own, span in receiver.spans()
        if resource["service.name"] == service and span.kind == kind
        and all(own.get(name.replace("__", ".")) == value for name, value in wanted.items())
    ]


def test_resources_say_who_where_and_which_version(received):
    """Every resource names service, domain, version, environment, zone and one of several instances."""
    resources = [resource for resource, _, _ in received.spans()]
    assert {resource["service.name"] for resource in resources} == {
        service.name for service in BANK.services.values() if service.kind == "service"
    }
    for resource in resources:
        service = BANK.services[resource["service.name"]]
        assert resource["service.namespace"] == service.domain
        assert resource["service.version"] == service.version
        assert resource["deployment.environment.name"] == "prod"
        assert resource["cloud.availability_zone"] in service.zones
    instances = {(one["service.name"], one["service.instance.id"]) for one in resources}
    assert sum(name == "ledger-core" for name, _ in instances) == 6


def test_spans_have_the_attributes_of_their_protocol(received):
    """HTTP, gRPC, SQL, Redis and Kafka spans look as their instrumentations make them, old names where promised."""
    server, client = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT
    http = attributes_of(received, "mobile-banking", server, http__route="/transfers")[0]
    assert (http["http.request.method"], http["url.path"]) == ("POST", "/transfers")
    assert attributes_of(received, "branch-teller", server, **{"http.method": "GET"})[0]["http.status_code"] == 200
    grpc_call = attributes_of(received, "account-center", client, rpc__method="PostEntry")[0]
    assert (grpc_call["rpc.system"], grpc_call["rpc.grpc.status_code"]) == ("grpc", 0)
    assert grpc_call["server.address"] == "ledger-core"
    query = attributes_of(received, "ledger-core", client)[0]
    assert (query["db.system.name"], query["db.namespace"]) == ("oracle.db", "ledger-core-db")
    assert attributes_of(received, "loan-core", client)[0]["db.system"] == "postgresql"
    redis = attributes_of(received, "identity-center", client)[0]
    assert (redis["db.system.name"], redis["server.address"]) == ("redis", "session-cache")
    assert "db.namespace" not in redis
    sent = attributes_of(received, "payment-order", Span.SPAN_KIND_PRODUCER)[0]
    assert (sent["messaging.system"], sent["messaging.destination.name"]) == ("kafka", "payment-events")
    assert attributes_of(received, "clearing-core", client, server__address="interbank-clearing")


def test_one_consumer_follows_parents_the_other_links(received):
    """Notifications are children of the producer; the clearing core begins a trace of its own with a link to it."""
    producers = {span.span_id for _, _, span in received.spans() if span.kind == Span.SPAN_KIND_PRODUCER}
    taken = [(one, span) for one, _, span in received.spans() if span.kind == Span.SPAN_KIND_CONSUMER]
    children = [span for resource, span in taken if resource["service.name"] == "notification"]
    linked = [span for resource, span in taken if resource["service.name"] == "clearing-core"]
    assert children
    assert all(span.parent_span_id in producers and not span.links for span in children)
    assert linked
    assert all(not span.parent_span_id and [one.span_id in producers for one in span.links] == [True]
               for span in linked)


def test_users_begin_traces_at_the_channels(received):
    """The only server spans without a parent are those of the channels."""
    roots = {
        resource["service.name"] for resource, _, span in received.spans()
        if span.kind == Span.SPAN_KIND_SERVER and not span.parent_span_id
    }
    assert roots == {entry.service for entry in BANK.entries}


def test_failures_carry_status_exception_and_a_log_line(received):
    """The span where an error began has the exception and a log line with its trace; those above have status codes."""
    began = [
        (own, span) for resource, own, span in received.spans()
        if resource["service.name"] == "clearing-core" and span.events
    ]
    own, span = began[0]
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert own["error.type"] == plain(span.events[0].attributes)["exception.type"] == "java.lang.IllegalStateException"
    lines = {record.span_id: (resource, record) for resource, record in received.lines()}
    resource, record = lines[span.span_id]
    assert record.trace_id == span.trace_id
    assert (resource["service.name"], record.severity_text) == ("clearing-core", "ERROR")
    above = attributes_of(received, "mobile-banking", Span.SPAN_KIND_SERVER, error__type="500")
    assert {one["http.response.status_code"] for one in above} == {500}


def test_protection_is_told_apart_from_failure(received):
    """A refused call has no server span behind it, and a server that answers 429 sets no error."""
    refused = [
        span for _, own, span in received.spans()
        if own.get("error.type", "").endswith("CallNotPermittedException")
    ]
    parents = {span.parent_span_id for _, _, span in received.spans()}
    assert refused
    assert not {span.span_id for span in refused} & parents
    limited = [
        span for _, own, span in received.spans()
        if own.get("http.response.status_code") == 429 and span.kind == Span.SPAN_KIND_SERVER
    ]
    assert limited
    assert {span.status.code for span in limited} == {Status.STATUS_CODE_UNSET}


def test_it_sends_past_and_present_and_stops_clean():
    """With a minute of history the receiver soon has old and new spans, and metrics of that minute; at the stop it ends
    with 0."""
    stop, codes, begun_s = threading.Event(), [], time.time()
    with Receiver() as receiver:
        options = DemoOptions(rate=5.0, endpoint=receiver.endpoint, backfill_s=60)
        worker = threading.Thread(target=lambda: codes.append(run(options, stop)))
        worker.start()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not any(end >= begun_s for end in _ends_s(receiver)):
            time.sleep(0.1)
        stop.set()
        worker.join(10)
        ends = _ends_s(receiver)
        assert codes == [0]
        assert not worker.is_alive()
        assert 40 < max(ends) - min(ends) < 75
        assert max(ends) <= time.time()
        for name in ("process.cpu.utilization", "db.client.connection.count"):
            times = sorted(set(receiver.metrics()[name]))
            assert 40 < times[-1] - times[0] < 75
            assert len(times) >= 4


def _ends_s(receiver):
    return [span.end_time_unix_nano / 1e9 for _, _, span in receiver.spans()]


class SlowStart:
    """A wire whose other side does not answer at first."""

    def __init__(self, refuse):
        self.refuse, self.taken, self.closed = refuse, 0, False
        self.times_us = []

    def spans(self, batch):
        """Takes spans once it has refused often enough."""
        self.refuse -= 1
        if self.refuse < 0:
            self.taken += len(batch)
            self.times_us += [(span.start_time // 1000, span.end_time // 1000) for span in batch]
        return self.refuse < 0

    def lines(self, _batch):
        """Takes every line."""
        return True

    def metrics(self, _data):
        """Takes every metric."""
        return True

    def close(self):
        """Remembers the end."""
        self.closed = True


def test_a_receiver_that_is_not_there_is_said_once_and_tried_again():
    """Nobody answers: one sentence says so; later all that was begun arrives, and another says that."""
    said, stop, wire = [], threading.Event(), SlowStart(refuse=3)
    times_s = iter([NOON + second for second in range(1, 17)])

    def clock():
        now_s = next(times_s, NOON + 60.0)  # after the stop a minute has passed: all that was begun has ended
        if now_s == NOON + 16:
            stop.set()
        return now_s

    assert run(DemoOptions(), stop, said.append, wire=wire, clock=clock) == 0
    assert [("does not take" in one, "takes the spans" in one) for one in said[1:3]] == [(True, False), (False, True)]
    assert f"{wire.taken} spans sent" in said[-1]
    assert wire.taken > 500
    begun = min(start_us for start_us, _ in wire.times_us) // 1_000_000
    by_second = ([len(one.spans) for one in simulate(BANK, 1, begun + second, 1)] for second in range(16))
    assert wire.taken in accumulate(map(sum, by_second))  # whole seconds, to the last span
    assert wire.closed


def test_spans_have_the_times_of_the_plan_and_leave_when_they_end():
    """Nothing is sent before it has ended, and then with the planned start and end."""
    wire = SlowStart(refuse=0)
    sender, planned = Sender(BANK, wire), list(simulate(BANK, 1, NOON, 3, rate=8.0))
    times = sorted((span.start_us, span.end_us) for journey in planned for span in journey.spans)
    sender.begin(planned)
    half = sorted(end for _, end in times)[len(times) // 2]
    sender.finish(half)
    sender.flush()
    assert sorted(wire.times_us) == [pair for pair in times if pair[1] <= half]
    sender.finish((NOON + 60) * 1_000_000)
    sender.flush()
    assert sorted(wire.times_us) == times


def test_an_unknown_incident_is_refused_with_the_names():
    """A wrong name ends the demo with 2 and the names there are."""
    said = []
    assert run(DemoOptions(incident="earthquake"), threading.Event(), said.append) == 2
    assert "slow-database" in said[0]


def test_the_demo_is_light():
    """A minute of the default traffic costs less than 15 s of CPU, planning and the SDK's work included."""
    sender = Sender(BANK, SlowStart(refuse=0))
    began = time.process_time()
    for tick in range(NOON, NOON + 60):
        sender.begin(simulate(BANK, 1, tick, 1))
        sender.finish(tick * 1_000_000)
        sender.flush()
    assert sender.sent_spans > 10_000
    assert time.process_time() - began < 15
