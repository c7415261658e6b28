"""Documents of spans, as Jaeger, the OpenTelemetry exporter and Elastic APM store them, become spans again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairing_run import Counted
from span_strategies import traces
from span_writing import NOW_NS, SECOND
from span_writing import body as written
from stored_spans import SAMPLES, jaeger_document, none_document, otel_document, pairs, told

from collectors.elastic_spans.apm_layout import threshold
from collectors.elastic_spans.fields import time_ns
from collectors.elastic_spans.layouts import made
from collectors.otlp.reference import weight
from collectors.spans.writing import Request
from topology.model import EdgeKey, Kind, OperationKey, Side

APM = SAMPLES / "elastic-apm" / "ecs-docs"


def text_of(document: dict[str, Any]) -> msgspec.Raw:
    """A document as a reply holds it."""
    return msgspec.Raw(json.dumps(document).encode())


def request_of(*documents: dict[str, Any]) -> bytes:
    """The request that documents become; those that are no span are left out."""
    request = Request()
    for sender, span in made((text_of(document) for document in documents), "@"):
        if span:
            request.add(sender, span)
    return request.content()


@settings(max_examples=150, deadline=None)
@given(traces())
def test_what_is_stored_of_a_span_is_made_good(spans):
    """OTLP to the documents of each layout and back is OTLP again, as exactly as the layout keeps it."""
    body = written([span for span in spans if span.took >= 0])
    senders = list(pairs(body))
    assert told(request_of(*(otel_document(*one) for one in senders))) == told(body)
    assert told(request_of(*(none_document(*one) for one in senders))) == told(_without_state(body))
    assert told(request_of(*(jaeger_document(*one) for one in senders)), 1000) == told(body, 1000)


def _without_state(body: bytes) -> bytes:
    request = Request()
    for named, span in pairs(body):
        span.trace_state = ""
        ((sender, _),) = made([text_of(otel_document(named, span))], "@")
        request.add(sender, span.SerializeToString())
    return request.content()


@pytest.mark.parametrize(("text", "wanted"), [
    ("2026-11-21T18:00:00Z", 1_795_284_000 * 10**9), ("2026-11-21T18:00:00.123456789Z", 1_795_284_000_123_456_789),
    ("2026-11-21T19:00:00.5+01:00", 1_795_284_000_500_000_000), ("1795284000123.000456", 1_795_284_000_123_000_456),
    (1795284000123, 1_795_284_000_123_000_000), ("1795284000123", 1_795_284_000_123_000_000), ("soon", None),
    ("2026-13-41T18:00:00Z", None), (None, None), ([], None),
])  # fmt: skip
def test_times_are_read_in_every_form(text, wanted):
    """ISO with up to nine digits, and milliseconds with a fraction, as number or text."""
    assert time_ns(text) == wanted


@given(st.floats(1, 1e6))
def test_how_many_a_document_stands_for_becomes_a_threshold(stands_for):
    """OpenTelemetry's threshold gives the weight back, to the 56 bits that it has."""
    assert weight(threshold(stands_for)) == pytest.approx(stands_for, rel=1e-9 * stands_for)


def test_a_weight_that_is_not_told_is_not_made_up():
    """Unknown is not one; what stands for less than one counts as one."""
    assert (threshold(None), threshold(1.0), threshold(0.25), threshold(2.0)) == ("", "ot=th:0", "ot=th:0", "ot=th:8")


@pytest.mark.skipif(not APM.exists(), reason="the samples are not beside the checkout")
@pytest.mark.parametrize(("name", "kind", "status", "said"), [
    ("span_jaeger_http_status_code", 3, 1, {"server.address": "foo.bar.com", "server.port": 80,
                                            "http.request.method": "get", "http.response.status_code": 202}),
    ("span_jaeger_db", 3, 1, {"db.system": "mysql", "db.namespace": "db01", "server.address": "db"}),
    ("span_jaeger_messaging", 3, 1, {"messaging.destination.name": "queue-abc", "server.address": "mq",
                                     "messaging.operation": "receive"}),
    ("span_jaeger_custom", 1, 1, {}),
])  # fmt: skip
def test_published_documents_of_elastic_apm_are_read(name, kind, status, said):
    """Spans of apm-data's own tests: what they call, over what, and how it ended."""
    for document in json.loads((APM / f"{name}.approved.json").read_text())["events"]:
        document["span"].setdefault("id", "00000000000000aa")
        document.setdefault("trace", {"id": "ab" * 16})
        (span,) = told(request_of(document))
        assert (span[4], span[8]) == (kind, "ot=th:0")
        assert span[7] == status
        assert said.items() <= dict(span[10]).items()
        assert dict(span[11])["service.name"] == "unknown"
        assert (span[5], span[6] - span[5]) == (1576500418000768000, 79_000_000_000)


