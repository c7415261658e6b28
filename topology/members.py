"""Which node or path of the shown graph each series belongs to.

Series are many and live long, the graph is made anew every tick: so the belonging is worked out once per
series, and a tick only adds up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from topology.model import EdgeKey, GaugeKey, InstanceKey, Kind, LogKey, OperationKey, SeriesKey, Service, Side

Shown = Callable[[Service], Service | None]
"""Under which service one is shown; None hides it."""
UserFor = Callable[[Service], Service | None]
"""Who calls an entry service from outside, when the house gives the caller a name."""

WORK, ROOT_WORK, CLIENT_SIDE, SERVER_SIDE, INSTANCE, LOG, GAUGE, HIDDEN = range(8)


def edge_id(caller: Service, callee: Service) -> str:
    """The stable, URL-safe identity of a path."""
    return f"{caller.id}>{callee.id}"


@dataclass
class Members:
    """Belonging of series 0..n-1: `role`, and `owner`, the number of the node (work, instance, log, gauge) or path."""

    shown: Shown = lambda service: service
    user_for: UserFor = lambda _entry: None
    nodes: list[Service] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    role: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    owner: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    crossing: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    _node_numbers: dict[Service, int] = field(default_factory=dict)
    _edge_numbers: dict[tuple[int, int], int] = field(default_factory=dict)
    _by_name: dict[tuple[str, str], set[Service]] = field(default_factory=dict)
    _displayed: dict[Service, Service | None] = field(default_factory=dict)

    def extend(self, keys: Sequence[SeriesKey]) -> bool:
        """Takes in the series that are new since the last call; True when an earlier belonging changed.

        A virtual node named like exactly one instrumented service (rule 2's `peer.service`) is that service, so a
        service seen for the first time may change where earlier paths end.
        """
        new = keys[len(self.role) :]
        changed = self._learn_names(new)
        if changed:
            self.nodes, self.edges, self._node_numbers, self._edge_numbers = [], [], {}, {}
            self.role = self.role[:0]
            new = keys
        rows = [self._belonging(key) for key in new]
        start = len(self.role)
        self.role = np.concatenate([self.role[:start], np.array([r[0] for r in rows], np.int8)])
        self.owner = np.concatenate([self.owner[:start], np.array([r[1] for r in rows], np.int32)])
        self.crossing = np.concatenate([self.crossing[:start], np.array([_crosses(key) for key in new], bool)])
        return changed

    def _learn_names(self, new: Sequence[SeriesKey]) -> bool:
        before = len(self.role) > 0
        changed = False
        for key in new:
            if isinstance(key, OperationKey | InstanceKey):
                known = self._by_name.setdefault((key.service.environment, key.service.name), set())
                if key.service not in known:
                    known.add(key.service)
                    self._displayed.clear()
                    changed = changed or before
        return changed and any(n.kind is Kind.EXTERNAL for n in self.nodes)

    def display(self, service: Service) -> Service | None:
        """Under which service one is drawn; None when it is hidden. Remembered until a new name is learnt."""
        if service not in self._displayed:
            self._displayed[service] = self._shown_as(service)
        return self._displayed[service]

    def _shown_as(self, service: Service) -> Service | None:
        if service.kind is Kind.EXTERNAL:
            same = self._by_name.get((service.environment, service.name), ())
            if len(same) == 1 and not service.name.startswith("unknown_service"):
                service = next(iter(same))
        return self.shown(service)

    def _belonging(self, key: SeriesKey) -> tuple[int, int]:
        if isinstance(key, EdgeKey):
            return self._path(key)
        node = self.display(key.service)
        if node is None:
            return HIDDEN, 0
        roles = {InstanceKey: INSTANCE, LogKey: LOG, GaugeKey: GAUGE}
        role = roles.get(type(key))
        if role is None:
            role = ROOT_WORK if isinstance(key, OperationKey) and key.root else WORK
        return role, self.node(node)

    def _path(self, key: EdgeKey) -> tuple[int, int]:
        callee = self.display(key.callee)
        caller = self.user_for(key.callee) if key.caller.kind is Kind.USER else None
        caller = self.display(caller or key.caller)
        if caller is None or callee is None or caller == callee:
            return HIDDEN, 0
        pair = (self.node(caller), self.node(callee))
        number = self._edge_numbers.get(pair)
        if number is None:
            number = self._edge_numbers[pair] = len(self.edges)
            self.edges.append(pair)
        return (SERVER_SIDE if key.side is Side.SERVER else CLIENT_SIDE), number

    def node(self, service: Service) -> int:
        """The number of a shown node."""
        number = self._node_numbers.get(service)
        if number is None:
            number = self._node_numbers[service] = len(self.nodes)
            self.nodes.append(service)
        return number


def _crosses(key: SeriesKey) -> bool:
    return isinstance(key, EdgeKey) and bool(key.caller_zone and key.callee_zone) and key.caller_zone != key.callee_zone
