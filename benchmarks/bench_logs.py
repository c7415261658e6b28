"""Ten million log lines in a real Elasticsearch: what counting a minute of them costs, and what reading some holds.

usage: python -m benchmarks.bench_logs     (needs Java and Maven; the first start downloads the server)

One million lines are written and cloned nine times: ten indices of one pattern, each searched for itself.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
import tracemalloc
from pathlib import Path

import httpx

from benchmarks.machine import machine
from benchmarks.table import Figure, show
from collectors.contract import Context
from collectors.elastic.cluster import connect
from collectors.elastic.connection import Connection
from collectors.elastic.walking import Walk
from collectors.elastic_logs.config import Config, Fields, Index
from collectors.elastic_logs.source import build
from topology.histogram import ladder

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from elastic_server import Server, running

VERSION = "elasticsearch-8.19.0"
LINES, CLONES, SERVICES, MINUTES = 1_000_000, 10, 100, 40
OPERATIONS = 20
BULK, READ = 10_000, 20_000
START_S = 1_763_720_400
COUNT_BAR_S, HELD_BAR_MIB = 0.5, 64.0
KEYWORD = {"type": "keyword"}
MAPPINGS = {"properties": {
    "@timestamp": {"type": "date"}, "message": {"type": "text", "norms": False}, "log.level": KEYWORD,
    "service.name": KEYWORD, "service.environment": KEYWORD, "host.name": KEYWORD, "trace.id": KEYWORD,
    "operation": KEYWORD,
}}
LEVELS = ("DEBUG", "INFO", "INFO", "INFO", "INFO", "INFO", "WARN", "ERROR")


def fill(server: Server) -> None:
    """Ten indices of a million lines each, over forty minutes."""
    settings = {"number_of_replicas": 0, "refresh_interval": "-1", "translog.durability": "async"}
    server.ask("PUT", "/lines-0", {"mappings": MAPPINGS, "settings": {"index": settings}})
    chance = random.Random(1)
    with httpx.Client(base_url=server.url, timeout=120) as client:
        for first in range(0, LINES, BULK):
            rows = "".join(f'{{"index":{{}}}}\n{_line(n, chance)}\n' for n in range(first, first + BULK))
            answer = client.post("/lines-0/_bulk?filter_path=errors", content=rows,
                                 headers={"content-type": "application/x-ndjson"})
            assert not answer.json()["errors"]
    server.ask("POST", "/lines-0/_refresh")
    server.ask("PUT", "/lines-0/_settings", {"index": {"blocks.write": True}})
    for clone in range(1, CLONES):
        server.ask("POST", f"/lines-0/_clone/lines-{clone}", {"settings": {"index.number_of_replicas": 0}})
    server.ask("GET", "/_cluster/health/lines-*?wait_for_status=green&timeout=120s")


def _line(n: int, chance: random.Random) -> str:
    service = f"service-{chance.randrange(SERVICES)}"
    at_ms = int((START_S + n * MINUTES * 60 / LINES) * 1000)
    customer, took_ms = chance.randrange(10**6), chance.randrange(900)
    words = f"request {n} from customer {customer} was handled in {took_ms} ms by worker {n % 64}"
    return json.dumps({
        "@timestamp": at_ms, "message": words, "log.level": chance.choice(LEVELS), "service.name": service,
        "service.environment": "prod", "host.name": f"{service}-{n % 4}", "trace.id": f"{chance.getrandbits(128):032x}",
        "operation": f"GET /items/{chance.randrange(OPERATIONS)}",
    })


def counting(server: Server, minutes: int, operation: str = "") -> Figure:
    """The wall time of counting so many minutes with the collector, each time others, and the queries it takes; with
    the field of the operation its error lines are counted by operation too."""
    config = Config(Connection((server.url,)), (Index("lines-*", fields=Fields(operation=operation)),), max_lines=0)
    logs = build(config, "logs", Context("default", ladder(()), str, time.time))
    logs.pull(START_S, START_S + 60)
    took_s, before, lines = [], logs.counters()["queries"], 0.0
    for start_s in range(START_S + 60, START_S + 60 * (MINUTES - minutes), 60 * minutes):
        began_s = time.perf_counter()
        pulled = logs.pull(start_s, start_s + 60 * minutes)
        took_s.append(time.perf_counter() - began_s)
        lines = sum(row.counts[0] for reading in pulled.readings for row in reading.rows)
        assert not pulled.faults
    queries = (logs.counters()["queries"] - before) / len(took_s)
    assert lines == LINES * CLONES / MINUTES * minutes
    logs.close()
    median_s = statistics.median(took_s)
    what = f"{minutes} min of {lines:,.0f} lines counted" if minutes > 1 else f"a minute of {lines:,.0f} lines counted"
    what += " by operation too" if operation else ""
    found = f"{median_s * 1000:.0f} ms (best {min(took_s) * 1000:.0f}), {queries:g} query"
    return Figure(what, found, ratio=median_s, bar=COUNT_BAR_S if minutes == 1 else None, at_most=True)


def holding(server: Server) -> Figure:
    """What Python holds at most while documents are read page by page."""
    cluster = connect(Connection((server.url,)), time.time)
    cluster.product()
    tracemalloc.start()
    began_s = time.perf_counter()
    read = sum(len(page.hits) for page in Walk(cluster, "lines-*", {"_source": True}, limit=READ).pages())
    took_s = time.perf_counter() - began_s
    held_mib = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    cluster.close()
    return Figure(f"{read:,} documents read", f"{held_mib:.1f} MiB held, {took_s:.1f} s traced", ratio=held_mib,
                  bar=HELD_BAR_MIB, at_most=True)


def measure() -> list[Figure]:
    """All figures of one server."""
    with running(VERSION) as server:
        began_s = time.perf_counter()
        fill(server)
        written_s = time.perf_counter() - began_s
        total = server.ask("GET", "/lines-*/_count")["count"]
        return [Figure("lines in the cluster", f"{total:,} in {written_s:.0f} s"), counting(server, 1),
                counting(server, 1, "operation"), counting(server, 6), holding(server)]


if __name__ == "__main__":
    sys.exit(not show(measure(), machine()))
