"""Which operation log lines belong to that name only their trace: looked up in what every source of spans remembers of
the last minutes, and in the traces that were kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping

from app.examples import rows_of
from app.intakes import Intakes
from app.written_in import Done, key_of, operation_of
from topology.model import Service
from topology.store.contract import Store

Asked = tuple[Service, str]
"""Whose line it is, and the id of its trace."""
MOST_REMEMBERED = 50_000
MOST_KEPT_TRACES = 20
"""So many traces are looked up in the store at once: most that were kept are still in memory."""


class TraceLines:
    """Remembers what it found, so that minutes which are counted again say the same. Thread-safe."""

    def __init__(self, intakes: Intakes, store: Store, drawn_as: Callable[[Service], Service]) -> None:
        self._intakes, self._store, self._drawn_as = intakes, store, drawn_as
        self._lock = threading.Lock()
        self._known: OrderedDict[Asked, str] = OrderedDict()

    def operations(self, asked: Collection[Asked]) -> Mapping[Asked, str]:
        """The operation of every line of which it is known."""
        with self._lock:
            found = {one: self._known[one] for one in asked if one in self._known}
        found |= self._of_spans([one for one in asked if one not in found])
        found |= self._of_kept([one for one in asked if one not in found])
        with self._lock:
            self._known |= found
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return found

    def _of_spans(self, asked: Collection[Asked]) -> dict[Asked, str]:
        keys = {trace: key for _, trace in asked if (key := key_of(trace))}
        done: dict[int, list[Done]] = {}
        for intake in self._intakes:
            for key, listed in intake.done_in({*keys.values()}).items():
                done.setdefault(key, []).extend(listed)
        return self._told(asked, lambda trace: done.get(keys.get(trace, 0), ()))

    def _of_kept(self, asked: Collection[Asked]) -> dict[Asked, str]:
        wanted = [*dict.fromkeys(trace for _, trace in asked)][:MOST_KEPT_TRACES]
        done = {trace: [*self._kept(trace)] for trace in wanted}
        return self._told(asked, lambda trace: done.get(trace, ()))

    def _kept(self, trace: str) -> Iterator[Done]:
        example = self._store.example(trace)
        for span in rows_of(example) if example else ():
            if span["kind"] in ("server", "consumer") or not span["parent_id"]:
                yield Done(Service.from_id(span["service_id"]), span["operation"], span["failed"])

    def _told(self, asked: Collection[Asked], done: Callable[[str], Collection[Done]]) -> dict[Asked, str]:
        found = {(service, trace): operation_of(service, listed, self._drawn_as)
                 for service, trace in asked if (listed := done(trace))}
        return {one: operation for one, operation in found.items() if operation}
