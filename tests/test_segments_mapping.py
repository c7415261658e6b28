"""What of a segment becomes what of a span: ids, parents and links, kinds, names of those who are called, failures."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from collectors.skywalking_segments.attributes import host_and_port
from collectors.skywalking_segments.identity import span_id, trace_id
from collectors.skywalking_segments.instances import Facts, Instances
from collectors.skywalking_segments.logs import logs_request
from collectors.skywalking_segments.protocol.skywalking_pb2 import LogData, SegmentObject
from collectors.skywalking_segments.senders import Senders
from collectors.skywalking_segments.spans import traces_request

TRACE = "0af7651916cd43dd8448eb211c80319c"
JAVA_TRACE = "ddd92f52207c468e9cd03ddd107cd530.69.16181331190470001"


def nobody(_resource: Resource, _service: str, _instance: str) -> None:
    """Tells nothing of who sent it."""


def converted(*spans: dict[str, Any], trace: str = TRACE, segment: str = "s1") -> list[Span]:
    """The spans of a segment as OTLP has them."""
    document = {"traceId": trace, "traceSegmentId": segment, "service": "orders", "spans": list(spans)}
    request = ExportTraceServiceRequest.FromString(traces_request([ParseDict(document, SegmentObject())], nobody))
    return list(request.resource_spans[0].scope_spans[0].spans)


def span(**fields: Any) -> dict[str, Any]:
    """An Entry span without a parent; `tags` as a mapping."""
    tags = [{"key": key, "value": value} for key, value in fields.pop("tags", {}).items()]
    return {"spanId": 0, "parentSpanId": -1, "spanType": "Entry", "startTime": 1700000000001,
            "endTime": 1700000000003, "operationName": "GET:/", "tags": tags, **fields}  # fmt: skip


def reference(segment: str = "s0", number: int = 3, trace: str = TRACE, kind: str = "CrossProcess") -> dict[str, Any]:
    """A reference to a span of another segment."""
    return {"refType": kind, "traceId": trace, "parentTraceSegmentId": segment, "parentSpanId": number}


def attributes(made: Span) -> dict[str, Any]:
    """The attributes of a span."""
    values = {attribute.key: attribute.value for attribute in made.attributes}
    return {key: getattr(value, value.WhichOneof("value")) for key, value in values.items()}


def test_ids_are_stable_and_different():
    """A trace id of 32 digits is itself, in any case; other names are hashed, and told; a span is known by its segment
    and number, wherever it is named; the hashes never change, because spans of before a restart refer to them."""
    assert trace_id(TRACE) == trace_id(TRACE.upper()) == bytes.fromhex(TRACE)
    assert trace_id(JAVA_TRACE).hex() == "754ebcde7583fa3ee01f6d470b33c997"  # by b2sum -l 128
    assert span_id("s1", 2).hex() == "11ea2f607dd0c364"  # by b2sum -l 64
    assert len({trace_id(name) for name in (TRACE, JAVA_TRACE, "0" * 32, TRACE[:-1], TRACE + "0")}) == 5
    assert len({span_id(segment, number) for segment in ("s1", "s2") for number in (0, 1, -1, 11)}) == 8
    plain, named = converted(span())[0], converted(span(), trace=JAVA_TRACE)[0]
    assert "skywalking.trace_id" not in attributes(plain)
    assert attributes(named)["skywalking.trace_id"] == JAVA_TRACE


@pytest.mark.parametrize(("trace", "segment"), [("", "s1"), (TRACE, "")])
def test_without_a_name_there_is_no_id(trace, segment):
    """A segment without a trace or a name has no valid ids, so its spans are refused and never confused."""
    made = converted(span(), trace=trace, segment=segment)[0]
    assert b"" in (made.trace_id, made.span_id)


def test_parent_in_the_segment_and_outside():
    """The parent is the span above in the segment; of an inbound span and of one without a parent it is the first that
    is referred to, in another process or thread."""
    inner = span(spanId=1, parentSpanId=0, spanType="Exit")
    for kind in ("CrossProcess", "CrossThread"):
        first, second = converted(span(refs=[reference(kind=kind)]), inner)
        assert (first.parent_span_id, list(first.links)) == (span_id("s0", 3), [])
        assert second.parent_span_id == first.span_id == span_id("s1", 0)
    below = span(spanId=1, parentSpanId=0, refs=[reference()])
    assert converted(span(), below)[1].parent_span_id == span_id("s0", 3)
    assert converted(span(), {**below, "spanType": "Local"})[1].parent_span_id == span_id("s1", 0)
    assert converted(span())[0].parent_span_id == b""


def test_several_references_are_links_in_their_order():
    """A consumer of a batch has the first as its parent and all as links, those of other traces with their trace; one
    of another trace alone is a link and no parent, which must be of the same trace."""
    made = converted(span(refs=[reference("a", 1), reference("b", 2, JAVA_TRACE)]))[0]
    assert made.parent_span_id == span_id("a", 1)
    assert [(link.trace_id, link.span_id) for link in made.links] == [
        (trace_id(TRACE), span_id("a", 1)), (trace_id(JAVA_TRACE), span_id("b", 2))]
    alone = converted(span(refs=[reference("b", 2, JAVA_TRACE)]))[0]
    assert (alone.parent_span_id, alone.links[0].span_id) == (b"", span_id("b", 2))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"spanType": "Entry", "spanLayer": "Http"}, Span.SPAN_KIND_SERVER),
        ({"spanType": "Entry", "spanLayer": "RPCFramework"}, Span.SPAN_KIND_SERVER),
        ({"spanType": "Entry", "spanLayer": "MQ"}, Span.SPAN_KIND_CONSUMER),
        ({"spanType": "Exit", "spanLayer": "Database"}, Span.SPAN_KIND_CLIENT),
        ({"spanType": "Exit", "spanLayer": "MQ"}, Span.SPAN_KIND_PRODUCER),
        ({"spanType": "Local"}, Span.SPAN_KIND_INTERNAL),
        ({"spanType": 9, "spanLayer": 9}, Span.SPAN_KIND_INTERNAL),
        ({"spanType": "Exit", "skipAnalysis": True}, Span.SPAN_KIND_INTERNAL),
    ],
)
def test_kind(fields, kind):
    """Type and layer make the kind; what is not to be analysed is no call."""
    assert converted(span(**fields))[0].kind == kind


def test_agent_decides_what_failed():
    """`isError` is the status, whatever the HTTP code says; an error in the log of a span is its exception."""
    log = {"time": 5, "data": [{"key": "event", "value": "error"}, {"key": "error.kind", "value": "java.io.Broken"},
                               {"key": "message", "value": "broken"}, {"key": "stack", "value": "at A"}]}  # fmt: skip
    failed = converted(span(isError=True, logs=[log, {"time": 6, "data": [{"key": "event", "value": "sent"}]}]))[0]
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert converted(span(tags={"http.status_code": "500"}))[0].status.code == Status.STATUS_CODE_OK
    exception, sent = failed.events
    told = {attribute.key: attribute.value.string_value for attribute in exception.attributes}
    assert (exception.name, exception.time_unix_nano, sent.name) == ("exception", 5_000_000, "sent")
    assert told == {"event": "error", "exception.type": "java.io.Broken", "exception.message": "broken",
                    "exception.stacktrace": "at A"}  # fmt: skip


@pytest.mark.parametrize(("told", "nanos"), [(5, 5_000_000), (0, 0), (-7, 0), (2**63 - 1, 0)])
def test_times_are_milliseconds(told, nanos):
    """Milliseconds become nanoseconds; what no clock says becomes no time."""
    made = converted(span(startTime=told, endTime=told))[0]
    assert (made.start_time_unix_nano, made.end_time_unix_nano) == (nanos, nanos)


HTTP = {"http.request.method": "GET", "http.response.status_code": 404, "url.full": "http://a/b"}
CALLED = [
    ("Http", 2, "10.0.0.7:8080", {"http.method": "GET", "http.status_code": "404", "url": "http://a/b"},
     {**HTTP, "server.address": "10.0.0.7", "server.port": 8080}),
    ("Http", 2, "", {"status_code": "503"}, {"http.response.status_code": 503, "status_code": "503"}),
    ("Http", 2, "a", {"http.status_code": "none"}, {"http.response.status_code": "none", "server.address": "a"}),
    ("Database", 33, "db:3306", {"db.type": "Mysql", "db.instance": "pay", "db.statement": "select 1"},
     {"db.type": "Mysql", "db.system.name": "mysql", "db.namespace": "pay", "db.query.text": "select 1",
      "server.address": "db", "server.port": 3306}),
    ("Database", 37, "", {}, {"db.system.name": "postgresql"}),
    ("Database", 34, "", {"db.type": "Oracle"}, {"db.type": "Oracle", "db.system.name": "oracle.db"}),
    ("Database", 0, "", {}, {"db.system.name": "other_sql"}),
    ("Cache", 57, "c:6379", {"cache.type": "Redis"},
     {"cache.type": "Redis", "db.system.name": "redis", "server.address": "c", "server.port": 6379}),
    ("Cache", 36, "", {}, {"db.system.name": "memcached"}),
    ("Unknown", 0, "", {"db.type": "MongoDB"}, {"db.type": "MongoDB", "db.system.name": "mongodb"}),
    ("MQ", 40, "k:9092", {"mq.topic": "jobs", "mq.broker": "k:9092"},
     {"mq.topic": "jobs", "mq.broker": "k:9092", "messaging.system": "kafka", "messaging.destination.name": "jobs",
      "server.address": "k", "server.port": 9092}),
    ("MQ", 52, "", {"mq.topic": "", "mq.queue": "mails"},
     {"mq.topic": "", "mq.queue": "mails", "messaging.system": "rabbitmq", "messaging.destination.name": "mails"}),
    ("MQ", 0, "b:1", {}, {"messaging.destination.name": "b:1", "server.address": "b", "server.port": 1}),
    ("RPCFramework", 23, "g:50051", {}, {"rpc.system": "grpc", "server.address": "g", "server.port": 50051}),
    ("RPCFramework", 9999, "", {}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "component", "peer", "tags", "expected"), CALLED)
def test_who_is_called_has_the_names_of_the_conventions(layer, component, peer, tags, expected):
    """Layer, component, peer and tags of an Exit span become the attributes by which pairing names who is called."""
    made = converted(span(spanType="Exit", spanLayer=layer, componentId=component, peer=peer, tags=tags))[0]
    told = attributes(made)
    assert told.pop("skywalking.component_id", 0) == component
    assert told == expected


def test_peer_of_an_inbound_span():
    """Of a server's span the peer is who called; of a consumer's it is the broker, as for the producer."""
    assert attributes(converted(span(spanLayer="Http", peer="10.0.0.9:51234"))[0]) == {
        "client.address": "10.0.0.9", "client.port": 51234}
    told = attributes(converted(span(spanLayer="MQ", tags={"mq.broker": "k:9092"}))[0])
    assert (told["messaging.destination.name"], told["server.address"]) == ("k:9092", "k")


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("10.0.0.1:80", ("10.0.0.1", 80)), ("shop", ("shop", 0)), ("[fd00::1]:443", ("fd00::1", 443)),
        ("http://shop:8080/a?b", ("shop", 8080)), ("https://user:word@shop/a", ("shop", 0)),
        ("k1:9092,k2:9092", ("k1:9092,k2:9092", 0)), ("k1:9092;k2:9092", ("k1:9092;k2:9092", 0)),
        ("fd00::1", ("fd00::1", 0)), ("a:99999", ("a:99999", 0)), ("two words", ("two words", 0)),
    ],
)  # fmt: skip
def test_peers_as_host_and_port(peer, address):
    """A peer is a host and a port, with or without a scheme; several of them stay one name."""
    assert host_and_port(peer) == address


def test_lines_become_log_records():
    """A line keeps its time, level, text and the span it belongs to; its tags are attributes."""
    line = ParseDict({
        "timestamp": 7, "service": "orders", "endpoint": "/pay", "body": {"yaml": {"yaml": "a: 1"}},
        "traceContext": {"traceId": JAVA_TRACE, "traceSegmentId": "s1", "spanId": 2},
        "tags": {"data": [{"key": "level", "value": "WARN"}, {"key": "logger", "value": "L"}]},
    }, LogData())  # fmt: skip
    request = ExportLogsServiceRequest.FromString(logs_request([line, LogData(service="web")], nobody))
    (first,), (other,) = (block.scope_logs[0].log_records for block in request.resource_logs)
    assert (first.time_unix_nano, first.severity_text, first.body.string_value) == (7_000_000, "WARN", "a: 1")
    assert (first.trace_id, first.span_id) == (trace_id(JAVA_TRACE), span_id("s1", 2))
    told = {one.key: one.value.string_value for one in first.attributes}
    assert told == {"logger": "L", "skywalking.endpoint": "/pay"}
    assert (other.trace_id, other.span_id) == (b"", b"")


def test_instances_are_remembered_up_to_a_bound():
    """The instances that were silent for longest are forgotten first; the first property that is there counts."""
    known = Instances(("zone", "idc"), ("version",), most=2)
    known.learn("a", "1", {"idc": "x", "version": "v" * 1000})
    known.learn("b", "1", {"zone": "", "idc": "y"})
    known.keep("a", "1")
    known.learn("c", "1", {"zone": "z", "idc": "y"})
    assert known.facts("a", "1") == Facts("x", "v" * 255)
    assert known.facts("b", "1") == Facts()
    assert known.facts("c", "1") == Facts("z", "")
    assert len(known) == 2


@pytest.mark.parametrize(
    ("name", "from_group", "expected"),
    [("shop::orders", True, ("shop", "orders")), ("shop::orders", False, ("", "shop::orders")),
     ("orders", True, ("", "orders")), ("::orders", True, ("", "::orders")), ("shop::", True, ("", "shop::"))],
)  # fmt: skip
def test_group_of_a_service_is_its_namespace(name, from_group, expected):
    """`group::name` is a namespace and a name, unless the configuration says otherwise."""
    made = Resource()
    Senders(Instances((), ()), "", from_group).fill(made, name, "")
    told = {attribute.key: attribute.value.string_value for attribute in made.attributes}
    assert (told.get("service.namespace", ""), told["service.name"]) == expected
