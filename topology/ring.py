"""The last hour in memory: every window by itself, and running sums over the spans that the map shows.

A running sum makes "the last 5 minutes" a subtraction of what left and an addition of what came, so a tick
costs the same whether the map shows a minute or an hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from topology.histogram import Ladder
from topology.rollup import COUNTS, RollupBatch, coarsen, concatenate, empty, rows_of

SPANS_S = (60, 300, 900, 3600)
RESIDUE = 1e-3
"""Less than any count or microsecond, more than the rounding error of a running sum."""


@dataclass(frozen=True, eq=False)
class Totals:
    """Counts (series x COUNTS) and latency buckets (series x buckets) of every series over some time."""

    counts: npt.NDArray[np.float64]
    buckets: npt.NDArray[np.float64]


class RunningSum:
    """The totals of the newest `windows` windows, as they move on."""

    def __init__(self, windows: int, buckets: int) -> None:
        self.windows = windows
        self.totals = Totals(np.zeros((256, len(COUNTS))), np.zeros((256, buckets)))

    def ensure(self, series: int) -> None:
        """Room for so many series."""
        have = len(self.totals.counts)
        if series > have:
            more = 1 << (series - 1).bit_length()
            self.totals = Totals(np.pad(self.totals.counts, ((0, more - have), (0, 0))),
                                 np.pad(self.totals.buckets, ((0, more - have), (0, 0))))

    def add(self, window: RollupBatch, sign: int) -> None:
        """Adds or takes away a window in which no series occurs twice."""
        cells = window.series[window.hist_row].astype(np.int64) * self.totals.buckets.shape[1] + window.hist_bucket
        _change(self.totals.counts, window.series, sign * window.counts)
        _change(self.totals.buckets.reshape(-1), cells, sign * window.hist_n)


def _change(sums: npt.NDArray[np.float64], at: npt.NDArray[np.signedinteger], by: npt.NDArray[np.float64]) -> None:
    """Weights of sampled spans are no round numbers: what rounding leaves of a sum that is gone must not look alive."""
    changed = sums[at] + by
    changed[np.abs(changed) < RESIDUE] = 0.0
    sums[at] = changed


class Ring:
    """Recent rollups. `add` takes deltas for any window that is still kept; the rest is for the store alone.

    `now_s` given to `advance` decides which windows the running sums cover: the one in progress and those
    before it. Not thread-safe.
    """

    def __init__(self, ladder: Ladder, window_s: int = 10, keep_s: int = 4200,
                 spans_s: Sequence[int] = SPANS_S) -> None:
        self.ladder, self.window_s, self.keep_s = ladder, window_s, keep_s
        self._windows: dict[int, list[RollupBatch]] = {}
        self._sums = {span: RunningSum(span // window_s, ladder.buckets) for span in spans_s}
        self._newest = 0
        self._series = 0

    def advance(self, now_s: float) -> None:
        """Moves every running sum on to the window in progress at `now_s`, and forgets what is older than kept."""
        newest = int(now_s) // self.window_s
        if newest <= self._newest:
            return
        for running in self._sums.values():
            self._move(running, newest)
        self._newest = newest
        for index in [i for i in self._windows if i <= newest - self.keep_s // self.window_s]:
            del self._windows[index]

    def _move(self, running: RunningSum, newest: int) -> None:
        before, after = self._newest - running.windows, newest - running.windows
        for index in self._windows:
            was, is_ = before < index <= self._newest, after < index <= newest
            if was != is_:
                running.add(self._merged(index), 1 if is_ else -1)

    def add(self, batch: RollupBatch) -> None:
        """Merges deltas of windows as long as the ring's."""
        if not len(batch):
            return
        batch = coarsen(batch, self.window_s)
        self._series = max(self._series, int(batch.series.max()) + 1)
        for running in self._sums.values():
            running.ensure(self._series)
        for index, window in _by_window(batch):
            if index <= self._newest - self.keep_s // self.window_s and self._newest:
                continue
            self._windows.setdefault(index, []).append(window)
            for running in self._sums.values():
                if self._newest - running.windows < index <= self._newest:
                    running.add(window, 1)

    def _merged(self, index: int) -> RollupBatch:
        parts = self._windows.get(index)
        if not parts:
            return empty(self.window_s)
        if len(parts) > 1:
            parts[:] = [coarsen(concatenate(parts), self.window_s)]
        return parts[0]

    def renumber(self, new_of: npt.NDArray[np.int64], series: int) -> None:
        """Gives every series another number below `series`; rows of a series whose new number is -1 are forgotten."""
        windows = {index: self._merged(index) for index in self._windows}
        self._sums = {span: RunningSum(span // self.window_s, self.ladder.buckets) for span in self._sums}
        self._windows, self._series = {}, series
        for running in self._sums.values():
            running.ensure(max(series, 1))
        for batch in windows.values():
            kept = rows_of(batch, new_of[batch.series] >= 0)
            self.add(replace(kept, series=new_of[kept.series].astype(np.int32)))

    def numbers(self) -> npt.NDArray[np.int64]:
        """The series that occur in any window that is kept."""
        held = [batch.series for parts in self._windows.values() for batch in parts]
        return np.unique(np.concatenate(held)).astype(np.int64) if held else np.empty(0, np.int64)

    def last(self, span_s: int) -> Totals:
        """The running totals of one of the spans, for as many series as were ever seen; not to be written to."""
        totals = self._sums[span_s].totals
        return Totals(totals.counts[: self._series], totals.buckets[: self._series])

    def between(self, from_s: float, to_s: float) -> Totals:
        """The totals of the windows that start in [from_s, to_s)."""
        total = RunningSum(0, self.ladder.buckets)
        total.ensure(max(self._series, 1))
        for index in self._windows:
            if from_s <= index * self.window_s < to_s:
                total.add(self._merged(index), 1)
        return Totals(total.totals.counts[: self._series], total.totals.buckets[: self._series])

    def rows(self, from_s: float, to_s: float, series: npt.NDArray[np.int32]) -> RollupBatch:
        """The windows that start in [from_s, to_s), of the given series only."""
        chosen = np.zeros(max(self._series, 1), bool)
        chosen[series[series < self._series]] = True
        inside = [i for i in sorted(self._windows) if from_s <= i * self.window_s < to_s]
        kept = [_of_series(self._merged(index), chosen) for index in inside]
        return concatenate(kept) if kept else empty(self.window_s)

    @property
    def spans(self) -> tuple[int, ...]:
        """The lengths, in seconds, for which `last` answers."""
        return tuple(self._sums)

    @property
    def oldest_s(self) -> int:
        """From when on the ring holds everything."""
        return (self._newest - self.keep_s // self.window_s + 1) * self.window_s


def _by_window(batch: RollupBatch) -> Iterator[tuple[int, RollupBatch]]:
    indices = batch.starts_s // batch.window_s
    for index in np.unique(indices).tolist():
        yield index, rows_of(batch, indices == index)


def _of_series(batch: RollupBatch, chosen: npt.NDArray[np.bool_]) -> RollupBatch:
    return rows_of(batch, chosen[batch.series]) if len(batch) else batch

