"""Rollups to a `networkx.DiGraph`: every node and path with its figures over one window of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt

from topology.histogram import Ladder
from topology.machine import JIT, compiled
from topology.members import CLIENT_SIDE, LOG, ROOT_WORK, SERVER_SIDE, WORK, Members
from topology.model import SeriesKey
from topology.ring import Totals
from topology.rollup import CALLS, COUNTS, ERRORS, OBSERVED, ORIGINATED, PROTECTED, SELF_TOTAL, TOTAL

SHARES = (0.5, 0.95, 0.99)
Floats = npt.NDArray[np.float64]


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


@compiled(**JIT)
def _add_rows(counts, buckets, rows, owner, into_counts, into_buckets):  # type: ignore[no-untyped-def]
    for row in rows:
        for at in range(counts.shape[1]):
            into_counts[owner[row], at] += counts[row, at]
        for at in range(buckets.shape[1]):
            into_buckets[owner[row], at] += buckets[row, at]


def _sum(totals: Totals, rows: npt.NDArray[np.int64], owner: npt.NDArray[np.int32], owners: int) -> Sums:
    sums = Sums(np.zeros((owners, len(COUNTS))), np.zeros((owners, totals.buckets.shape[1])))
    _add_rows(totals.counts, totals.buckets, rows, owner, sums.counts, sums.buckets)
    return sums


def _borrow(members: Members, work: Sums, client: Sums, server: Sums) -> None:
    """Nodes that send no spans are counted by their paths: what is called by its callers, users by what they call."""
    called, calling = members.borrowed()
    timed_by_client = np.asarray(client.buckets[called].any(axis=1), bool)
    _lend(work, members, called, 1, client, client, timed_by_client)
    _lend(work, members, called, 1, client, server, ~timed_by_client)
    _lend(work, members, calling, 0, client, server, np.ones(len(calling), bool))


def _lend(work: Sums, members: Members, edges: npt.NDArray[np.int64], end: int, counted: Sums, timed: Sums,
          chosen: npt.NDArray[np.bool_]) -> None:
    edges = edges[chosen]
    nodes = members.ends()[:, end][edges]
    np.add.at(work.counts, nodes, counted.counts[edges])
    np.add.at(work.buckets, nodes, timed.buckets[edges])


@dataclass(frozen=True)
class Window:
    """Of when the figures are: [start_s, start_s + length_s), in UTC epoch seconds."""

    start_s: float
    length_s: int


def graph(members: Members, keys: Sequence[SeriesKey], totals: Totals, ladder: Ladder,
          window: Window, unsettled: Totals | None = None,
          counting: frozenset[str] = frozenset()) -> nx.DiGraph[str]:
    """The graph of a window. Nodes are ids with `service`, figures, `zones`, `instances_by_zone`, `sources`,
    `log_lines`, `log_errors`; edges have figures, `protocols`, `cross_zone_calls`, `sources`. A figure that is not
    known is None.

    Self time and where failures began are known only a pairing horizon after a call: `unsettled` are the totals of the
    windows of which that is not known yet, and those two figures are about the others. Sources that are `counting`
    themselves tell neither, and only about how long calls took: what they alone tell of is not `exact`. Of what sends
    no spans nobody knows either: its self time, and how many of its failures began there unless there are none.
    """
    sums = figures(members, totals)
    settled = sums.work.counts - figures(members, unsettled).work.counts if unsettled else sums.work.counts
    drawn: nx.DiGraph[str] = nx.DiGraph(start_s=window.start_s, window_s=window.length_s)
    details = members.details(keys, totals.counts[:, CALLS] != 0)
    own = _node_figures(sums.work, settled, ladder, window.length_s)
    lines = lines_of(members, totals)
    ids, path_ids = members.node_ids(), members.edge_ids()
    for number, service in enumerate(members.nodes):
        listed, found = details.of_node(number) | lines[number], own[number]
        if members.silent[number]:
            found |= {"self_ms": None, "originated_errors": None if found["errors"] else 0}
        drawn.add_node(ids[number], service=service, **_told_by(found, listed, counting), **listed)
    paths = _path_figures(sums, ladder, window.length_s)
    for number, (caller, callee) in enumerate(members.edges):
        listed = details.of_edge(number)
        drawn.add_edge(ids[caller], ids[callee], id=path_ids[number],
                       **_told_by(paths[number], listed, counting), **listed)
    return drawn


def lines_of(members: Members, totals: Totals) -> list[dict[str, Any]]:
    """Of every node `log_lines` and `log_errors`, both None where it logged nothing."""
    n = len(totals.counts)
    logs = members.role[:n] == LOG
    found = []
    for chosen in (logs, logs & members.error_lines[:n]):
        rows = np.flatnonzero(chosen)
        found.append(np.bincount(members.owner[rows], totals.counts[rows, CALLS], minlength=len(members.nodes)))
    return [{"log_lines": whole(lines) if lines > 0 else None, "log_errors": whole(errors) if lines > 0 else None}
            for lines, errors in zip(*(column.tolist() for column in found), strict=True)]


NOT_TOLD = ("self_ms", "originated_ratio", "originated_errors")


def _told_by(figures: dict[str, Any], listed: dict[str, Any], counting: frozenset[str]) -> dict[str, Any]:
    """The figures with `exact`, and without those that nobody who tells of the thing knows."""
    exact = not listed["sources"] or not counting.issuperset(listed["sources"])
    unknown = () if exact else NOT_TOLD
    return {**{name: None if name in unknown else figure for name, figure in figures.items()}, "exact": exact}


def whole(count: float) -> int | float:
    """A count as an integer unless sampling made it a fraction."""
    nearest = round(count)
    return nearest if abs(count - nearest) < 1e-6 else round(float(count), 3)


def known(figure: float) -> float | None:
    """A figure with three decimals, None when it is not known."""
    return None if np.isnan(figure) else round(float(figure), 3)


def _whole(counts: Floats) -> list[int | float]:
    """`whole` of every count of a column."""
    nearest = np.rint(counts)
    return [*map(whole, counts.tolist())] if (np.abs(counts - nearest) >= 1e-6).any() else nearest.astype(int).tolist()


def _rounded(figures: Floats, decimals: int) -> list[float | None]:
    """A column with None where nothing is known."""
    return [None if figure != figure else figure for figure in np.round(figures, decimals).tolist()]


def _ratio(part: Floats, of: Floats) -> Floats:
    """Shares, not known (NaN) of nothing."""
    return np.asarray(np.divide(part, of, out=np.full(len(of), np.nan), where=of > 0), np.float64)


def _counts(counts: Floats, window_s: int) -> dict[str, list[Any]]:
    calls, share = counts[:, CALLS], _ratio(counts[:, OBSERVED], counts[:, CALLS])
    return {
        "calls": _whole(calls), "errors": _whole(counts[:, ERRORS]), "protected": _whole(counts[:, PROTECTED]),
        "calls_per_s": np.round(calls / window_s, 4).tolist(),
        "error_ratio": _rounded(_ratio(counts[:, ERRORS], calls), 6),
        "sampled": _rounded(np.where(share < 0.9999, share, np.nan), 4),
    }


def _node_figures(work: Sums, settled: Floats, ladder: Ladder, window_s: int) -> list[dict[str, Any]]:
    quantiles_ms = ladder.quantiles_us(work.buckets, SHARES) / 1000
    began = np.minimum(_ratio(settled[:, ORIGINATED], settled[:, ERRORS]), 1.0)
    return _listed({
        **_counts(work.counts, window_s), "originated_errors": _whole(work.counts[:, ORIGINATED]),
        **{name: _rounded(quantiles_ms[:, at], 3) for at, name in enumerate(("p50_ms", "p95_ms", "p99_ms"))},
        "self_ms": _rounded(_ratio(settled[:, SELF_TOTAL], settled[:, CALLS]) / 1000, 3),
        "originated_ratio": _rounded(began, 4),
    })


def _path_figures(sums: Figures, ladder: Ladder, window_s: int) -> list[dict[str, Any]]:
    p95_ms = {side: ladder.quantiles_us(of.buckets, SHARES[1:2])[:, 0] / 1000
              for side, of in (("client", sums.client), ("server", sums.server))}
    return _listed({
        "cross_zone_calls": _whole(sums.crossing), "client_p95_ms": _rounded(p95_ms["client"], 3),
        "server_p95_ms": _rounded(p95_ms["server"], 3), **_counts(sums.client.counts, window_s),
    })


def _listed(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Columns as one dictionary a row."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
