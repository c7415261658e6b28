"""Places for boxes that came later, while everything that is there stays where it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from topology.layout.canvas import CLEARANCE, Canvas
from topology.layout.elements import Box, Group, Path, Point, Sizes
from topology.layout.layering import STORES, columns
from topology.layout.network import network
from topology.layout.parts import Part

COST_OF_GROWING = 90.0
COST_OF_A_COLUMN = 200.0
ROWS_AROUND = 2

Column = tuple[float, float]
"""The x of a column, and what it costs a box to stand there."""


def insert(boxes: Iterable[Box], paths: Iterable[Path], groups: Sequence[Group], positions: Mapping[str, Point],
           pinned: Collection[str], sizes: Sizes) -> dict[str, Point]:
    """Positions of all boxes; those in `positions` are returned as they are."""
    net = network(boxes, paths)
    leads = frozenset(group.id for group in groups if group.lead)
    insertion = _Insertion(net.boxes, leads, positions, pinned, sizes)
    for source, target, weight in zip(net.source.tolist(), net.target.tolist(), net.weight.tolist(), strict=True):
        insertion.callees[source].append((target, weight))
        insertion.callers[target].append((source, weight))
    layer = columns(net)
    new = [i for i, box in enumerate(net.boxes) if box.id not in positions]
    for i in sorted(new, key=lambda i: (net.boxes[i].group, int(layer[i]), i)):
        insertion.add(i)
    return {box.id: insertion.at[i] for i, box in enumerate(net.boxes)}


class _Insertion:
    """Puts boxes, one by one, on what is drawn already; `at` holds the place of every placed box."""

    def __init__(self, boxes: Sequence[Box], leads: frozenset[str], positions: Mapping[str, Point],
                 pinned: Collection[str], sizes: Sizes) -> None:
        self.boxes, self.leads, self.sizes = boxes, leads, sizes
        self.at = {i: positions[box.id] for i, box in enumerate(boxes) if box.id in positions}
        self.steady = {i for i in self.at if boxes[i].id not in pinned}
        in_bands: dict[str, list[Point]] = {}
        for i in sorted(self.steady):
            if boxes[i].group not in leads:
                in_bands.setdefault(boxes[i].group, []).append(self.at[i])
        banded = {boxes[i].id for i in self.steady if boxes[i].group not in leads}
        self.canvas = Canvas(in_bands, (positions[one] for one in sorted(positions) if one not in banded), sizes)
        self.callers: list[list[tuple[int, float]]] = [[] for _ in boxes]
        self.callees: list[list[tuple[int, float]]] = [[] for _ in boxes]

    def add(self, i: int) -> None:
        """Finds a place for box i and takes it."""
        group, choices = self.boxes[i].group, self._columns(i)
        wish = self._wish(i)
        if group in self.leads:
            card = min(self._beside(choices, wish))[1]
            self.canvas.put(card)
        else:
            found = min(self._in_band(group, choices, wish), key=lambda one: one[:2], default=None)
            card, part = found[1:] if found else (self.canvas.below(min(choices, key=lambda c: c[::-1])[0]), None)
            self.canvas.put_in_band(group, card, part)
        self.at[i] = card
        self.steady.add(i)

    def _wish(self, i: int) -> float | None:
        """The mean height of the neighbours that have a place."""
        placed = [(self.at[j][1], weight) for j, weight in self.callers[i] + self.callees[i] if j in self.at]
        return sum(y * weight for y, weight in placed) / sum(weight for _, weight in placed) if placed else None

    def _in_band(self, group: str, choices: Sequence[Column], wish: float | None
                 ) -> Iterator[tuple[float, Point, Part]]:
        """Free places on the rows of the group's parts and next to them, with their cost."""
        for part in self.canvas.parts:
            if part.group != group:
                continue
            first = part.top + self.sizes.title
            rows = round((part.bottom - first) / self.sizes.pitch)
            for row in range(-ROWS_AROUND, rows + ROWS_AROUND):
                y = first + row * self.sizes.pitch
                far = abs(y - (first if wish is None else wish)) + (0 if 0 <= row < rows else COST_OF_GROWING)
                for x, cost in choices:
                    if self.canvas.free((x, y)) and self.canvas.keeps_apart(part.with_card((x, y), self.sizes)):
                        yield cost + far, (x, y), part

    def _beside(self, choices: Sequence[Column], wish: float | None) -> Iterator[tuple[float, Point]]:
        """Free places in the columns of a full-height block: where the box wants to be, or next to a card."""
        heights = self.canvas.cards[:, 1]
        top, bottom = float(heights.min(initial=self.sizes.title)), float(heights.max(initial=self.sizes.title))
        wish = top if wish is None else wish
        near = {wish, top, bottom, bottom + self.sizes.pitch}
        for x, cost in choices:
            column = heights[np.abs(self.canvas.cards[:, 0] - x) < self.sizes.width + CLEARANCE]
            for y in near | {float(h) + step for h in column for step in (-self.sizes.pitch, self.sizes.pitch)}:
                if self.canvas.free((x, y)):
                    yield cost + abs(y - wish) + (0 if top <= y <= bottom else COST_OF_GROWING), (x, y)

    def _columns(self, i: int) -> list[Column]:
        """The columns box i may stand in: those of its own block, or of all bands; by layer, or by its callers."""
        box = self.boxes[i]
        peers = [j for j in sorted(self.steady) if (
            self.boxes[j].group == box.group if box.group in self.leads else self.boxes[j].group not in self.leads)]
        if box.layer is None:
            return self._by_depth(i, sorted({self.at[j][0] for j in peers}))
        same = sorted({self.at[j][0] for j in peers if self.boxes[j].layer == box.layer})
        own = [self.at[j][0] for j in peers if self.boxes[j].group == box.group]
        home = sum(own) / len(own) if own else same[0] if same else 0.0
        return [(x, abs(x - home) / 4) for x in same] or [(self._new_column(box, peers), 0.0)]

    def _by_depth(self, i: int, columns: list[float]) -> list[Column]:
        """All columns; the best is right of the callers, at the left end for users, at the right end for stores."""
        if not columns:
            return [(self._outside(self.boxes[i].group), 0.0)]
        best = self._right_of_callers(i, columns)
        if best == len(columns):
            columns = [*columns, columns[-1] + self._step]
        return [(x, abs(at - best) * COST_OF_A_COLUMN) for at, x in enumerate(columns)]

    def _right_of_callers(self, i: int, columns: list[float]) -> int:
        kind = self.boxes[i].kind
        callers = [self.at[j][0] for j, _ in self.callers[i] if j in self.at]
        callees = [self.at[j][0] for j, _ in self.callees[i] if j in self.at]
        if kind == "user" or kind in STORES:
            return 0 if kind == "user" else len(columns) - 1
        if callers:
            at = int(np.searchsorted(columns, max(callers), side="right"))
            return at if at < len(columns) or self.canvas.free_column(columns[-1] + self._step) else at - 1
        return max(0, int(np.searchsorted(columns, min(callees, default=columns[0]), side="left")) - 1)

    def _new_column(self, box: Box, peers: Sequence[int]) -> float:
        """A column for a layer that has none: between its neighbours if there is room, else shared with one."""
        layers = [(self.boxes[j].layer, self.at[j][0]) for j in peers]
        left = max((x for layer, x in layers if layer is not None and layer < (box.layer or 0)), default=None)
        right = min((x for layer, x in layers if layer is not None and layer > (box.layer or 0)), default=None)
        if left is None and right is None:
            return self._outside(box.group)
        if left is not None and right is not None:
            wanted = (left + right) / 2
        else:
            wanted = left + self._step if left is not None else (right or 0.0) - self._step
        shared = left if left is not None else right
        return wanted if shared is None or self.canvas.free_column(wanted) else shared

    def _outside(self, group: str) -> float:
        """A column left of everything for a block, right of everything for a band."""
        x = self.canvas.cards[:, 0]
        if not len(x):
            return 0.0
        return float(x.min()) - self._step if group in self.leads else float(x.max()) + self._step

    @property
    def _step(self) -> float:
        return self.sizes.width + self.sizes.widest_gap
