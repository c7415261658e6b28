"""From left to right: the column of every box, by its layer where that is known, else by call depth."""

from __future__ import annotations

from collections import Counter

import networkx as nx
import numpy as np

from topology.layout.network import Flags, Ints, Network

STORES = frozenset({"database", "cache", "external"})


def columns(net: Network) -> Ints:
    """A column for every box, as numbers that only order them.

    A known layer is kept. Otherwise users stand at the left, databases, caches and externals at the
    right, and everything else one column right of its farthest caller. What nobody calls stands
    left of the nearest thing it calls; what has no path at all goes where its group has most room.
    """
    forward = ~against_the_flow(net)
    known = np.array([box.layer is not None for box in net.boxes], dtype=np.bool_)
    column = np.array([box.layer or 0 for box in net.boxes], dtype=np.int64)
    if known.all():
        return column
    users = np.array([box.kind == "user" for box in net.boxes], dtype=np.bool_)
    stores = np.array([box.kind in STORES for box in net.boxes], dtype=np.bool_)
    _flow(net, forward, ~known & ~users, column, 1 if users.any() else 0)
    _draw_near(net, forward, ~known & ~users & ~stores, column)
    settled = known | (_degree(net) > 0)
    column[stores & ~known] = _store_column(column, stores, known, settled)
    column[users & ~known] = column[settled & ~users].min(initial=1) - 1
    _fill(net, ~settled & ~users & ~stores, settled & ~users & ~stores, column)
    return column


def against_the_flow(net: Network) -> Flags:
    """The paths to turn round, so to speak, so that the rest has no cycle: the least busy ones of each cycle.

    Greedy order within each strongly connected component, after Eades, Lin and Smyth (1993).
    """
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(net.size))
    graph.add_edges_from(zip(net.source.tolist(), net.target.tolist(), strict=True))
    place = np.zeros(net.size, dtype=np.int64)
    component = np.arange(net.size) + net.size
    for number, members in enumerate(nx.strongly_connected_components(graph)):
        if len(members) > 1:
            component[list(members)] = number
            for rank, node in enumerate(_greedy_order(net, members)):
                place[node] = rank
    same = component[net.source] == component[net.target]
    turned: Flags = same & (place[net.source] > place[net.target])
    return turned


def _greedy_order(net: Network, members: set[int]) -> list[int]:
    """Members so that busy paths go forward: next is always the one with the largest surplus of calls made.

    Calls from outside make an entry, and an entry comes early.
    """
    surplus = dict.fromkeys(sorted(members), 0.0)
    links: dict[int, list[tuple[int, float]]] = {node: [] for node in surplus}
    for source, target, weight in zip(net.source.tolist(), net.target.tolist(), net.weight.tolist(), strict=True):
        if source in members and target in members:
            surplus[source] += weight
            surplus[target] -= weight
            links[source].append((target, weight))
            links[target].append((source, -weight))
        elif target in members:
            surplus[target] += weight
    order = []
    while surplus:
        chosen = max(surplus, key=lambda node: (surplus[node], -node))
        del surplus[chosen]
        order.append(chosen)
        for other, weight in links[chosen]:
            if other in surplus:
                surplus[other] += weight
    return order


def call_depths(net: Network, forward: Flags) -> Ints:
    """The longest way, in calls over `forward` paths (which must have no cycle), that leads to each box."""
    depth = np.zeros(net.size, dtype=np.int64)
    _flow(net, forward, np.ones(net.size, dtype=np.bool_), depth, 0)
    return depth


def _flow(net: Network, forward: Flags, free: Flags, column: Ints, first: int) -> None:
    """Every free box one column right of its farthest caller, callers first; `column` is changed."""
    callees: list[list[int]] = [[] for _ in range(net.size)]
    waiting = Counter(net.target[forward].tolist())
    for source, target in zip(net.source[forward].tolist(), net.target[forward].tolist(), strict=True):
        callees[source].append(target)
    column[free] = first
    ready = [node for node in range(net.size) if not waiting[node]]
    while ready:
        node = ready.pop()
        for callee in callees[node]:
            if free[callee]:
                column[callee] = max(column[callee], column[node] + 1)
            waiting[callee] -= 1
            if not waiting[callee]:
                ready.append(callee)


def _draw_near(net: Network, forward: Flags, free: Flags, column: Ints) -> None:
    """What nobody calls moves right, next to the first thing it calls; `column` is changed."""
    called = np.zeros(net.size, dtype=np.bool_)
    called[net.target[forward]] = True
    nearest = np.full(net.size, np.iinfo(np.int64).max)
    np.minimum.at(nearest, net.source[forward], column[net.target[forward]])
    moved = free & ~called & (nearest < np.iinfo(np.int64).max)
    column[moved] = np.maximum(column[moved], nearest[moved] - 1)


def _store_column(column: Ints, stores: Flags, known: Flags, settled: Flags) -> int:
    """Where stores without a layer stand: with the stores that have one, else right of everything."""
    if (stores & known).any():
        return int(column[stores & known].max())
    return int(column[settled & ~stores].max(initial=0)) + 1


def _fill(net: Network, lonely: Flags, settled: Flags, column: Ints) -> None:
    """Boxes without any path go where their group has fewest boxes; `column` is changed."""
    choices = sorted(set(column[settled].tolist())) or [1]
    filled = Counter((net.boxes[i].group, int(column[i])) for i in np.flatnonzero(settled))
    for i in np.flatnonzero(lonely).tolist():
        group = net.boxes[i].group
        column[i] = min(choices, key=lambda choice: (filled[group, choice], choice))
        filled[group, int(column[i])] += 1


def _degree(net: Network) -> Ints:
    return np.bincount(net.source, minlength=net.size) + np.bincount(net.target, minlength=net.size)
