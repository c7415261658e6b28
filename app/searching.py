"""Sources searched while a person waits: all side by side, each in its own time, none at the cost of another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, TypeVar

import structlog

from app.line_search import LineSearch, Merging, Piece, Stream
from app.search_desk import Desk
from collectors.contract import FoundLine, FoundTrace, OpenedTrace, Puller, TraceQuery
from topology.errors import Overloaded, SourceUnavailable, Why

PATIENCE_S, GRACE_S = 10.0, 1.0
"""What a source has for its answer; and the others for a better one, when a part of a trace is there already."""
MOST_AT_ONCE = 32
"""Searches under way; one more is refused."""
BEAT_S = 1.0
"""A search for lines shows that it goes on."""
CLOSED = "the search ended, because Synoptic stops"
METHODS = {"traces": "find_traces", "lines": "find_lines"}
T = TypeVar("T")
Tell = Callable[[Sequence[T]], None]
Look = Callable[[Any, Tell[T], Callable[[], bool]], None]
"""Asks a finder, tells what it finds, and ends early when it is no longer wanted."""
_log = structlog.get_logger("synoptic.searching")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a source gave no whole answer: it was too slow, or it failed for a reason in plain words."""

    source: str
    kind: Literal["slow", "failed"]
    reason: str
    why: Why = Why.OTHER


@dataclass(frozen=True, slots=True)
class Findings(Generic[T]):
    """What was found, each with the name of its source, and which sources gave no whole answer."""

    found: Sequence[tuple[str, T]]
    troubles: Sequence[Trouble]


@dataclass(frozen=True, slots=True)
class Opened:
    """One trace and the source that has it; None and "" when none that answered has it."""

    trace: OpenedTrace | None
    source: str
    troubles: Sequence[Trouble]


class Hearing(Generic[T]):
    """Brings what the thread of a source tells into the event loop, until it is `over`."""

    def __init__(self, tell: Tell[T]) -> None:
        self.over, self.loop = threading.Event(), asyncio.get_running_loop()
        self.heard_s, self._tell = self.loop.time(), tell

    def say(self, found: Sequence[T]) -> None:
        """Tells what was found; from the thread of the source."""
        if not self.over.is_set():
            self.loop.call_soon_threadsafe(self._hear, found)

    def _hear(self, found: Sequence[T]) -> None:
        if not self.over.is_set():
            self.heard_s = self.loop.time()
            self._tell(found)


