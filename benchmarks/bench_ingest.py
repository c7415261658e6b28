"""Bytes to rollups inside the process, all rules, against the same rules as a plain loop over protobuf objects.

Both count the CPU time of one thread in one run, in steady state: spans arrive at the given rate, expire after the
horizon of 30 s, and are harvested every two seconds. The plain loop gets a slower stream, so that its steady state
is reached in reasonable time; that favours it (fewer spans wait).

usage: python -m benchmarks.bench_ingest [--rate SPANS_PER_S] [--plain-spans N]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.load import Load, load
from benchmarks.machine import machine
from benchmarks.simulation import SECOND
from benchmarks.table import Figure, show
from collectors.otlp import resources
from collectors.otlp.decoding import SpanDecoder
from topology.histogram import ladder
from topology.pairing import Bounds, FailureRules, Pairing, kernel
from topology.rollup import SeriesTable

sys.path.append(str(Path(__file__).parent.parent / "tests"))
BAR = 25.0
START_NS = 1_800_000_000 * SECOND
HARVEST_NS, HORIZON_S = 2 * SECOND, 30
STAGES = ("scan", "resolve", "expire", "arrive", "harvest")


def arrivals(source: Load, rate: float, spans: int) -> Iterator[tuple[int, list[tuple[int, bytes]]]]:
    """The load again and again, as (number of the lap, its requests with their arrival times) at a rate."""
    before, most = source.spans_before, None
    if spans < source.spans:
        most = next(i for i, n in enumerate(before) if n >= spans)
    in_lap = before[most] if most else source.spans
    for lap in range(-(-spans // in_lap)):
        begun_ns = START_NS + int(lap * in_lap / rate * SECOND)
        bodies = source.lap(begun_ns, lap, most)
        # What is sent within a lap ended up to 5 s before; at another rate it waits longer or shorter.
        yield lap, [(begun_ns + int(before[i + 1] / rate * SECOND), body) for i, body in enumerate(bodies)]


@dataclass
class Ours:
    """Decoder and pairing as the product wires them, with the time each stage takes."""

    decoder: SpanDecoder = field(default_factory=lambda: SpanDecoder(1, 1_000_000, FailureRules().protected_names))
    spent_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    spans: int = 0

    def __post_init__(self) -> None:
        self.series = SeriesTable()
        self.pairing = Pairing(
            self.decoder.strings,
            self._resource,
            ladder([1_000_000]),
            horizon_s=HORIZON_S,
            bounds=Bounds(max_pending_spans=8_000_000, max_series=50_000),
        )
        self._harvested_ns = 0

    def _resource(self, number: int) -> resources.Resource:
        return resources.read(self.decoder.resources.raw(number), partial(resources.identify))

    def take(self, body: bytes, now_ns: int) -> None:
        """One request, as `OtlpIntake` treats it."""
        columns = self.decoder.decode(body)
        self.pairing.take(columns, now_ns)
        self.spans += columns.used
        if now_ns - self._harvested_ns >= HARVEST_NS:
            self._harvested_ns = now_ns
            self.pairing.harvest(self.series)

    def take_in_stages(self, body: bytes, now_ns: int) -> None:
        """The same, with a clock between the stages."""
        clock, pairing, ticks = time.thread_time, self.pairing, [time.thread_time()]
        columns = self.decoder.decode(body)
        ticks.append(clock())
        resolved = pairing.naming.resolve(columns)
        ticks.append(clock())
        pairing.advance(now_ns)
        ticks.append(clock())
        pairing._make_room(2 * columns.used)
        kernel.arrive_all(
            int(pairing._state.ctypes.data), int(columns.wide.ctypes.data), int(resolved.ctypes.data), columns.used
        )
        pairing._name_new_edges()
        ticks.append(clock())
        if now_ns - self._harvested_ns >= HARVEST_NS:
            self._harvested_ns = now_ns
            pairing.harvest(self.series)
        ticks.append(clock())
        for stage, first, last in zip(STAGES, ticks, ticks[1:], strict=False):
            self.spent_s[stage] += last - first
        self.spans += columns.used


def ours(source: Load, rate: float, spans: int, stages: bool = False) -> tuple[float, Ours]:
    """CPU seconds a span of the second half, when spans expire as fast as they come."""
    measured = Ours()
    take = measured.take_in_stages if stages else measured.take
    spent_s, counted = 0.0, 0
    for _, requests in arrivals(source, rate, spans):
        steady = measured.spans >= spans / 2
        if stages and not steady:
            measured.spent_s = dict.fromkeys(STAGES, 0.0)
        begun_s, begun = time.thread_time(), measured.spans
        for now_ns, body in requests:
            take(body, now_ns)
        if steady:
            spent_s += time.thread_time() - begun_s
            counted += measured.spans - begun
    return spent_s / counted, measured


def plain(source: Load, rate: float, spans: int) -> float:
    """CPU seconds a span of the plain loop, in its steady state."""
    from plain_pairing import PlainPairing
    from plain_spans import read_body

    pairing, spent_s, counted = PlainPairing(HORIZON_S * 1000), 0.0, 0
    for _, requests in arrivals(source, rate, spans):
        begun_s, half = 0.0, len(requests) // 2
        for number, (now_ns, body) in enumerate(requests):
            if number == half:
                begun_s, counted = time.thread_time(), pairing.counters["spans"]
            pairing.take(read_body(body), now_ns)
        spent_s = time.thread_time() - begun_s
        counted = pairing.counters["spans"] - counted
    return spent_s / counted


def parsing(source: Load, requests: int = 200) -> float:
    """CPU seconds a span of protobuf's parser alone, before anything is done with the objects."""
    bodies = source.lap(START_NS, 0, requests)
    begun_s = time.thread_time()
    for body in bodies:
        ExportTraceServiceRequest.FromString(body)
    return (time.thread_time() - begun_s) / source.spans_before[requests]


def measure(rate: float, plain_spans: int, rounds: int = 3) -> list[Figure]:
    """The ratio (medians of rounds in which both take turns) and the stages."""
    source = load()
    spans = int(max(4 * HORIZON_S * rate, 4 * source.spans))
    mine, theirs = [], []
    for _ in range(rounds):
        theirs.append(plain(source, plain_spans / (3 * HORIZON_S), plain_spans))
        mine.append(ours(source, rate, spans)[0])
        print(
            f"bench_ingest: {1 / mine[-1]:,.0f} against {1 / theirs[-1]:,.0f} spans/CPU-s: "
            f"{theirs[-1] / mine[-1]:.1f}x",
            flush=True,
        )
    quick, slow = sorted(mine)[rounds // 2], sorted(theirs)[rounds // 2]
    figures = [
        Figure(
            "bytes to rollups, in process",
            f"{1 / quick:,.0f} spans/CPU-s",
            f"{1 / slow:,.0f} plain protobuf loop",
            slow / quick,
            BAR,
        )
    ]
    parsed = parsing(source)
    figures.append(Figure("  against parsing alone", "", f"{1 / parsed:,.0f} protobuf objects made", parsed / quick))
    _, measured = ours(source, rate, spans, stages=True)
    half = measured.spans / 2
    for stage, spent_s in measured.spent_s.items():
        figures.append(Figure(f"  {stage}", f"{spent_s / half * 1e9:,.0f} ns/span"))
    return figures


def main() -> None:
    """Prints the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rate", type=float, default=50_000, help="spans a second of our steady state")
    arguments.add_argument("--plain-spans", type=int, default=60_000, help="spans of the plain loop, over 90 s")
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    show(measure(chosen.rate, chosen.plain_spans, chosen.rounds), machine())


if __name__ == "__main__":
    main()
