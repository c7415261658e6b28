"""Spans in real servers, Elasticsearch 7.17, 8 and 9 and OpenSearch 2 and 3: written there by a real Jaeger, and as
documents of every layout. The map is that of the same traffic sent by OTLP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
from elastic_server import Server
from engine_run import Run
from jaeger_server import jaeger
from known_routes import (
    CONTEXT,
    FROM_S,
    SPANS,
    TO_S,
    configured,
    known_traffic,
    picture,
    read_by_the_minute,
    read_over_and_over,
    read_through_crashes,
    spans_of,
)
from running import soon
from stored_spans import SAMPLES, apm_document, jaeger_document, none_document, otel_document, pairs, told
from test_span_layouts import request_of

from app.runner.spans import deliver
from collectors.contract import TraceQuery
from collectors.elastic_spans.config import Cluster, Config
from collectors.elastic_spans.source import StoredSpans, build

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

TEXTS = {"dynamic_templates": [{"texts": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}}]}
PAIRS = {"type": "nested", "dynamic": "false",
         "properties": {"key": {"type": "keyword"}, "value": {"type": "keyword"}}}
COUNTED = {"properties": {"representative_count": {"type": "double"}}}
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Layout:
    """How spans become documents of an index, and what its mappings say."""

    index: str
    document: Callable[[Mapping[str, Any], Any], Document]
    properties: Mapping[str, Any]

    def fill(self, server: Server, documents: Sequence[Document]) -> None:
        """Makes the index anew, of three shards, with these documents."""
        server.fill(self.index, {**TEXTS, "properties": self.properties}, documents, shards=3)

    def documents(self, bodies: Sequence[bytes]) -> list[Document]:
        """The spans of some requests as documents."""
        return [self.document(*one) for body in bodies for one in pairs(body)]


LAYOUTS = (
    Layout("made-jaeger", jaeger_document, {
        "startTimeMillis": {"type": "date", "format": "epoch_millis"}, "tags": PAIRS, "logs": PAIRS,
        "references": {"type": "nested"}, "process": {"properties": {"tags": PAIRS}}}),
    Layout("made-otel", otel_document, {"@timestamp": {"type": "date_nanos"}}),
    Layout("made-otel-none", none_document, {"@timestamp": {"type": "date"}}),
    Layout("made-apm", apm_document, {"@timestamp": {"type": "date"}, "transaction": COUNTED, "span": COUNTED}),
)


def reader(server: Server, *indices: str, **more: Any) -> StoredSpans:
    """A collector that reads some indices."""
    return build(Config(Cluster(hosts=(server.url,), max_queries=10_000), indices, **more), "stored", CONTEXT)


@pytest.fixture(scope="module")
def written(search_server: Server) -> Iterator[Server]:
    """The node with the known traffic in it, which a real Jaeger has written there."""
    with jaeger(search_server.url) as writer:
        writer.take(b"".join(known_traffic()))
        assert soon(lambda: _count(search_server) == SPANS, 60)
        yield search_server


def _count(server: Server) -> int:
    server.ask("GET", "/_cluster/health?wait_for_status=yellow&timeout=30s")
    server.ask("POST", "/_refresh")
    answer = httpx.get(f"{server.url}/jaeger-span-*/_count")  # refused while the shards of a new index start
    return int(answer.json()["count"]) if answer.is_success else 0


def test_what_a_jaeger_wrote_draws_the_same_map(written, sent, tmp_path):
    """The same nodes, the same paths, the same figures; read three times over, and with a crash in between."""
    make = partial(reader, written, "jaeger-span-*")
    assert read_over_and_over(make, "stored", "elastic_spans", tmp_path) == sent


def test_minutes_one_after_the_other_draw_the_same_map(written, sent, tmp_path):
    """As the clock goes: calls that cross the end of a minute are read with two minutes."""
    make = partial(reader, written, "jaeger-span-*")
    assert read_by_the_minute(make, "stored", "elastic_spans", tmp_path) == sent


def test_a_page_that_was_cut_off_by_a_crash_is_made_good(written, sent, tmp_path):
    """The process ends in the middle of a reading, anywhere; the next life reads again and counts once."""
    make = partial(reader, written, "jaeger-span-*")
    assert read_through_crashes(make, "stored", "elastic_spans", tmp_path) == sent


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.index)
def test_documents_of_every_layout_draw_the_same_map(search_server, sent, tmp_path, layout):
    """Half of them come late, when their minutes were read: those are read again and nothing is counted twice; when
    nothing is new, nothing is read. Traces are found by their failure and opened with all their spans."""
    run, asked = Run(tmp_path, config=configured(tmp_path, "stored", "elastic_spans")), reader(
        search_server, layout.index, page_size=100)
    bodies = known_traffic()
    layout.fill(search_server, layout.documents(bodies[::2]))
    read = []
    for late in (bodies[1::2], (), ()):
        pull = asked.pull(FROM_S, TO_S)
        deliver(pull, "stored", run.intakes)
        assert (list(pull.faults), list(pull.partial)) == ([], [])
        read.append(asked.counters()["spans"])
        if late:
            search_server.add(layout.index, layout.documents(late))
    assert read == [SPANS / 2, SPANS / 2 + SPANS, SPANS / 2 + SPANS]
    assert picture(run) == sent
    assert found_and_opened(asked) == [10] * 5
    asked.close()


def found_and_opened(source: StoredSpans) -> list[int]:
    """How many spans each of five failed traces has, which are checked to be whole."""
    traces = [source.open_trace(trace.trace_id) for trace in
              source.find_traces(TraceQuery(FROM_S, TO_S, failed_only=True, limit=5))]
    assert all(trace and trace.complete for trace in traces)
    for trace in traces:
        assert {span.parent_id for span in trace.spans} - {None} <= {span.span_id for span in trace.spans}
    return [len(trace.spans) for trace in traces]


def test_a_pattern_over_every_layout_draws_the_same_map(search_server, sent, tmp_path):
    """Each layout holds a part of the traffic, in twelve shards; two fields say when a span began."""
    bodies = known_traffic()
    for number, layout in enumerate(LAYOUTS):
        layout.fill(search_server, layout.documents(bodies[number :: len(LAYOUTS)]))
    make = partial(reader, search_server, "made-*", page_size=100)
    assert read_over_and_over(make, "stored", "elastic_spans", tmp_path) == sent


def test_traces_that_a_jaeger_wrote_are_found_and_opened(written):
    """By failure, with all ten spans, parents and all; one that is not there is not found."""
    source = reader(written, "jaeger-span-*")
    assert found_and_opened(source) == [10] * 5
    assert source.open_trace("f" * 32) is None
    source.close()


def test_a_point_in_time_that_expires_in_the_middle_loses_nothing(written):
    """The cluster forgets it between two pages: another is opened, and every span comes."""
    source = reader(written, "jaeger-span-*", page_size=100)
    cluster, points = source._cluster, []
    opened = cluster.open_point
    cluster.open_point = lambda *told: points.append(opened(*told)) or points[-1]  # type: ignore[method-assign]
    bodies = []
    for body in source.pull(FROM_S, TO_S).spans:
        bodies.append(body)
        if len(bodies) == 1:
            cluster.close_point(points[0])
    assert spans_of(bodies) == spans_of(known_traffic())
    assert len(points) == 3, "one for each of the two minutes that have spans, and one more"
    source.close()


def test_aliases_are_read(written):
    """Jaeger's own aliases, and those of a house."""
    written.ask("POST", "/_aliases", {"actions": [{"add": {"index": "jaeger-span-*", "alias": "jaeger-span-read"}}]})
    source = reader(written, "jaeger-span-read")
    assert spans_of(source.pull(FROM_S, TO_S).spans) == spans_of(known_traffic())
    source.close()


