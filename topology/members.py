"""Which node or path of the shown graph each series belongs to.

Series are many and live long, the graph is made anew every tick: so the belonging is worked out once per
series, and a tick only adds up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from topology.details import Details
from topology.model import UNNAMED, EdgeKey, GaugeKey, InstanceKey, Kind, LogKey, OperationKey, SeriesKey, Service, Side

Shown = Callable[[Service], Service | None]
"""Under which service one is shown; None hides it."""
UserFor = Callable[[Service], Service | None]
"""Who calls an entry service from outside, when the house gives the caller a name."""

ERROR_LEVELS = ("error", "fatal")
"""The levels at which log lines tell of failures."""
WORK, ROOT_WORK, CLIENT_SIDE, SERVER_SIDE, INSTANCE, LOG, GAUGE, HIDDEN, PART = range(9)


def edge_id(caller: Service, callee: Service) -> str:
    """The stable, URL-safe identity of a path."""
    return f"{caller.id}>{callee.id}"


@dataclass
class Members:
    """Belonging of series 0..n-1: `role`, and `owner`, the number of the node (work, instance, log, gauge) or path;
    `error_lines` are the series of log lines at a level of error."""

    shown: Shown = lambda service: service
    user_for: UserFor = lambda _entry: None
    counting: frozenset[str] = frozenset()
    """The sources that count themselves and know no namespace: a service that only they tell of is the one of the same
    name that others tell of, when there is exactly one."""
    nodes: list[Service] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    role: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    owner: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    crossing: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    error_lines: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    silent: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    """Which nodes send no spans: only their callers or callees tell of them."""
    _node_numbers: dict[Service, int] = field(default_factory=dict)
    _edge_numbers: dict[tuple[int, int], int] = field(default_factory=dict)
    _by_name: dict[tuple[str, str], set[Service]] = field(default_factory=dict)
    _speaking: set[Service] = field(default_factory=set)
    _displayed: dict[Service, Service | None] = field(default_factory=dict)
    _node_ids: list[str] = field(default_factory=list)
    _edge_ids: list[str] = field(default_factory=list)
    _ends: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    _borrowed: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    _listed: tuple[npt.NDArray[np.bool_], Details] | None = None

    def extend(self, keys: Sequence[SeriesKey]) -> bool:
        """Takes in the series that are new since the last call; True when an earlier belonging changed.

        A virtual node named like exactly one instrumented service (rule 2's `peer.service`) is that service, so a
        service seen for the first time may change where earlier paths end.
        """
        new = keys[len(self.role) :]
        if not new:
            return False
        changed = self._learn_names(new)
        if changed:
            self.nodes, self.edges, self._node_numbers, self._edge_numbers = [], [], {}, {}
            self._node_ids, self._edge_ids = [], []
            self.role = self.role[:0]
            new = keys
        rows = [self._belonging(key) for key in new]
        start = len(self.role)
        self.role = np.concatenate([self.role[:start], np.array([r[0] for r in rows], np.int8)])
        self.owner = np.concatenate([self.owner[:start], np.array([r[1] for r in rows], np.int32)])
        self.crossing = np.concatenate([self.crossing[:start], np.array([_crosses(key) for key in new], bool)])
        loud = np.array([isinstance(key, LogKey) and key.level in ERROR_LEVELS for key in new], bool)
        self.error_lines = np.concatenate([self.error_lines[:start], loud])
        self._note_ends()
        return changed

    def _note_ends(self) -> None:
        self._listed = None
        self._node_ids += [node.id for node in self.nodes[len(self._node_ids) :]]
        self._edge_ids += [edge_id(self.nodes[caller], self.nodes[callee])
                           for caller, callee in self.edges[len(self._edge_ids) :]]
        self._ends = np.array(self.edges, np.int64).reshape(-1, 2)
        silent = np.array([node.kind is not Kind.SERVICE for node in self.nodes], bool)
        outside = np.array([node.kind in (Kind.USER, Kind.UNKNOWN) for node in self.nodes], bool)
        self._borrowed = np.flatnonzero(silent[self._ends[:, 1]]), np.flatnonzero(outside[self._ends[:, 0]])
        self.silent = silent

    def node_ids(self) -> Sequence[str]:
        """The id of every node."""
        return self._node_ids

    def edge_ids(self) -> Sequence[str]:
        """The id of every path, as `edge_id` makes it."""
        return self._edge_ids

    def ends(self) -> npt.NDArray[np.int64]:
        """The numbers of caller and callee of every path: paths x 2."""
        return self._ends

    def borrowed(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The paths whose callee, and those whose caller, sends no spans and is counted by its paths."""
        return self._borrowed

    def details(self, keys: Sequence[SeriesKey], active: npt.NDArray[np.bool_]) -> Details:
        """What is listed of the active series (a row a series). Remembered while the same are active."""
        if self._listed is None or not np.array_equal(self._listed[0], active):
            silent_ends = [[end for end in ends if self.silent[end]] for ends in self.edges]
            chosen = np.flatnonzero(active & (self.role[: len(active)] != HIDDEN))
            self._listed = active, Details(self._taken(keys, chosen), silent_ends)
        return self._listed[1]

    def _taken(self, keys: Sequence[SeriesKey],
               chosen: npt.NDArray[np.int64]) -> Iterator[tuple[SeriesKey, bool, int]]:
        of_path = np.isin(self.role[chosen], (CLIENT_SIDE, SERVER_SIDE)).tolist()
        for number, path, owner in zip(chosen.tolist(), of_path, self.owner[chosen].tolist(), strict=True):
            yield keys[number], path, owner

    def _learn_names(self, new: Sequence[SeriesKey]) -> bool:
        before = len(self.role) > 0
        self._speaking.update(key.service for key in new
                              if isinstance(key, LogKey | GaugeKey) and key.source not in self.counting)
        learnt = {(key.service.environment, key.service.name) for key in new
                  if isinstance(key, OperationKey | InstanceKey) and self._learn(key.service, key.source)}
        if learnt:
            self._displayed.clear()
        return before and bool(learnt) and any(self._depends(node, learnt) for node in self.nodes)

    def _learn(self, service: Service, source: str) -> bool:
        """Whether something was learnt: a service, or that it speaks itself."""
        known = self._by_name.setdefault((service.environment, service.name), set())
        told = service in known, service in self._speaking
        known.add(service)
        if source not in self.counting:
            self._speaking.add(service)
        return told != (True, service in self._speaking)

    def _depends(self, node: Service, learnt: set[tuple[str, str]]) -> bool:
        """Whether who a node is may be another than before, now that services of these names are known."""
        named = (node.environment, node.name) in learnt
        return node.kind is Kind.EXTERNAL or (named and not node.namespace and node not in self._speaking)

    def display(self, service: Service) -> Service | None:
        """Under which service one is drawn; None when it is hidden. Remembered until a new name is learnt."""
        if service not in self._displayed:
            self._displayed[service] = self._shown_as(service)
        return self._displayed[service]

    def known_as(self, node: Service) -> list[Service]:
        """The services that are drawn as this one, itself first: what a source may know it by."""
        plain = Service(node.environment, "", node.name, node.kind)
        known = [plain, *(service for same in self._by_name.values() for service in same)]
        return list(dict.fromkeys([node, *sorted(service for service in known if self.display(service) == node)]))

    def _shown_as(self, service: Service) -> Service | None:
        if service.name.startswith(UNNAMED) or service.kind not in (Kind.EXTERNAL, Kind.SERVICE):
            return self.shown(service)
        same = self._by_name.get((service.environment, service.name), set())
        if service.kind is Kind.EXTERNAL:
            found = {self._namesake(one) for one in same}
            return self.shown(next(iter(found)) if len(found) == 1 else service)
        return self.shown(self._namesake(service))

    def _namesake(self, service: Service) -> Service:
        """The service that speaks itself under the name of one that is only counted by others; else the same."""
        if service.namespace or service in self._speaking:
            return service
        speaking = self._by_name.get((service.environment, service.name), set()) & self._speaking
        return next(iter(speaking)) if len(speaking) == 1 else service

    def _belonging(self, key: SeriesKey) -> tuple[int, int]:
        if isinstance(key, EdgeKey):
            return self._path(key)
        node = self.display(key.service)
        if node is None:
            return HIDDEN, 0
        roles = {InstanceKey: INSTANCE, LogKey: LOG, GaugeKey: GAUGE}
        role = roles.get(type(key))
        if role is None:
            role = _role_of_work(key)
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


def _role_of_work(key: SeriesKey) -> int:
    if isinstance(key, OperationKey) and (key.root or key.part):
        return ROOT_WORK if key.root else PART
    return WORK


def _crosses(key: SeriesKey) -> bool:
    return isinstance(key, EdgeKey) and bool(key.caller_zone and key.callee_zone) and key.caller_zone != key.callee_zone


def only_logging(members: Members) -> npt.NDArray[np.bool_]:
    """Of every node, by its number, whether nothing but its log lines tells of it."""
    nodes, role = len(members.nodes), members.role
    edges = np.isin(role, (CLIENT_SIDE, SERVER_SIDE))
    logging = np.bincount(members.owner[role == LOG], minlength=nodes) > 0
    others = np.bincount(members.owner[(role != LOG) & (role != HIDDEN) & ~edges], minlength=nodes) > 0
    ends = np.bincount(np.array(members.edges, np.int64).ravel(), minlength=nodes) > 0
    return np.asarray(logging & ~others & ~ends)
