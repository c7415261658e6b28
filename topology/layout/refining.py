"""The last hand: any two places of a cell change what stands on them where the drawing as a whole gets better."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from topology.layout.grid import Cell, Grid
from topology.layout.network import Floats, Ints, Network

COMPARISONS = 20_000_000
ROUNDS = 12


def refine(net: Network, grid: Grid, y: Floats, length_cost: float) -> None:
    """Changes `y` until no exchange of two places in a cell saves crossings or length.

    Every candidate is judged by all crossings it makes or saves, so the work is bounded by
    `COMPARISONS` of paths with paths: a small drawing is finished, a very large one is left as it is.
    """
    drawing = _Lines(net, grid, y, length_cost)
    for _ in range(ROUNDS):
        changed = False
        for cell in grid.cells:
            for one, two in _pairs(cell, y):
                changed |= drawing.exchange(cell, one, two)
                if drawing.compared > COMPARISONS:
                    return
        if not changed:
            return


def _pairs(cell: Cell, y: Floats) -> Iterator[tuple[float, float]]:
    """Pairs of places of which at least one is taken, neighbours first."""
    for apart in range(1, len(cell.slots)):
        for one, two in zip(cell.slots, cell.slots[apart:], strict=False):
            taken = y[list(cell.members)]
            if (taken == one).any() or (taken == two).any():
                yield one, two


class _Lines:
    """The paths as straight lines, with what they cost."""

    def __init__(self, net: Network, grid: Grid, y: Floats, length_cost: float) -> None:
        self.y, self.weight, self.compared = y, net.weight * length_cost, 0
        turned = grid.column[net.source] > grid.column[net.target]
        self.left = np.where(turned, net.target, net.source)
        self.right = np.where(turned, net.source, net.target)
        self.start, self.end = grid.x[grid.column[self.left]], grid.x[grid.column[self.right]]
        self.run = np.maximum(self.end - self.start, 1.0)
        self.paths_of: list[Ints] = [np.flatnonzero((net.source == i) | (net.target == i)) for i in range(net.size)]

    def exchange(self, cell: Cell, one: float, two: float) -> bool:
        """Exchanges what stands on two places if that saves something."""
        nodes = [i for i in cell.members if self.y[i] in (one, two)]
        moved = np.unique(np.concatenate([self.paths_of[i] for i in nodes]))
        if not len(moved):
            return False
        before = self._cost(moved)
        kept = self.y[nodes]
        self.y[nodes] = np.where(kept == one, two, one)
        better = self._cost(moved) < before - 1e-6
        if not better:
            self.y[nodes] = kept
        return better

    def _cost(self, moved: Ints) -> float:
        """Crossings of these paths with all, and their length."""
        self.compared += len(moved) * len(self.left)
        top, slope = self.y[self.left], (self.y[self.right] - self.y[self.left]) / self.run
        low = np.maximum(self.start[moved, None], self.start)
        high = np.minimum(self.end[moved, None], self.end)
        offset = (top - slope * self.start)[moved, None] - (top - slope * self.start)
        lean = slope[moved, None] - slope
        crossed = (low < high) & ((offset + lean * low) * (offset + lean * high) < -1e-3)
        twice = crossed[:, moved].sum() / 2
        length = (np.abs(self.y[self.right] - self.y[self.left]) * self.weight)[moved].sum()
        return float(crossed.sum() - twice + length)
