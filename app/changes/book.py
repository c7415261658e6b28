"""The changes of the last day in memory, those that wait to be committed, and all others in the store."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from app.changes.told import LONGEST, Told
from topology.changes import Change
from topology.model import Service
from topology.store.contract import EVERYTHING, ChangeQuery, Commit, Store

DAY_S = 86_400.0
MOST_RECENT = 20_000
FLAG_S = 1800.0
"""How long the map shows a flag (design: half an hour)."""
AHEAD_S = 3600.0
"""Changes may be told a little before they happen, or by clocks that are ahead."""


class ChangeBook:
    """Takes changes and answers which there were. Thread-safe. Texts are masked before anything is done with them."""

    def __init__(self, store: Store, mask: Callable[[str], str]) -> None:
        self._store, self._mask = store, mask
        self._lock = threading.Lock()
        self._recent: dict[str, Change] = {}
        self._waiting: dict[str, Change] = {}
        self._taken: dict[str, Change] = {}
        self._complete_from_s = math.inf

    def load(self, now_s: float) -> None:
        """Reads the last day from the store."""
        found = self._store.changes(ChangeQuery(now_s - DAY_S, now_s + 400 * DAY_S, limit=MOST_RECENT))
        with self._lock:
            self._recent = {change.uid: change for change in reversed(found)} | self._recent
            self._complete_from_s = found[-1].at_s if len(found) == MOST_RECENT else now_s - DAY_S

    def note(self, changes: Iterable[Change], now_s: float) -> None:
        """Takes changes in: seen at once, durable with the next commit."""
        clean = [self._clean(change) for change in changes]
        with self._lock:
            self._waiting.update({change.uid: change for change in clean})
        self._remember(clean, now_s)

    def record(self, changes: Iterable[Change], now_s: float) -> list[Change]:
        """Takes changes in and returns them when they are durable; StoreError when they are not, and then nothing was
        taken in."""
        clean = [self._clean(change) for change in changes]
        if clean:
            self._store.commit(Commit(changes=clean))
        with self._lock:
            for change in clean:  # else what was noted before would be committed over it
                self._waiting.pop(change.uid, None)
                self._taken.pop(change.uid, None)
        self._remember(clean, now_s)
        return clean

    def _clean(self, change: Change) -> Change:
        said = {key: self._mask(str(getattr(change, key)))[: LONGEST[key]]
                for key in ("title", "version", "author", "link")}
        return replace(change, **said, uid=change.uid[: 2 * LONGEST["uid"]])  # type: ignore[arg-type]

    def _remember(self, changes: Sequence[Change], now_s: float) -> None:
        with self._lock:
            for change in changes:
                self._recent.pop(change.uid, None)
                if change.at_s >= now_s - DAY_S:
                    self._recent[change.uid] = change
            if len(self._recent) > MOST_RECENT:
                self._trim()

    def _trim(self) -> None:
        kept = sorted(self._recent.values(), key=lambda change: change.at_s)[-MOST_RECENT * 9 // 10 :]
        self._recent = {change.uid: change for change in kept}
        self._complete_from_s = max(self._complete_from_s, kept[0].at_s)

    def take(self) -> list[Change]:
        """What waits to be committed. What could not be is given back."""
        with self._lock:
            self._taken, self._waiting = self._waiting, {}
            return list(self._taken.values())

    def give_back(self) -> None:
        """What was taken could not be committed, and waits again; what was told of it meanwhile holds."""
        with self._lock:
            self._taken, self._waiting = {}, self._taken | self._waiting

    def forget(self, now_s: float) -> None:
        """Leaves what is older than a day to the store."""
        with self._lock:
            self._recent = {uid: change for uid, change in self._recent.items() if change.at_s >= now_s - DAY_S}
            self._complete_from_s = max(self._complete_from_s, now_s - DAY_S)

    def find(self, query: ChangeQuery) -> list[Change]:
        """The changes that match, newest first, also those not yet committed."""
        with self._lock:
            in_memory = query.from_s >= self._complete_from_s
            near = dict(self._recent) if in_memory else self._taken | self._waiting
        if not in_memory:
            more = replace(query, limit=query.limit + len(near))
            near = {change.uid: change for change in self._store.changes(more)} | near
        found = [change for change in near.values() if query.admits(change)]
        return sorted(found, key=lambda change: (-change.at_s, change.uid))[: query.limit]

    def flags(self, now_s: float) -> dict[str, Change]:
        """The newest change of each service of the last half hour before `now_s`, by the service's id."""
        flags: dict[str, Change] = {}
        query = ChangeQuery(now_s - FLAG_S, now_s + 1e-3, limit=MOST_RECENT)
        for change in reversed(self.find(query)):
            if change.service is not None:
                flags[change.service.id] = change
        return flags


def as_change(told: Told, service: Service | None) -> Change:
    """What was told, now that it is known of which service."""
    return Change(told.identity, told.at_s, told.kind, told.title or told.version or told.subject, told.source, service,
                  told.version, told.author, told.link, told.outcome, told.ended_s)


def of(service: str, or_everything: bool = True) -> Collection[str]:
    """What to ask for to get the changes of a service, and those of everything besides."""
    return {service, EVERYTHING} if or_everything else {service}
