"""Positions of nodes: kept for ever, given once, changed only when a person asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Container, Mapping, Sequence

import networkx as nx

from topology.layout import Box, Group, Path, Point, arrange, place_new
from topology.store.contract import Store

SETTLE_S = 45.0
"""A map that was never drawn is arranged anew while its first nodes come in, for so long; then it stands.
Longer than the pairing horizon, since what sends no spans itself is known only after it."""


class Placement:
    """Where every node stands. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._positions: dict[str, Point] = dict(store.positions())
        self._pinned: set[str] = set()
        self._fresh = not self._positions
        self._first_s: float | None = None
        self._again = False

    def place(self, graph: nx.DiGraph, groups: Sequence[Group], layers: Sequence[str],
              now_s: float) -> dict[str, Point]:
        """A position for every node of the graph; new ones are placed and kept. Nodes have `group` and `layer`."""
        with self._lock:
            missing = [n for n in graph if n not in self._positions]
            if self._first_s is None and missing:
                self._first_s = now_s
            settling = self._fresh and self._first_s is not None and now_s - self._first_s < SETTLE_S
            if not missing and not self._again:
                return {n: self._positions[n] for n in graph}
            boxes = [_box(n, data, layers) for n, data in graph.nodes(data=True)]
            paths = [Path(a, b, float(data["calls_per_s"])) for a, b, data in graph.edges(data=True) if a != b]
            if settling or self._again:
                pinned = {n: self._positions[n] for n in self._pinned}
                placed = arrange(boxes, paths, groups, {n: at for n, at in pinned.items() if n in graph})
                # What is gone for now must not come back into the middle of a drawing it was not part of.
                self._positions = pinned
            else:
                placed = place_new(boxes, paths, groups, self._positions, self._pinned)
            self._again = False
            self._positions.update(placed)
            self._store.save_positions(placed)
            return {n: self._positions[n] for n in graph}

    def pin(self, positions: Mapping[str, tuple[float, float]], known: Container[str] = ()) -> None:
        """Puts nodes where a person wants them; KeyError, and nothing is moved, when one was never drawn and is not
        `known` either."""
        with self._lock:
            for node in positions:
                if node not in self._positions and node not in known:
                    raise KeyError(node)
            self._positions.update(positions)
            self._pinned.update(positions)
            self._fresh = False
            self._store.save_positions(positions)

    def content(self) -> bytes:
        """Which nodes are pinned, to be kept beside the positions."""
        with self._lock:
            return json.dumps(sorted(self._pinned)).encode()

    def restore(self, content: bytes) -> None:
        """Takes back what `content` gave before a restart."""
        with self._lock:
            self._pinned |= {node for node in json.loads(content) if node in self._positions}

    def again(self) -> None:
        """Asks for a new arrangement of everything that is not pinned."""
        with self._lock:
            self._again = True

    def pinned(self, node: str) -> bool:
        """Whether a person put the node where it stands."""
        return node in self._pinned


def _box(node: str, data: Mapping[str, object], layers: Sequence[str]) -> Box:
    layer = data["layer"]
    return Box(node, str(data["group"]), layers.index(str(layer)) if layer in layers else None, str(data["kind"]))
