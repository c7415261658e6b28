"""Spans pulled from a real Elasticsearch into pairing, against a bare loop that only fetches and decodes documents.

usage: python -m benchmarks.bench_pull [layout ...]     (needs Java, Maven and, for Jaeger's layout, Go; the first start
                                                         downloads and builds the servers)

The documents are those that each program would write of the load; a real Jaeger makes the mapping of its own. The bare
loop is urllib3 and orjson with a point in time, pages of the best size, in the order of the shards.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import urllib3

from benchmarks.load import Recipe, load
from benchmarks.machine import machine
from benchmarks.simulation import SECOND
from benchmarks.table import Figure, show
from collectors.contract import Context, Signal
from collectors.elastic.connection import Connection
from collectors.elastic_spans.config import Config
from collectors.elastic_spans.source import StoredSpans, build
from topology.histogram import ladder

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from elastic_server import Server, running
from engine_run import Clock, Run
from jaeger_server import jaeger
from stored_apm import apm_document, ecs_document
from stored_spans import jaeger_document, none_document, otel_document, pairs

from app.product import _spare_the_long_lived as spare_the_long_lived
from app.runner.spans import deliver

VERSION = "elasticsearch-8.19.0"
RECIPE, BULK, LAPS = Recipe(spans=50_000), 5_000, 3
SIZES = (1_000, 2_500, 10_000)
FROM_S = 1_800_000_000
RATE_BAR, HELD_BAR_MIB = 0.8, 64.0
Document = dict[str, Any]
PLAIN = {"dynamic": False, "properties": {"@timestamp": {"type": "date"}}}
"""The mapping makes no difference to reading documents, and a shorter one fills the index sooner."""


@dataclass(frozen=True)
class Layout:
    """How a program stores spans: what it makes of one, and the index they are in."""

    name: str
    index: str
    document: Callable[[Mapping[str, Any], Any], Document]


LAYOUTS = {layout.name: layout for layout in (
    Layout("jaeger", "jaeger-span-2027-01-15", jaeger_document),
    Layout("otel", "traces-generic.otel-default", otel_document),
    Layout("none", "traces-generic-default", none_document),
    Layout("ecs", "traces-ecs-default", ecs_document),
    Layout("apm", "traces-apm-default", apm_document),
)}


def fill(server: Server, layout: Layout) -> tuple[int, float]:
    """The load as this layout keeps it; returns how many seconds it is long and how many bytes a document has."""
    mappings = {}
    if layout.name == "jaeger":
        with jaeger(server.url):
            pass  # it leaves its templates behind
    else:
        mappings = {"mappings": PLAIN}
    server.ask("PUT", f"/{layout.index}", {"settings": {"number_of_replicas": 0, "refresh_interval": "-1"}, **mappings})
    http, stored, held = urllib3.PoolManager(), 0, 0
    documents = _documents(layout)
    while rows := [orjson.dumps(row) for row in islice(documents, BULK)]:
        stored, held = stored + len(rows), held + sum(map(len, rows))
        answer = http.request("POST", f"{server.url}/{layout.index}/_bulk?filter_path=errors",
                              body=b"".join(b'{"index":{}}\n' + row + b"\n" for row in rows),
                              headers={"content-type": "application/x-ndjson"})
        assert orjson.loads(answer.data) == {"errors": False}, answer.data[:300]
    server.ask("POST", f"/{layout.index}/_refresh")
    return _newest_s() - FROM_S + 1, held / stored


def _newest_s() -> int:
    return max(span.start_time_unix_nano for body in _bodies(0) for _, span in pairs(body)) // SECOND


def _bodies(lap: int) -> list[bytes]:
    return load(RECIPE).lap((FROM_S + 10) * SECOND, lap)


def _documents(layout: Layout) -> Iterator[Document]:
    return (layout.document(*one) for body in _bodies(0) for one in pairs(body))


def bare(server: Server, layout: Layout, size: int) -> float:
    """Fetches and decodes every document; returns how many in a second."""
    http, began_s = urllib3.PoolManager(), time.perf_counter()

    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = http.request(method, server.url + path, body=orjson.dumps(body) if body else None,
                              headers={"content-type": "application/json"})
        return orjson.loads(answer.data)

    point, after, found = ask("POST", f"/{layout.index}/_pit?keep_alive=1m")["id"], None, 0
    while True:
        body = {"pit": {"id": point, "keep_alive": "1m"}, "size": size, "sort": [{"_shard_doc": "asc"}],
                "track_total_hits": False, **({"search_after": after} if after else {})}
        hits = ask("POST", "/_search", body)["hits"]["hits"]
        if not hits:
            ask("DELETE", "/_pit", {"id": point})
            return found / (time.perf_counter() - began_s)
        found, after = found + len(hits), hits[-1]["sort"]


def source(server: Server, layout: Layout) -> StoredSpans:
    """The collector, which has read nothing yet."""
    connection = Connection(hosts=(server.url,), max_queries=100_000)
    config = Config(cluster=connection, indices=(layout.index,))
    return build(config, "stored", Context("", ladder([]), str, time.time))


def ours(server: Server, layout: Layout, seconds: int) -> float:
    """Pulls every span through journal and pairing; returns how many were counted in a second."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "synoptic.yaml"
        config.write_text("collectors:\n  stored: {kind: elastic_spans}\n")
        run, asked = Run(Path(name), Clock(FROM_S + seconds + 60), config=config), source(server, layout)
        for body in _bodies(1):
            run.intakes.of("stored").take(Signal.TRACES, body)  # the names are known, as they are after a minute
        before = run.intakes.of("stored").quality()["spans"]
        began_s = time.perf_counter()
        pulled = asked.pull(FROM_S, _until_s(seconds))
        deliver(pulled, "stored", run.intakes)
        run.intakes.harvest()
        took_s = time.perf_counter() - began_s
        assert not pulled.faults, pulled.faults
        counted = run.intakes.of("stored").quality()["spans"] - before
        assert counted == server.ask("GET", f"/{layout.index}/_count")["count"]
        run.intakes.close()
        asked.close()
        return counted / took_s