def test_a_red_index_beside_is_told_and_the_rest_is_counted(written):
    """A pattern with an index that has no shard: partial, with its reason, and everything else comes."""
    written.ask("PUT", "/jaeger-span-2027-01-14?wait_for_active_shards=0&timeout=1s", {"settings": {
        "number_of_replicas": 0, "index.routing.allocation.require._name": "nowhere"}})
    source = reader(written, "jaeger-span-*")
    try:
        pull = source.pull(FROM_S, TO_S)
        assert spans_of(pull.spans) == spans_of(known_traffic())
        assert pull.partial == set(range(FROM_S, TO_S, 60))
        assert "no shard of the index is available" in pull.faults[0]
    finally:
        written.ask("DELETE", "/jaeger-span-2027-01-14")
        source.close()


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no samples at {SAMPLES}: published documents were NOT read back")
def test_published_documents_are_read_back(search_server):
    """Spans that a Jaeger wrote elsewhere, and those of apm-data's own tests: all that the documents tell of."""
    stored = json.loads((SAMPLES / "jaeger-es-live" / "spans.json").read_text())["hits"]["hits"]
    events = [event for path in sorted((SAMPLES / "elastic-apm" / "ecs-docs").glob("*.json"))
              for event in json.loads(path.read_text())["events"]]
    for layout, documents in ((LAYOUTS[0], [hit["_source"] for hit in stored]), (LAYOUTS[3], events)):
        layout.fill(search_server, documents)
        source = reader(search_server, layout.index)
        found = [body for minute in minutes_of(documents) for body in source.pull(minute, minute + 60).spans]
        wanted = told(request_of(*documents))
        assert [span[:8] for span in told(b"".join(found))] == [span[:8] for span in wanted]
        assert len(wanted) > 10
        source.close()


def minutes_of(documents: Sequence[Document]) -> list[int]:
    """The minutes in which documents say that their spans began."""
    starts = (document.get("startTime") or document.get("timestamp", {}).get("us", 0) for document in documents)
    return sorted({start // 60_000_000 * 60 for start in starts})
