"""How to fold a drawing that is too high: columns side by side within a layer, and bands in several stacks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from topology.layout.elements import Sizes
from topology.layout.network import Floats, Ints

SQUEEZES = tuple(0.86**step for step in range(26))
STACKS_AT_MOST = 8
COST_OF_A_STACK = 0.6
COST_OF_A_COLUMN = 0.12


@dataclass(frozen=True, slots=True)
class Fold:
    """Bands (by number) of each stack; rows of each band; how many columns each layer has in each stack."""

    stacks: tuple[tuple[int, ...], ...]
    rows: Ints
    columns: tuple[Ints, ...]


def fold(counts: Ints, gaps: Floats, lead_width: float, sizes: Sizes) -> Fold:
    """The fold whose drawing is nearest to the wanted proportions, at the least breaking up.

    `counts[band, layer]` are the boxes; `gaps[layer]` the gap right of a layer's column; bands are
    in the order they will stand in. What is no higher than a screen is not folded. Every high band
    keeps some rows free for boxes that come later.
    """
    whole = next(_folds(counts))
    if stack_height(whole.rows, sizes) <= sizes.screen:
        return whole
    return min(_folds(counts), key=lambda one: _cost(one, counts, gaps, lead_width, sizes))


def _folds(counts: Ints) -> Iterator[Fold]:
    for number in range(1, min(STACKS_AT_MOST, len(counts)) + 1):
        stacks = _split(counts.max(axis=1) + 1, number)
        for squeeze in SQUEEZES:
            yield _squeezed(counts, stacks, squeeze)


def _split(heights: Ints, number: int) -> tuple[tuple[int, ...], ...]:
    """Bands in their order as `number` stacks of about the same height."""
    middle = np.cumsum(heights) - heights / 2
    stack = np.minimum((middle * number / heights.sum()).astype(np.int64), number - 1)
    return tuple(tuple(np.flatnonzero(stack == one).tolist()) for one in range(number) if (stack == one).any())


def _squeezed(counts: Ints, stacks: Sequence[tuple[int, ...]], squeeze: float) -> Fold:
    """Every band `squeeze` times as high as its fullest layer, with as many columns as that takes."""
    rows = np.ones(len(counts), dtype=np.int64)
    columns = []
    for stack in stacks:
        inside = counts[list(stack)]
        wanted = np.maximum(1, np.ceil(inside.max(axis=1) * squeeze))
        width = np.ceil(inside / wanted[:, None]).max(axis=0).astype(np.int64)
        least = np.ceil(inside / np.maximum(width, 1)).max(axis=1).astype(np.int64)
        rows[list(stack)] = np.maximum(1, least)
        columns.append(width)
    return Fold(tuple(stacks), rows + rows // 6, tuple(columns))


def _cost(one: Fold, counts: Ints, gaps: Floats, lead_width: float, sizes: Sizes) -> float:
    """How far the proportions are from those wanted, as a logarithm, and what breaking up costs."""
    width = lead_width + sum(float((columns * (sizes.width + gaps)).sum()) for columns in one.columns)
    height = max(stack_height(one.rows[list(stack)], sizes) for stack in one.stacks)
    layers = sum(int((columns > 0).sum()) for columns in one.columns)
    a_layer = sum(int(columns.sum()) for columns in one.columns) / layers
    return (abs(math.log(width / height / sizes.aspect)) + COST_OF_A_STACK * (len(one.stacks) - 1)
            + COST_OF_A_COLUMN * (a_layer - 1))


def stack_height(rows: Ints, sizes: Sizes) -> float:
    """From the first card's top to the last card's bottom."""
    return float((rows * sizes.pitch - sizes.row_gap).sum()) + sizes.between * (len(rows) - 1)
