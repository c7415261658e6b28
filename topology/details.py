"""What is listed of nodes and paths rather than counted: zones, instances, sources, protocols of what was active."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from topology.model import EdgeKey, GaugeKey, InstanceKey, LogKey, OperationKey, SeriesKey


class Details:
    """Lists by the number of a node or path. `taken` gives (key, belongs to a path, owner) of every active series;
    `silent_ends` the ends of each path that send no spans themselves."""

    def __init__(self, taken: Iterable[tuple[SeriesKey, bool, int]], silent_ends: Sequence[Sequence[int]]) -> None:
        self._zones: dict[int, set[str]] = {}
        self._speaking: dict[int, set[tuple[str, str]]] = {}
        self._node_sources: dict[int, set[str]] = {}
        self._edge_sources: dict[int, set[str]] = {}
        self._log_sources: dict[int, set[str]] = {}
        self._protocols: dict[int, set[str]] = {}
        self._silent_ends = silent_ends
        for key, of_path, owner in taken:
            if of_path and isinstance(key, EdgeKey):
                self._take_path(key, owner)
            else:
                self._take(key, owner)

    def _take_path(self, key: EdgeKey, owner: int) -> None:
        self._edge_sources.setdefault(owner, set()).add(key.source)
        for end in self._silent_ends[owner]:
            self._node_sources.setdefault(end, set()).add(key.source)
        if key.protocol:
            self._protocols.setdefault(owner, set()).add(key.protocol)

    def _take(self, key: SeriesKey, owner: int) -> None:
        if isinstance(key, LogKey):
            self._log_sources.setdefault(owner, set()).add(key.source)
            return
        self._node_sources.setdefault(owner, set()).add(key.source)
        if isinstance(key, OperationKey | InstanceKey) and key.zone:
            self._zones.setdefault(owner, set()).add(key.zone)
        if isinstance(key, InstanceKey | GaugeKey) and key.instance:
            self._speaking.setdefault(owner, set()).add((key.zone, key.instance))

    def of_node(self, number: int) -> dict[str, Any]:
        """`zones`, `instances_by_zone`, `speaking` (zone and name of every instance), `sources` and `log_sources`
        (those of its lines) of a node."""
        speaking = tuple(sorted(self._speaking.get(number, ())))
        return {"zones": sorted(self._zones.get(number, ())), "speaking": speaking,
                "instances_by_zone": dict(Counter(zone for zone, _ in speaking)),
                "sources": sorted(self._node_sources.get(number, ())),
                "log_sources": sorted(self._log_sources.get(number, ()))}

    def of_edge(self, number: int) -> dict[str, Any]:
        """`protocols` and `sources` of a path."""
        return {"protocols": sorted(self._protocols.get(number, ())),
                "sources": sorted(self._edge_sources.get(number, ()))}
