"""How often paths cross when they are drawn as straight lines between their cards."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from topology.layout.network import Floats, Ints


def crossings(column: Ints, x: Floats, y: Floats, source: Ints, target: Ints) -> int:
    """The number of crossing pairs of paths; paths that share an end do not cross there.

    `column` is the column of every box, `x` the place of every column, `y` the place of every box.
    Two straight lines cross at most once, in the gap between two neighbouring columns where their
    order turns round; so the turns are counted gap by gap. Paths within a column count nothing.
    """
    turned = column[source] > column[target]
    left, right = np.where(turned, target, source), np.where(turned, source, target)
    start, end = column[left], column[right]
    run = np.where(end > start, x[end] - x[start], 1.0)
    slope = (y[right] - y[left]) / run
    total = 0
    for gap in range(int(end.max(initial=0))):
        through = np.flatnonzero((start <= gap) & (end > gap))
        base, rise = y[left[through]], slope[through]
        at_left = np.round(base + rise * (x[gap] - x[start[through]]), 4)
        at_right = np.round(base + rise * (x[gap + 1] - x[start[through]]), 4)
        total += inversions(at_left, at_right)
    return total


def inversions(first: Floats, second: Floats) -> int:
    """How many pairs are in one order by `first` and in the opposite order by `second`; equal is no order."""
    seen: list[float] = []
    total = 0
    for value in second[np.lexsort((second, first))].tolist():
        place = bisect_right(seen, value)
        total += len(seen) - place
        seen.insert(place, value)
    return total
