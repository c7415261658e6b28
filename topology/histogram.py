"""The latency ladder: logarithmic bounds that every count shares, with SLO thresholds inserted.

Two neighbouring bounds differ by a factor of at most `GROWTH`, and a quantile is read at the
geometric middle of its bucket, so its relative error is at most sqrt(GROWTH) - 1 < 5 %
(the argument of DDSketch, Masson et al., VLDB 2019). A threshold that is itself a bound is
counted exactly: the good calls are the sum of the buckets below it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

GROWTH = 1.1
LOWEST_US = 100.0
HIGHEST_US = 120_000_000.0
MAX_BOUNDS = 176


@dataclass(frozen=True, eq=False)
class Ladder:
    """Upper bounds in microseconds, ascending. Bucket i holds durations in (bounds[i-1], bounds[i]];
    one last bucket holds everything above the highest bound."""

    bounds_us: npt.NDArray[np.int64]

    @property
    def buckets(self) -> int:
        """How many buckets there are: one more than bounds."""
        return len(self.bounds_us) + 1

    def bucket(self, duration_us: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The bucket of each duration."""
        return np.asarray(np.searchsorted(self.bounds_us, duration_us, side="left"), np.int64)

    def good(self, counts: npt.NDArray[np.float64], threshold_us: int) -> npt.NDArray[np.float64]:
        """How many calls ended within the threshold: exact when the threshold is a bound.
        `counts` has buckets on its last axis."""
        below = int(np.searchsorted(self.bounds_us, threshold_us, side="right"))
        return np.asarray(counts[..., :below].sum(axis=-1), np.float64)

    def middles_us(self) -> npt.NDArray[np.float64]:
        """The value that stands for each bucket: the geometric middle of its bounds."""
        upper = np.append(self.bounds_us, self.bounds_us[-1] * GROWTH)
        lower = np.insert(self.bounds_us, 0, int(self.bounds_us[0] / GROWTH)).astype(np.float64)
        return np.asarray(np.sqrt(lower * upper), np.float64)

    def quantiles_us(self, counts: npt.NDArray[np.float64], shares: Iterable[float]) -> npt.NDArray[np.float64]:
        """The durations below which `shares` of the calls lie, one column a share; NaN where nothing was counted.
        `counts` is rows x buckets."""
        total = counts.sum(axis=1)
        running = np.cumsum(counts, axis=1)
        middles = self.middles_us()
        columns = []
        for share in shares:
            # the smallest bucket whose running count reaches the rank; the slack absorbs float sums
            rank = share * total - 1e-9 * np.maximum(total, 1)
            at = np.minimum((running < rank[:, None]).sum(axis=1), self.buckets - 1)
            columns.append(np.where(total > 0, middles[at], np.nan))
        return np.stack(columns, axis=1)


def ladder(thresholds_us: Iterable[int] = ()) -> Ladder:
    """The ladder with every threshold as a bound; ValueError when they are too many."""
    steps = int(np.ceil(np.log(HIGHEST_US / LOWEST_US) / np.log(GROWTH)))
    base = np.round(LOWEST_US * GROWTH ** np.arange(steps + 1)).astype(np.int64)
    bounds = np.unique(np.concatenate([base, np.asarray([t for t in thresholds_us if t > 0], np.int64)]))
    if len(bounds) > MAX_BOUNDS:
        raise ValueError(f"{len(bounds)} latency bounds, at most {MAX_BOUNDS}: too many different thresholds")
    return Ladder(bounds)
