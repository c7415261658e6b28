"""Who was seen when: first and last sight of every node and path, and since when a node has its state."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from topology.health import State
from topology.members import CLIENT_SIDE, HIDDEN, LOG, Members, only_logging
from topology.model import Entity, Service
from topology.rollup import CALLS, RollupBatch


@dataclass
class Presence:
    """Sightings by id, in epoch seconds. `changed` are those that the store does not know yet."""

    seen: dict[str, tuple[float, float]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    states: dict[str, tuple[State, float]] = field(default_factory=dict)

    def load(self, entities: Iterable[Entity]) -> None:
        """Takes in what the store knows."""
        self.seen.update({e.key: (e.first_seen_s, e.last_seen_s) for e in entities})

    def note(self, members: Members, batch: RollupBatch, now_s: float) -> None:
        """Takes notice of everything that a batch counts."""
        counted = batch.counts[:, CALLS] > 0
        series, starts = batch.series[counted], batch.starts_s[counted]
        role, owner = members.role[series], members.owner[series]
        own, logs = (role != CLIENT_SIDE) & (role != HIDDEN), role == LOG
        if logs.any():  # of a service that calls tell of, its calls decide when it was last heard
            own[logs] = only_logging(members)[owner[logs]]
        paths, at = owner[role == CLIENT_SIDE], starts[role == CLIENT_SIDE]
        ends = members.ends()[paths]
        silent = members.silent[ends]  # they send nothing: whoever calls them, or is called, tells of them
        nodes = np.concatenate([owner[own], ends[silent]])
        times = np.concatenate([starts[own], np.repeat(at, silent.sum(axis=1))])
        self._see_all(members.node_ids(), _spans(nodes, times), batch.window_s, now_s)
        self._see_all(members.edge_ids(), _spans(paths, at), batch.window_s, now_s)

    def _see_all(self, ids: Sequence[str], spans: Iterable[tuple[int, float, float]], window_s: int,
                 now_s: float) -> None:
        for number, first_s, last_s in spans:
            self._see(ids[number], first_s, min(last_s + window_s, now_s))

    def _see(self, key: str, first_s: float, last_s: float) -> None:
        known = self.seen.get(key)
        widened = (first_s, last_s) if known is None else (min(known[0], first_s), max(known[1], last_s))
        if widened != known:
            self.seen[key] = widened
            self.changed.add(key)

    def take_changes(self) -> list[Entity]:
        """What the store is to be told."""
        entities = [Entity(key, *self.seen[key]) for key in sorted(self.changed)]
        self.changed.clear()
        return entities

    def present(self, now_s: float, leave_after_s: float) -> set[str]:
        """Everything that was there at a moment: seen before it, and not so long ago that it has left the map."""
        return {key for key, (first_s, last_s) in self.seen.items()
                if first_s <= now_s and last_s >= now_s - leave_after_s}

    def note_states(self, states: Mapping[str, State], now_s: float) -> None:
        """Takes notice of every node's state, so that it is known since when it has it."""
        kept = {key: self.states.get(key) for key in states}
        self.states = {key: known if (known := kept[key]) and known[0] is state else (state, now_s)
                       for key, state in states.items()}

    def since(self, key: str, state: State) -> float | None:
        """Since when a node has its state; None when that was not noted."""
        known = self.states.get(key)
        return known[1] if known is not None and known[0] is state else None

    def states_content(self) -> bytes:
        """The states that are not ok, to be kept."""
        return json.dumps({key: known for key, known in self.states.items() if known[0] is not State.OK}).encode()

    def restore_states(self, content: bytes) -> None:
        """Takes back what `states_content` gave before a restart."""
        self.states = {key: (State(state), since_s) for key, (state, since_s) in json.loads(content).items()}


def _spans(owner: np.ndarray, starts: np.ndarray) -> list[tuple[int, float, float]]:
    if not len(owner):
        return []
    order = np.argsort(owner, kind="stable")
    numbers, first = np.unique(owner[order], return_index=True)
    lows = np.minimum.reduceat(starts[order], first)
    highs = np.maximum.reduceat(starts[order], first)
    return list(zip(numbers.tolist(), lows.tolist(), highs.tolist(), strict=True))


@lru_cache(maxsize=1 << 17)
def ends_of(key: str) -> tuple[Service, Service] | None:
    """The two ends of a path's id; None for the id of a node."""
    caller, arrow, callee = key.partition(">")
    return (Service.from_id(caller), Service.from_id(callee)) if arrow else None


def is_id(text: str) -> bool:
    """Whether a text could be the id of a node or path."""
    try:
        return bool(ends_of(text) or Service.from_id(text))
    except ValueError:
        return False
