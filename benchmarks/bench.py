"""Every promised speed in one run and one table: what was found, what it is compared with, the bar.

usage: python -m benchmarks.bench [ingest] [store] [layout] [push] [map] [visible] [slo]     (all, when none is named)

Ratios of one run hold on any machine; rates do not. The race against a real collector is `python -m benchmarks.race`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np

from benchmarks import bench_ingest, bench_layout, bench_slo, bench_store, bench_visible
from benchmarks.machine import machine
from benchmarks.table import Figure, show
from topology.layout import arrange
from topology.store.contract import Commit, KeyedRollups
from topology.store.duckdb import DuckDBStore

LAYOUT_BAR_S, CORE_BAR, DELIVERY_BAR_MS, PAINT_BAR_MS, UPDATE_BAR_MS, HEAP_BAR = 2.0, 0.25, 300.0, 1000.0, 60.0, 1.1
WINDOWS = 40


def ingest() -> list[Figure]:
    """Bytes to rollups against a plain protobuf loop."""
    return bench_ingest.measure(50_000, 60_000)


def store() -> list[Figure]:
    """Ten seconds of 6,000 series into DuckDB and into SQLite, and the last five minutes out of both."""
    random, names = np.random.default_rng(1), bench_store.keys()
    base = random.integers(20, 60, bench_store.SERIES)
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = DuckDBStore(Path(name) / "store.duckdb", 0.0), bench_store.Sqlite(Path(name) / "baseline.sqlite")
        commits: tuple[list[float], list[float]] = ([], [])
        for window in range(WINDOWS):
            batch = bench_store.traffic(random, base, bench_store.START_S + 10 * window)
            commit = Commit(KeyedRollups(batch, names, bench_store.LADDER), [], {})
            commits[0].append(_wall_s(partial(ours.commit, commit)))
            commits[1].append(_wall_s(partial(theirs.commit, batch)))
        end_s = bench_store.START_S + 10 * WINDOWS
        read = [_wall_s(lambda: ours.rollups(end_s - 300, end_s, 10, bench_store.LADDER)) for _ in range(5)]
        plain = [_wall_s(lambda: theirs.read(f"start_s >= {end_s - 300}")) for _ in range(5)]
        ours.close()
    return [_times("commit of 6,000 series", *commits), _times("read of the last five minutes", read, plain)]


def _wall_s(work: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    work()
    return time.perf_counter() - begun_s


def _times(what: str, ours: list[float], theirs: list[float]) -> Figure:
    mine, plain = statistics.median(ours), statistics.median(theirs)
    return Figure(what, f"{mine * 1e3:.0f} ms", f"{plain * 1e3:.0f} ms SQLite", plain / mine)


def layout() -> list[Figure]:
    """1,000 nodes and 2,500 paths."""
    graph = bench_layout.services(1000, 2500, 12, True)
    places = arrange(*graph)
    ours = bench_layout.best_s(lambda: arrange(*graph))
    theirs = bench_layout.best_s(lambda: bench_layout.multipartite(graph[0], graph[1], places))
    return [
        Figure(
            "layout of 1,000 nodes, seconds",
            f"{ours:.2f} s",
            f"{theirs:.2f} s networkx",
            ours,
            LAYOUT_BAR_S,
            at_most=True,
        )
    ]


def push() -> list[Figure]:
    """2,000 viewers, a tick every two seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_push"], stdout=subprocess.PIPE, text=True, check=False
    )
    found = json.loads(done.stdout.strip().splitlines()[-1])
    ours, others = found["shared"], next(figures for way, figures in found.items() if way != "shared")
    return [
        Figure(
            "push to 2,000 viewers, cores",
            f"{ours['core']:.3f}",
            f"{others['core']:.3f} encoded for each",
            ours["core"],
            CORE_BAR,
            at_most=True,
        ),
        Figure(
            "  delivery, p99 ms",
            f"{ours['p99_ms']:.0f} ms",
            f"{others['p99_ms']:.0f} ms",
            ours["p99_ms"],
            DELIVERY_BAR_MS,
            at_most=True,
        ),
    ]


def map_() -> list[Figure]:
    """1,000 nodes and 2,500 paths in headless Chromium."""
    found = dict(_maps(1000))
    ours, naive = found["ours, as it opens"], found["naive, all anew"]
    return [
        Figure(
            "map of 1,000 nodes, first paint ms",
            f"{ours['paint_ms']:.0f} ms",
            f"{naive['paint_ms']:.0f} ms drawn anew",
            ours["paint_ms"],
            PAINT_BAR_MS,
            at_most=True,
        ),
        Figure(
            "  update of 10 %, busy ms",
            f"{ours['busy_ms']:.1f} ms",
            f"{naive['busy_ms']:.1f} ms drawn anew",
            ours["busy_ms"],
            UPDATE_BAR_MS,
            at_most=True,
        ),
        Figure(
            "  heap after 1,000 updates",
            f"{ours['heap_after_mb']:.1f} MB",
            f"{ours['heap_mb']:.1f} MB before",
            ours["heap_after_mb"] / ours["heap_mb"],
            HEAP_BAR,
            at_most=True,
        ),
    ]


def _maps(size: int) -> Iterator[tuple[str, dict[str, float]]]:
    from playwright.sync_api import sync_playwright

    from benchmarks import bench_map

    bench_map.Assets.graphs = {f"/graph{size}": json.dumps(bench_map.graph(size)).encode()}
    handler = partial(bench_map.Assets, directory=str(bench_map.ROOT / "assets"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path=bench_map.shutil.which("chromium"),
            args=["--no-sandbox", "--enable-precise-memory-info", "--js-flags=--expose-gc"],
        )
        for name, script, argument, times in bench_map.ways(size, None, 1000):
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(f"http://127.0.0.1:{server.server_port}/page")
            page.evaluate("Promise.all([import('/map/map.mjs'), import('/map/store.mjs'), import('/map/words.mjs')])")
            yield name, bench_map.measure(page, script, argument, times)
            page.close()
        browser.close()
        server.shutdown()


def visible() -> list[Figure]:
    """From the end of a call to the stream."""
    return bench_visible.measure(60)


def slo() -> list[Figure]:
    """5,000 objectives judged again, beside the same rules in a real Prometheus."""
    return bench_slo.measure()


BENCHES: dict[str, Callable[[], list[Figure]]] = {
    "ingest": ingest,
    "store": store,
    "layout": layout,
    "push": push,
    "map": map_,
    "visible": visible,
    "slo": slo,
}


def main(chosen: list[str]) -> int:
    """Prints the table; 1 when a bar is missed or a bench could not run."""
    figures, whole = [], True
    for name in chosen or list(BENCHES):
        print(f"bench: {name}", flush=True)
        try:
            figures += BENCHES[name]()
        except Exception as error:  # noqa: BLE001 - the others still tell what they found
            print(f"bench: {name} could not run: {type(error).__name__}: {error}", flush=True)
            whole = False
    return 0 if show(figures, machine()) and whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
