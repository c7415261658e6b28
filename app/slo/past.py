"""Objectives over time: the strip of thirty days, histories, what spent the budget, and what would have been."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import numpy.typing as npt

from app.slo.answers import DAYS, known
from topology.graph import whole
from topology.slo.evaluation import Standings, counted, standings
from topology.slo.gliding import firing_over_time, raised
from topology.slo.grid import CELL_S, DAY_S, HOUR_S, MINUTE_S, Grid
from topology.slo.ledger import Ledger
from topology.slo.objectives import WINDOWS_S, Counted, Part, Ratio, Slo, Source
from topology.slo.period import period_bounds
from topology.slo.plan import Plan

Json = dict[str, Any]
Floats = npt.NDArray[np.float64]
MOST_STEPS = 3000
TEN_MINUTES_S = 600


def strips(found: Standings, earlier: list[Floats]) -> dict[str, list[float | None]]:
    """The budget left at the end of each of the last days, today's as it is now, by name."""
    columns = np.stack([*earlier, found.left]).T
    return {name: [known(left, 4) for left in row.tolist()]
            for name, row in zip(found.plan.names, columns, strict=True)}


def day_ends(ledger: Ledger, plan: Plan) -> list[Floats]:
    """The budget left of all objectives at the end of each of the last days but today, oldest first."""
    today_s = int(ledger.grid.end_s // DAY_S) * DAY_S
    return [_at(ledger, plan, today_s - day * DAY_S).left for day in range(DAYS - 2, -1, -1)]


def _at(ledger: Ledger, plan: Plan, at_s: float) -> Standings:
    return standings(ledger.grid, plan, at_s, ledger.derivation.closed_s, np.zeros(len(plan.laid)))


def history(ledger: Ledger, plan: Plan, span: tuple[float, float], step_s: int) -> Json:
    """Columns of the only objective of a plan: counts of each step, budget and burn at its end. A burn is None where
    only longer windows than it needs are left."""
    step_s = max(step_s, CELL_S, -(-int(span[1] - span[0]) // MOST_STEPS))
    start_s, grid = int(span[0] // step_s) * step_s, ledger.grid
    steps = range(start_s, int(np.ceil(min(span[1], grid.end_s))), step_s)
    ends = [min(step + step_s, grid.end_s) for step in steps]
    found = [_at(ledger, plan, end) for end in ends]
    counts = [_between(ledger, plan, step, end) for step, end in zip(steps, ends, strict=True)]
    ideal = _ideal(plan.slos[0], span)
    return {
        "times": list(steps), "good": [whole(good) if total else None for good, total in counts],
        "total": [whole(total) if total else None for _, total in counts],
        "budget_left": [known(one.left[0], 5) for one in found], "ideal": [ideal(end) for end in ends],
        "burn": {name: [_burn(grid, one, end, window_s) for one, end in zip(found, ends, strict=True)]
                 for name, window_s in WINDOWS_S.items()},
    }


def _between(ledger: Ledger, plan: Plan, from_s: int, to_s: int) -> tuple[float, float]:
    good, total = counted(ledger.grid, plan, np.array([from_s]), to_s, ledger.derivation.closed_s)
    return float(good[0]), float(total[0])


def _burn(grid: Grid, found: Standings, end_s: int, window_s: int) -> float | None:
    real_s = grid.border_s(end_s) - grid.border_s(grid.border_s(end_s) - window_s)
    exact = abs(real_s - window_s) <= max(CELL_S, window_s // 12)
    return known(found.burn[found.window(window_s), 0], 4) if exact else None


def _ideal(slo: Slo, span: tuple[float, float]) -> Callable[[float], float]:
    """The line of a budget that is spent evenly: over the calendar period, or over the newest period of a rolling
    one."""
    begin_s, end_s = period_bounds(slo.period, span[1])
    return lambda at_s: round(min(1.0, max(0.0, 1 - (at_s - begin_s) / (end_s - begin_s))), 5)


@dataclass(frozen=True, slots=True)
class Spender:
    """An interval that spent some of a budget."""

    from_s: int
    to_s: int
    bad: float
    total: float
    share: float


def spenders(ledger: Ledger, plan: Plan, limit: int) -> list[Spender]:
    """The hours of the period that spent most, dearest first; ten minutes each while all is of the last three days."""
    grid, found = ledger.grid, _at(ledger, plan, ledger.grid.end_s)
    begin_s = int(max(period_bounds(plan.slos[0].period, grid.end_s)[0], grid.hours()[0]))
    first_s = int(grid.first_s[plan.parts[:, 1:].ravel()][plan.parts[:, 1:].ravel() != 0].min(initial=grid.end_s))
    step_s = TEN_MINUTES_S if first_s >= grid.minutes_from_s else HOUR_S
    all_bad = float(found.period_total[0] - found.period_good[0])
    intervals = range(max(begin_s, first_s) // step_s * step_s, grid.end_s, step_s)
    told = [_spent(ledger, plan, start, min(start + step_s, grid.end_s), all_bad) for start in intervals]
    dearest = sorted((one for one in told if one.bad > 0), key=lambda one: (-one.bad, -one.from_s))
    return dearest[:limit]


def _spent(ledger: Ledger, plan: Plan, from_s: int, to_s: int, all_bad: float) -> Spender:
    good, total = _between(ledger, plan, from_s, to_s)
    bad = max(total - good, 0.0)
    return Spender(from_s, to_s, whole(bad), whole(total), round(bad / all_bad, 4) if all_bad > 0 else 0.0)


def with_target(slo: Slo, target: str | None) -> Slo:
    """The objective with another target; ValueError when that is none."""
    if target is None:
        return slo
    try:
        share = Decimal(target)
    except InvalidOperation as error:
        raise ValueError(f"{target!r} is no target: a number between 0 and 1") from error
    if not 0 < share < 1:
        raise ValueError(f"{target!r} is no target: it must be between 0 and 1")
    return replace(slo, target=share)


def with_threshold(slo: Slo, threshold_ms: float | None) -> Slo:
    """The objective with another latency threshold; ValueError where nothing is timed."""
    if threshold_ms is None:
        return slo
    limit_us = round(threshold_ms * 1000)
    timed = [source for part in slo.parts if isinstance(part.indicator, Ratio)
             for source in (part.indicator.good, part.indicator.bad) if _timed(source)]
    if not timed or limit_us <= 0:
        raise ValueError("a threshold goes with an objective that counts calls by how long they took, and is above 0")
    return replace(slo, parts=tuple(replace(part, indicator=_held_to(part, limit_us)) for part in slo.parts))


def _timed(source: Source | None) -> bool:
    return source is not None and source.counted is Counted.FASTER_THAN


def _held_to(part: Part, limit_us: int) -> Any:
    if not isinstance(part.indicator, Ratio):
        return part.indicator
    good, bad = (replace(source, threshold_us=limit_us) if source is not None and _timed(source) else source
                 for source in (part.indicator.good, part.indicator.bad))
    return Ratio(part.indicator.total, good, bad)


def would_have(ledger: Ledger, plan: Plan) -> Json:
    """What a period would have given: its figures now, and how often alerts would have been raised in 30 days."""
    found = _at(ledger, plan, ledger.grid.end_s)
    return {"good": whole(float(found.period_good[0])), "total": whole(float(found.period_total[0])),
            "ratio": known(found.ratio[0], 9), "budget_left": known(found.left[0]), "alerts": _raised(ledger, plan)}


def _raised(ledger: Ledger, plan: Plan) -> dict[str, int]:
    """By the minute for three days, by the hour before that, windows shorter than an hour then being one."""
    grid = ledger.grid
    minutes_s = -(-grid.minutes_from_s // HOUR_S) * HOUR_S
    spans = ((grid.end_s // HOUR_S * HOUR_S - DAYS * DAY_S, minutes_s, HOUR_S),
             (minutes_s, grid.end_s // MINUTE_S * MINUTE_S, MINUTE_S))
    found = {str(rule.severity): 0 for rule in plan.slos[0].rules}
    for from_s, to_s, slot_s in spans:
        counts = [_between(ledger, plan, start, start + slot_s) for start in range(from_s, to_s, slot_s)]
        good, total = (np.array([[count[at]] for count in counts]).reshape(-1, 1) for at in (0, 1))
        windows = [max(window_s, slot_s) for window_s in plan.windows_s]
        if counts and found:
            fires = firing_over_time(plan.rules, good, total, windows, slot_s)
            found = {severity: n + raised(plan.rules, fires, 0, severity) for severity, n in found.items()}
    return found

