"""How long after its end a call is on the map: through the real SDK as it comes, up to the stream of the page.

One service calls another, which asks its database; the SDK exports with its default BatchSpanProcessor over gRPC to a
running Synoptic. The n-th call is visible when the stream first tells n calls of its path.

usage: python -m benchmarks.bench_visible [--seconds 120]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, set_span_in_context

from benchmarks.contestants import ROOT, Synoptic
from benchmarks.machine import machine
from benchmarks.process import Server
from benchmarks.table import Figure, show

BAR_S = 12.0
PAIR, STORE = ("visible-front", "visible-back"), ("visible-back", "visibledb")


@dataclass
class Seen:
    """When the stream first told of so many calls of a path."""

    grew: dict[tuple[str, str], list[tuple[float, int]]] = field(default_factory=lambda: {PAIR: [], STORE: []})

    def note(self, picture: dict[str, Any], names: dict[str, str]) -> None:
        """Takes notice of a snapshot or delta; `names` remembers what nodes are called."""
        now_s = time.time()
        names.update((node["id"], node["name"]) for node in picture["nodes"])
        for edge in picture["edges"]:
            grew = self.grew.get((names[edge["source"]], names[edge["target"]]))
            if grew is not None and (not grew or edge["calls"] > grew[-1][1]):
                grew.append((now_s, edge["calls"]))

    def latencies_s(self, path: tuple[str, str], ends_s: list[float]) -> list[float]:
        """For every call of a path, how long after its end it was visible; infinite when it never was."""
        found, grew = [], iter(self.grew[path])
        seen_s, calls = 0.0, 0
        for number, end_s in enumerate(sorted(ends_s), 1):
            while calls < number:
                seen_s, calls = next(grew, (float("inf"), number))
            found.append(seen_s - end_s)
        return found


def pictures(server: Server) -> Iterator[dict[str, Any]]:
    """What the stream tells, as it comes."""
    url = f"http://127.0.0.1:{server.ports['web']}/api/v1/stream"
    kind = ""
    with urllib.request.urlopen(url, timeout=60) as stream:
        for line in stream:
            text = line.decode().rstrip("\n")
            if text.startswith("event:"):
                kind = text[6:].strip()
            elif text.startswith("data:") and kind in ("snapshot", "delta"):
                yield json.loads(text[5:])


def watch(server: Server, seen: Seen, stop: threading.Event) -> None:
    """Follows the stream until told to stop."""
    names: dict[str, str] = {}
    for picture in pictures(server):
        seen.note(picture, names)
        if stop.is_set():
            return


def tracer(service: str, port: int) -> tuple[TracerProvider, Any]:
    """A service's SDK with everything at its default."""
    provider = TracerProvider(resource=Resource({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"http://127.0.0.1:{port}", insecure=True)))
    return provider, provider.get_tracer("benchmark")


def call(front: Any, back: Any, random: Random) -> tuple[float, float]:
    """One call with a query in it; when each ended."""
    parent = front.start_span("GET /visible")
    client = front.start_span("GET", set_span_in_context(parent), SpanKind.CLIENT, {"server.address": "visible-back"})
    server = back.start_span("GET /visible", set_span_in_context(client), SpanKind.SERVER)
    query = back.start_span(
        "SELECT",
        set_span_in_context(server),
        SpanKind.CLIENT,
        {"db.system.name": "postgresql", "db.namespace": STORE[1]},
    )
    time.sleep(random.uniform(0, 0.02))
    query.end()
    queried_s = time.time()
    server.end()
    client.end()
    called_s = time.time()
    parent.end()
    return called_s, queried_s


def traffic(port: int, seconds: float) -> tuple[list[float], list[float]]:
    """Calls at irregular moments; when each pair and each query ended."""
    (front_sdk, front), (back_sdk, back) = (tracer(service, port) for service in PAIR)
    random, end_s, ends = Random(7), time.monotonic() + seconds, []
    while time.monotonic() < end_s:
        ends.append(call(front, back, random))
        time.sleep(random.expovariate(2.0))
    time.sleep(BAR_S)
    front_sdk.shutdown()
    back_sdk.shutdown()
    pairs, queries = zip(*ends, strict=True)
    return list(pairs), list(queries)


def measure(seconds: float) -> list[Figure]:
    """The latencies of both kinds of calls."""
    seen, stop = Seen(), threading.Event()
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name:
        server = Synoptic(Path(name)).start(None)
        watching = threading.Thread(target=watch, args=(server, seen, stop), daemon=True)
        try:
            watching.start()
            pairs, queries = traffic(server.ports["grpc"], min(seconds, 240))
            time.sleep(3)
            stop.set()
            watching.join(5)
        finally:
            server.stop()
    figures = []
    for what, path, ends in (("call between services", PAIR, pairs), ("call to a database", STORE, queries)):
        taken = sorted(seen.latencies_s(path, ends))
        p99 = taken[min(len(taken) - 1, int(len(taken) * 0.99))]
        figures.append(
            Figure(
                f"{what} visible, p99 of {len(taken)}",
                f"{p99:.1f} s",
                f"p50 {statistics.median(taken):.1f} s",
                p99,
                BAR_S,
                at_most=True,
            )
        )
    return figures


def main() -> None:
    """Prints the table; fails when the bar is missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=120.0, help="how long calls are made, at most 240")
    sys.exit(not show(measure(arguments.parse_args().seconds), machine()))


if __name__ == "__main__":
    main()
