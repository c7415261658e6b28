"""Logs in real servers: Elasticsearch 7.17, 8 and 9 by the official client, OpenSearch 2 and 3 by plain JSON."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from elastic_server import Server
from log_documents import OPERATION, OWN_FIELDS, TRACE, WRITTEN, Written, documents, ecs, expected, lines_of, recording
from test_elastic_log_operations import done, error_lines
from test_elastic_logs import counted

from collectors.contract import Context, LineQuery
from collectors.elastic.cluster import connect
from collectors.elastic.connection import Connection
from collectors.elastic.walking import Walk
from collectors.elastic_logs.config import Config, Fields, Index
from collectors.elastic_logs.source import ElasticLogs, build
from topology.errors import SourceUnavailable
from topology.histogram import ladder
from topology.masking import mask
from topology.model import Service

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

START_S = int(time.time()) // 60 * 60 - 600
END_S = START_S + 240
ECS = WRITTEN[0]


@pytest.fixture
def server(search_server: Server) -> Server:
    """One node a version."""
    return search_server


def source(server: Server, *indices: Index, **keys: Any) -> ElasticLogs:
    """A source that reads some indices of the server."""
    connection = Connection(hosts=(server.url,), timeout_s=keys.pop("timeout_s", 20.0), **keys.pop("login", {}))
    return build(Config(connection, indices, **keys), "logs", Context("default", ladder(), mask, time.time))


def index_of(written: Written) -> Index:
    """How an index of that layout is configured."""
    return Index(written.index, "own", Fields(**OWN_FIELDS)) if written.layout == "own" else Index(written.index)


def test_every_layout_is_counted_read_and_searched_alike(server: Server) -> None:
    """In every server the same lines give the same counts, error lines and findings, whatever the layout."""
    for written in WRITTEN:
        server.fill(written.index, written.mappings, documents(written, START_S))
        logs, environment = source(server, index_of(written)), written.environment or "default"
        pulled = logs.pull(START_S, END_S)
        assert counted(pulled) == expected(START_S, lines_of(written), environment), written.layout
        assert (pulled.faults, [reading.complete for reading in pulled.readings]) == ([], [True] * 4)
        assert len(pulled.lines) == 13, written.layout
        searched = {
            "all": {}, "trace": {"trace_id": TRACE}, "error": {"levels": ("error",)},
            "text": {"text": "for order 7003"}, "service": {"service": Service(environment, "", "orders")},
        }
        found = {name: [line for page in logs.find_lines(LineQuery(START_S, END_S, **asked), lambda: False)
                        for line in page] for name, asked in searched.items()}  # type: ignore[arg-type]
        assert {name: len(lines) for name, lines in found.items()} == {
            "all": len(lines_of(written)), "trace": 8, "error": 12, "text": 1,
            "service": sum(line.service == "orders" for line in lines_of(written)),
        }, written.layout
        times = [line.time_s for line in found["all"]]
        assert times == sorted(times, reverse=True)
        logs.close()


def test_error_lines_of_every_layout_count_for_their_operation(server: Server) -> None:
    """By the name that documents have, counted by the server; else by the trace of the lines that are read."""
    for written in WRITTEN:
        server.fill(written.index, written.mappings, documents(written, START_S))
        config = Config(Connection((server.url,)), (index_of(written),))
        logs = build(config, "logs", Context("default", ladder(), mask, time.time, operations=done))
        assert error_lines(logs.pull(START_S, END_S)) == {
            ("orders", "error", OPERATION): 8, ("payments", "error", ""): 4, ("payments", "fatal", ""): 1
        }, written.layout
        logs.close()


def test_one_pattern_over_many_layouts_counts_every_line_once(server: Server) -> None:
    """Layouts that share a pattern are told apart by what their documents have."""
    shared = [written for written in WRITTEN if written.layout in ("ecs", "otel", "logstash", "apm_errors")]
    for written in shared:
        server.fill(f"mixed-{written.index}", written.mappings, documents(written, START_S))
    total: Counter[tuple[int, str, str, str]] = Counter()
    for written in shared:
        total += expected(START_S, lines_of(written), written.environment or "default")
    pulled = source(server, Index("mixed-*")).pull(START_S, END_S)
    assert (counted(pulled), pulled.faults) == (total, [])


def test_a_quiet_minute_costs_one_query_and_nothing_is_ever_written(server: Server) -> None:
    """Counting again is one query, whoever else reads; two sources read the same, and the indices stay as they were."""
    server.fill("logs-a", ECS.mappings, documents(ECS, START_S))
    before = server.ask("GET", "/logs-a/_stats/indexing")["_all"]["primaries"]["indexing"]["index_total"]
    one, other = source(server, Index("logs-a")), source(server, Index("logs-a"))
    assert counted(one.pull(START_S, END_S)) == counted(other.pull(START_S, END_S))
    asked = one.counters()["queries"]
    one.pull(START_S, END_S)
    assert one.counters()["queries"] == asked + 1
    assert asked <= 4, "what the server is, its mappings, the counts, the error lines"
    after = server.ask("GET", "/logs-a/_stats/indexing")["_all"]["primaries"]["indexing"]["index_total"]
    assert after == before


def test_counts_are_paged_and_pages_become_smaller_where_buckets_are_bounded(server: Server) -> None:
    """A bound on buckets makes pages smaller, and no line is lost; a bound that leaves nothing is said."""
    lines = [ecs(type(line)(0, f"s{n}", "info", "x"), START_S + n % 60) for n in range(300) for line in recording()[:1]]
    server.fill("many-a", ECS.mappings, lines)
    server.set(search__max_buckets=200)
    try:
        assert counted(source(server, Index("many-a")).pull(START_S, END_S)).total() == 300
        server.set(search__max_buckets=20)
        with pytest.raises(SourceUnavailable, match="max_buckets"):
            source(server, Index("many-a")).pull(START_S, END_S)
    finally:
        server.set(search__max_buckets=None)


def test_a_field_that_is_text_in_one_index_makes_the_minute_partial(server: Server) -> None:
    """The other index is counted; field and index are named."""
    server.fill("odd-a", ECS.mappings, documents(ECS, START_S))
    text = {"properties": {"@timestamp": {"type": "date"}, "service": {"properties": {"name": {"type": "text"}}}}}
    server.fill("odd-b", text, documents(ECS, START_S)[:5])
    pulled = source(server, Index("odd-*")).pull(START_S, END_S)
    assert counted(pulled) == expected(START_S, lines_of(ECS), "prod")
    assert not any(reading.complete for reading in pulled.readings)
    assert any("service.name is text" in fault and "odd-b" in fault for fault in pulled.faults), pulled.faults


def test_a_red_index_is_partial_beside_others_and_unavailable_alone(server: Server) -> None:
    """What is there is counted and marked; alone, the source says that the index is red."""
    server.fill("red-a", ECS.mappings, documents(ECS, START_S))
    server.ask("PUT", "/red-b?wait_for_active_shards=0", {"mappings": ECS.mappings, "settings": {
        "number_of_replicas": 0, "index.routing.allocation.require._name": "nowhere"}})
    try:
        pulled = source(server, Index("red-*")).pull(START_S, END_S)
        assert counted(pulled) == expected(START_S, lines_of(ECS), "prod")
        assert not any(reading.complete for reading in pulled.readings)
        assert "no shard of the index is available" in pulled.faults[0]
        with pytest.raises(SourceUnavailable, match="no shard of the index"):
            source(server, Index("red-b")).pull(START_S, END_S)
    finally:
        server.ask("DELETE", "/red-b")


def test_a_cluster_short_of_memory_says_so_and_goes_on_afterwards(server: Server) -> None:
    """A circuit breaker is no silence; when it lets go, the same source counts."""
    server.fill("logs-a", ECS.mappings, documents(ECS, START_S))
    logs = source(server, Index("logs-a"))
    logs.look(Index("logs-a"))
    server.set(indices__breaker__request__limit="1kb")
    try:
        with pytest.raises(SourceUnavailable, match="short of memory"):
            logs.pull(START_S, END_S)
    finally:
        server.set(indices__breaker__request__limit=None)
    assert counted(logs.pull(START_S, END_S)) == expected(START_S, lines_of(ECS), "prod")


def test_a_point_in_time_that_is_gone_is_taken_up_again(server: Server) -> None:
    """Documents that were read before come once, and none is lost."""
    server.fill("logs-a", ECS.mappings, documents(ECS, START_S))
    cluster = connect(Connection(hosts=(server.url,)), time.time)
    walk = Walk(cluster, "logs-a", {"_source": False}, limit=90, size=20)
    places: list[str] = []
    for page in walk.pages():
        if not places:
            cluster.close_point(walk._point)
        places += [hit["_id"] for hit in page.hits]
    assert len(places) == len(set(places)) == 90
    cluster.close()
