"""Spans pulled from a real Elasticsearch into pairing, against a bare loop that only fetches and decodes documents.

usage: python -m benchmarks.bench_pull     (needs Java, Maven and Go; the first start downloads and builds the servers)

A real Jaeger makes the mapping; the documents are those it would write of the load. The bare loop is urllib3 and
orjson with a point in time, pages of the best size, in the order of the shards.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
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
from stored_spans import jaeger_document, pairs

from app.product import _spare_the_long_lived as spare_the_long_lived
from app.runner.spans import deliver

VERSION, INDEX = "elasticsearch-8.19.0", "jaeger-span-2027-01-15"
SPANS, BULK, LAPS = 150_000, 5_000, 3
SIZES = (1_000, 2_500, 10_000)
FROM_S = 1_800_000_000
RATE_BAR, HELD_BAR_MIB = 0.8, 64.0


def fill(server: Server) -> int:
    """The load as Jaeger stores it; returns how many seconds it is long."""
    with jaeger(server.url):
        pass  # it leaves its templates behind
    server.ask("PUT", f"/{INDEX}", {"settings": {"number_of_replicas": 0, "refresh_interval": "-1"}})
    http, newest_us = urllib3.PoolManager(), 0
    documents = _documents()
    while rows := list(islice(documents, BULK)):
        newest_us = max(newest_us, *(row["startTime"] for row in rows))
        body = b"".join(b'{"index":{}}\n' + orjson.dumps(row) + b"\n" for row in rows)
        answer = http.request("POST", f"{server.url}/{INDEX}/_bulk?filter_path=errors", body=body,
                              headers={"content-type": "application/x-ndjson"})
        assert orjson.loads(answer.data) == {"errors": False}, answer.data[:300]
    server.ask("POST", f"/{INDEX}/_refresh")
    return newest_us // 10**6 - FROM_S + 1


def _documents() -> Iterator[dict[str, Any]]:
    made = load(Recipe(spans=SPANS))
    for body in made.lap((FROM_S + 10) * SECOND, 0):
        for sender, span in pairs(body):
            yield jaeger_document(sender, span)


def bare(server: Server, size: int) -> float:
    """Fetches and decodes every document; returns how many in a second."""
    http, began_s = urllib3.PoolManager(), time.perf_counter()

    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = http.request(method, server.url + path, body=orjson.dumps(body) if body else None,
                              headers={"content-type": "application/json"})
        return orjson.loads(answer.data)

    point, after, found = ask("POST", f"/{INDEX}/_pit?keep_alive=1m")["id"], None, 0
    while True:
        body = {"pit": {"id": point, "keep_alive": "1m"}, "size": size, "sort": [{"_shard_doc": "asc"}],
                "track_total_hits": False, **({"search_after": after} if after else {})}
        hits = ask("POST", "/_search", body)["hits"]["hits"]
        if not hits:
            ask("DELETE", "/_pit", {"id": point})
            return found / (time.perf_counter() - began_s)
        found, after = found + len(hits), hits[-1]["sort"]


def source(server: Server) -> StoredSpans:
    """The collector, which has read nothing yet."""
    connection = Connection(hosts=(server.url,), max_queries=100_000)
    config = Config(cluster=connection, indices=("jaeger-span-*",))
    return build(config, "stored", Context("", ladder([]), str, time.time))


def ours(server: Server, seconds: int) -> float:
    """Pulls every span through journal and pairing; returns how many were counted in a second."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "synoptic.yaml"
        config.write_text("collectors:\n  stored: {kind: elastic_spans}\n")
        run, asked = Run(Path(name), Clock(FROM_S + seconds + 60), config=config), source(server)
        for body in load(Recipe(spans=SPANS)).lap((FROM_S + 10) * SECOND, 1):
            run.intakes.of("stored").take(Signal.TRACES, body)  # the names are known, as they are after a minute
        before = run.intakes.of("stored").quality()["spans"]
        began_s = time.perf_counter()
        pulled = asked.pull(FROM_S, -(-(FROM_S + seconds) // 60) * 60)
        deliver(pulled, "stored", run.intakes)
        run.intakes.harvest()
        took_s = time.perf_counter() - began_s
        assert not pulled.faults, pulled.faults
        counted = run.intakes.of("stored").quality()["spans"] - before
        assert counted == server.ask("GET", f"/{INDEX}/_count")["count"]
        run.intakes.close()
        asked.close()
        return counted / took_s


def rates(work: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median rate of each, in documents a second; they take turns."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for lap in range(LAPS + 1):
        for name, one in work.items():
            rate = one()
            if lap:  # the first warms up the server and compiles
                found[name].append(rate)
    return {name: statistics.median(laps) for name, laps in found.items()}


def holding(server: Server, seconds: int) -> Figure:
    """What Python holds at most while spans are pulled page by page."""
    asked = source(server)
    asked.pull(FROM_S, FROM_S + 60)  # what is loaded with the first question is no part of a page
    tracemalloc.start()
    pages = sum(1 for _ in asked.pull(FROM_S, -(-(FROM_S + seconds) // 60) * 60).spans)
    held_mib = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    asked.close()
    return Figure(f"{pages} pages pulled", f"{held_mib:.1f} MiB held", ratio=held_mib, bar=HELD_BAR_MIB, at_most=True)


def measure() -> list[Figure]:
    """All figures of one server."""
    with running(VERSION) as server:
        seconds = fill(server)
        spare_the_long_lived()
        total = server.ask("GET", f"/{INDEX}/_count")["count"]
        bares = {f"bare {size}": partial(bare, server, size) for size in SIZES}
        found = rates({**bares, "ours": partial(ours, server, seconds)})
        best = max(rate for name, rate in found.items() if name != "ours")
        told = ", ".join(f"{name}: {rate:,.0f}/s" for name, rate in found.items() if name != "ours")
        return [Figure("spans in the cluster", f"{total:,}"),
                Figure("spans pulled and paired", f"{found['ours']:,.0f}/s", told, found["ours"] / best, RATE_BAR),
                holding(server, seconds)]


if __name__ == "__main__":
    sys.exit(not show(measure(), machine()))
