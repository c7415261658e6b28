"""The store under load: 6,000 series with ten buckets each, every ten seconds, for hours.

Prints one table. SQLite beside it holds the same rows with the histogram as one blob, as a plain solution would.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from topology.histogram import ladder
from topology.model import EdgeKey, Entity, OperationKey, SeriesKey, Service
from topology.rollup import COUNTS, RollupBatch
from topology.store.contract import Commit, KeyedRollups, Store, about
from topology.store.duckdb import DuckDBStore
from topology.store.merging import compile_kernels

SERIES, BUCKETS = 6_000, 10
START_S = 1_800_000_000 - 1_800_000_000 % 86_400
SERVICES = [Service("prod", f"ns-{n % 12}", f"service-{n}") for n in range(300)]
LADDER = ladder()


def keys() -> list[SeriesKey]:
    """Ten operations and ten callers of each service, in an order that has nothing to do with the service."""
    made: list[SeriesKey] = []
    for turn in range(SERIES // len(SERVICES) // 2):
        for n, service in enumerate(SERVICES):
            made.append(OperationKey(service, "dc-a", f"GET /{turn}"))
            made.append(EdgeKey(SERVICES[(n * 7 + turn * 31 + 1) % len(SERVICES)], "dc-a", service, "dc-b", "grpc"))
    return made


def traffic(random: np.random.Generator, base: np.ndarray, start_s: int) -> RollupBatch:
    """Ten seconds of all series: ten buckets around the latency of each."""
    calls = random.integers(1, 100, SERIES).astype(float)
    counts = np.zeros((SERIES, len(COUNTS)))
    counts[:, 0], counts[:, 1], counts[:, 4], counts[:, 6] = calls, calls // 50, calls * 8_000, calls
    bucket = base[:, None] + np.argsort(random.random((SERIES, 14)), axis=1)[:, :BUCKETS]
    return RollupBatch(10, np.full(SERIES, start_s), np.arange(SERIES, dtype=np.int32), counts,
                       np.repeat(np.arange(SERIES, dtype=np.int32), BUCKETS), bucket.astype(np.int16).ravel(),
                       random.integers(1, 20, SERIES * BUCKETS).astype(float))


class Sqlite:
    """The baseline: one table, histogram as a blob, write-ahead log, one index for each way of reading."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        columns = ", ".join(f"{name} REAL" for name in COUNTS)
        self._db.execute(f"CREATE TABLE rollups (start_s INTEGER, series INTEGER, {columns}, hist BLOB)")
        self._db.execute("CREATE INDEX by_start ON rollups (start_s)")
        self._db.execute("CREATE INDEX by_series ON rollups (series, start_s)")

    def commit(self, batch: RollupBatch) -> None:
        """One transaction."""
        hist = np.stack([batch.hist_bucket.astype(float), batch.hist_n], axis=1).reshape(SERIES, -1)
        rows = zip(batch.starts_s.tolist(), batch.series.tolist(), *batch.counts.T.tolist(),
                   [part.tobytes() for part in hist], strict=True)
        self._db.execute("BEGIN")
        self._db.executemany(f"INSERT INTO rollups VALUES ({', '.join('?' * (3 + len(COUNTS)))})", rows)
        self._db.execute("COMMIT")

    def read(self, condition: str) -> int:
        """Rows in Python, histograms decoded."""
        rows = self._db.execute(f"SELECT * FROM rollups WHERE {condition}").fetchall()
        return sum(len(np.frombuffer(row[-1])) > 0 for row in rows)


Clocked = tuple[float, float]