@pytest.mark.skipif(not APM.exists(), reason="the samples are not beside the checkout")
def test_every_published_document_is_read_or_left_out():
    """None of them is too strange; those without ids are no spans."""
    read = left = 0
    for path in sorted(APM.glob("*.json")):
        for document in json.loads(path.read_text())["events"]:
            spans = told(request_of(document))
            read, left = read + len(spans), left + (not spans)
            parts = [document.get("span", {}), document.get("transaction", {})]
            wanted = any("id" in part and "type" in part for part in parts) and document.get("trace", {}).get("id")
            assert bool(spans) == bool(wanted), path.name
    assert read > 10
    assert left > 3


def apm(event: str, own: int, parent: int = 0, service: str = "web", **more: Any) -> dict[str, Any]:
    """A document of Elastic APM as it is stored, with dotted names."""
    return {
        "processor.event": event, "trace.id": "ab" * 16, f"{event}.id": f"{own:016x}",
        **({"parent.id": f"{parent:016x}"} if parent else {}), "timestamp": {"us": NOW_NS // 1000 - 500_000},
        "@timestamp": "2027-01-15T08:00:04.500Z", f"{event}.duration": {"us": 20_000}, f"{event}.name": f"do {own}",
        "service.name": service, "service.environment": "live", f"{event}.representative_count": 4, **more,
    }


def edges(*documents: dict[str, Any]) -> dict[tuple[str, str, str], tuple[float, float]]:
    """(caller, callee, protocol) -> (calls, errors) of what documents tell."""
    figures = Counted().take_body(request_of(*documents), NOW_NS).finish()
    return {(key.caller.name, key.callee.name, key.protocol): tuple(cell["counts"][:2])
            for (key, _), cell in figures.items() if isinstance(key, EdgeKey) and key.side is Side.CLIENT}


def test_a_transaction_whose_parent_is_a_span_is_called_by_its_service():
    """Joined by ids, weighted by what documents stand for, failed as APM says."""
    found = edges(
        apm("transaction", 1, **{"transaction.type": "request", "event.outcome": "success"}),
        apm("span", 2, 1, **{"span.type": "external", "span.subtype": "http", "event.outcome": "failure",
                             "service.target": {"type": "http", "name": "orders:80"}}),
        apm("transaction", 3, 2, "orders", **{"transaction.type": "request", "event.outcome": "failure",
                                              "http.response": {"status_code": 500}}),
    )
    assert found == {("user", "web", ""): (4, 0), ("web", "orders", "http"): (4, 4)}


def test_spans_that_nobody_answers_call_what_they_name():
    """Database, queue, address: as `service.target` and the destination say."""
    found = edges(
        apm("span", 2, 1, **{"span.type": "db", "span.subtype": "postgresql", "span.db.instance": "shop",
                             "span.destination.service.resource": "postgresql/shop"}),
        apm("span", 3, 1, **{"span.type": "messaging", "span.subtype": "kafka", "span.action": "send",
                             "service.target.type": "kafka", "service.target.name": "events"}),
        apm("span", 4, 1, **{"span.type": "external", "span.subtype": "http",
                             "span.destination.service.resource": "mail.example:443"}),
        apm("span", 5, 1, **{"span.type": "app", "span.name": "inside"}),
    )
    assert found == {("web", "shop", "postgresql"): (4, 0), ("web", "events", "kafka"): (4, 0),
                     ("web", "mail.example", ""): (4, 0)}


def test_a_consumer_takes_from_its_queue_and_a_job_is_called_by_nobody():
    """A messaging transaction is a delivery; a transaction without parent that is no request is root work."""
    figures = Counted().take_body(request_of(
        apm("transaction", 1, **{"transaction.type": "messaging", "transaction.message.queue.name": "events"}),
        apm("transaction", 2, service="night", **{"transaction.type": "scheduled"}),
    ), NOW_NS).finish()
    keys = {key for key, _ in figures}
    assert {(key.caller.kind, key.caller.name, key.callee.name) for key in keys if isinstance(key, EdgeKey)
            } == {(Kind.QUEUE, "events", "web")}
    assert {key.service.name for key in keys if isinstance(key, OperationKey) and key.root} == {"night"}


def test_documents_that_stand_for_none_are_left_out_and_composites_for_all():
    """Transactions that were not sampled are counted by others; a composite is many calls of the mean duration."""
    assert request_of(apm("transaction", 1, **{"transaction.representative_count": 0})) == b""
    composite = apm("span", 2, 1, **{"span.composite": {"count": 5, "sum": {"us": 10_000}}, "span.type": "db",
                                     "span.subtype": "redis", "span.destination.service.resource": "redis"})
    (span,) = told(request_of(composite))
    assert span[6] - span[5] == 2_000_000
    assert weight(span[8]) == pytest.approx(20)


def test_the_exporter_in_mode_ecs_tells_kinds_and_no_durations():
    """It writes the fields of APM, resource attributes under ECS names, and span attributes as they are."""
    (span,) = told(request_of({
        "@timestamp": "2026-11-21T18:00:00.000000001Z", "trace.id": "ab" * 16, "span.id": "cd" * 8, "span.name": "GET",
        "parent.id": "ef" * 8, "event.outcome": "failure", "span.kind": "CLIENT", "service.name": "web",
        "service.environment": "live", "service.node.name": "web-1", "server": {"address": "orders"},
        "http.request.method": "GET", "span.links": [{"trace.id": "12" * 16, "span.id": "34" * 8}],
    }))
    assert span[1:9] == ("cd" * 8, "ef" * 8, "GET", 3, 1_795_284_000_000_000_001, 1_795_284_000_000_000_001, 2, "")
    assert span[9] == [("12" * 16, "34" * 8)]
    assert dict(span[10]) == {"server.address": "orders", "http.request.method": "GET"}
    assert dict(span[11]) == {"service.name": "web", "deployment.environment.name": "live",
                              "service.instance.id": "web-1"}


@pytest.mark.skipif(not (SAMPLES / "jaeger-es-live").exists(), reason="the samples are not beside the checkout")
def test_documents_that_a_real_jaeger_wrote_are_read():
    """Twelve documents of Jaeger 2.13 in Elasticsearch 8.19: kinds from tags that are fields, senders whole."""
    hits = json.loads((SAMPLES / "jaeger-es-live" / "spans.json").read_text())["hits"]["hits"]
    spans = told(request_of(*(hit["_source"] for hit in hits)))
    assert len(spans) == len(hits) == 12
    kinds = sorted(hit["_source"]["tag"]["span@kind"] for hit in hits)
    assert sorted(("", "internal", "server", "client", "producer", "consumer")[span[4]] for span in spans) == kinds
    assert all({"service.name", "service.namespace", "service.instance.id"} <= dict(span[11]).keys() for span in spans)
    assert all(span[6] >= span[5] > 1_795_239_000 * SECOND for span in spans)


@pytest.mark.parametrize("document", [
    {}, {"traceID": "x", "spanID": "1", "startTime": 1}, {"traceID": "1", "spanID": "0", "startTime": 1},
    {"traceID": "1", "spanID": "1"}, {"trace_id": "1" * 32, "attributes": {"event.name": "exception"}},
    {"trace_id": "1" * 32, "span_id": "1" * 16, "@timestamp": "2026-11-21T18:00:00Z", "attributes": {}},
    {"TraceId": "1" * 32, "SpanId": "1" * 16}, {"processor.event": "metric", "trace.id": "1" * 32},
    {"trace.id": "1" * 32, "transaction": {"sampled": True}}, {"message": "a line", "@timestamp": 1},
    {"traceID": None, "process": None}, {"trace.id": 7, "span": {"id": [], "name": "a"}},
])  # fmt: skip
def test_what_is_no_span_is_left_out(document):
    """Events of spans, metrics, samples, log lines, documents without ids or times."""
    assert request_of(document) == b""
