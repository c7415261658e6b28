"""Log lines of several sources as one list: in the order of time, while they come, without waiting for who is slow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pytest
from finders import AT_S, FailingLines, Lines, Source, line
from hypothesis import given
from hypothesis import strategies as st

from app import line_search, searching
from app.line_search import HOLDS_UP_S, LineSearch, Merging, Piece, Stream
from app.searching import Searches
from collectors.contract import FoundLine, LineQuery
from topology.errors import Overloaded, SourceUnavailable

T = TypeVar("T")
HOUR = LineQuery(AT_S - 3600, AT_S + 60)
A, B = Stream("a", 0), Stream("b", 0)
DOWN = SourceUnavailable("nobody listens there")


def run(work: Coroutine[Any, Any, T]) -> T:
    """What it comes to."""
    return asyncio.run(work)


def search(limit: int = 200, **more: Any) -> LineSearch:
    """Every line of the last hour."""
    return LineSearch([HOUR], limit, **more)


async def pieces(searches: Searches, looked_for: LineSearch, patience_s: float | None = None) -> list[Piece]:
    """All pieces of a search."""
    return [piece async for piece in searches.lines(looked_for, patience_s)]


def told(finders: Mapping[str, Source], looked_for: LineSearch, patience_s: float = 5.0) -> tuple[list[str], Piece]:
    """The words of all lines in the order in which they were told, and the last piece."""
    found = run(pieces(Searches(finders), looked_for, patience_s))
    return [one.body for piece in found for _, one in piece.lines], found[-1]


def states(piece: Piece) -> dict[str, tuple[str, int, str]]:
    """How it went with each source."""
    return {one.source: (one.state, one.lines, one.reason) for one in piece.sources}


def test_lines_of_all_sources_are_one_list() -> None:
    """They come newest first, with those that are at hand, and no more of them than were wanted."""
    finders = {"a": Lines(line("a2", 2), line("a9", 9)), "b": Lines(line("b1", 1), line("b4", 4))}
    looked_for = search(at_hand=[line("sent", 3)])
    bodies, last = told(finders, looked_for)
    assert (bodies, last.more) == (["b1", "a2", "sent", "b4", "a9"], False)
    assert states(last) == {"a": ("answered", 2, ""), "b": ("answered", 2, "")}
    bodies, last = told(finders, search(2))
    assert (bodies, last.more, last.reached_s) == (["b1", "a2"], True, AT_S - 2)


def test_who_is_asked_is_told_at_once() -> None:
    """The first piece comes before any answer and names the sources."""
    source = Lines(line("later", 1))

    async def first() -> Piece:
        found = Searches({"a": source, "nacos": Source()}).lines(search())
        piece = await anext(found)
        await found.aclose()
        return piece

    piece = run(first())
    assert (piece.lines, states(piece), source.asked) == ([], {"a": ("asking", 0, "")}, [])


def test_only_wanted_lines_are_told_and_counted() -> None:
    """A line that only looks like one that is wanted takes no place of another."""
    looked_for = search(2, wanted=lambda one: one.body.startswith("yes"))
    bodies, last = told({"a": Lines(line("no", 1), line("yes 1", 2), line("no", 3), line("yes 2", 4))}, looked_for)
    assert (bodies, states(last)["a"]) == (["yes 1", "yes 2"], ("answered", 2, ""))


def test_a_source_that_breaks_off_keeps_what_it_told() -> None:
    """Its lines stand where they belong, it says why there are no more, and the others are whole."""
    finders = {"a": FailingLines(DOWN, line("first", 30)), "b": Lines(line("second", 20), line("third", 40)),
               "c": FailingLines(KeyError("x"))}
    bodies, last = told(finders, search())
    assert bodies == ["second", "first", "third"]
    assert states(last) == {"a": ("failed", 1, "nobody listens there"), "b": ("answered", 2, ""),
                            "c": ("failed", 0, "KeyError while it was read; the log has more")}


def test_a_slow_source_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while the lines of the others are told without it; when its patience is over it is said to be slow, with
    the lines that it had told by then."""
    monkeypatch.setattr(line_search, "HOLDS_UP_S", 0.05)
    monkeypatch.setattr(searching, "BEAT_S", 0.02)
    slow = Lines(line("slow 1", 1), line("slow 9", 9))
    slow.go.clear()
    bodies, last = told({"slow": slow, "quick": Lines(line("quick 5", 5))}, search(), patience_s=0.4)
    slow.go.set()
    assert bodies == ["slow 1", "quick 5"]
    assert states(last) == {"slow": ("slow", 1, "no answer within 0.4 s"), "quick": ("answered", 1, "")}


