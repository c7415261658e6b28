"""A drawing from nothing, and a drawing that goes on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from topology.layout.canvas import CLEARANCE
from topology.layout.elements import DEFAULT_SIZES, Box, Group, Path, Point, Sizes
from topology.layout.grid import build_grid
from topology.layout.insertion import insert
from topology.layout.network import network
from topology.layout.ordering import ordered


def arrange(boxes: Iterable[Box], paths: Iterable[Path], groups: Sequence[Group] = (),
            pinned: Mapping[str, Point] | None = None, sizes: Sizes = DEFAULT_SIZES) -> dict[str, Point]:
    """A place for every box, by box id, computed anew; `pinned` ones stay where they are.

    From left to right by layer or call depth; groups are bands that do not overlap, in the order
    given (the others follow where paths become short), `lead` groups blocks over the full height at
    the left. Cards never overlap. The same input in any order gives the same drawing.
    """
    boxes, paths, pinned = list(boxes), list(paths), pinned or {}
    net = network(boxes, paths)
    if not net.size:
        return {}
    grid = build_grid(net, groups, sizes)
    y = ordered(net, grid)
    places = {box.id: (float(grid.x[grid.column[i]]), round(float(y[i]), 1)) for i, box in enumerate(net.boxes)}
    if not pinned:
        return places
    steady = {one: at for one, at in places.items() if one not in pinned and _clear(at, pinned.values(), sizes)}
    return insert(boxes, paths, groups, {**steady, **pinned}, pinned.keys(), sizes)


def place_new(boxes: Iterable[Box], paths: Iterable[Path], groups: Sequence[Group],
              positions: Mapping[str, Point], pinned: Collection[str] = (),
              sizes: Sizes = DEFAULT_SIZES) -> dict[str, Point]:
    """A place for every box, by box id; whatever has one in `positions` keeps it exactly.

    A new box stands in a free place of its own group and column near its neighbours; where there is
    none its group goes on below the drawing. Positions of boxes that are not there now keep their
    room, so that a box that comes back finds it free. Without any position this is `arrange`.
    """
    boxes, paths = list(boxes), list(paths)
    if not positions:
        return arrange(boxes, paths, groups, sizes=sizes)
    if all(box.id in positions for box in boxes):
        return {box.id: positions[box.id] for box in boxes}
    return insert(boxes, paths, groups, positions, pinned, sizes)


def _clear(card: Point, others: Iterable[Point], sizes: Sizes) -> bool:
    apart = np.abs(np.array(list(others)).reshape(-1, 2) - card)
    return not ((apart[:, 0] < sizes.width + CLEARANCE) & (apart[:, 1] < sizes.pitch - 0.5)).any()
