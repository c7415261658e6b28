"""Events counted since the start, as a Prometheus counter must have them: they only grow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topology.slo.ledger import Ledger
from topology.slo.plan import Plan

Floats = npt.NDArray[np.float64]


class Counters:
    """Good and all events of every objective since it was first seen here.

    A ledger that was counted anew, or corrected by late data, may say less than before: the counters go on from where
    they were. Not thread-safe.
    """

    def __init__(self) -> None:
        self._of: tuple[Ledger, Plan] | None = None
        self._said: Floats = np.zeros((2, 0))
        self._zero: Floats = np.zeros((2, 0))

    def read(self, ledger: Ledger, plan: Plan) -> Floats:
        """(good, total) x objectives of the plan."""
        sums = _sums(ledger, plan)
        if self._of is None or self._of[0] is not ledger or self._of[1] is not plan:
            self._begin(ledger, plan, sums)
        self._said = np.maximum(self._said, sums - self._zero)
        return self._said

    def leave_out(self, ledger: Ledger, plan: Plan) -> None:
        """What the ledger was given since the last `read` is of the past, and not counted."""
        self._zero = _sums(ledger, plan) - self._said

    def _begin(self, ledger: Ledger, plan: Plan, sums: Floats) -> None:
        """Goes on in another plan or ledger: from what the one before says by now."""
        said, zero = np.zeros(sums.shape), sums.copy()
        if self._of is not None:
            self._said = np.maximum(self._said, _sums(*self._of) - self._zero)
            before = {name: place for place, name in enumerate(self._of[1].names)}
            both = [(now, before[name]) for now, name in enumerate(plan.names) if name in before]
            for now, then in both:
                said[:, now] = self._said[:, then]
                same = self._of[0] is ledger and self._of[1].laid[then] == plan.laid[now]
                zero[:, now] = self._zero[:, then] if same else sums[:, now] - said[:, now]
        self._of, self._said, self._zero = (ledger, plan), said, zero


def _sums(ledger: Ledger, plan: Plan) -> Floats:
    """Everything that the ledger knows; root work where there is no other."""
    rows, total = plan.parts, ledger.grid.total
    alone = (total[rows[:, 1]] == 0) & (rows[:, 3] != 0)
    columns = [np.where(alone, total[rows[:, at + 2]], total[rows[:, at]]) for at in (0, 1)]
    return np.stack([np.bincount(plan.slo_of_part, column, len(plan.laid)) for column in columns])
