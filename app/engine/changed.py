"""Changes: what is told of them, what the data shows, and questions about them as `app.views.Views` has them."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.changes.book import ChangeBook, as_change
from app.changes.naming import Naming, by_name
from app.changes.told import Told
from app.engine.moments import rfc3339
from app.engine.parts import Parts
from app.engine.presence import Presence, ends_of
from app.engine.snapshot import Rules
from topology.changes import Change, ChangeKind
from topology.delivery import ONCE_S, Alarm, deliveries
from topology.deployments import Deployments, Sighting
from topology.members import INSTANCE, Members
from topology.model import InstanceKey, Service
from topology.rollup import CALLS, RollupBatch
from topology.store.contract import ChangeQuery

VERSIONS = "versions"
DAY_S = 86_400.0
MOST_COUNTED = 100_000
"""Deployments, and alerts, that are counted at most when figures are made."""
FORGOTTEN_S = 60 * DAY_S
"""A service that is silent for so long begins anew: its next version is no deployment."""


class Changed(ABC):
    """The part of the engine that knows of changes."""

    parts: Parts
    rules: Rules
    lock: threading.RLock
    members: Members
    presence: Presence
    book: ChangeBook
    _deployments: Deployments
    _pictures: dict[int, dict[str, Any]]

    def note_changes(self, changes: Iterable[Change]) -> None:
        """Takes in what a source brings: seen at once, durable with the next commit. Thread-safe. Told again, a change
        replaces the one of the same uid, so a source that is read again brings nothing twice."""
        self.book.note([self._placed(change) for change in changes], self.parts.clock())
        self._redraw()

    def record_changes(self, told: Sequence[Told]) -> list[dict[str, Any]]:
        """Takes in what somebody tells and returns it when it is durable; see `app.views.Views`."""
        known = [Service.from_id(key) for key in list(self.presence.seen) if ends_of(key) is None]
        naming = Naming(self.rules.change_rules, self.rules.environment, lambda: by_name(known))
        changes = [self._placed(as_change(one, service)) for one, service in naming.find(told)]
        kept = self.book.record(changes, self.parts.clock())
        self._redraw()
        return [self.told_of(change) for change in kept]

    def _placed(self, change: Change) -> Change:
        """The change of the service that the map shows in place of the one that was named."""
        with self.lock:
            shown = self.members.display(change.service) if change.service else None
        return change if shown is None or shown == change.service else replace(change, service=shown)

    def _redraw(self) -> None:
        with self.lock:
            self._pictures.clear()

    def changes(self, services: Collection[str] | None, kinds: Collection[str] | None, from_s: float, to_s: float,
                limit: int) -> list[dict[str, Any]]:
        """The changes that match, newest first."""
        wanted = None if kinds is None else [ChangeKind(kind) for kind in kinds]
        return [self.told_of(change) for change in self.book.find(ChangeQuery(from_s, to_s, services, wanted, limit))]

    def delivery(self, from_s: float, to_s: float) -> dict[str, Any]:
        """How often services were deployed and how often that failed; see `app.views.Views`."""
        within_s = self.rules.failed_within_s
        query = ChangeQuery(from_s - ONCE_S, to_s, kinds=[ChangeKind.DEPLOYMENT], limit=MOST_COUNTED)
        alarms = [Alarm(one["service"], one["since"]) for one in self.alerts(False, from_s)[:MOST_COUNTED]
                  if one["severity"] == "page" and one["service"]]
        found = deliveries(self.book.find(query), alarms, within_s, (from_s, to_s))
        days = (to_s - from_s) / DAY_S
        rows = [{"service": one.service, "service_title": self.parts.house.title(Service.from_id(one.service)),
                 "deployments": one.deployments, "failed": one.failed, "failure_rate": one.failed / one.deployments,
                 "per_day": one.deployments / days, "last": rfc3339(one.last_s)} for one in found]
        return {"from": rfc3339(from_s), "to": rfc3339(to_s), "days": round(days, 3), "failed_within_s": within_s,
                "services": rows}

    @abstractmethod
    def alerts(self, open_only: bool = True, from_s: float | None = None,
               to_s: float | None = None) -> list[dict[str, Any]]:
        """Burn alerts, newest first."""

    def told_of(self, change: Change) -> dict[str, Any]:
        """A change as answers have it."""
        return {
            "uid": change.uid, "at": rfc3339(change.at_s), "kind": change.kind.value, "title": change.title,
            "version": change.version or None, "author": change.author or None, "link": change.link or None,
            "outcome": change.outcome.value, "source": change.source,
            "ended": None if change.ended_s is None else rfc3339(change.ended_s),
            "service": change.service.id if change.service else None,
            "service_title": self.parts.house.title(change.service) if change.service else None,
        }  # fmt: skip

    def flags(self, now_s: float) -> dict[str, dict[str, Any]]:
        """What nodes that were changed in the half hour before a moment say of it: `change` and `changed_at`."""
        return {node: {"change": {"uid": change.uid, "kind": change.kind.value, "title": change.title,
                                  "outcome": change.outcome.value}, "changed_at": rfc3339(change.at_s)}
                for node, change in self.book.flags(now_s).items()}

    def _load_changes(self, now_s: float, versions: bytes) -> None:
        self._deployments.restore(versions)
        self.book.load(now_s)

    def _forget_changes(self, now_s: float) -> None:
        self.book.forget(now_s)
        with self.lock:
            self._deployments.forget(now_s - FORGOTTEN_S)

    def _note_versions(self, batch: RollupBatch) -> None:
        """Deployments that show in what was just counted; call it with the lock held."""
        found = self._deployments.note(self._sightings(batch))
        if found:
            self.book.note(found, self.parts.clock())

    def _sightings(self, batch: RollupBatch) -> Iterator[Sighting]:
        keys, members = self.parts.series.keys, self.members
        rows = np.flatnonzero((members.role[batch.series] == INSTANCE) & (batch.counts[:, CALLS] > 0))
        numbers, calls = batch.series[rows].tolist(), batch.counts[rows, CALLS].tolist()
        for start_s, number, n in zip(batch.starts_s[rows].tolist(), numbers, calls, strict=True):
            key = keys[number]
            if isinstance(key, InstanceKey) and key.version:
                yield Sighting(float(start_s), members.nodes[members.owner[number]], key.version, n)

