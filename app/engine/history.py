"""Charts and tables about one node or path: columns over time, operations, instances, log lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from topology.graph import known, whole
from topology.histogram import Ladder
from topology.members import ERROR_LEVELS
from topology.model import InstanceKey, LogKey, OperationKey, SeriesKey
from topology.ring import Totals
from topology.rollup import CALLS, COUNTS, ERRORS, ORIGINATED, PROTECTED, SELF_TOTAL, TOTAL, RollupBatch

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
COUNTED = {"calls": CALLS, "errors": ERRORS, "protected": PROTECTED, "originated": ORIGINATED}
SIGNALS = (*COUNTED, *QUANTILES, "error_ratio", "calls_per_s", "self", "saturation")


class Columns:
    """Rollups of some series laid over steps of time, from several sources that share a ladder."""

    def __init__(self, from_s: float, to_s: float, step_s: int, ladder: Ladder) -> None:
        self.step_s, self._ladder = step_s, ladder
        self.start_s = int(from_s) // step_s * step_s
        self.steps = max(0, -(-(int(np.ceil(to_s)) - self.start_s) // step_s))
        self._counts = np.zeros((self.steps, len(COUNTS)))
        self._buckets = np.zeros((self.steps, ladder.buckets))
        self._gauges = np.zeros((self.steps, 2))

    def add(self, batch: RollupBatch, chosen: npt.NDArray[np.bool_], timed: npt.NDArray[np.bool_]) -> None:
        """Adds the counts of the `chosen` rows, and the latencies of the `timed` rows, of a batch."""
        step = (batch.starts_s - self.start_s) // self.step_s
        inside = (step >= 0) & (step < self.steps)
        np.add.at(self._counts, step[chosen & inside], batch.counts[chosen & inside])
        cells = (timed & inside)[batch.hist_row]
        np.add.at(self._buckets, (step[batch.hist_row[cells]], batch.hist_bucket[cells]), batch.hist_n[cells])

    def add_gauges(self, batch: RollupBatch, rows: npt.NDArray[np.bool_]) -> None:
        """Adds samples of saturation."""
        step = (batch.starts_s - self.start_s) // self.step_s
        rows = rows & (step >= 0) & (step < self.steps)
        np.add.at(self._gauges, step[rows], batch.counts[rows][:, [CALLS, TOTAL]])

    def answer(self, signals: Sequence[str]) -> dict[str, list[Any]]:
        """`times` in epoch seconds and one list a signal; None where nothing was counted."""
        quantiles = self._ladder.quantiles_us(self._buckets, QUANTILES.values()) / 1000
        columns: dict[str, list[Any]] = {"times": [self.start_s + i * self.step_s for i in range(self.steps)]}
        for signal in signals:
            columns[signal] = [self._figure(signal, i, quantiles) for i in range(self.steps)]
        return columns

    def _figure(self, signal: str, i: int, quantiles: npt.NDArray[np.float64]) -> Any:
        if signal == "saturation":
            n, total = self._gauges[i]
            return round(total / n / 1e6, 4) if n else None
        counts = self._counts[i]
        if counts[CALLS] <= 0:
            return None
        if signal in COUNTED:
            return whole(counts[COUNTED[signal]])
        if signal in QUANTILES:
            return known(quantiles[i, list(QUANTILES).index(signal)])
        figures = {"error_ratio": counts[ERRORS] / counts[CALLS], "calls_per_s": counts[CALLS] / self.step_s,
                   "self": counts[SELF_TOTAL] / counts[CALLS] / 1000}
        return round(float(figures[signal]), 6)


def _figures(counts: npt.NDArray[np.float64], buckets: npt.NDArray[np.float64], ladder: Ladder,
             window_s: int) -> dict[str, Any]:
    p50, p95, p99 = (known(q) for q in ladder.quantiles_us(buckets[None, :], QUANTILES.values())[0] / 1000)
    calls = float(counts[CALLS])
    return {
        "calls": whole(calls), "errors": whole(counts[ERRORS]), "protected": whole(counts[PROTECTED]),
        "error_ratio": round(float(counts[ERRORS]) / calls, 6) if calls else None,
        "calls_per_s": round(calls / window_s, 4),
        "p50_ms": p50, "p95_ms": p95, "p99_ms": p99,
        "self_ms": round(float(counts[SELF_TOTAL]) / calls / 1000, 3) if calls and counts[SELF_TOTAL] else None,
    }


def _grouped(rows: Iterable[int], keys: Sequence[SeriesKey], totals: Totals,
             name: Callable[[Any], tuple[Any, ...]]) -> Mapping[tuple[Any, ...], tuple[Any, Any]]:
    found: dict[tuple[Any, ...], tuple[Any, Any]] = {}
    for row in rows:
        key = name(keys[row])
        counts, buckets = found.get(key, (0, 0))
        found[key] = (counts + totals.counts[row], buckets + totals.buckets[row])
    return found


def operations(rows: Iterable[int], keys: Sequence[SeriesKey], totals: Totals, ladder: Ladder,
               window_s: int) -> list[dict[str, Any]]:
    """The operations of a node, the busiest first; `rows` are its series of work."""
    def name(key: OperationKey) -> tuple[str]:
        return (key.operation,)

    return sorted(({"operation": group[0], **_figures(counts, buckets, ladder, window_s)}
                   for group, (counts, buckets) in _grouped(rows, keys, totals, name).items()),
                  key=lambda row: (-row["calls"], row["operation"]))


def with_lines(listed: Sequence[dict[str, Any]], rows: Iterable[int], keys: Sequence[SeriesKey], totals: Totals,
               ladder: Ladder, window_s: int) -> dict[str, Any]:
    """`operations` as listed, with `error_lines` (None where that is not known), and those of which only lines tell;
    and `log`: `lines`, `error_lines` and how many of these are `of_operations`, None where nothing was logged. `rows`
    are the node's series of log lines."""
    lines, of = 0.0, dict[str, int | float]()
    for row in rows:
        key, n = keys[row], float(totals.counts[row, CALLS])
        lines += n
        if isinstance(key, LogKey) and key.level in ERROR_LEVELS:
            of[key.operation] = whole(of.get(key.operation, 0) + n)
    errors, rest = sum(of.values()), of.pop("", 0)
    quiet = _figures(np.zeros(len(COUNTS)), np.zeros(ladder.buckets), ladder, window_s)
    names = {row["operation"] for row in listed}
    more = [{"operation": name, **quiet} for name in sorted(of.keys() - names)]
    none = None if rest or not lines else 0
    log = {"lines": whole(lines), "error_lines": errors, "of_operations": errors - rest} if lines else None
    return {"operations": [{**row, "error_lines": of.get(row["operation"], none)} for row in (*listed, *more)],
            "log": log}


def instances(rows: Iterable[int], keys: Sequence[SeriesKey], totals: Totals, ladder: Ladder,
              window_s: int) -> list[dict[str, Any]]:
    """The instances of a node by zone; `rows` are its series of instances."""
    def name(key: InstanceKey) -> tuple[str, str, str]:
        return (key.zone, key.instance, key.version)

    return [{"instance": instance, "zone": zone, "version": version, **_figures(counts, buckets, ladder, window_s)}
            for (zone, instance, version), (counts, buckets) in sorted(_grouped(rows, keys, totals, name).items())]
