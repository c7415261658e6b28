"""The boxes and paths of a layout as arrays, in one order whatever order they came in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topology.layout.elements import Box, Path

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Network:
    """Boxes sorted by id; paths as indices into them, at most one between two boxes, never to itself.

    `weight` is 1 + log10(1 + rate): a busy path matters more, but not a thousand times more.
    """

    boxes: tuple[Box, ...]
    source: Ints
    target: Ints
    weight: Floats

    @property
    def size(self) -> int:
        """How many boxes there are."""
        return len(self.boxes)

    def between(self, members: Flags) -> Network:
        """The same boxes with only the paths whose two ends are members."""
        kept = members[self.source] & members[self.target]
        return Network(self.boxes, self.source[kept], self.target[kept], self.weight[kept])


def network(boxes: Iterable[Box], paths: Iterable[Path]) -> Network:
    """The canonical network: duplicates merged, paths to unknown boxes and to themselves left out."""
    by_id = {box.id: box for box in sorted(boxes, key=_box_key)}
    index = {box_id: i for i, box_id in enumerate(by_id)}
    rates: dict[tuple[int, int], float] = {}
    for path in sorted(paths):
        if path.source != path.target and path.source in index and path.target in index:
            ends = index[path.source], index[path.target]
            rates[ends] = rates.get(ends, 0.0) + max(0.0, path.weight)
    ends_in_order = sorted(rates)
    ends_array = np.array(ends_in_order, dtype=np.int64).reshape(-1, 2)
    weight = 1 + np.log10(1 + np.array([rates[ends] for ends in ends_in_order], dtype=np.float64))
    return Network(tuple(by_id.values()), ends_array[:, 0], ends_array[:, 1], weight)


def _box_key(box: Box) -> tuple[str, str, int, str]:
    return box.id, box.group, -1 if box.layer is None else box.layer, box.kind
