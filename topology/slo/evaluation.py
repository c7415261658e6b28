"""What all objectives stand at, at one moment: windows, budgets, states. The same for now, for a moment of the past,
and after a restart; a few hundred array operations whatever the number of objectives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topology.slo.alerts import Alerts, advance
from topology.slo.budget import NOTHING, burn, coverage, exhausted_in_s, left, projected, ratio
from topology.slo.burn import burns, firing
from topology.slo.grid import CELL_S, DAY_S, HOUR_S, Grid, clean
from topology.slo.objectives import WINDOWS_S, Method, Period
from topology.slo.period import period_bounds
from topology.slo.plan import Plan
from topology.slo.slices import Counts, budgeted, filled
from topology.slo.states import Shown, conditions, show

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Standings:
    """What was found at `at_s`. `good`, `total` and `burn` are windows x SLOs over `plan.windows_s`; the rest is a
    column over SLOs. NaN is what is not known. `known` says that anything was counted in the shortest window."""

    plan: Plan
    at_s: float
    good: Floats
    total: Floats
    burn: Floats
    period_good: Floats
    period_total: Floats
    ratio: Floats
    left: Floats
    expected: Floats
    exhausted_in_s: Floats
    coverage: Floats
    known: npt.NDArray[np.bool_]

    def window(self, window_s: int) -> int:
        """The row of a window."""
        return self.plan.windows_s.index(window_s)


def standings(grid: Grid, plan: Plan, at_s: float, closed_s: int, covered: Floats | None = None) -> Standings:
    """Everything about a moment: `at_s` is the end of the newest window, whose cell may be in progress.

    Windows reach back from there; a rolling period begins at a whole hour (a whole day beyond 35 days), at most that
    much before its length. `closed_s` is up to when slots without data are known to have none. `covered` is what
    `coverage_of` gave in this minute, if it is known.
    """
    end_s = grid.border_s(at_s)
    starts = [np.full(len(plan.laid), end_s - window_s) for window_s in plan.windows_s]
    sums = [counted(grid, plan, start, end_s, closed_s) for start in starts]
    good, total = (np.stack(column) for column in zip(*sums, strict=True)) if sums else (np.empty((0, 0)),) * 2
    begins, ends = _bounds(plan, end_s)
    period_good, period_total = counted(grid, plan, begins, end_s, closed_s)
    expected = _expected(plan, period_total, total, begins, ends)
    spare = left(period_good, period_total, plan.allowed, expected)
    burning = burn(good, total, plan.allowed)
    long = burning[plan.long_at, np.arange(len(plan.laid))]
    return Standings(
        plan, at_s, good, total, burning, period_good, period_total, ratio(period_good, period_total), spare, expected,
        exhausted_in_s(spare, long, plan.period_s, np.where(plan.rolling, plan.period_s, ends - end_s)),
        coverage_of(grid, plan, end_s) if covered is None else covered,
        total[plan.known_at, np.arange(len(plan.laid))] > 0,
    )


def _bounds(plan: Plan, end_s: int) -> tuple[Ints, Ints]:
    """From when to when the period of each objective is: rolling ones from a whole hour on, up to now."""
    begins, ends = np.zeros(len(plan.laid), np.int64), np.full(len(plan.laid), end_s)
    for period, which in plan.periods.items():
        begins[which], ends[which] = _period(period, end_s)
    return begins, ends


def _period(period: Period, end_s: int) -> tuple[int, int]:
    # The newest moment of a cell that has just ended still belongs to its period.
    start_s, until_s = period_bounds(period, end_s - CELL_S if not period.rolling else end_s)
    return int(start_s // HOUR_S) * HOUR_S if period.length_s >= DAY_S else int(start_s), int(until_s)


def counted(grid: Grid, plan: Plan, starts: Ints, end_s: int, closed_s: int) -> Counts:
    """Good and total of every objective from its start (one each) to an end; see `standings` for `closed_s`."""
    good, total = np.empty(len(plan.parts)), np.empty(len(plan.parts))
    slots = np.zeros(len(plan.laid))
    for start_s in np.unique(starts).tolist():
        which = starts == start_s
        counts = grid.between(start_s, end_s)
        parts = which[plan.slo_of_part]
        good[parts], total[parts] = _parts(counts, plan.parts[parts])
        if plan.filled:
            slots[which] = counts[plan.covered[which]]
    return _filled(grid, plan, *_composed(plan, good, total), slots, starts, min(end_s, closed_s))


def _parts(counts: Floats, rows: Ints) -> Counts:
    good, total = counts[rows[:, 0]], counts[rows[:, 1]]
    alone = (total == 0) & (rows[:, 3] != 0)
    good[alone], total[alone] = counts[rows[alone, 2]], counts[rows[alone, 3]]
    return good, total


def _composed(plan: Plan, good: Floats, total: Floats) -> Counts:
    """Composites: the weight multiplies what a part burns (see `slices.composed`)."""
    if not plan.weighted:
        return good, total
    bad = np.add.reduceat((total - good) * plan.weights, plan.first_part)
    events = np.add.reduceat(total, plan.first_part)
    return clean(events - bad), events


def _filled(grid: Grid, plan: Plan, good: Floats, total: Floats, covered: Floats, starts: Ints, end_s: int) -> Counts:
    for missing, which in plan.filled:
        slot_s = plan.slot_s[which]
        first = grid.first_s[plan.covered[which]]
        begin = -(-np.maximum(starts[which], first // slot_s * slot_s) // slot_s)
        slots = np.maximum(end_s // slot_s - begin, 0).astype(np.float64)
        good[which], total[which] = filled(good[which], total[which], covered[which], slots, missing)
    return good, total


def _expected(plan: Plan, period_total: Floats, total: Floats, begins: Ints, ends: Ints) -> Floats:
    expected = period_total.copy()
    which = plan.projected
    if len(which):
        day, hour = (total[plan.windows_s.index(WINDOWS_S[name])][which] for name in ("1d", "1h"))
        expected[which] = projected(period_total[which], day, hour, plan.period_s[which])
    for number in plan.calendar_slices[period_total[plan.calendar_slices] > 0].tolist():
        slots = (ends[number] - begins[number]) / plan.slot_s[number]
        expected[number] = budgeted(expected[number], slots, Method.TIMESLICES, rolling=False)
    return expected


def coverage_of(grid: Grid, plan: Plan, end_s: int) -> Floats:
    """The share of the hours of each period (up to now) in which anything was counted."""
    covered = np.zeros(len(plan.laid))
    begins, _ = _bounds(plan, end_s)
    for start_s in np.unique(begins).tolist():
        which = np.flatnonzero(begins == start_s)
        hours = _hours_with_data(grid, start_s, end_s)
        parts = plan.parts[plan.first_part[which]]
        covered[which] = coverage(np.maximum(hours[parts[:, 1]], hours[parts[:, 3]]), _hours(start_s, end_s))
    return covered


def _hours(start_s: int, end_s: int) -> float:
    return max(1.0, (end_s - start_s) / HOUR_S)


def _hours_with_data(grid: Grid, start_s: int, end_s: int) -> Floats:
    """Of each row the hours with data; the hour in progress counts as the part of it that is over."""
    found = np.zeros(grid.room)
    before, from_s = grid.before(start_s), start_s
    for hour_s in range(start_s, end_s, HOUR_S):
        to_s = min(hour_s + HOUR_S, end_s)
        if grid.border_s(to_s) == to_s:
            after = grid.before(to_s)
            found += (clean(after - before) != 0) * ((to_s - from_s) / HOUR_S)
            before, from_s = after, to_s
    return found


def alerted(found: Standings, alerts: Alerts, shown: Shown, now_s: float) -> tuple[Alerts, Shown]:
    """The alerts and the states after these standings, which were found at `now_s`."""
    rules, plan = found.plan.rules, found.plan
    fires = firing(rules, found.good, found.total) if len(rules) else np.zeros(0, bool)
    burning = burns(rules, found.good, found.total) if len(rules) else np.zeros(0)
    alerts = advance(alerts, now_s, rules, fires, burning)
    enough = found.period_total - found.period_good >= plan.least_bad - NOTHING
    holds = conditions(rules, alerts.raised, found.left, found.known, enough)
    # Where late data has taken back every bad event of the short window, there is nothing to flicker.
    bad = (found.total - found.good)[plan.known_at, np.arange(len(plan.laid))]
    return alerts, show(shown, now_s, plan.names, holds, np.where(bad > NOTHING, plan.hold_s, 0.0))

