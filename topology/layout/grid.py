"""The grid a drawing is made on: which columns there are, where they stand, and the free places of each band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topology.layout.banding import band_order
from topology.layout.elements import Group, Sizes
from topology.layout.folding import Fold, fold, stack_height
from topology.layout.layering import against_the_flow, call_depths, columns
from topology.layout.network import Floats, Ints, Network

ColumnKey = tuple[int, int, int]
"""Block or stack (blocks first), layer, and column within the layer: sorted, they run from left to right."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a column meets a band: the boxes that stand there, and the heights at which they may."""

    column: int
    members: tuple[int, ...]
    slots: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The column of every box, the x of every column, and the cells in the order of the columns."""

    column: Ints
    x: Floats
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Division:
    """Which boxes are in which full-height block (from the left) and in which band (from the top)."""

    blocks: tuple[str, ...]
    bands: tuple[str, ...]


def build_grid(net: Network, groups: Sequence[Group], sizes: Sizes) -> Grid:
    """The grid for all boxes of a network that has at least one."""
    layer = np.unique(columns(net), return_inverse=True)[1].reshape(-1)
    parts = divide(net, layer, groups)
    band = np.array([parts.bands.index(box.group) if box.group in parts.bands else -1 for box in net.boxes])
    block = np.array([parts.blocks.index(box.group) if box.group in parts.blocks else -1 for box in net.boxes])
    counts = np.zeros((len(parts.bands), int(layer.max()) + 1), dtype=np.int64)
    np.add.at(counts, (band[band >= 0], layer[band >= 0]), 1)
    gaps = np.array([sizes.gap(paths) for paths in passing(layer, net)])
    in_blocks = sorted({(int(b), int(at)) for b, at in zip(block, layer, strict=True) if b >= 0})
    folded = fold(counts, gaps, sum(sizes.width + gaps[at] for _, at in in_blocks), sizes)
    tops, height = _tops(folded, sizes)
    stack_of = {one: number for number, stack in enumerate(folded.stacks) for one in stack}
    area = np.where(block >= 0, block, [len(parts.blocks) + stack_of.get(int(one), 0) for one in band])
    keys = _fine_columns(net, area, layer, band, len(parts.blocks), folded, height, sizes)
    distinct = sorted(set(keys))
    column = np.array([distinct.index(key) for key in keys], dtype=np.int64)
    x = _places(distinct, passing(column, net), len(parts.blocks), sizes)
    return Grid(column, x, tuple(_cells(net, column, band, tops, folded.rows, height, sizes)))


def divide(net: Network, layer: Ints, groups: Sequence[Group]) -> Division:
    """Full-height blocks and bands that have boxes. Configured groups keep their order; the others
    follow in an order that keeps paths short. When there is nothing but blocks, they become bands."""
    present = {box.group for box in net.boxes}
    listed = [group for group in {group.id: group for group in groups}.values() if group.id in present]
    blocks = tuple(group.id for group in listed if group.lead)
    if len(blocks) == len(present):
        blocks = ()
    fixed = [group.id for group in listed if group.id not in blocks]
    names = fixed + sorted(present - set(fixed) - set(blocks))
    return Division(blocks, tuple(names[i] for i in _order(net, layer, names, len(fixed))))


def _order(net: Network, layer: Ints, names: list[str], fixed: int) -> list[int]:
    number = {name: i for i, name in enumerate(names)}
    group = np.array([number.get(box.group, -1) for box in net.boxes])
    heights = np.zeros((len(names), int(layer.max()) + 1))
    np.add.at(heights, (group[group >= 0], layer[group >= 0]), 1)
    pull = np.zeros((len(names), len(names)))
    a, b = group[net.source], group[net.target]
    both = (a >= 0) & (b >= 0) & (a != b)
    np.add.at(pull, (a[both], b[both]), net.weight[both])
    return band_order(pull + pull.T, heights.max(axis=1) + 1, fixed)


def passing(column: Ints, net: Network) -> Ints:
    """How many paths pass the gap right of each column."""
    low, high = np.minimum(column[net.source], column[net.target]), np.maximum(column[net.source], column[net.target])
    count = int(column.max()) + 1
    return np.cumsum(np.bincount(low, minlength=count) - np.bincount(high, minlength=count))


def _tops(folded: Fold, sizes: Sizes) -> tuple[Floats, float]:
    """The height of each band's first row, and of all rows together."""
    tops, heights = np.zeros(len(folded.rows)), []
    for stack in folded.stacks:
        y = sizes.title
        for band in stack:
            tops[band] = y
            y += folded.rows[band] * sizes.pitch - sizes.row_gap + sizes.between
        heights.append(stack_height(folded.rows[list(stack)], sizes))
    return tops, max(heights)


def _fine_columns(net: Network, area: Ints, layer: Ints, band: Ints, blocks: int, folded: Fold, height: float,
                  sizes: Sizes) -> list[ColumnKey]:
    """The column of every box, after layers with too many boxes were spread over several columns."""
    room = max(1, int((height + sizes.row_gap) // sizes.pitch))
    keys: list[ColumnKey] = [(0, 0, 0)] * net.size
    for one, at in sorted(set(zip(area.tolist(), layer.tolist(), strict=True))):
        inside = (area == one) & (layer == at)
        wide = int(folded.columns[one - blocks][at]) if one >= blocks else math.ceil(int(inside.sum()) / room)
        rank = _rank_inside(net, inside, layer) if wide > 1 else np.zeros(net.size)
        for group in sorted(set(band[inside].tolist())):
            members = sorted(np.flatnonzero(inside & (band == group)).tolist(), key=lambda i: (float(rank[i]), i))
            for position, i in enumerate(members):
                keys[i] = (one, at, position * wide // max(len(members), wide))
    return keys


def _rank_inside(net: Network, inside: np.ndarray, layer: Ints) -> Floats:
    """What is called within its layer stands right of its caller; then what is called from the left stands left."""
    within = net.between(inside)
    depth = call_depths(within, ~against_the_flow(within)).astype(np.float64)
    lean = np.zeros(net.size)
    across = np.sign(layer[net.target] - layer[net.source]).astype(np.float64)
    np.add.at(lean, net.source, across)
    np.add.at(lean, net.target, -across)
    return depth + np.arctan(lean) / 4


def _places(keys: list[ColumnKey], paths: Ints, blocks: int, sizes: Sizes) -> Floats:
    """The x of every column; stacks stand farther apart than columns."""
    x, places = 0.0, []
    for i, key in enumerate(keys):
        places.append(x)
        new_stack = i + 1 < len(keys) and keys[i + 1][0] != key[0] and key[0] >= blocks
        x += round(sizes.width + sizes.gap(int(paths[i])) + (sizes.stack_gap if new_stack else 0))
    return np.array(places)


def _cells(net: Network, column: Ints, band: Ints, tops: Floats, rows: Ints, height: float, sizes: Sizes) -> list[Cell]:
    members: dict[tuple[int, int], list[int]] = {}
    for i in range(net.size):
        members.setdefault((int(column[i]), int(band[i])), []).append(i)
    cells = []
    for (at, one), inside in sorted(members.items()):
        if one < 0:
            step = (height + sizes.row_gap) / len(inside)
            slots = [round(sizes.title + step * (i + 0.5) - sizes.pitch / 2, 1) for i in range(len(inside))]
        else:
            slots = [float(tops[one]) + sizes.pitch * i for i in range(int(rows[one]))]
        cells.append(Cell(at, tuple(inside), tuple(slots)))
    return cells
