"""Where trouble starts and who feels it, from the health of nodes and paths.

A first, plain answer: trouble starts at a burning node that calls nothing unhealthy, unless its failures began at
another that burns; whoever reaches it over unhealthy paths feels it; and the way from the users is the busiest one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx

from topology.model import Kind, Service
from topology.slo.explaining import Origin

BAD = ("at_risk", "burning", "exhausted")
MOST = 0.5
"""A node whose failures began elsewhere for more than this part is no origin."""


@dataclass(frozen=True)
class Impact:
    """Origins by id, whose trouble a node feels, and the paths (caller, callee) on the way from users to an origin."""

    origins: frozenset[str]
    feels: dict[str, str]
    paths: frozenset[tuple[str, str]]


def impact(graph: nx.DiGraph, failures: Callable[[], Failures]) -> Impact:
    """The impact in a graph whose nodes have `health` and `slo_kind` and whose edges have `health`.

    `failures` tells where failures began, in the hour that the sentences are about; asked for only where one burns.
    """
    burning = [n for n, data in graph.nodes(data=True) if data["health"] == "burning" and not _calls_trouble(graph, n)]
    feels = _blaming(graph, burning, failures)
    origins = [n for n in burning if n not in feels]
    paths: set[tuple[str, str]] = set()
    for origin in sorted(origins):
        reached = _upstream(graph, origin, paths)
        for node in reached:
            feels.setdefault(node, origin)
        for top in reached | {origin}:
            _to_users(graph, top, paths)
    return Impact(frozenset(origins), {n: o for n, o in feels.items() if n not in origins}, frozenset(paths))


def _blaming(graph: nx.DiGraph, nodes: Sequence[str], failures: Callable[[], Failures]) -> dict[str, str]:
    """Those of the nodes that burn for failures most of which began at another that burns, and at which."""
    failing = [n for n in nodes if graph.nodes[n]["slo_kind"] == "availability"]
    dearest = [(n, at, part) for n in failing for at, part in failures().origins(n, 1)]
    return {n: at for n, at, part in dearest
            if at != n and part > MOST and at in graph and graph.nodes[at]["health"] == "burning"}


def _calls_trouble(graph: nx.DiGraph, node: str) -> bool:
    return any(graph.nodes[callee]["health"] in ("burning", "at_risk") and data["health"] in BAD
               for _, callee, data in graph.out_edges(node, data=True) if callee != node)


def _upstream(graph: nx.DiGraph, origin: str, paths: set[tuple[str, str]]) -> set[str]:
    reached, waiting = {origin}, [origin]
    while waiting:
        for caller, callee, data in graph.in_edges(waiting.pop(), data=True):
            if data["health"] in BAD:
                paths.add((caller, callee))
                if caller not in reached:
                    reached.add(caller)
                    waiting.append(caller)
    return {n for n in reached - {origin} if graph.nodes[n]["kind"] != "user"}


def _to_users(graph: nx.DiGraph, node: str, paths: set[tuple[str, str]]) -> None:
    seen = {node}
    while graph.nodes[node]["kind"] != "user":
        callers = [(data["calls"], caller) for caller, _, data in graph.in_edges(node, data=True) if caller not in seen]
        if not callers:
            return
        _, caller = max(callers)
        paths.add((caller, node))
        seen.add(caller)
        node = caller


class Failures:
    """The failed calls of a graph, to be followed from many nodes. `name` gives a service's name in each language."""

    def __init__(self, graph: nx.DiGraph, name: Callable[[Service], Mapping[str, str]]) -> None:
        self._graph, self._name = graph, name
        self._began = {node: _began(graph, node) for node in graph}
        self._callees: dict[str, list[str]] = {}
        self._most: dict[str, Origin | None] = {}
        for caller, callee, data in graph.edges(data=True):
            if data["errors"] > 0:
                self._callees.setdefault(caller, []).append(callee)

    def origin_of(self, about: str) -> Origin | None:
        """Where most failures of a node, or of the called side of a path, began; None when none failed."""
        node = about.rpartition(">")[2]
        if node not in self._most:
            failed = node in self._graph and self._graph.nodes[node]["errors"]
            found = self.origins(node, 1) if failed else []
            self._most[node] = Origin(self.name_of(found[0][0]), found[0][1]) if found else None
        return self._most[node]

    def name_of(self, node: str) -> Mapping[str, str]:
        """The name of a node of the graph in each language."""
        return self._name(self._graph.nodes[node]["service"])

    def origins(self, node: str, most: int) -> list[tuple[str, float]]:
        """Where a node's failures began, most first: (id, share) of itself and what it calls with errors."""
        if node not in self._graph:
            return []
        reached, waiting = {node}, [node]
        while waiting:
            new = [callee for callee in self._callees.get(waiting.pop(), ()) if callee not in reached]
            reached.update(new)
            waiting += new
        total = sum(self._began[n] for n in reached)
        if total <= 0:
            return []
        dearest = sorted(reached, key=lambda n: (-self._began[n], n))[:most]
        return [(n, self._began[n] / total) for n in dearest if self._began[n] > 0]


def _began(graph: nx.DiGraph, node: str) -> float:
    """The failures that began at a node. Where nobody tells: those that its own failed calls do not account for."""
    data: Mapping[str, Any] = graph.nodes[node]
    kind = data["service"].kind
    if kind in (Kind.USER, Kind.UNKNOWN):
        return 0.0
    if kind is not Kind.SERVICE:
        return float(data["errors"])
    if data["originated_errors"] is not None:
        return float(data["originated_errors"])
    return max(0.0, float(data["errors"] - sum(call["errors"] for *_, call in graph.out_edges(node, data=True))))