class Searches:
    """Asks the sources that can be searched, each in threads of its own: a dead one costs its own answer only.

    To be used in one event loop. Raises Overloaded when too many searches are under way."""

    def __init__(self, finders: Mapping[str, Puller], patience_s: float = PATIENCE_S) -> None:
        self._finders, self._patience_s = finders, patience_s
        self._desks = {name: Desk(name) for name in finders}
        self._running = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False

    def names(self, what: Literal["traces", "lines"]) -> list[str]:
        """The sources that can be searched for this; none any more when it is closed."""
        if self._closed:
            return []
        return [name for name, finder in self._finders.items() if hasattr(finder, METHODS[what])]

    async def traces(self, queries: Sequence[TraceQuery], only: str | None = None) -> Findings[FoundTrace]:
        """What answers one of the queries (which differ in the service, as different sources know it), newest first,
        every trace once; from the source `only`, or all of them."""

        def look(finder: Any, tell: Tell[FoundTrace], unwanted: Callable[[], bool]) -> None:
            for query in queries:
                if not unwanted():
                    tell(finder.find_traces(query))

        told = await self._ask("traces", look, only)
        newest = sorted(told.found, key=lambda pair: -pair[1].start_s)
        once = {trace.trace_id: (source, trace) for source, trace in reversed(newest)}
        return Findings(list(reversed(once.values()))[: max((query.limit for query in queries), default=0)],
                        told.troubles)

    async def open(self, trace_id: str) -> Opened:
        """The trace from the first source that has all of it, else from the one that has most of it; who has only a
        part of it is not kept waiting for the others for long."""

        def look(finder: Any, tell: Tell[OpenedTrace], _unwanted: Callable[[], bool]) -> None:
            trace = finder.open_trace(trace_id)
            tell([trace] if trace else [])

        best = Opened(None, "", ())
        troubles: list[Trouble] = []
        with self._room():
            pending = {asyncio.ensure_future(self._find(name, look)) for name in self.names("traces")}
            try:
                while pending and not (best.trace and best.trace.complete):
                    grace_s = GRACE_S if best.trace else None
                    done, pending = await asyncio.wait(pending, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
                    told = [one.result() for one in done]
                    troubles += [fault for one in told for fault in one.troubles]
                    found = [Opened(trace, source, ()) for one in told for source, trace in one.found]
                    best = max([best, *found], key=_worth)
                    if not done:
                        break
            finally:
                for left in pending:
                    left.cancel()
        return Opened(best.trace, best.source, troubles)

    async def lines(self, search: LineSearch, patience_s: float | None = None) -> AsyncGenerator[Piece]:
        """The log lines that are looked for, piece by piece; at once a piece that tells who is asked, and one every
        `BEAT_S` even when nothing is new. A source has `patience_s` for every page. Once it is closed, nobody is asked
        any more; what a source had told before it became too slow is told."""
        now_s, news = asyncio.get_running_loop().time, asyncio.Event()
        with self._room():
            merging = Merging(search, self.names("lines"), now_s())
            yield merging.piece(now_s())
            reading = [asyncio.ensure_future(self._read(stream, merging, news, patience_s))
                       for stream in merging.streams]
            try:
                while not merging.over:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(news.wait(), BEAT_S)
                    news.clear()
                    yield merging.piece(now_s())
            finally:
                for one in reading:
                    one.cancel()

    def close(self) -> None:
        """Takes no more searches, and waits no longer for those under way; in the thread of the event loop."""
        self._closed = True
        for asked in self._waiting:
            asked.cancel()
        for desk in self._desks.values():
            desk.close()

    async def _ask(self, what: Literal["traces", "lines"], look: Look[T], only: str | None = None) -> Findings[T]:
        names = [name for name in self.names(what) if only in (None, name)]
        with self._room():
            told = await asyncio.gather(*(self._find(name, look) for name in names))
        return Findings([pair for one in told for pair in one.found], [fault for one in told for fault in one.troubles])

    async def _find(self, name: str, look: Look[T]) -> Findings[T]:
        found: list[T] = []
        trouble = await self._ask_one(name, look, found.extend, self._patience_s)
        return Findings([(name, one) for one in found], [trouble] if trouble else [])

    async def _read(self, stream: Stream, merging: Merging, news: asyncio.Event, patience_s: float | None) -> None:
        """Puts what a source tells of one query in its place."""
        now_s = asyncio.get_running_loop().time

        def look(finder: Any, tell: Tell[FoundLine], unwanted: Callable[[], bool]) -> None:
            """Reads page after page until nobody wants more."""
            for page in finder.find_lines(merging.search.queries[stream.query], unwanted):
                tell(page)
                if unwanted():
                    return

        def hear(page: Sequence[FoundLine]) -> None:
            merging.hear(stream, page, now_s())
            news.set()

        trouble = await self._ask_one(stream.source, look, hear, patience_s or self._patience_s)
        if trouble:
            merging.end(stream, trouble.kind, trouble.reason, trouble.why)
        else:
            merging.end(stream)
        news.set()

    async def _ask_one(self, name: str, look: Look[T], tell: Tell[T], patience_s: float) -> Trouble | None:
        """Why the source gave no whole answer. What it finds is told in the event loop until nobody waits any more."""
        hearing = Hearing(tell)
        work = partial(look, self._finders[name], hearing.say, hearing.over.is_set)
        try:
            await self._wait(asyncio.wrap_future(self._desks[name].ask(work)), hearing, patience_s)
        except asyncio.CancelledError:
            if not self._closed:
                raise
            return Trouble(name, "failed", CLOSED)
        except TimeoutError:
            return Trouble(name, "slow", f"no answer within {patience_s:g} s", Why.SLOW)
        except SourceUnavailable as error:
            return Trouble(name, "failed", str(error), error.why)
        except Exception as error:  # noqa: BLE001 - whatever a source answers, the others are shown
            _log.exception("a search met what it must not meet", source=name)
            return Trouble(name, "failed", f"{type(error).__name__} while it was read; the log has more")
        finally:
            hearing.over.set()
        return None

    async def _wait(self, asked: asyncio.Future[None], hearing: Hearing[T], patience_s: float) -> None:
        """Returns when the answer is whole; TimeoutError when nothing was heard for so long."""
        self._waiting.add(asked)
        try:
            while not asked.done():
                left_s = hearing.heard_s + patience_s - hearing.loop.time()
                if left_s <= 0:
                    raise TimeoutError
                await asyncio.wait([asked], timeout=left_s)
            asked.result()
        finally:
            self._waiting.discard(asked)
            asked.cancel()

    @contextmanager
    def _room(self) -> Iterator[None]:
        if self._running >= MOST_AT_ONCE:
            raise Overloaded("too many searches at once", 5)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


def _worth(opened: Opened) -> tuple[bool, int]:
    trace = opened.trace
    return (trace.complete, len(trace.spans)) if trace else (False, -1)
