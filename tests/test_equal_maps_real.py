"""One known traffic by every route, sent and asked for: the same map, to the call. With a real Jaeger that keeps traces
in memory, and another that keeps them in a real Elasticsearch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from elastic_server import Server, running
from engine_run import NOW_S, Run
from jaeger_server import Jaeger, jaeger
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from running import soon
from shop_traffic import Traffic
from stored_spans import pairs

from app.runner.spans import deliver
from collectors.contract import Context, TraceQuery
from collectors.elastic.connection import Connection
from collectors.elastic_spans.config import Config as StoredConfig
from collectors.elastic_spans.source import StoredSpans
from collectors.elastic_spans.source import build as build_stored
from collectors.jaeger.config import Config as JaegerConfig
from collectors.jaeger.interfaces import Internal
from collectors.jaeger.source import build as build_jaeger
from topology.histogram import ladder

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

FROM_S, TO_S = int(NOW_S) - 300, int(NOW_S) - 60
ROUTES = ("jaeger", "jaeger_internal", "elasticsearch")
COMPARED = ("calls", "errors", "originated_errors", "protected", "p50_ms", "p95_ms", "p99_ms", "self_ms", "kind",
            "protocols", "client_p95_ms", "server_p95_ms", "error_ratio", "zones", "instances_by_zone")  # fmt: skip
CONTEXT = Context("default", ladder([]), str, lambda: NOW_S)


class Recorded(Traffic):
    """The shop's traffic, kept as OTLP requests and sent by nobody."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.requests: list[bytes] = []
        self._exporter = self

    def export(self, spans: Sequence[Any]) -> None:
        """Takes the place of the exporter."""
        self.requests.append(encode_spans(spans).SerializeToString())


def known_traffic() -> list[bytes]:
    """Two minutes of the shop, one round every three seconds, also across the end of a minute."""
    shop = Recorded("http://127.0.0.1:9", failing={"stock"})
    for at_s in range(FROM_S + 61, FROM_S + 181, 3):
        shop.send(at_s - 0.02)
    return shop.requests


@dataclass
class Routes:
    """What was sent to whom."""

    memory: Jaeger
    stored: Jaeger
    elasticsearch: Server
    requests: list[bytes] = field(default_factory=known_traffic)

    @property
    def spans(self) -> int:
        """How many spans there are."""
        return sum(1 for body in self.requests for _ in pairs(body))

    def source(self, route: str) -> Any:
        """The collector of a route."""
        if route == "elasticsearch":
            return build_stored(self.stored_config(), route, CONTEXT)
        source = build_jaeger(JaegerConfig(url=self.memory.query, max_traces=50), route, CONTEXT)
        if route == "jaeger_internal":
            source._interface = Internal(source._caller)
        return source

    def stored_config(self, **more: Any) -> StoredConfig:
        """How the cluster is asked."""
        return StoredConfig(cluster=Connection(hosts=(self.elasticsearch.url,), max_queries=10_000), **more)


@pytest.fixture(scope="module")
def routes() -> Iterator[Routes]:
    """Both Jaegers and the cluster, with the traffic in them."""
    with running("elasticsearch-8.19.0") as elasticsearch, jaeger(elasticsearch.url) as stored, jaeger() as memory:
        made = Routes(memory, stored, elasticsearch)
        for body in made.requests:
            made.memory.take(body)
            made.stored.take(body)
        assert soon(lambda: count(elasticsearch) == made.spans, 60)
        yield made


def count(server: Server) -> int:
    """How many spans the cluster has."""
    server.ask("POST", "/_refresh")
    return int(server.ask("GET", "/jaeger-span-*/_count")["count"])


def configured(folder: Path) -> Path:
    """A configuration with a source for every route; that which sends is on without one."""
    path = folder / "synoptic.yaml"
    path.write_text("collectors:\n  jaeger: {kind: jaeger}\n  jaeger_internal: {kind: jaeger}\n"
                    "  elasticsearch: {kind: elastic_spans}\n")
    return path


def picture(run: Run) -> dict[str, dict[str, Any]]:
    """Nodes and paths with everything about their calls."""
    run.settle(260)
    drawn = run.engine.snapshot(3600)
    return {one["id"]: {name: one[name] for name in COMPARED if name in one}
            for one in (*drawn["nodes"], *drawn["edges"])}


