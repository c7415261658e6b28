"""Rows of a tier added up: one row per series and window, its histogram merged.

A row of a tier carries its histogram as a list of (bound number, count); lists of one window are summed
in a dense scratch row, which is several times faster than grouping single cells in the database.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from topology.errors import StoreDamaged
from topology.rollup import COUNTS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TierRows:
    """Rows as they lie in a tier: row i has the cells `bounds[offsets[i]:offsets[i + 1]]`, `ns[...]`."""

    starts_s: npt.NDArray[np.int64]
    series: npt.NDArray[np.int32]
    counts: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.int16]
    ns: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.starts_s)

    def rows_of_cells(self) -> npt.NDArray[np.int32]:
        """The row of each cell."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.offsets))


def merged(rows: TierRows, window_s: int, to_bucket: npt.NDArray[np.int16]) -> TierRows:
    """The same counts with one row per series and window of `window_s`, ordered by series, then window.
    `to_bucket` gives the new number of each bound number; cells that cancel are gone."""
    if not len(rows):
        return rows
    if len(rows.bounds) and int(rows.bounds.max()) >= len(to_bucket):
        raise StoreDamaged("a histogram has a bound that the file does not name")
    starts = rows.starts_s - rows.starts_s % window_s
    order = np.lexsort((starts, rows.series))
    starts, series = starts[order], rows.series[order]
    first = np.flatnonzero(np.concatenate([[True], (np.diff(starts) != 0) | (np.diff(series) != 0)]))
    ends = np.append(first[1:], len(order))
    counts = _sum_counts(order, first, ends, rows.counts)
    scratch = np.zeros(int(to_bucket.max(initial=0)) + 1)
    offsets, bounds, ns = _merge_cells(order, first, ends, rows.offsets, rows.bounds, rows.ns, to_bucket, scratch)
    return TierRows(starts[first], series[first], counts, offsets, bounds, ns)


def compile_kernels() -> None:
    """Compiles what merging needs (a second or two, once a machine), so that no reader waits for it."""
    one = np.ones(1)
    merged(TierRows(np.zeros(1, np.int64), np.zeros(1, np.int32), np.zeros((1, len(COUNTS))), np.array([0, 1]),
                    np.zeros(1, np.int16), one), 10, np.zeros(1, np.int16))


@numba.njit(cache=True, nogil=True)
def _sum_counts(order: Ints, first: Ints, ends: Ints, counts: Floats) -> Floats:
    """The sums of the rows of each group `order[first[g]:ends[g]]`."""
    sums = np.zeros((len(first), counts.shape[1]))
    for group in range(len(first)):
        for place in range(first[group], ends[group]):
            for at in range(counts.shape[1]):
                sums[group, at] += counts[order[place], at]
    return sums


@numba.njit(cache=True, nogil=True)
def _merge_cells(
    order: Ints, first: Ints, ends: Ints, offsets: Ints, bounds: npt.NDArray[np.int16], ns: Floats,
    to_bucket: npt.NDArray[np.int16], scratch: Floats,
) -> tuple[Ints, npt.NDArray[np.int16], Floats]:
    """Sums the cells of each group of rows `order[first[g]:ends[g]]`; `scratch` is zero before and after."""
    out_offsets = np.zeros(len(first) + 1, np.int64)
    out_bounds = np.empty(len(bounds), np.int16)
    out_ns = np.empty(len(bounds), np.float64)
    at = 0
    for group in range(len(first)):
        low, high = len(scratch), -1
        for place in range(first[group], ends[group]):
            row = order[place]
            for cell in range(offsets[row], offsets[row + 1]):
                bucket = to_bucket[bounds[cell]]
                scratch[bucket] += ns[cell]
                low, high = min(low, bucket), max(high, bucket)
        for bucket in range(low, high + 1):
            if scratch[bucket] != 0:
                out_bounds[at], out_ns[at] = bucket, scratch[bucket]
                at += 1
                scratch[bucket] = 0
        out_offsets[group + 1] = at
    return out_offsets, out_bounds[:at].copy(), out_ns[:at].copy()
