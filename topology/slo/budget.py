"""Error budgets: how much may go bad, how much did, and how long the rest lasts. One array element is one SLO.

Sources: SRE workbook, chapter 5 (burn rate = error ratio / (1 - SLO)); OpenSLO v1 (the budgeting methods). What is
counted, events or slices of time, is decided before (`topology.slo.slices`): here both are "events".

No rounding decides. A limit (1 - target, or factor x (1 - target)) is an exact decimal, rounded once to a float.
Rounding keeps order, so bad / events reaches it in floats whenever it does exactly, and never when it does not, below
2**52 / n whole events (n the numerator of the limit as a fraction: 9 for 14.4 x 0.001 = 9 / 625). Sums of sampling
weights are no whole numbers: `NOTHING` is the error they may carry.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

NOTHING = 1e-3
"""Less than any event, more than what rounding leaves of a sum of sampling weights after as much was taken away."""


def _quotient(part: Array | float, whole: Array | float) -> Array:
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    found: Array = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=found, where=whole > NOTHING)
    return found


def ratio(good: Array, total: Array) -> Array:
    """The share of good events, NaN where there are none; 0 where weights of a composite burn more than there is."""
    return np.maximum(_quotient(good, total), 0.0)


def bad_ratio(good: Array, total: Array) -> Array:
    """The share of bad events, (total - good) / total, NaN where there are none."""
    return _quotient(np.asarray(total) - good, total)


def burn(good: Array, total: Array, allowed: Array) -> Array:
    """How many times faster than allowed the budget is spent in a window: bad ratio / (1 - target)."""
    return bad_ratio(good, total) / allowed


def spent(good: Array, total: Array, allowed: Array, expected: Array | None = None) -> Array:
    """The share of the budget that is gone; more than 1 when the objective is missed.

    The budget is `allowed` x `expected` events; `expected` is `total`, what really came, unless the budget is for
    more: `projected` for a young default objective, all slices of a calendar period (`topology.slo.slices.budgeted`).
    Exactly 1.0 at the border. NaN where nothing is expected.
    """
    return _quotient(np.asarray(total) - good, total if expected is None else expected) / allowed


def left(good: Array, total: Array, allowed: Array, expected: Array | None = None) -> Array:
    """The share of the budget that is left: 1 - spent. Negative when more was spent than there was."""
    return 1.0 - spent(good, total, allowed, expected)


def projected(period_total: Array, day_total: Array, hour_total: Array, period_s: Array | float) -> Array:
    """The events of a whole period at the present rate: max(period, day x days, hour x hours).

    So ten minutes of history do not decide over a month. For 30 days: max(30 d, 1 d x 30, 1 h x 720).
    """
    return np.maximum(period_total, np.maximum(day_total * (period_s / 86400.0), hour_total * (period_s / 3600.0)))


def exhausted_in_s(left: Array, burn_long: Array, period_s: Array | float, horizon_s: Array | float) -> Array:
    """Seconds until the budget is gone at the burn of the long page window: left x period / burn.

    NaN when it is not in sight: nothing burns, nothing is known, it is gone already, or it outlasts `horizon_s` (what
    is left of a calendar period; the whole period of a rolling one, whose old failures have left by then).
    SRE workbook: at burn b a full budget lasts period / b; 14.4 of 30 days is 50 hours.
    """
    burning = (burn_long > 0) & (left > 0)
    seconds = np.divide(left * period_s, burn_long, out=np.full(np.shape(left), np.nan), where=burning)
    return np.where(seconds <= horizon_s, seconds, np.nan)


def coverage(covered: Array, slots: Array | float) -> Array:
    """The share of a window's slots (minutes, or slices) that have data, 0 for a window without slots."""
    return np.nan_to_num(np.minimum(_quotient(covered, slots), 1.0))
