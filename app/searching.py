"""Sources searched while a person waits: all side by side, each in its own time, none at the cost of another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, Literal, TypeVar

import structlog

from collectors.contract import FoundLine, FoundTrace, LineQuery, OpenedTrace, Puller, TraceQuery
from topology.errors import Overloaded, SourceUnavailable

PATIENCE_S, GRACE_S = 10.0, 1.0
"""What a source has for its answer; and the others for a better one, when a part of a trace is there already."""
MOST_AT_ONCE = 32
"""Searches under way; one more is refused."""
THREADS_EACH = 3
"""How many searches one source answers at once. More wait for their turn, and that is part of their time."""
CLOSED = "the search ended, because Synoptic stops"
METHODS = {"traces": "find_traces", "lines": "find_lines"}
T = TypeVar("T")
Look = Callable[[Any, list[T], Callable[[], bool]], None]
"""Asks a finder, puts what it finds in the list, and ends early when it is no longer wanted."""
_log = structlog.get_logger("synoptic.searching")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a source gave no whole answer: it was too slow, or it failed for a reason in plain words."""

    source: str
    kind: Literal["slow", "failed"]
    reason: str


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


class Desk:
    """The few threads that ask one source, begun when they are needed.

    Daemons, which those of an executor are not: a source that hangs must not hold up the end of the process."""

    def __init__(self, name: str) -> None:
        self._name, self._threads = name, 0
        self._work: SimpleQueue[tuple[Future[None], Callable[[], None]] | None] = SimpleQueue()

    def ask(self, work: Callable[[], None]) -> Future[None]:
        """Does the work when one of the threads is free."""
        future: Future[None] = Future()
        self._work.put((future, work))
        if self._threads < THREADS_EACH:
            self._threads += 1
            threading.Thread(target=self._serve, name=f"search-{self._name}", daemon=True).start()
        return future

    def close(self) -> None:
        """Ends the threads when they have done what they were given."""
        for _ in range(self._threads):
            self._work.put(None)

    def _serve(self) -> None:
        while (given := self._work.get()) is not None:
            future, work = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - it is raised again where the answer is waited for
                future.set_exception(error)
            else:
                future.set_result(None)


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

        def look(finder: Any, found: list[FoundTrace], unwanted: Callable[[], bool]) -> None:
            for query in queries:
                if not unwanted():
                    found.extend(finder.find_traces(query))

        told = await self._ask("traces", look, only)
        newest = sorted(told.found, key=lambda pair: -pair[1].start_s)
        once = {trace.trace_id: (source, trace) for source, trace in reversed(newest)}
        return Findings(list(reversed(once.values()))[: max((query.limit for query in queries), default=0)],
                        told.troubles)

    async def open(self, trace_id: str) -> Opened:
        """The trace from the first source that has all of it, else from the one that has most of it; who has only a
        part of it is not kept waiting for the others for long."""

        def look(finder: Any, found: list[OpenedTrace], _unwanted: Callable[[], bool]) -> None:
            trace = finder.open_trace(trace_id)
            found.extend([trace] if trace else [])

        best = Opened(None, "", ())
        troubles: list[Trouble] = []
        with self._room():
            pending = {asyncio.ensure_future(self._ask_one(name, look)) for name in self.names("traces")}
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

    async def lines(self, query: LineQuery) -> Findings[FoundLine]:
        """The log lines that match, newest first; of a source that is too slow, those it had found by then."""

        def look(finder: Any, found: list[FoundLine], unwanted: Callable[[], bool]) -> None:
            for page in finder.find_lines(query, unwanted):
                found.extend(page)
                if unwanted():
                    return

        told = await self._ask("lines", look)
        newest = sorted(told.found, key=lambda pair: -pair[1].time_s)
        return Findings(newest[: query.limit], told.troubles)

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
            told = await asyncio.gather(*(self._ask_one(name, look) for name in names))
        return Findings([pair for one in told for pair in one.found], [fault for one in told for fault in one.troubles])

    async def _ask_one(self, name: str, look: Look[T]) -> Findings[T]:
        found: list[T] = []
        unwanted, trouble = threading.Event(), None
        work = partial(look, self._finders[name], found, unwanted.is_set)
        try:
            await self._wait(asyncio.wrap_future(self._desks[name].ask(work)))
        except asyncio.CancelledError:
            if not self._closed:
                raise
            trouble = Trouble(name, "failed", CLOSED)
        except TimeoutError:
            trouble = Trouble(name, "slow", f"no answer within {self._patience_s:g} s")
        except SourceUnavailable as error:
            trouble = Trouble(name, "failed", str(error))
        except Exception as error:  # noqa: BLE001 - whatever a source answers, the others are shown
            _log.exception("a search met what it must not meet", source=name)
            trouble = Trouble(name, "failed", f"{type(error).__name__} while it was read; the log has more")
        finally:
            unwanted.set()
        return Findings([(name, one) for one in list(found)], [trouble] if trouble else [])

    async def _wait(self, asked: asyncio.Future[None]) -> None:
        self._waiting.add(asked)
        try:
            await asyncio.wait_for(asked, self._patience_s)
        finally:
            self._waiting.discard(asked)

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