@pytest.fixture(scope="module")
def sent(routes: Routes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The map of the traffic as it was sent by OTLP."""
    folder = tmp_path_factory.mktemp("sent")
    run = Run(folder, config=configured(folder))
    for body in routes.requests:
        run.take(body)
    return picture(run)


def test_the_traffic_is_known(sent, routes):
    """Not a comparison of nothing with nothing: forty rounds of four checkouts, and what fails in them."""
    assert routes.spans == 40 * 4 * 10
    assert sent["default//web>default//orders"]["calls"] == 160
    mailer = sent["default//orders>default//mailer"]
    assert (mailer["calls"], mailer["errors"]) == (160, 80)
    assert (sent["default//stock"]["calls"], sent["default//stock"]["errors"]) == (160, 160)
    assert len(sent) == 13


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_draws_the_same_map(routes, sent, route, tmp_path):
    """The same nodes, the same paths, the same figures; read three times over, and with a crash in between."""
    run, source = Run(tmp_path, config=configured(tmp_path)), routes.source(route)
    for _ in range(2):
        pull = source.pull(FROM_S, TO_S)
        deliver(pull, route, run.intakes)
        assert (list(pull.faults), list(pull.partial)) == ([], [])
    run = run.crashed()
    fresh = routes.source(route)
    deliver(fresh.pull(FROM_S, TO_S), route, run.intakes)
    assert picture(run) == sent
    assert {one for node in run.engine.snapshot(3600)["nodes"] for one in node["sources"]} == {route}
    for one in (source, fresh):
        one.close()


@pytest.mark.parametrize("route", ROUTES)
def test_minutes_one_after_the_other_draw_the_same_map(routes, sent, route, tmp_path):
    """As the clock goes: calls that cross the end of a minute are read with two minutes."""
    run, source = Run(tmp_path, config=configured(tmp_path)), routes.source(route)
    for minute in range(FROM_S, TO_S, 60):
        deliver(source.pull(minute, minute + 60), route, run.intakes)
        run.settle(60)
    assert picture(run) == sent
    source.close()


@pytest.mark.parametrize("route", ROUTES)
def test_a_page_that_was_cut_off_by_a_crash_is_made_good(routes, sent, route, tmp_path):
    """The process ends in the middle of a reading, anywhere; the next life reads again and counts once."""
    run = Run(tmp_path, config=configured(tmp_path))
    for seed in range(4):
        source = routes.source(route)
        source._size = 100  # small pages, where there are pages
        for body in source.pull(FROM_S, TO_S).spans:
            run.intakes.of(route).take_pulled(body)
            if random.Random(seed).random() < 0.2:
                break
        run.settle(2 * seed)
        source.close()
        run = run.crashed(down_s=5)
    source = routes.source(route)
    deliver(source.pull(FROM_S, TO_S), route, run.intakes)
    assert picture(run) == sent
    source.close()


@pytest.mark.parametrize("route", ROUTES)
def test_traces_are_found_and_opened(routes, route):
    """By service and failure, with all ten spans, parents and all."""
    source = routes.source(route)
    query = TraceQuery(FROM_S, TO_S, failed_only=True, limit=5)
    found = source.find_traces(query)
    assert len(found) == 5
    assert all(trace.failed and trace.operation == "GET /checkout" for trace in found)
    opened = source.open_trace(found[0].trace_id)
    assert opened.complete
    assert len(opened.spans) == 10
    assert {span.parent_id for span in opened.spans} - {None} <= {span.span_id for span in opened.spans}
    assert source.open_trace("f" * 32) is None
    source.close()


def stored_ids(source: StoredSpans, meanwhile: Any = None) -> set[tuple[str, str]]:
    """The spans of one pull; `meanwhile` is called after the first page."""
    found = set()
    for number, body in enumerate(source.pull(FROM_S, TO_S).spans):
        found |= {(span.trace_id.hex(), span.span_id.hex()) for _, span in pairs(body)}
        if number == 0 and meanwhile is not None:
            meanwhile()
    return found


def test_a_point_in_time_that_expires_in_the_middle_loses_nothing(routes):
    """The cluster forgets it between two pages: another is opened, and every span comes."""
    source = build_stored(routes.stored_config(page_size=100), "stored", CONTEXT)
    opened = source._cluster.open_point
    points: list[str] = []

    def open_point(index: str, keep_alive_s: float) -> str:
        points.append(opened(index, keep_alive_s))
        return points[-1]

    source._cluster.open_point = open_point  # type: ignore[method-assign]
    found = stored_ids(source, lambda: routes.elasticsearch.ask("DELETE", "/_pit", {"id": points[0]}))
    assert len(found) == routes.spans
    source.close()


def test_aliases_are_read(routes):
    """Jaeger's own aliases, and those of a house."""
    routes.elasticsearch.ask("POST", "/_aliases", {"actions": [
        {"add": {"index": "jaeger-span-*", "alias": "jaeger-span-read"}}]})
    source = build_stored(routes.stored_config(indices=("jaeger-span-read",)), "stored", CONTEXT)
    assert len(stored_ids(source)) == routes.spans
    source.close()


def test_a_red_index_beside_is_told_and_the_rest_is_counted(routes):
    """A pattern with an index that has no shard: partial, with its reason, and everything else comes."""
    routes.elasticsearch.ask("PUT", "/jaeger-span-2027-01-14?wait_for_active_shards=0&timeout=1s", {"settings": {
        "number_of_replicas": 0, "index.routing.allocation.require._name": "nowhere"}})
    source = build_stored(routes.stored_config(), "stored", CONTEXT)
    try:
        pull = source.pull(FROM_S, TO_S)
        bodies = list(pull.spans)
        assert pull.partial == set(range(FROM_S, TO_S, 60))
        assert sum(1 for body in bodies for _ in pairs(body)) == routes.spans
        assert "no shard of the index is available (jaeger-span-2027-01-14)" in pull.faults[0]
    finally:
        routes.elasticsearch.ask("DELETE", "/jaeger-span-2027-01-14")
        source.close()
