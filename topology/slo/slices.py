"""From counts of calls to what a budgeting method counts: events, good slices, ratios of slices; and composites.

Formulas: OpenSLO v1. Occurrences: good events / all events. Timeslices: good slices / all slices, a slice being good
when its ratio reaches `slice_target`. RatioTimeslices: the mean of the slices' ratios. All functions are elementwise
over arrays of any shape, for example slices x SLOs, so everything after them counts "events" whatever the method.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from topology.slo.budget import NOTHING, Array, bad_ratio, ratio
from topology.slo.objectives import Method, Missing, Operator

Counts = tuple[Array, Array]
"""Good and total."""

_HOLDS = {Operator.LTE: np.less_equal, Operator.GTE: np.greater_equal, Operator.LT: np.less, Operator.GT: np.greater}


def within(value: Array, operator: Operator, limit: Array | float) -> Counts:
    """One event for every value that is known (not NaN), good when it holds against the limit."""
    known = ~(np.isnan(value) | np.isnan(limit))
    return (known & _HOLDS[operator](value, limit)).astype(np.float64), known.astype(np.float64)


def by_slice(column: Array, per_slice: int) -> Array:
    """Sums of `per_slice` following rows of a column (rows x SLOs or rows); their number must be a multiple of it."""
    sums: Array = column.reshape(-1, per_slice, *column.shape[1:]).sum(axis=1)
    return sums


def sliced(good: Array, total: Array, method: Method, slice_target: float | None = None) -> Counts:
    """What `method` counts, from the counts of each slice (of each minute, for Occurrences).

    A slice without events is no slice: (0, 0); see `filled` for what else it may be.
    """
    if method is Method.OCCURRENCES:
        return good, total
    known = (total > NOTHING).astype(np.float64)
    shares = np.nan_to_num(ratio(good, total))
    if method is Method.TIMESLICES:
        assert slice_target is not None, "Timeslices needs a slice target"
        return known * (shares >= slice_target), known
    return shares, known


def filled(good: Array, total: Array, covered: Array, slots: Array | float, missing: Missing) -> Counts:
    """The sums of a window with its slots without data taken as `missing` says: left out, good, or bad.

    `covered` slots of `slots` have data. A slice without data is one slice. A minute of Occurrences without data
    weighs as the mean minute of the window that has some, and as one event where none has.
    """
    if missing is Missing.IGNORE:
        return good, total
    weight = np.divide(total, covered, out=np.ones(np.shape(total)), where=covered > 0)
    more = np.maximum(slots - covered, 0.0) * weight
    return (good + more if missing is Missing.GOOD else good), total + more


def budgeted(total: Array, slots: Array | float, method: Method, rolling: bool) -> Array:
    """The events a budget of one's own is for: what really came; all slices, those to come too, of a calendar period.

    So a calendar month of Timeslices has its whole budget from the first day on (as Kibana and Sloth have it), and
    a rolling window is measured against what it holds.
    """
    if rolling or method is Method.OCCURRENCES:
        return total
    return np.maximum(total, slots)


def composed(parts: Sequence[Counts], weights: Sequence[float], method: Method, slice_target: float | None) -> Counts:
    """One composite objective from the counts of its parts, per slice (per window or minute, for Occurrences).

    Occurrences: the weight multiplies what a part burns: bad = sum(weight x bad), total = sum(total); so good may fall
    below zero. Timeslices: a slice is bad when it is bad in any part. RatioTimeslices: shortfalls add, 95 % and 95 %
    give 90 %, each times its weight, and a slice is at worst wholly bad. A part without data in a slice says nothing.
    """
    weighted = np.asarray(weights, np.float64)
    good, total = np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts])
    if method is Method.OCCURRENCES:
        events = total.sum(axis=0)
        return events - np.tensordot(weighted, total - good, axes=1), events
    known = total.max(axis=0) > NOTHING
    if method is Method.TIMESLICES:
        slice_good, slice_known = sliced(good, total, method, slice_target)
        return (known & (slice_good >= slice_known).all(axis=0)).astype(np.float64), known.astype(np.float64)
    shortfall = np.tensordot(weighted, np.nan_to_num(bad_ratio(good, total)), axes=1)
    return np.where(known, np.maximum(1.0 - shortfall, 0.0), 0.0), known.astype(np.float64)
