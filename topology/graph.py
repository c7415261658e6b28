"""Rollups to a `networkx.DiGraph`: every node and path with its figures over one window of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
import numpy.typing as npt

from topology.histogram import Ladder
from topology.members import CLIENT_SIDE, GAUGE, INSTANCE, ROOT_WORK, SERVER_SIDE, WORK, Members, edge_id
from topology.model import EdgeKey, InstanceKey, Kind, OperationKey, SeriesKey
from topology.ring import Totals
from topology.rollup import CALLS, COUNTS, ERRORS, OBSERVED, ORIGINATED, PROTECTED, SELF_TOTAL, TOTAL

SHARES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class Sums:
    """Totals by owner: rows are nodes or paths."""

    counts: npt.NDArray[np.float64]
    buckets: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Figures:
    """All sums of one window: the work of nodes, and the two sides of paths."""

    work: Sums
    client: Sums
    server: Sums
    crossing: npt.NDArray[np.float64]


def figures(members: Members, totals: Totals) -> Figures:
    """Adds series up to nodes and paths. Users and virtual nodes have the sums of the paths they are part of."""
    n = len(totals.counts)
    role, owner = members.role[:n], members.owner[:n]
    active = totals.counts[:, CALLS] != 0
    nodes, edges = len(members.nodes), len(members.edges)
    work = _sum(totals, np.flatnonzero((role == WORK) & active), owner, nodes)
    roots = _sum(totals, np.flatnonzero((role == ROOT_WORK) & active), owner, nodes)
    client = _sum(totals, np.flatnonzero((role == CLIENT_SIDE) & active), owner, edges)
    server = _sum(totals, np.flatnonzero((role == SERVER_SIDE) & (totals.counts[:, TOTAL] != 0)), owner, edges)
    crossing = np.flatnonzero((role == CLIENT_SIDE) & members.crossing[:n] & active)
    crossed = np.bincount(owner[crossing], totals.counts[crossing, CALLS], minlength=edges).astype(np.float64)
    idle = work.counts[:, CALLS] == 0
    work.counts[idle], work.buckets[idle] = roots.counts[idle], roots.buckets[idle]
    _borrow(members, work, client, server)
    return Figures(work, client, server, crossed)


def _sum(totals: Totals, rows: npt.NDArray[np.int64], owner: npt.NDArray[np.int32], owners: int) -> Sums:
    counts = np.zeros((owners, len(COUNTS)))
    buckets = np.zeros((owners, totals.buckets.shape[1]))
    if len(rows):
        rows = rows[np.argsort(owner[rows], kind="stable")]
        whose, starts = np.unique(owner[rows], return_index=True)
        counts[whose] = np.add.reduceat(totals.counts[rows], starts, axis=0)
        buckets[whose] = np.add.reduceat(totals.buckets[rows], starts, axis=0)
    return Sums(counts, buckets)


def _borrow(members: Members, work: Sums, client: Sums, server: Sums) -> None:
    """Nodes that send no spans are counted by their paths: what is called by its callers, users by what they call."""
    for number, (caller, callee) in enumerate(members.edges):
        if members.nodes[callee].kind is not Kind.SERVICE:
            _lend(work, callee, client, number, client if client.buckets[number].any() else server)
        if members.nodes[caller].kind in (Kind.USER, Kind.UNKNOWN):
            _lend(work, caller, client, number, server)


def _lend(work: Sums, node: int, counted: Sums, number: int, timed: Sums) -> None:
    work.counts[node] += counted.counts[number]
    work.buckets[node] += timed.buckets[number]


@dataclass(frozen=True)
class Window:
    """Of when the figures are: [start_s, start_s + length_s), in UTC epoch seconds."""

    start_s: float
    length_s: int


def graph(members: Members, keys: Sequence[SeriesKey], totals: Totals, ladder: Ladder,
          window: Window, unsettled: Totals | None = None) -> nx.DiGraph[str]:
    """The graph of a window. Nodes are ids with `service`, figures, `zones`, `instances_by_zone`, `sources`; edges have
    figures, `protocols`, `cross_zone_calls`, `sources`. A figure that is not known is None.

    Self time and where failures began are known only a pairing horizon after a call: `unsettled` are the totals of the
    windows of which that is not known yet, and those two figures are about the others.
    """
    sums = figures(members, totals)
    settled = sums.work.counts - figures(members, unsettled).work.counts if unsettled else sums.work.counts
    drawn: nx.DiGraph[str] = nx.DiGraph(start_s=window.start_s, window_s=window.length_s)
    details = _Details(members, keys, totals)
    quantiles = ladder.quantiles_us(sums.work.buckets, SHARES) / 1000
    for number, service in enumerate(members.nodes):
        own = _node_figures(sums.work.counts[number], settled[number], quantiles[number], window.length_s)
        drawn.add_node(service.id, service=service, **own, **details.of_node(number))
    client = ladder.quantiles_us(sums.client.buckets, SHARES[1:2])[:, 0] / 1000
    server = ladder.quantiles_us(sums.server.buckets, SHARES[1:2])[:, 0] / 1000
    for number, (caller, callee) in enumerate(members.edges):
        source, target = members.nodes[caller], members.nodes[callee]
        drawn.add_edge(source.id, target.id, id=edge_id(source, target), cross_zone_calls=whole(sums.crossing[number]),
                       client_p95_ms=known(client[number]), server_p95_ms=known(server[number]),
                       **_counts(sums.client.counts[number], window.length_s), **details.of_edge(number))
    return drawn


def whole(count: float) -> int | float:
    """A count as an integer unless sampling made it a fraction."""
    nearest = round(count)
    return nearest if abs(count - nearest) < 1e-6 else round(float(count), 3)


def known(figure: float) -> float | None:
    """A figure with three decimals, None when it is not known."""
    return None if np.isnan(figure) else round(float(figure), 3)


def _counts(counts: npt.NDArray[np.float64], window_s: int) -> dict[str, object]:
    calls = float(counts[CALLS])
    share = counts[OBSERVED] / calls if calls > 0 else 1.0
    return {
        "calls": whole(calls), "errors": whole(counts[ERRORS]), "protected": whole(counts[PROTECTED]),
        "calls_per_s": round(calls / window_s, 4),
        "error_ratio": round(float(counts[ERRORS]) / calls, 6) if calls > 0 else None,
        "sampled": round(float(share), 4) if share < 0.9999 else None,
    }


def _node_figures(counts: npt.NDArray[np.float64], settled: npt.NDArray[np.float64],
                  quantiles_ms: npt.NDArray[np.float64], window_s: int) -> dict[str, object]:
    calls, errors = float(settled[CALLS]), float(settled[ERRORS])
    p50, p95, p99 = (known(q) for q in quantiles_ms)
    return {
        **_counts(counts, window_s), "originated_errors": whole(counts[ORIGINATED]), "p50_ms": p50, "p95_ms": p95,
        "p99_ms": p99, "self_ms": round(float(settled[SELF_TOTAL]) / calls / 1000, 3) if calls > 0 else None,
        "originated_ratio": round(min(float(settled[ORIGINATED]) / errors, 1.0), 4) if errors > 0 else None,
    }


class _Details:
    """What is listed rather than counted: zones, instances, sources, protocols of what was active."""

    def __init__(self, members: Members, keys: Sequence[SeriesKey], totals: Totals) -> None:
        self.zones: dict[int, set[str]] = {}
        self.instances: dict[int, dict[str, int]] = {}
        self.node_sources: dict[int, set[str]] = {}
        self.edge_sources: dict[int, set[str]] = {}
        self.protocols: dict[int, set[str]] = {}
        silent = [node.kind is not Kind.SERVICE for node in members.nodes]
        self._silent_ends = [[end for end in ends if silent[end]] for ends in members.edges]
        for number in np.flatnonzero(totals.counts[:, CALLS]).tolist():
            self._take(keys[number], int(members.role[number]), int(members.owner[number]))

    def _take(self, key: SeriesKey, role: int, owner: int) -> None:
        if role in (CLIENT_SIDE, SERVER_SIDE) and isinstance(key, EdgeKey):
            self.edge_sources.setdefault(owner, set()).add(key.source)
            for end in self._silent_ends[owner]:
                self.node_sources.setdefault(end, set()).add(key.source)
            if key.protocol:
                self.protocols.setdefault(owner, set()).add(key.protocol)
        elif role in (WORK, ROOT_WORK, INSTANCE) and isinstance(key, OperationKey | InstanceKey):
            self.node_sources.setdefault(owner, set()).add(key.source)
            if key.zone:
                self.zones.setdefault(owner, set()).add(key.zone)
            if role == INSTANCE:
                zones = self.instances.setdefault(owner, {})
                zones[key.zone] = zones.get(key.zone, 0) + 1
        elif role == GAUGE:
            self.node_sources.setdefault(owner, set()).add(key.source)

    def of_node(self, number: int) -> dict[str, object]:
        return {"zones": sorted(self.zones.get(number, ())), "instances_by_zone": self.instances.get(number, {}),
                "sources": sorted(self.node_sources.get(number, ()))}

    def of_edge(self, number: int) -> dict[str, object]:
        return {"protocols": sorted(self.protocols.get(number, ())),
                "sources": sorted(self.edge_sources.get(number, ()))}
