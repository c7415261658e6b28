"""Rows worked out from other rows: minutes of a threshold metric as events, slices of time as events.

A minute or slice is judged once it is over and what belongs to it has come (`settle_s` later), and again whenever late
data touches it. It counts in its last minute, so that a window holds the slices that ended in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from topology.slo.figures import counts_of, judged
from topology.slo.grid import MINUTE_S, Grid, clean
from topology.slo.incidence import Amounts, Rows
from topology.slo.plan import HEARD, PairRows, Plan, Sliced
from topology.slo.selection import Term
from topology.slo.slices import Counts, composed, sliced

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
T = TypeVar("T")


@dataclass
class Derivation:
    """Keeps the worked-out rows of a plan in step with a grid. `closed_s`: everything that ended before is judged."""

    plan: Plan
    rows: Rows
    closed_s: int
    settle_s: float = 50.0
    _dirty: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._heard = self.rows.number((Term(*HEARD),)) if self.plan.figures else 0
        self._watched = np.zeros(len(self.rows), bool)
        self._watched[self.plan.watched] = True
        self._figures = _alike(self.plan.figures, lambda one: (one.threshold.measure, one.threshold.operator,
                                                               one.threshold.value, one.threshold.weeks,
                                                               len(one.pairs)))
        self._slices = _alike(self.plan.slices, lambda one: (one.slice_s, one.method, one.slice_target, one.weights))

    def inherit(self, old: Derivation) -> None:
        """Goes on where the derivation of an earlier plan was."""
        self._dirty |= old._dirty

    def touch(self, amounts: Amounts) -> None:
        """Takes notice of amounts that the grid was given: what they touch is judged again."""
        if not len(self.plan.watched):
            return
        late = self._watched[amounts.rows] & (amounts.starts_s < self.closed_s)
        self._dirty |= set(np.unique(amounts.starts_s[late] // MINUTE_S).tolist())

    def bring_up(self, grid: Grid, now_s: float) -> None:
        """Judges what is over by now, and what was touched."""
        to_s = int(now_s - self.settle_s) // MINUTE_S * MINUTE_S
        if len(self.plan.watched):
            oldest = grid.minutes_from_s // MINUTE_S
            minutes = {minute for minute in self._dirty if minute >= oldest}
            minutes |= set(range(max(self.closed_s // MINUTE_S, oldest), to_s // MINUTE_S))
            self._judge(grid, np.array(sorted(minutes), np.int64), max(self.closed_s, to_s))
        self._dirty, self.closed_s = set(), max(self.closed_s, to_s)

    def _judge(self, grid: Grid, minutes: Ints, closed_s: int) -> None:
        if not len(minutes):
            return
        for alike in self._figures:
            found = judged(grid, alike, minutes * MINUTE_S, self._heard)
            _put(grid, (minutes + 1) * MINUTE_S, [one.out for one in alike], found)
        for group in self._slices:
            length_s = group[0].slice_s
            ends = np.unique(-(-(minutes + 1) * MINUTE_S // length_s) * length_s)
            ends = ends[ends <= closed_s]
            if len(ends):
                _put(grid, ends, [one.out for one in group], _sliced(grid, group, ends))


def _alike(ones: Iterable[T], key: Callable[[T], object]) -> list[list[T]]:
    """What is worked out in the same way, together; nothing twice."""
    groups: dict[object, dict[T, None]] = {}
    for one in ones:
        groups.setdefault(key(one), {})[one] = None
    return [list(group) for group in groups.values()]


def _before(grid: Grid, borders_s: Ints, rows: Ints) -> Floats:
    return np.stack([grid.before(border_s)[rows] for border_s in borders_s.tolist()])


def _sliced(grid: Grid, group: Sequence[Sliced], ends_s: Ints) -> Counts:
    first = group[0]
    columns = list(zip(*(one.parts for one in group), strict=True))
    parts = [counts_of(grid, pairs, ends_s - first.slice_s, first.slice_s) for pairs in columns]
    if first.weights == (1.0,):
        return sliced(*parts[0], first.method, first.slice_target)
    return composed(parts, first.weights, first.method, first.slice_target)


def _put(grid: Grid, ends_s: Ints, out: Sequence[PairRows], counts: Counts) -> None:
    """Makes the last minute before each end hold these counts (ends x out) in place of what it held."""
    rows = np.array([[pair.good, pair.total] for pair in out], np.int64).T.reshape(-1)
    before = clean(_before(grid, ends_s, rows) - _before(grid, ends_s - MINUTE_S, rows))
    values = np.concatenate(counts, axis=1) - before
    at, column = np.nonzero(values)
    grid.add(Amounts(ends_s[at] - MINUTE_S, rows[column], values[at, column]))

