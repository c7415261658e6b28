"""Threshold metrics: a figure of every minute held against its limit, so that every minute is an event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from topology.slo.grid import HOUR_S, MINUTE_S, Grid, clean
from topology.slo.objectives import Measure, Operator
from topology.slo.plan import MinuteFigure, PairRows
from topology.slo.selection import PERCENTILES
from topology.slo.slices import Counts, within

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WEEK_S = 7 * 86400
MILLION = 1e6
SLACK = 1e-9
"""What rounding may take from a share that is exactly the limit."""


def judged(grid: Grid, alike: Sequence[MinuteFigure], starts_s: Ints, heard: int) -> Counts:
    """(good, known) of minutes x figures, which differ only in what they are about. `heard` is the row that counts
    everything: in a minute in which others were heard, a service known before that made no calls made none."""
    threshold = alike[0].threshold
    if not alike[0].pairs:
        return np.zeros((len(starts_s), len(alike))), np.zeros((len(starts_s), len(alike)))
    columns = [tuple(one.pairs[place] for one in alike) for place in range(len(alike[0].pairs))]
    values = np.stack([_values(grid, threshold.measure, pairs, starts_s, heard) for pairs in columns])
    worst = _worst(values)
    if threshold.measure in PERCENTILES:
        return _percentile(worst, PERCENTILES[threshold.measure], threshold.operator)
    return within(worst, threshold.operator, _limits(grid, alike, columns, starts_s))


def _values(grid: Grid, measure: Measure, pairs: Sequence[PairRows], starts_s: Ints, heard: int) -> Floats:
    amount, number = counts_of(grid, pairs, starts_s, MINUTE_S)
    if measure is Measure.CALLS_PER_S:
        listening = counts_of(grid, [PairRows(heard, heard)], starts_s, MINUTE_S)[1] > 0
        known = (number > 0) | (listening & (_first_s(grid, pairs) <= starts_s[:, None]))
        return np.where(known, amount / MINUTE_S, np.nan)
    return _figure(measure, amount, number, MINUTE_S)


def _figure(measure: Measure, amount: Floats, number: Floats, span_s: int) -> Floats:
    if measure in (Measure.CALLS_PER_S, Measure.LOG_ERRORS_PER_S):
        return np.where(number > 0, amount / span_s, np.nan)
    scale = MILLION if measure is Measure.SATURATION else 1.0
    found: Floats = np.divide(amount, number * scale, out=np.full(np.shape(number), np.nan), where=number > 0)
    return found


def _percentile(share: Floats, quantile: float, operator: Operator) -> Counts:
    """p95 <= limit says that 95 % took no longer than the limit."""
    known = ~np.isnan(share)
    fast = share >= quantile - SLACK
    good = known & (fast if operator in (Operator.LTE, Operator.LT) else ~fast)
    return good.astype(np.float64), known.astype(np.float64)


def _first_s(grid: Grid, pairs: Sequence[PairRows]) -> Ints:
    rows = np.array(pairs, np.int64)
    first: Ints = np.minimum(grid.first_s[rows[:, 1]], grid.first_s[rows[:, 3]])
    return first


def counts_of(grid: Grid, pairs: Sequence[PairRows], starts_s: Ints, span_s: int) -> Counts:
    """(good, total) of starts x pairs: of root work where there was no other work in a span."""
    rows = np.array(pairs, np.int64).T
    spans = [clean(grid.before(start + span_s) - grid.before(start))[rows] for start in starts_s.tolist()]
    counts = np.stack(spans)
    alone = counts[:, 1] == 0
    return np.where(alone, counts[:, 2], counts[:, 0]), np.where(alone, counts[:, 3], counts[:, 1])


def _limits(grid: Grid, alike: Sequence[MinuteFigure], columns: Sequence[Sequence[PairRows]],
            starts_s: Ints) -> Floats | float:
    """The limit, or so many times the mean of the same hour in earlier weeks; NaN while there is no earlier week."""
    threshold = alike[0].threshold
    if not threshold.weeks:
        return float(threshold.value)
    hours, of_hour = np.unique(starts_s // HOUR_S, return_inverse=True)
    weeks = [_hours(grid, threshold.measure, columns, (hours * HOUR_S) - week * WEEK_S)
             for week in range(1, threshold.weeks + 1)]
    earlier = np.stack(weeks)
    known = ~np.isnan(earlier)
    total = np.where(known, earlier, 0.0).sum(axis=0)
    mean = np.divide(total, known.sum(axis=0), out=np.full(total.shape, np.nan), where=known.any(axis=0))
    return np.asarray(float(threshold.value) * mean[of_hour], np.float64)


def _hours(grid: Grid, measure: Measure, columns: Sequence[Sequence[PairRows]], starts_s: Ints) -> Floats:
    """The figure of whole hours (hours x figures); NaN for those that are no longer known as hours."""
    kept = np.array([grid.border_s(start) == start for start in starts_s.tolist()])
    values = np.stack([_figure(measure, *counts_of(grid, pairs, starts_s, HOUR_S), HOUR_S) for pairs in columns])
    return np.where(kept[:, None], _worst(values), np.nan)


def _worst(values: Floats) -> Floats:
    highest: Floats = np.nan_to_num(values, nan=-np.inf).max(axis=0)
    return np.where(np.isneginf(highest), np.nan, highest)
