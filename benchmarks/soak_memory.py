"""Memory under a steady 50,000 spans a second for ten minutes: flat, or not.

usage: python -m benchmarks.soak_memory [--seconds 600] [--protocol grpc]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.contestants import ROOT, Synoptic, quality
from benchmarks.load import Load, load
from benchmarks.machine import machine
from benchmarks.process import Server
from benchmarks.race import send
from benchmarks.table import Figure, show

EVERY_S, SETTLED_S = 10.0, 150.0
"""Until then spans of the first two horizons, and the first log files, are still filling what is kept anyway."""
MOST_GROWTH = 1.05


def watch(server: Server, until: threading.Event) -> list[tuple[float, float]]:
    """Seconds since the start and resident MiB, every ten seconds."""
    begun_s, found = time.monotonic(), []
    while not until.wait(EVERY_S):
        found.append((time.monotonic() - begun_s, server.memory_mib()))
        print(f"soak_memory: {found[-1][0]:5.0f} s  {found[-1][1]:6.0f} MiB", flush=True)
    return found


def growth(found: list[tuple[float, float]]) -> float:
    """The peak of the last third over the peak of the middle third, of the time after everything has settled."""
    settled = [mib for at_s, mib in found if at_s >= SETTLED_S] or [mib for _, mib in found]
    third = max(1, len(settled) // 3)
    return max(settled[-third:]) / max(settled[third : 2 * third] or settled[:1])


def measure(seconds: float, protocol: str) -> list[Figure]:
    """The growth, and whether the server kept up; RuntimeError when a request was refused."""
    source = load()
    laps = max(1, round(seconds / source.duration_s))
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name:
        server = Synoptic(Path(name)).start(None)
        try:
            found, wall_s, cpu_s = _run(server, source, laps, protocol)
            counted = quality(server)
        finally:
            server.stop()
    rate = source.spans * laps / wall_s
    return [
        Figure(
            f"memory over {wall_s:.0f} s at {rate:,.0f} spans/s",
            f"{found[-1][1]:.0f} MiB",
            f"{max(m for _, m in found):.0f} MiB peak",
            growth(found),
            MOST_GROWTH,
            at_most=True,
        ),
        Figure("  spans lost", f"{source.spans * laps - counted['spans']:,}", f"{counted['spans']:,} counted"),
        Figure("  cores used", f"{cpu_s / wall_s:.2f}"),
    ]


def _run(server: Server, source: Load, laps: int, protocol: str) -> tuple[list[tuple[float, float]], float, float]:
    done, found = threading.Event(), []
    watching = threading.Thread(target=lambda: found.extend(watch(server, done)), daemon=True)
    before_s = server.cpu_s
    watching.start()
    wall_s = send(source, server, protocol, laps, "-paced", begin_s=time.time())
    cpu_s = server.cpu_s - before_s
    done.set()
    watching.join()
    return found, wall_s, cpu_s


def main() -> None:
    """Prints the course and the verdict; fails when memory grows."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=600.0)
    arguments.add_argument("--protocol", choices=("grpc", "http"), default="grpc")
    chosen = arguments.parse_args()
    flat = show(measure(chosen.seconds, chosen.protocol), machine())
    print("flat" if flat else "not flat")
    sys.exit(not flat)


if __name__ == "__main__":
    main()
