"""Parts of a snapshot: the neighbourhood of a node, a domain, a layer, a zone, what a find expression matches. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import networkx as nx

Json = dict[str, Any]


def neighbourhood(snapshot: Json, focus: str, depth: int) -> Json:
    """What is within `depth` calls of `focus`, upstream or downstream; KeyError if it is not there."""
    paths = nx.DiGraph((edge["source"], edge["target"]) for edge in snapshot["edges"])
    paths.add_nodes_from(node["id"] for node in snapshot["nodes"])
    if focus not in paths:
        raise KeyError(focus)
    downstream = nx.single_source_shortest_path_length(paths, focus, cutoff=depth)
    upstream = nx.single_source_shortest_path_length(paths.reverse(copy=False), focus, cutoff=depth)
    return only(snapshot, {*downstream, *upstream})


def matching(snapshot: Json, accept: Callable[[Json], bool]) -> Json:
    """The nodes that `accept` says yes to, with the paths between them."""
    return only(snapshot, (node["id"] for node in snapshot["nodes"] if accept(node)))


def only(snapshot: Json, ids: Iterable[str]) -> Json:
    """The snapshot with these nodes and the paths between them; everything else stays."""
    kept = set(ids)
    nodes = [node for node in snapshot["nodes"] if node["id"] in kept]
    edges = [edge for edge in snapshot["edges"] if edge["source"] in kept and edge["target"] in kept]
    return {**snapshot, "nodes": nodes, "edges": edges}
