"""Rollups: counts per series and window, as columns. Merging them is associative and commutative,
so late data, several workers and re-reads add up, and a correction is a negative count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from topology.model import SeriesKey

COUNTS = ("calls", "errors", "originated", "protected", "total", "self_total", "observed")
"""Columns of `RollupBatch.counts`. `calls`, `errors`, `originated` (failed with no failed child) and
`protected` are weighted by sampling; `total` and `self_total` are microseconds (millionths for gauges);
`observed` counts spans without weight, so that `observed / calls` is the share sampled."""
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
    """The same counts in longer windows (`window_s` a multiple of the batch's), one row per series and window."""
    starts = batch.starts_s - batch.starts_s % window_s
    pairs, row_of = np.unique(np.stack([starts, batch.series.astype(np.int64)]), axis=1, return_inverse=True)
    row_of = row_of.reshape(-1)
    counts = np.zeros((pairs.shape[1], len(COUNTS)))
    np.add.at(counts, row_of, batch.counts)
    hist_row, hist_bucket, hist_n = merge_histogram(row_of[batch.hist_row], batch.hist_bucket, batch.hist_n)
    return RollupBatch(window_s, pairs[0], pairs[1].astype(np.int32), counts, hist_row, hist_bucket, hist_n)


def merge_histogram(
    row: npt.NDArray[np.int64], bucket: npt.NDArray[np.int16], n: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int16], npt.NDArray[np.float64]]:
    """Sparse histogram entries with equal (row, bucket) added up; entries that cancel are gone."""
    cells, at = np.unique(row.astype(np.int64) * 1024 + bucket, return_inverse=True)
    sums = np.bincount(at.reshape(-1), weights=n, minlength=len(cells)).astype(np.float64)
    keep = sums != 0
    return ((cells[keep] // 1024).astype(np.int32), (cells[keep] % 1024).astype(np.int16), sums[keep])


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
