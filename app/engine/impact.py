"""Where trouble starts and who feels it, from the health of nodes and paths.

A first, plain answer: trouble starts at a burning node that calls nothing unhealthy; whoever reaches it over
unhealthy paths feels it; and the way from the users is the busiest one.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx

BAD = ("at_risk", "burning", "exhausted")


@dataclass(frozen=True)
class Impact:
    """Origins by id, whose trouble a node feels, and the paths (caller, callee) on the way from users to an origin."""

    origins: frozenset[str]
    feels: dict[str, str]
    paths: frozenset[tuple[str, str]]


def impact(graph: nx.DiGraph) -> Impact:
    """The impact in a graph whose nodes and edges have `health`."""
    origins = [n for n, data in graph.nodes(data=True) if data["health"] == "burning" and not _calls_trouble(graph, n)]
    feels: dict[str, str] = {}
    paths: set[tuple[str, str]] = set()
    for origin in sorted(origins):
        reached = _upstream(graph, origin, paths)
        for node in reached:
            feels.setdefault(node, origin)
        for top in reached | {origin}:
            _to_users(graph, top, paths)
    return Impact(frozenset(origins), {n: o for n, o in feels.items() if n not in origins}, frozenset(paths))


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
    """The failed calls of a graph, to be followed from many nodes. Nodes have `kind` and figures."""

    def __init__(self, graph: nx.DiGraph) -> None:
        self._began = {node: _began(graph, node) for node in graph}
        self._callees: dict[str, list[str]] = {}
        for caller, callee, data in graph.edges(data=True):
            if data["errors"] > 0:
                self._callees.setdefault(caller, []).append(callee)

    def originated_in(self, node: str) -> tuple[str, float] | None:
        """Where most of a node's failures began: the id among itself and what it calls with errors, and its share."""
        return next(iter(self.origins(node, 1)), None)

    def origins(self, node: str, most: int) -> list[tuple[str, float]]:
        """Where a node's failures began, most first: (id, share) of itself and what it calls with errors."""
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
    data = graph.nodes[node]
    if data["kind"] in ("user", "unknown"):
        return 0.0
    if data["kind"] != "service":
        return float(data["errors"])
    if data["originated_errors"] is not None:
        return float(data["originated_errors"])
    return max(0.0, float(data["errors"] - sum(call["errors"] for *_, call in graph.out_edges(node, data=True))))
