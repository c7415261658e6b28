"""Neighbouring cards of a cell change places where that saves crossings or length."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from topology.layout.grid import Cell
from topology.layout.network import Floats

Neighbours = Sequence[Sequence[tuple[int, float]]]


def exchange(cells: Sequence[Cell], y: Floats, left: Neighbours, right: Neighbours, length_cost: float) -> bool:
    """One pass over all pairs of neighbouring cards; `y` is changed; says whether anything was."""
    changed = False
    heights: list[float] = y.tolist()
    for cell in cells:
        order = sorted(cell.members, key=heights.__getitem__)
        for i in range(len(order) - 1):
            upper, lower = order[i], order[i + 1]
            if _saving(upper, lower, heights, left, right, length_cost) > 1e-6:
                heights[upper], heights[lower] = heights[lower], heights[upper]
                order[i], order[i + 1] = lower, upper
                changed = True
    y[:] = heights
    return changed


def _saving(upper: int, lower: int, y: list[float], left: Neighbours, right: Neighbours, length_cost: float) -> float:
    """What is saved when the two change places: pairs of paths that cross, and length."""
    saved = 0.0
    for side in (left, right):
        above = [y[other] for other, _ in side[upper]]
        below = sorted(y[other] for other, _ in side[lower])
        for height in above:
            saved += bisect_left(below, height) - (len(below) - bisect_right(below, height))
    high, low = y[upper], y[lower]
    for node, sign in ((upper, 1), (lower, -1)):
        for other, force in (*left[node], *right[node]):
            saved += sign * force * (abs(high - y[other]) - abs(low - y[other])) * length_cost
    return saved