def test_patience_is_with_every_page() -> None:
    """A source that goes on telling is waited for, however long the whole takes."""

    class Steady(Source):
        def find_lines(self, _query: LineQuery, _over: Callable[[], bool]) -> Iterator[Sequence[FoundLine]]:
            for n in range(5):
                yield [line(f"{n}", n)]
                threading.Event().wait(0.15)

    bodies, last = told({"steady": Steady()}, search(), patience_s=0.4)
    assert (len(bodies), states(last)["steady"][0]) == (5, "answered")


def test_nobody_is_asked_any_more_when_the_reader_leaves() -> None:
    """A search that is closed stops its sources at their next page, and makes room for another."""
    source = Lines(line("a", 1), line("b", 2))
    source.go.clear()

    async def left() -> int:
        searches = Searches({"a": source})
        found = searches.lines(search())
        while not (await anext(found)).lines:
            pass
        await found.aclose()
        source.go.set()
        await asyncio.to_thread(source.over.wait, 5)
        return searches._running

    assert (run(left()), source.over.is_set()) == (0, True)


def test_no_more_searches_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is refused before anything of it is told."""
    monkeypatch.setattr(searching, "MOST_AT_ONCE", 0)
    with pytest.raises(Overloaded, match="too many"):
        run(pieces(Searches({"a": Lines()}), search()))


def test_a_stop_waits_for_no_source() -> None:
    """When the searches are closed, a search under way ends with what it has."""
    source = Lines(line("a", 1), line("b", 2))
    source.go.clear()

    async def stopped() -> Piece:
        searches = Searches({"a": source})
        found = searches.lines(search(), 30)
        while not (await anext(found)).lines:
            pass
        searches.close()
        return [piece async for piece in found][-1]

    last = run(stopped())
    source.go.set()
    assert states(last) == {"a": ("failed", 1, searching.CLOSED)}


PAGES = st.lists(st.lists(st.integers(1, 50), max_size=4), max_size=5)


@given(PAGES, PAGES, st.data())
def test_whatever_comes_when_it_is_told_newest_first_and_once(first: Any, second: Any, data: Any) -> None:
    """In whatever turn pages come in, all lines are told in the order of their times, as long as nobody is late."""
    merging = Merging(search(1000), ["a", "b"], 0.0)
    left = {A: _newest_first(first), B: _newest_first(second)}
    lines = [one.time_s for pages in left.values() for page in pages for one in page]
    seen = []
    while left:
        stream = data.draw(st.sampled_from([*left]))
        if left[stream]:
            merging.hear(stream, left[stream].pop(0), 1.0)
        else:
            merging.end(stream, "answered")
            del left[stream]
        seen += [one.time_s for _, one in merging.piece(1.0).lines]
    assert seen == sorted(lines, reverse=True)
    assert merging.over


def _newest_first(pages: list[list[int]]) -> list[list[FoundLine]]:
    times = sorted(ago for page in pages for ago in page)
    return [[line("x", times.pop(0)) for _ in page] for page in pages]


def test_who_was_late_at_the_end_is_said_to_be_slow() -> None:
    """Where the others alone had all that was wanted, a source that had told nothing may have newer lines."""
    merging = Merging(search(1), ["a", "b"], 0.0)
    merging.hear(A, [line("a", 1)], HOLDS_UP_S)
    piece = merging.piece(HOLDS_UP_S)
    assert (states(piece)["a"][0], states(piece)["b"], piece.more) == (
        "answered", ("slow", 0, line_search.SLOW), True)