def _until_s(seconds: int) -> int:
    """The end of the last minute that has spans."""
    return -(-(FROM_S + seconds) // 60) * 60


def rates(work: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The best rate of each, in documents a second: they take turns, and other work only ever slows them."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for lap in range(LAPS + 1):
        for name, one in work.items():
            rate = one()
            if lap:  # the first warms up the server and compiles
                found[name].append(rate)
    return {name: max(laps) for name, laps in found.items()}


def holding(server: Server, layout: Layout, seconds: int) -> Figure:
    """What Python holds at most while spans are pulled page by page."""
    asked = source(server, layout)
    asked.pull(FROM_S, FROM_S + 60)  # what is loaded with the first question is no part of a page
    tracemalloc.start()
    pages = sum(1 for _ in asked.pull(FROM_S, _until_s(seconds)).spans)
    held_mib = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    asked.close()
    return Figure(f"{layout.name}: {pages} pages pulled", f"{held_mib:.1f} MiB held", ratio=held_mib,
                  bar=HELD_BAR_MIB, at_most=True)


def measure(server: Server, layout: Layout) -> list[Figure]:
    """All figures of one layout."""
    seconds, held = fill(server, layout)
    spare_the_long_lived()
    bares = {f"bare {size}": partial(bare, server, layout, size) for size in SIZES}
    found = rates({**bares, "ours": partial(ours, server, layout, seconds)})
    best = max(rate for name, rate in found.items() if name != "ours")
    told = ", ".join(f"{name}: {rate:,.0f}/s" for name, rate in found.items() if name != "ours")
    total = server.ask("GET", f"/{layout.index}/_count")["count"]
    figures = [Figure(f"{layout.name}: {total:,} spans of {held / 1000:.1f} kB pulled and paired",
                      f"{found['ours']:,.0f}/s, load {os.getloadavg()[0]:.1f}", told, found["ours"] / best, RATE_BAR),
               holding(server, layout, seconds)]
    server.ask("DELETE", f"/{layout.index}")
    return figures


def main(names: Sequence[str]) -> bool:
    """Measures these layouts, all without names; whether every bar is held."""
    with running(VERSION) as server:
        figures = [figure for name in names or LAYOUTS for figure in measure(server, LAYOUTS[name])]
    return show(figures, machine())


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
