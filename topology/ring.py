"""The last hour in memory: every window by itself, and running sums over the spans that the map shows.

A running sum makes "the last 5 minutes" a subtraction of what left and an addition of what came, so a tick
costs the same whether the map shows a minute or an hour. Windows that hardly change any more are packed
(see topology.packing): an hour of ten thousand busy series in some hundred megabytes less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from topology.grouping import grouped
from topology.histogram import Ladder, ladder
from topology.machine import JIT, compiled
from topology.packing import Packed, add_packed, numbers, pack, unpack
from topology.rollup import COUNTS, RollupBatch, coarsen, concatenate, empty, rows_of

SPANS_S = (60, 300, 900, 3600)
RESIDUE = 1e-3
"""Less than any count or microsecond, more than the rounding error of a running sum."""
SETTLED_S = 60
"""A window this old has nearly all its spans, and is packed."""
REPACKED_S = 60
"""How often a packed window to whose rows a fourth came late is packed again: that costs as much as the first time."""
MOST_LOOSE = 64
UNREAD_S = 120
"""A running sum that nobody reads is not kept up, and made again from its windows when somebody does."""


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
            # Zeros that nobody writes to take no memory: what is not needed yet must not be filled.
            self.totals = Totals(*(_lengthened(rows, more) for rows in (self.totals.counts, self.totals.buckets)))

    def add(self, window: _Window, sign: float) -> None:
        """Adds or takes away a window."""
        if window.packed:
            add_packed(window.packed, sign, RESIDUE, self.totals.counts, self.totals.buckets)
        for batch in window.loose:
            self.add_batch(batch, sign)

    def add_batch(self, batch: RollupBatch, sign: float) -> None:
        """Adds or takes away every row of a batch."""
        _add_rows(batch.series, batch.counts, batch.hist_row, batch.hist_bucket, batch.hist_n, sign, RESIDUE,
                  self.totals.counts, self.totals.buckets)


def _lengthened(rows: npt.NDArray[np.float64], length: int) -> npt.NDArray[np.float64]:
    longer = np.zeros((length, rows.shape[1]))
    longer[: len(rows)] = rows
    return longer


@compiled(**JIT)
def _add_rows(series, counts, row, bucket, n, sign, residue, sums, buckets):  # type: ignore[no-untyped-def]
    """Adds rows. Weights of sampled spans are no round numbers: what rounding leaves of a sum that is gone must not
    look alive."""
    for i in range(len(series)):
        for column in range(counts.shape[1]):
            total = sums[series[i], column] + sign * counts[i, column]
            sums[series[i], column] = 0.0 if abs(total) < residue else total
    for cell in range(len(row)):
        total = buckets[series[row[cell]], bucket[cell]] + sign * n[cell]
        buckets[series[row[cell]], bucket[cell]] = 0.0 if abs(total) < residue else total


@dataclass
class _Window:
    """What one window counts: packed, and loose what came since."""

    packed: Packed | None = None
    loose: list[RollupBatch] = field(default_factory=list)

    @property
    def is_loose(self) -> bool:
        """Whether packing it (again) is worth it."""
        rows = sum(len(batch) for batch in self.loose)
        return rows * 4 > (self.packed.rows if self.packed else 0) or len(self.loose) > MOST_LOOSE

    def merged(self, window_s: int, chosen: npt.NDArray[np.bool_]) -> RollupBatch:
        """A row for each of the chosen series."""
        return self._merged([rows_of(batch, chosen[batch.series]) for batch in self.loose], window_s, chosen)

    def _merged(self, loose: list[RollupBatch], window_s: int, chosen: npt.NDArray[np.bool_]) -> RollupBatch:
        parts = [*loose, unpack(self.packed, window_s, chosen)] if self.packed else loose
        return coarsen(concatenate(parts), window_s) if parts else empty(window_s)

    def pack(self, window_s: int, series: int) -> None:
        """Packs everything."""
        self.packed, self.loose = pack(self._merged(self.loose, window_s, np.ones(series, bool))), []

    def series(self) -> npt.NDArray[np.int64]:
        """The series that are counted; some may come twice."""
        parts = [batch.series.astype(np.int64) for batch in self.loose]
        return np.concatenate([*parts, numbers(self.packed)] if self.packed else parts)


class Ring:
    """Recent rollups. `add` takes deltas for any window that is still kept; the rest is for the store alone.

    `now_s` given to `advance` decides which windows the running sums cover: the one in progress and those
    before it. `spans` are the lengths, in seconds, for which `last` answers. Not thread-safe.
    """

    def __init__(self, ladder: Ladder, window_s: int = 10, keep_s: int = 4200,
                 spans_s: Sequence[int] = SPANS_S) -> None:
        self.ladder, self.window_s, self.keep_s = ladder, window_s, keep_s
        self._windows: dict[int, _Window] = {}
        self.spans = tuple(spans_s)
        self._sums: dict[int, RunningSum] = {}
        self._asked: dict[int, int] = {}
        self._newest = 0
        self._series = 0

    def advance(self, now_s: float) -> None:
        """Moves every running sum on to the window in progress at `now_s`, and forgets what is older than kept."""
        newest = int(now_s) // self.window_s
        if newest <= self._newest:
            return
        unread = newest - UNREAD_S // self.window_s - 1
        self._sums = {span: running for span, running in self._sums.items() if self._asked[span] > unread}
        for running in self._sums.values():
            self._move(running, newest)
        before, self._newest = self._newest, newest
        for index in [i for i in self._windows if i <= newest - self.keep_s // self.window_s]:
            del self._windows[index]
        apart = REPACKED_S // self.window_s
        self._pack(again=newest // apart != before // apart)

    def _pack(self, *, again: bool) -> None:
        """Packs settled windows; `again` those that are packed, where it is worth it."""
        settled = self._newest - SETTLED_S // self.window_s
        for index, window in self._windows.items():
            if index <= settled and window.is_loose and (again or not window.packed):
                window.pack(self.window_s, self._series)

    def _move(self, running: RunningSum, newest: int) -> None:
        before, after = self._newest - running.windows, newest - running.windows
        for index, window in self._windows.items():
            was, is_ = before < index <= self._newest, after < index <= newest
            if was != is_:
                running.add(window, 1 if is_ else -1)

    def add(self, batch: RollupBatch) -> None:
        """Takes in deltas of windows as long as the ring's."""
        if not len(batch):
            return
        self._series = max(self._series, int(batch.series.max()) + 1)
        for running in self._sums.values():
            running.ensure(self._series)
        for index, part in _by_window(batch):
            if index <= self._newest - self.keep_s // self.window_s and self._newest:
                continue
            self._windows.setdefault(index, _Window()).loose.append(part)
            for running in self._sums.values():
                if self._newest - running.windows < index <= self._newest:
                    running.add_batch(part, 1)
        self._pack(again=False)

    def renumber(self, new_of: npt.NDArray[np.int64], series: int) -> None:
        """Gives every series another number below `series`; rows of a series whose new number is -1 are forgotten."""
        windows, all_of_them = list(self._windows.values()), np.ones(max(self._series, 1), bool)
        self._windows, self._sums, self._series = {}, {}, series
        for window in windows:
            batch = window.merged(self.window_s, all_of_them)
            kept = rows_of(batch, new_of[batch.series] >= 0)
            self.add(replace(kept, series=new_of[kept.series].astype(np.int32)))

    def numbers(self) -> npt.NDArray[np.int64]:
        """The series that occur in any window that is kept."""
        held = [window.series() for window in self._windows.values()]
        return np.unique(np.concatenate(held)) if held else np.empty(0, np.int64)

    def last(self, span_s: int) -> Totals:
        """The running totals of one of the `spans`, for as many series as were ever seen; not to be written to."""
        self._asked[span_s] = self._newest
        if span_s not in self._sums:
            self._sums[span_s] = self._sum(self._newest - span_s // self.window_s + 1, self._newest + 1)
        totals = self._sums[span_s].totals
        return Totals(totals.counts[: self._series], totals.buckets[: self._series])

    def _sum(self, first: int, end: int) -> RunningSum:
        """The sum of the windows in [first, end)."""
        total = RunningSum(end - first, self.ladder.buckets)
        total.ensure(max(self._series, 1))
        for index, window in self._windows.items():
            if first <= index < end:
                total.add(window, 1)
        return total

    def between(self, from_s: float, to_s: float) -> Totals:
        """The totals of the windows that start in [from_s, to_s)."""
        first, end = (int(-(-at_s // self.window_s)) for at_s in (from_s, to_s))
        totals = self._sum(first, end).totals
        return Totals(totals.counts[: self._series], totals.buckets[: self._series])

    def rows(self, from_s: float, to_s: float, series: npt.NDArray[np.int32]) -> RollupBatch:
        """The windows that start in [from_s, to_s), of the given series only."""
        chosen = np.zeros(max(self._series, 1), bool)
        chosen[series[series < self._series]] = True
        inside = [i for i in sorted(self._windows) if from_s <= i * self.window_s < to_s]
        kept = [self._windows[index].merged(self.window_s, chosen) for index in inside]
        return concatenate(kept) if kept else empty(self.window_s)

    @property
    def newest_end_s(self) -> int:
        """Where the newest window ends that the running sums cover."""
        return (self._newest + 1) * self.window_s

    @property
    def oldest_s(self) -> int:
        """From when on the ring holds everything."""
        return (self._newest - self.keep_s // self.window_s + 1) * self.window_s


def compile_kernels() -> None:
    """Compiles what the ring needs (some seconds, once a machine), so that no tick waits for it."""
    ring, one = Ring(ladder(), spans_s=(60,)), np.zeros(1, np.int32)
    ring.advance(1000)
    ring.add(RollupBatch(10, np.array([990]), one, np.ones((1, len(COUNTS))), one, one.astype(np.int16), np.ones(1)))
    ring.advance(1000 + 2 * SETTLED_S)
    ring.rows(0, 2000, ring.numbers().astype(np.int32))
    ring.between(0, 2000)


def _by_window(batch: RollupBatch) -> Iterator[tuple[int, RollupBatch]]:
    """The rows of each window. Those of a window are together in neither rows nor cells: both are sorted once."""
    index = batch.starts_s // batch.window_s
    found = np.unique(index)
    window_of = np.searchsorted(found, index)
    order, starts = grouped(window_of, len(found))
    cells, cell_starts = grouped(window_of[batch.hist_row], len(found))
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))
    for k, window in enumerate(found.tolist()):
        low, rows = starts[k], order[starts[k] : starts[k + 1]]
        of = cells[cell_starts[k] : cell_starts[k + 1]]
        yield window, RollupBatch(batch.window_s, batch.starts_s[rows], batch.series[rows], batch.counts[rows],
                                  (place[batch.hist_row[of]] - low).astype(np.int32), batch.hist_bucket[of],
                                  batch.hist_n[of])
