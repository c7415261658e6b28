"""Whether it is known how much of its calls a service sends: whether its spans say a sampling threshold (rule 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx

from topology.members import Members
from topology.model import Kind, Service
from topology.pairing.names import SAID, UNSAID

NEVER_S = float("-inf")


class Sampling:
    """When a service last sent spans with a threshold, and spans without one, in epoch seconds. It begins anew with
    the process: until it has heard a service, what its counts tell is left as it is."""

    def __init__(self) -> None:
        self._said_s: dict[Service, float] = {}
        self._unsaid_s: dict[Service, float] = {}

    def note(self, thresholds: Mapping[Service, int], members: Members, now_s: float) -> None:
        """Takes notice of what spans said since the last time, see `Naming.thresholds`."""
        for service, told in thresholds.items():
            shown = members.display(service)
            if shown is not None:
                self._said_s |= {shown: now_s} if told & SAID else {}
                self._unsaid_s |= {shown: now_s} if told & UNSAID else {}

    def tell(self, graph: nx.DiGraph, since_s: float) -> None:
        """Completes `sampled` of the live graph: the share where all spans since then told one, 1.0 for all calls;
        None where it is not known of some."""
        if not self._said_s:
            return
        service: dict[str, Service] = {node: data["service"] for node, data in graph.nodes(data=True)}
        for caller, callee, data in graph.edges(data=True):
            _complete(data, {self._known(service[caller], since_s), self._known(service[callee], since_s)})
        for node, data in graph.nodes(data=True):
            if service[node].kind is Kind.SERVICE:
                _complete(data, {self._known(service[node], since_s)})
            else:
                callers = {self._known(service[end], since_s) for end in nx.all_neighbors(graph, node)}
                _complete(data, callers)

    def _known(self, service: Service, since_s: float) -> bool | None:
        """None for whom nothing was heard from."""
        if self._unsaid_s.get(service, NEVER_S) >= since_s:
            return False
        return True if self._said_s.get(service, NEVER_S) >= since_s else None


def _complete(data: dict[str, Any], known: set[bool | None]) -> None:
    if False in known:
        data["sampled"] = None
    elif True in known and data["calls"]:
        data["sampled"] = data["sampled"] or 1.0
