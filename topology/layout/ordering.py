"""The order of the cards in every cell, so that paths are short, straight and cross little.

Layer by layer sweeps after Sugiyama, Tagawa and Toda (1981): every box wants to be where its
neighbours are (first those on one side, later all); a cell takes its boxes in the order of their
wishes and gives each the nearest free place. Between sweeps, neighbouring cards change places
where that saves crossings. Last, `refining` improves what is small enough for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topology.layout.crossings import crossings
from topology.layout.exchanging import Neighbours, exchange
from topology.layout.grid import Cell, Grid
from topology.layout.network import Flags, Floats, Ints, Network
from topology.layout.refining import refine

SWEEPS_ONE_SIDED = 4
SWEEPS_IN_ALL = 8
LENGTH_COST = 0.001  # of one world unit, in crossings


@dataclass(frozen=True, slots=True)
class Pull:
    """What draws the boxes of one column: neighbour `other[k]` draws box `nodes[owner[k]]` with `force[k]`."""

    nodes: Ints
    owner: Ints
    other: Ints
    force: Floats

    def wishes(self, y: Floats) -> Floats:
        """The height each box of the column would like; its own where nothing draws it."""
        count = len(self.nodes)
        force = np.bincount(self.owner, self.force, count)
        moment = np.bincount(self.owner, self.force * y[self.other], count)
        return np.where(force > 0, moment / np.maximum(force, 1e-9), y[self.nodes])


class Ordering:
    """Boxes in the cells of a grid; `y` is the height of each and changes until it is good."""

    def __init__(self, net: Network, grid: Grid) -> None:
        self.net, self.grid = net, grid
        self.y = np.zeros(net.size)
        self.cells: list[list[Cell]] = [[] for _ in grid.x]
        for cell in grid.cells:
            self.cells[cell.column].append(cell)
            self.y[list(cell.members)] = cell.slots[: len(cell.members)]
        either = np.concatenate([net.source, net.target]), np.concatenate([net.target, net.source])
        span = grid.column[either[1]] - grid.column[either[0]]
        force = np.concatenate([net.weight, net.weight]) / np.maximum(1, np.abs(span))
        self.left = self._pulls(*either, force, span < 0)
        self.right = self._pulls(*either, force, span > 0)
        self.both = self._pulls(*either, force, span == span)
        self.left_of = self._neighbours(*either, force, span < 0)
        self.right_of = self._neighbours(*either, force, span > 0)

    def _neighbours(self, owner: Ints, other: Ints, force: Floats, kept: Flags) -> Neighbours:
        lists: list[list[tuple[int, float]]] = [[] for _ in range(self.net.size)]
        for one, two, pull in zip(owner[kept].tolist(), other[kept].tolist(), force[kept].tolist(), strict=True):
            lists[one].append((two, pull))
        return lists

    def _pulls(self, owner: Ints, other: Ints, force: Floats, kept: Flags) -> list[Pull]:
        owner, other, force = owner[kept], other[kept], force[kept]
        pulls, place = [], np.zeros(self.net.size, dtype=np.int64)
        for column in range(len(self.grid.x)):
            nodes = np.flatnonzero(self.grid.column == column)
            place[nodes] = np.arange(len(nodes))
            mine = self.grid.column[owner] == column
            pulls.append(Pull(nodes, place[owner[mine]], other[mine], force[mine]))
        return pulls

    def sweep(self, pulls: list[Pull], backwards: bool) -> None:
        """Places every column where its neighbours draw it, one column after the other."""
        wish = np.zeros(self.net.size)
        for column in reversed(range(len(pulls))) if backwards else range(len(pulls)):
            wish[pulls[column].nodes] = pulls[column].wishes(self.y)
            for cell in self.cells[column]:
                order = sorted(cell.members, key=lambda i: (wish[i], self.y[i], i))
                self.y[order] = nearest_slots([float(wish[i]) for i in order], cell.slots)

    def exchange(self) -> bool:
        """Lets neighbouring cards change places where that pays."""
        return exchange(self.grid.cells, self.y, self.left_of, self.right_of, LENGTH_COST)

    def cost(self) -> float:
        """Crossings, and a little for length."""
        net, column = self.net, self.grid.column
        length = float((np.abs(self.y[net.source] - self.y[net.target]) * net.weight).sum())
        return crossings(column, self.grid.x, self.y, net.source, net.target) + LENGTH_COST * length


def ordered(net: Network, grid: Grid) -> Floats:
    """The height of every box, in an order with few crossings and short paths."""
    ordering = Ordering(net, grid)
    best, least = ordering.y.copy(), ordering.cost()
    for turn in range(SWEEPS_IN_ALL):
        backwards = turn % 2 == 1
        one_sided = ordering.right if backwards else ordering.left
        ordering.sweep(one_sided if turn < SWEEPS_ONE_SIDED else ordering.both, backwards)
        ordering.exchange()
        cost = ordering.cost()
        if cost < least:
            best, least = ordering.y.copy(), cost
    refine(net, grid, best, LENGTH_COST)
    return best


def nearest_slots(wishes: list[float], slots: tuple[float, ...]) -> list[float]:
    """The places, in the order given, whose summed distance from the (ascending) wishes is least."""
    count, spare = len(wishes), len(slots) - len(wishes)
    if not spare:
        return list(slots)
    best = [0.0] * (spare + 1)
    choice = []
    for i, wish in enumerate(wishes):
        costs, chosen, least, at = [], [], float("inf"), 0
        for shift in range(spare + 1):
            if best[shift] < least:
                least, at = best[shift], shift
            costs.append(least + abs(slots[i + shift] - wish))
            chosen.append(at)
        best = costs
        choice.append(chosen)
    shift = min(range(spare + 1), key=best.__getitem__)
    places = []
    for i in reversed(range(count)):
        places.append(slots[i + shift])
        shift = choice[i][shift]
    return places[::-1]
