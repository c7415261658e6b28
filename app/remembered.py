"""Which spans of a source were read before, so that a minute that is read again counts nothing twice.

A source that is asked tells its last minutes again and again, because spans come late, and after a stop some that were
read already. Ids are kept by the minute in which spans ended, and forgotten when no span of that minute was met for a
while of reading: the time in which a source is not read, or this process does not run, does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from topology.id_set import Ids, IdSet, mixed
from topology.spans import END, SPAN, TRACE, SpanColumns

MOST_IDS, MOST_MINUTES = 4_000_000, 256
KEPT_S, LONGEST_STEP_S = 900.0, 60.0
"""How long a minute that was not met is kept, and how much of that passes from one reading to the next at most."""
MINUTE_NS = 60_000_000_000
PREFIX = "read:"


@dataclass
class _Minute:
    slot: int
    met_s: float = 0.0
    saved: int = 0
    ids: IdSet = field(default_factory=IdSet)


class Remembered:
    """The ids of the spans of one source. Not thread-safe.

    Bounded in ids and minutes: what was met longest ago goes first, counted in `dropped`. Every minute is kept under
    a checkpoint of its own, so that only those with new spans are written again.
    """

    def __init__(self, source: str, most_ids: int = MOST_IDS, most_minutes: int = MOST_MINUTES) -> None:
        self._prefix, self._most_ids = f"{PREFIX}{source}:", most_ids
        self._minutes: dict[int, _Minute] = {}
        self._free = list(range(most_minutes - 1, -1, -1))
        self._emptied: set[int] = set()
        self._reading_s, self._last_s = 0.0, 0.0
        self.dropped = 0

    def known(self, columns: SpanColumns) -> npt.NDArray[np.bool_]:
        """Which spans of a batch were read before."""
        known = np.zeros(columns.used, np.bool_)
        for number, rows, ids in _by_minute(columns):
            minute = self._minutes.get(number)
            if minute is not None:
                minute.met_s = self._reading_s
                known[rows] = minute.ids.known(ids)
        return known

    def add(self, columns: SpanColumns) -> None:
        """Remembers the spans of a batch."""
        for number, _, ids in _by_minute(columns):
            minute = self._minutes.get(number) or self._new(number)
            minute.met_s = self._reading_s
            minute.ids.add(ids)
        while len(self) > self._most_ids and len(self._minutes) > 1:
            self._drop_oldest()

    def _new(self, number: int) -> _Minute:
        if not self._free:
            self._drop_oldest()
        minute = self._minutes[number] = _Minute(self._free.pop())
        self._emptied.discard(minute.slot)
        return minute

    def _drop_oldest(self) -> None:
        oldest = min(self._minutes, key=lambda number: (self._minutes[number].met_s, number))
        self.dropped += len(self._minutes[oldest].ids)
        self._forget(oldest)

    def _forget(self, number: int) -> None:
        minute = self._minutes.pop(number)
        self._free.append(minute.slot)
        self._emptied.add(minute.slot)

    def read(self, now_s: float) -> None:
        """The source was read once more: minutes that were not met for long are forgotten."""
        if self._last_s:
            self._reading_s += min(max(now_s - self._last_s, 0.0), LONGEST_STEP_S)
        self._last_s = now_s
        for number in [number for number, minute in self._minutes.items() if minute.met_s < self._reading_s - KEPT_S]:
            self._forget(number)

    def contents(self) -> dict[str, bytes]:
        """The checkpoints that changed since the last `saved`."""
        found = {f"{self._prefix}{slot}": b"" for slot in self._emptied}
        for number, minute in self._minutes.items():
            if len(minute.ids) != minute.saved:
                head = np.array([number], np.int64)
                found[f"{self._prefix}{minute.slot}"] = np.concatenate([head, minute.ids.all()]).tobytes()
        return found

    def saved(self, contents: Mapping[str, bytes]) -> None:
        """These contents are stored now."""
        for name, content in contents.items():
            if not content:
                self._emptied.discard(int(name.removeprefix(self._prefix)))
                continue
            numbers = np.frombuffer(content, np.int64)
            minute = self._minutes.get(int(numbers[0]))
            if minute is not None and name == f"{self._prefix}{minute.slot}":
                minute.saved = len(numbers) - 1

    def restore(self, checkpoints: Mapping[str, bytes]) -> None:
        """Takes back what was stored before a restart."""
        for name, content in checkpoints.items():
            slot = name.removeprefix(self._prefix)
            if content and slot != name and int(slot) in self._free:
                numbers = np.frombuffer(content, np.int64)
                minute = self._minutes[int(numbers[0])] = _Minute(int(slot), saved=len(numbers) - 1)
                minute.ids.add(numbers[1:])
                self._free.remove(int(slot))

    def __len__(self) -> int:
        return sum(len(minute.ids) for minute in self._minutes.values())


def _by_minute(columns: SpanColumns) -> list[tuple[int, npt.NDArray[np.int64], Ids]]:
    """The rows of a batch and their ids, by the minute in which the spans ended."""
    wide = columns.wide[: columns.used]
    ids = mixed(wide[:, TRACE].copy(), wide[:, SPAN].copy())
    minutes = wide[:, END] // MINUTE_NS
    return [(int(number), rows := np.flatnonzero(minutes == number), ids[rows]) for number in np.unique(minutes)]