def clocked(call: Callable[[], object]) -> Clocked:
    """Wall and CPU time in ms."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


def summary(taken: list[Clocked]) -> str:
    """Median and worst wall time, median CPU time."""
    wall, cpu = zip(*taken, strict=True)
    return f"{np.median(wall):9.0f}{max(wall):9.0f}{np.median(cpu):9.0f}"


def timed(call: Callable[[], object], times: int = 5) -> str:
    """The summary of doing it several times."""
    return summary([clocked(call) for _ in range(times)])


def line(what: str, figures: str) -> None:
    """One line of the table."""
    print(f"{what:58s}{figures}", flush=True)


def fill(store: Store, baseline: Sqlite, hours: int) -> None:
    """Commits the hours and prints what that took. The last three are whole; before, one window a minute is enough
    to make the rows that compaction leaves. SQLite gets the last hour only."""
    random, names = np.random.default_rng(1), keys()
    base, taken, theirs, compactions = random.integers(20, 60, SERIES), [], [], []
    for window in range(hours * 360):
        if window % 6 and window < (hours - 3) * 360:
            continue
        batch = traffic(random, base, START_S + 10 * window)
        seen = [Entity(service.id, START_S, START_S + 10 * window) for service in SERVICES]
        taken.append(clocked(partial(store.commit, Commit(KeyedRollups(batch, names, LADDER), seen, {"otlp": b"1"}))))
        if window >= (hours - 1) * 360:
            theirs.append(clocked(partial(baseline.commit, batch)))
        if window % 360 == 0:
            compactions.append(clocked(partial(store.compact, START_S + 10 * window)))
    line("commit, DuckDB", summary(taken))
    line("  SQLite", summary(theirs))
    line("compact one hour of 10 s windows", summary(compactions[-1:]))


def measure(store: Store, baseline: Sqlite, now_s: int, folder: Path) -> None:
    """Reads as the page and the start of the program do."""
    one = about(SERVICES[77])

    def read(span_s: int, window_s: int, choice: Callable[[SeriesKey], bool] = lambda _key: True,
             histograms: bool = True) -> Callable[[], object]:
        return lambda: store.rollups(now_s - span_s, now_s, window_s, LADDER, choice, histograms)

    ids = ", ".join(str(n) for n, key in enumerate(keys()) if one(key))
    compile_kernels()
    line("last 5 min, all series, 10 s windows", timed(read(300, 10)))
    line("  SQLite", timed(lambda: baseline.read(f"start_s >= {now_s - 300}"), 1))
    line("last hour, all series, one window", timed(read(3600, 3600)))
    line("last hour, all series, 1 min windows", timed(read(3600, 60)))
    line("last hour, all series, 10 s windows", timed(read(3600, 10)))
    line("  SQLite", timed(lambda: baseline.read("1"), 1))
    line("last hour, all series, 1 min windows, counts only", timed(read(3600, 60, histograms=False)))
    line("one service, last hour, 10 s windows", timed(read(3600, 10, one)))
    line("  SQLite", timed(lambda: baseline.read(f"series IN ({ids})"), 3))
    line("one service, 24 h, 5 min windows", timed(read(86_400, 300, one)))
    line("one service, 24 h, 5 min windows, counts only", timed(read(86_400, 300, one, False)))
    line("all series, 24 h, 1 h windows", timed(read(86_400, 3600), 1))
    line("backup", timed(lambda: store.backup(folder / "copy.duckdb"), 1))


def main() -> None:
    """Runs everything in a folder that is removed afterwards."""
    parser = argparse.ArgumentParser(description="The store under load")
    parser.add_argument("hours", nargs="?", type=int, default=6, help="at least 3")
    parser.add_argument("--folder", help="on which disk")
    asked = parser.parse_args()
    hours, folder = asked.hours, Path(tempfile.mkdtemp(dir=asked.folder))
    try:
        store, baseline = DuckDBStore(folder / "store.duckdb", 0.0), Sqlite(folder / "baseline.sqlite")
        line(f"{SERIES:,} series x {BUCKETS} buckets, {hours} h", "   median    worst      cpu   (ms)")
        fill(store, baseline, hours)
        measure(store, baseline, START_S + hours * 3600, folder)
        for name in ("store.duckdb", "baseline.sqlite"):
            line(f"{name}", f"{(folder / name).stat().st_size / 1e6:9.0f} MB")
        begun = time.perf_counter()
        store.close()
        DuckDBStore(folder / "store.duckdb", 0.0).close()
        line("close and open again", f"{(time.perf_counter() - begun) * 1e3:9.0f}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
