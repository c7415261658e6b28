"""A search for log lines over several sources: what is asked, how far each of them is, their lines as one list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Literal, NamedTuple

from collectors.contract import FoundLine, LineQuery
from topology.errors import Why

AT_HAND = ""
"""The source of lines that are at hand and need not be asked for."""
HOLDS_UP_S = 2.0
"""So long the lines of the others wait for a source that may have newer ones; then its lines come when they come."""
SLOW = "it answers too slowly"
State = Literal["asking", "answered", "slow", "failed"]


@dataclass(frozen=True, slots=True)
class LineSearch:
    """What is looked for: every source is asked all `queries` (which differ in the service, as different sources know
    it); the newest `limit` lines that are `wanted` are told, with those that are `at_hand` already."""

    queries: Sequence[LineQuery]
    limit: int
    wanted: Callable[[FoundLine], bool] = lambda _line: True
    at_hand: Sequence[FoundLine] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """How it goes with a source: `lines` it has told, and in plain words why it gave no whole answer."""

    source: str
    state: State = "asking"
    lines: int = 0
    reason: str = ""
    why: Why = Why.OTHER


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines with the name of their source, newest first; how far back all sources have come that hold up nobody (None:
    not known yet); how it goes with each source; and whether there are more lines than were wanted."""

    lines: Sequence[tuple[str, FoundLine]]
    reached_s: float | None
    sources: Sequence[Asked]
    more: bool = False


class Stream(NamedTuple):
    """One query to one source."""

    source: str
    query: int


@dataclass(slots=True)
class _Told:
    """How far back a stream has come (None: nothing told), and when it was heard last."""

    heard_s: float
    reached_s: float | None = None


class Merging:
    """Puts the lines of all streams in the order of time while they come; `now_s` is of any clock that only grows."""

    def __init__(self, search: LineSearch, sources: Sequence[str], now_s: float) -> None:
        self.search = search
        queries = range(len(search.queries))
        self._open = {Stream(source, number): _Told(now_s) for source in sources for number in queries}
        self._asked = {source: Asked(source) for source in sources}
        self._held = [(AT_HAND, line) for line in search.at_hand if search.wanted(line)]
        self._told, self._count = 0, Counter[str]()

    @property
    def streams(self) -> list[Stream]:
        """What is not answered yet."""
        return [*self._open]

    @property
    def over(self) -> bool:
        """Whether there is nothing more to be told."""
        return self._full or not (self._open or self._held)

    @property
    def _full(self) -> bool:
        return self._told >= self.search.limit

    def hear(self, stream: Stream, page: Sequence[FoundLine], now_s: float) -> None:
        """Takes in a page; an empty one is a sign of life, and one after the end counts no more."""
        told = self._open.get(stream)
        if told is None:
            return
        told.heard_s = now_s
        told.reached_s = page[-1].time_s if page else told.reached_s
        self._held += [(stream.source, line) for line in page if self.search.wanted(line)]

    def end(self, stream: Stream, state: State = "answered", reason: str = "", why: Why = Why.OTHER) -> None:
        """Takes in that a stream has come to its end, and what is to be said of that."""
        if self._open.pop(stream, None) is None:
            return
        asked = self._asked[stream.source]
        if state != "answered":
            self._asked[stream.source] = replace(asked, state=state, reason=reason, why=why)
        elif asked.state == "asking" and not any(one.source == stream.source for one in self._open):
            self._asked[stream.source] = replace(asked, state="answered")

    def piece(self, now_s: float) -> Piece:
        """The lines that are in their place by now, newest first, each told once."""
        border_s = self._border_s(now_s)
        ready = [pair for pair in self._held if pair[1].time_s >= border_s]
        ready.sort(key=lambda pair: (-pair[1].time_s, pair[0] == AT_HAND))
        told = ready[: self.search.limit - self._told]
        self._held = [pair for pair in self._held if pair[1].time_s < border_s]
        self._told += len(told)
        self._count.update(source for source, _ in told)
        if self._full:
            self._leave(now_s)
            border_s = told[-1][1].time_s if told else border_s
        sources = [replace(one, lines=self._count[one.source]) for one in self._asked.values()]
        return Piece(told, border_s if isfinite(border_s) else None, sources, self._full)

    def _border_s(self, now_s: float) -> float:
        """Older lines than this may still have newer ones before them; infinite while nothing is known of a source."""
        if not self._open:
            return -inf
        waited = [told.reached_s for told in self._open.values() if now_s - told.heard_s < HOLDS_UP_S]
        return max((inf if reached_s is None else reached_s for reached_s in waited), default=-inf)

    def _leave(self, now_s: float) -> None:
        """Nobody is waited for any more: who was not waited for has perhaps not told what it should."""
        for stream, told in [*self._open.items()]:
            late = now_s - told.heard_s >= HOLDS_UP_S
            self.end(stream, *(("slow", SLOW, Why.SLOW) if late else ()))
