"""Rollups: counts per series and window, as columns. Merging them is associative and commutative,
so late data, several workers and re-reads add up, and a correction is a negative count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from topology.machine import JIT, compiled
from topology.model import SeriesKey

COUNTS = ("calls", "errors", "originated", "protected", "total", "self_total", "observed")
"""Columns of `RollupBatch.counts`. `calls`, `errors`, `originated` (failed with no failed child) and
`protected` are weighted by sampling; `total` and `self_total` are microseconds (millionths for gauges);
`observed` counts spans without weight, so that `observed / calls` is the share sampled."""
MOST_BUCKETS = 1024
"""More than any ladder has."""
CALLS, ERRORS, ORIGINATED, PROTECTED, TOTAL, SELF_TOTAL, OBSERVED = range(len(COUNTS))


@dataclass
class SeriesTable:
    """Numbers for series: small integers stand for keys in every column of this process."""

    keys: list[SeriesKey] = field(default_factory=list)
    numbers: dict[SeriesKey, int] = field(default_factory=dict)

    def number(self, key: SeriesKey) -> int:
        """The number of a series, given out at first sight."""
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = len(self.keys)
            self.keys.append(key)
        return found

    def renew(self, keep: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Gives the series in `keep` the numbers from 0 on and forgets all others; returns the new number of every
        old one, -1 for those that are gone. The old list of keys is left as it is for whoever still reads it."""
        new_of = np.full(len(self.keys), -1, np.int64)
        new_of[keep] = np.arange(len(keep))
        self.keys = [self.keys[old] for old in keep.tolist()]
        self.numbers = {key: number for number, key in enumerate(self.keys)}
        return new_of

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, eq=False)
class RollupBatch:
    """Counts of many series in many windows; (window, series) may occur more than once.

    `window_s` is the length of every window, `starts_s` their starts (UTC epoch seconds, multiples of
    `window_s`), `series` numbers of a SeriesTable. The histogram is sparse: entry j says that row
    `hist_row[j]` has `hist_n[j]` calls in ladder bucket `hist_bucket[j]`.
    """

    window_s: int
    starts_s: npt.NDArray[np.int64]
    series: npt.NDArray[np.int32]
    counts: npt.NDArray[np.float64]
    hist_row: npt.NDArray[np.int32]
    hist_bucket: npt.NDArray[np.int16]
    hist_n: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.starts_s)


def empty(window_s: int) -> RollupBatch:
    """A batch that counts nothing."""
    return RollupBatch(window_s, np.empty(0, np.int64), np.empty(0, np.int32), np.empty((0, len(COUNTS))),
                       np.empty(0, np.int32), np.empty(0, np.int16), np.empty(0))


def concatenate(batches: Sequence[RollupBatch]) -> RollupBatch:
    """One batch with the rows of all; they must share the window length."""
    offsets = np.cumsum([0] + [len(b) for b in batches[:-1]])
    return RollupBatch(
        batches[0].window_s,
        np.concatenate([b.starts_s for b in batches]),
        np.concatenate([b.series for b in batches]),
        np.concatenate([b.counts for b in batches]),
        np.concatenate([b.hist_row + np.int32(o) for b, o in zip(batches, offsets, strict=True)]),
        np.concatenate([b.hist_bucket for b in batches]),
        np.concatenate([b.hist_n for b in batches]),
    )


def rows_of(batch: RollupBatch, keep: npt.NDArray[np.bool_]) -> RollupBatch:
    """The rows for which `keep` is true, histogram and all."""
    position = np.cumsum(keep) - 1
    cells = keep[batch.hist_row]
    return RollupBatch(batch.window_s, batch.starts_s[keep], batch.series[keep], batch.counts[keep],
                       position[batch.hist_row[cells]].astype(np.int32), batch.hist_bucket[cells], batch.hist_n[cells])


def coarsen(batch: RollupBatch, window_s: int) -> RollupBatch:
    """The same counts in longer windows (`window_s` a multiple of the batch's), one row per series and window, in the
    order of windows, then series; the histogram in the order of rows, then buckets, and what cancels is gone."""
    starts = batch.starts_s - batch.starts_s % window_s
    order = np.lexsort((batch.series, starts))
    is_new = np.ones(len(order), bool)
    is_new[1:] = (np.diff(starts[order]) != 0) | (np.diff(batch.series[order]) != 0)
    row_of = np.empty(len(order), np.int64)
    row_of[order] = np.cumsum(is_new) - 1
    first = order[is_new]
    counts = np.zeros((len(first), len(COUNTS)))
    _add_counts(row_of, batch.counts, counts)
    cells = _merge_cells(row_of[batch.hist_row], batch.hist_bucket, batch.hist_n, len(first), MOST_BUCKETS)
    return RollupBatch(window_s, starts[first], batch.series[first], counts, *cells)


@compiled(**JIT)
def _add_counts(row_of, counts, into):  # type: ignore[no-untyped-def]
    for row in range(len(row_of)):
        for column in range(counts.shape[1]):
            into[row_of[row], column] += counts[row, column]


@compiled(**JIT)
def _merge_cells(row, bucket, n, rows, buckets):  # type: ignore[no-untyped-def]
    """Sparse histogram entries with equal (row, bucket) added up: sorted by row by counting, by bucket by adding up
    in a dense row, which is zero before and after."""
    first = np.zeros(rows + 1, np.int64)
    for cell in range(len(row)):
        first[row[cell] + 1] += 1
    first = np.cumsum(first)
    place, order = first[:-1].copy(), np.empty(len(row), np.int64)
    for cell in range(len(row)):
        order[place[row[cell]]] = cell
        place[row[cell]] += 1
    rows_out, buckets_out, n_out = np.empty(len(row), np.int32), np.empty(len(row), np.int16), np.empty(len(row))
    dense, used = np.zeros(buckets), 0
    for at in range(rows):
        low, high = buckets, -1
        for cell in order[first[at] : first[at + 1]]:
            dense[bucket[cell]] += n[cell]
            low, high = min(low, bucket[cell]), max(high, bucket[cell])
        for where in range(low, high + 1):
            if dense[where] != 0.0:
                rows_out[used], buckets_out[used], n_out[used] = at, where, dense[where]
                used += 1
                dense[where] = 0.0
    return rows_out[:used].copy(), buckets_out[:used].copy(), n_out[:used].copy()


def from_rows(window_s: int, rows: Iterable[tuple[int, int, Sequence[float], dict[int, float]]]) -> RollupBatch:
    """A batch from (start_s, series, counts, {bucket: n}) rows: for collectors that count in Python, and tests."""
    listed = list(rows)
    cells = [(i, bucket, n) for i, (_, _, _, hist) in enumerate(listed) for bucket, n in hist.items()]
    return RollupBatch(
        window_s,
        np.array([r[0] for r in listed], np.int64),
        np.array([r[1] for r in listed], np.int32),
        np.array([r[2] for r in listed], np.float64).reshape(len(listed), len(COUNTS)),
        np.array([c[0] for c in cells], np.int32),
        np.array([c[1] for c in cells], np.int16),
        np.array([c[2] for c in cells], np.float64),
    )
