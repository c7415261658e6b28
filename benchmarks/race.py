"""The race: one load into a real OpenTelemetry collector and into Synoptic, in turn; spans per CPU second of each.

The collector runs its service-graph and span-metrics connectors, Synoptic runs as `synoptic serve` starts it, with its
journal and its page. Both are as they are in a house where they have worked before: some laps of the load have gone
before, and are settled, so both know their services and have the memory that they need. A run's CPU time (user and
system, of the server process) counts from the first request after that until the answer is complete: every span
expired, every window counted, every call in the answer. Both answers are compared with each other, edge by edge, and
ours with the truth. The sender has another core and decodes nothing.

usage: python -m benchmarks.race [--runs 7] [--laps 4] [--protocols grpc,http] [--sync]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import (
    HORIZON_S,
    ROOT,
    SENDER_CORE,
    Calls,
    Collector,
    Synoptic,
    quality,
    sender,
    without_queues,
)
from benchmarks.load import Load, Recipe, load
from benchmarks.machine import machine
from benchmarks.process import Server, pinned
from benchmarks.simulation import SECOND
from benchmarks.table import Figure, show

BARS = {"grpc": 5.0, "http": 8.0}
FULL = Recipe(spans=1_500_000, rate=150_000)
"""Services so busy that nearly all of their requests have the 512 spans that the bars speak of (486 on average)."""
WARM_LAPS = 4
"""As many as a run has: then both have the memory, and Synoptic the files, that so many spans at once need."""
MOST_LAPS = 5
"""What the journal of a default configuration holds (4 GiB) while the spans of a run are waited for."""
WARM_S = 2.0 * HORIZON_S + 14
"""After the laps that make names and series known: by then Synoptic has forgotten their spans and stored their counts,
and the collector has flushed."""


@dataclass(frozen=True)
class Run:
    """One side, once."""

    spans: int
    cpu_s: float
    sending_cpu_s: float
    wall_s: float
    peak_mib: float
    calls: Calls

    @property
    def rate(self) -> float:
        """Spans a CPU second."""
        return self.spans / self.cpu_s


def send(source: Load, server: Server, protocol: str, laps: int, *more: str, begin_s: float | None = None) -> float:
    """Sends the load; how long that took. RuntimeError when a request was refused."""
    span_s = source.duration_s
    begin_ns = int((begin_s or time.time() - laps * span_s - 1) * SECOND)
    command = [
        *pinned(SENDER_CORE),
        str(sender()),
        "-protocol",
        protocol,
        "-address",
        f"127.0.0.1:{server.ports[protocol]}",
        "-load",
        str(source.path),
        "-laps",
        str(laps),
        "-begin",
        str(begin_ns),
        "-span",
        f"{span_s}s",
        *more,
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    if told["failed"]:
        raise RuntimeError(f"{told['failed']} of {told['requests']} requests were refused")
    return float(told["wall_s"])


def run(side: Collector | Synoptic, source: Load, protocol: str, laps: int) -> Run:
    """One run of one side: laps to warm it up, and after a pause the laps that count."""
    server = side.start()
    try:
        begin_s = time.time() - (WARM_LAPS + laps) * source.duration_s - WARM_S - 5
        send(source, server, protocol, WARM_LAPS, begin_s=begin_s)
        time.sleep(WARM_S)
        before_s = server.cpu_s
        wall_s = send(source, server, protocol, laps, "-first", str(WARM_LAPS))
        sending_s = server.cpu_s - before_s
        time.sleep(side.wait_s)
        cpu_s = server.cpu_s - before_s
        peak_mib = server.memory_mib("VmHWM")
        if isinstance(side, Synoptic):
            counted, sent = quality(server), source.spans * (WARM_LAPS + laps)
            if counted["spans"] != sent:
                raise RuntimeError(f"{sent} spans sent, counted {counted}")
        found = Run(source.spans * laps, cpu_s, sending_s, wall_s, peak_mib, side.calls(server))
    finally:
        server.stop()
    print(
        f"race: {side.name:9} {protocol} {found.rate:>9,.0f} spans/CPU-s   cpu {cpu_s:.2f} s "
        f"({sending_s:.2f} while sending)   wall {wall_s:.1f} s   peak {peak_mib:.0f} MiB",
        flush=True,
    )
    return found


def differences(theirs: Calls, ours: Calls) -> dict[tuple[str, str], tuple[object, object]]:
    """Where two answers differ."""
    return {
        key: (theirs.get(key), ours.get(key)) for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key)
    }


def compare(source: Load, laps: int, theirs: Calls, ours: Calls) -> list[str]:
    """Faults of the answers; empty when both found the same and what we found is true."""
    paths = source.summary["paths"]
    topics = {row[1] for row in paths if row[1].endswith(".events")}
    faults = []
    told, found = without_queues(theirs, topics), without_queues(ours, topics)
    if different := differences(told, found):
        faults.append(f"{len(different)} edges differ from the collector's: {list(different.items())[:5]}")
    times = WARM_LAPS + laps
    truth: dict[tuple[str, str], tuple[int, int]] = {}
    for caller, callee, _, _, _, whole, errors in paths:
        calls, failed = truth.get((caller, callee), (0, 0))
        truth[caller, callee] = (calls + whole * times, failed + errors * times)
    untrue = differences(
        {key: value for key, value in truth.items() if value[0]}, {key: ours[key] for key in truth if key in ours}
    )
    if untrue:
        faults.append(f"{len(untrue)} edges are not as they happened: {list(untrue.items())[:5]}")
    calls, errors = sum(v[0] for v in found.values()), sum(v[1] for v in found.values())
    print(
        f"race: {len(found)} edges, {calls:,} calls and {errors:,} errors compared with the collector's, "
        f"{len(truth)} paths with the truth: {'; '.join(faults) or 'equal'}",
        flush=True,
    )
    return faults


def measure(runs: int, laps: int, protocols: Sequence[str]) -> list[Figure]:
    """Runs both sides in turn; RuntimeError when their answers differ."""
    source, figures = load(FULL), []
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name:
        sides = (Collector(Path(name)), Synoptic(Path(name)))
        for protocol in protocols:
            done: tuple[list[Run], list[Run]] = ([], [])
            for _ in range(runs):
                for side, results in zip(sides, done, strict=True):
                    results.append(run(side, source, protocol, laps))
                if compare(source, laps, done[0][-1].calls, done[1][-1].calls):
                    raise RuntimeError("the answers differ")
            theirs, ours = (statistics.median(one.rate for one in results) for results in done)
            figures.append(
                Figure(
                    f"OTLP over {protocol}, whole process",
                    f"{ours:,.0f} spans/CPU-s",
                    f"{theirs:,.0f} collector",
                    ours / theirs,
                    BARS[protocol],
                )
            )
            peaks = [max(one.peak_mib for one in results) for results in done]
            figures.append(Figure("  peak memory", f"{peaks[1]:.0f} MiB", f"{peaks[0]:.0f} MiB"))
    return figures


def measure_sync(runs: int, laps: int, protocols: Sequence[str]) -> list[Figure]:
    """What waiting for the disk costs: the journal's `group` against its `none`."""
    source, figures = load(FULL), []
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name:
        for protocol in protocols:
            rates: dict[str, list[Run]] = {"group": [], "none": []}
            for _ in range(runs):
                for sync, results in rates.items():
                    results.append(run(Synoptic(Path(name), sync), source, protocol, laps))
            group, none = (statistics.median(one.rate for one in results) for results in rates.values())
            figures.append(
                Figure(
                    f"journal on disk before the answer, {protocol}",
                    f"{group:,.0f} spans/CPU-s",
                    f"{none:,.0f} without waiting",
                    group / none,
                )
            )
    return figures


def main() -> None:
    """Prints the table; fails when a bar is missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # On a virtual machine single runs scatter by a quarter, and so do medians of three.
    arguments.add_argument("--runs", type=int, default=7)
    arguments.add_argument("--laps", type=int, default=4, help="how often the load is sent in a run")
    arguments.add_argument("--protocols", default="grpc,http")
    arguments.add_argument("--sync", action="store_true", help="compare the journal's sync settings instead")
    chosen = arguments.parse_args()
    if chosen.laps > MOST_LAPS:
        arguments.error(f"--laps: at most {MOST_LAPS}, or the journal is full before the spans are settled")
    measuring = measure_sync if chosen.sync else measure
    held = show(measuring(chosen.runs, chosen.laps, chosen.protocols.split(",")), machine())
    sys.exit(not held)


if __name__ == "__main__":
    main()
