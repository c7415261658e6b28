"""From a mean and five percentiles to calls by bucket of the latency ladder: an estimate, and marked as one.

OAP cuts durations to tens of milliseconds before it ranks them (CORE/analysis/metrics/PercentileMetrics.java), so a
percentile of 30 means from 30 to just below 40. Between the percentiles durations are taken as evenly spread; where in
its ten milliseconds each lies is chosen so that the mean comes out as OAP says, as far as that is possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from collectors.skywalking.metrics import SHARES, Floats
from topology.histogram import Ladder

STEP_MS = 10.0
US_PER_MS = 1000.0
_REMEMBERED = 1 << 16
"""Minutes are read again and again while late data may come: most of them say the same as before."""
_KNOTS = np.array([0.0, *SHARES, 1.0])
_WEIGHTS = np.diff(_KNOTS)
Buckets = Mapping[int, float]


class Spreader:
    """Spreads calls over a ladder, and remembers what it worked out."""

    def __init__(self, ladder: Ladder) -> None:
        self._bounds_us = ladder.bounds_us.astype(np.float64)
        self._ladder = ladder
        self.spread = lru_cache(_REMEMBERED)(self._spread)

    def _spread(self, calls: int, mean_ms: float | None, percentiles_ms: tuple[float, ...] | None) -> Buckets:
        """The calls by bucket, whole numbers that add up to `calls`; nothing where no duration is known."""
        if calls <= 0 or (mean_ms is None and percentiles_ms is None):
            return MappingProxyType({})
        if percentiles_ms is None:
            assert mean_ms is not None
            return MappingProxyType({int(self._ladder.bucket(mean_ms * US_PER_MS)): float(calls)})
        durations_us = quantiles_ms(percentiles_ms, mean_ms) * US_PER_MS
        below = np.interp(self._bounds_us, durations_us, _KNOTS, left=0.0, right=1.0)
        shares = np.diff(below, prepend=0.0, append=1.0)
        return MappingProxyType(_whole(shares * calls, calls))


def quantiles_ms(percentiles_ms: tuple[float, ...], mean_ms: float | None) -> Floats:
    """The durations at the shares 0, SHARES and 1, ascending. The lowest lies as far below the median as the next
    percentile lies above it."""
    ranks = np.maximum.accumulate(np.array(percentiles_ms))
    lowest = max(0.0, 2 * ranks[0] - ranks[1])
    floor = np.array([lowest, *ranks, ranks[-1]])
    within = 0.5 if mean_ms is None else (mean_ms - _mean(floor)) / STEP_MS
    shifted = floor + STEP_MS * min(max(within, 0.0), 0.999)
    return np.asarray(shifted + np.arange(len(shifted)) * 1e-4, np.float64)  # strictly ascending


def _mean(durations: Floats) -> float:
    return float((_WEIGHTS * (durations[1:] + durations[:-1]) / 2).sum())


def _whole(shares: Floats, total: int) -> dict[int, float]:
    """Largest remainder: whole numbers next to the shares that add up to the total."""
    floors = np.floor(shares + 1e-9)
    left = int(total - floors.sum())
    most = np.argsort(floors - shares, kind="stable")[:left]
    floors[most] += 1
    at = np.flatnonzero(floors)
    return dict(zip(at.tolist(), floors[at].tolist(), strict=True))
