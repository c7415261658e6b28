"""Searching the sources while a person waits: side by side, each in its own time, none at the cost of another."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import pytest
from finders import AT_S, LEDGER, ORDERS, Failing, Lines, Slow, Source, Traces, found, line, span
from running import soon
from snapshots import Shelf
from snapshots import trace as kept_trace

from app import search_desk, searching
from app.finding import Finding, Wanted
from app.searching import Searches
from collectors.contract import OpenedTrace, TraceQuery
from topology.errors import Overloaded, SourceUnavailable
from topology.members import Members
from topology.model import Kind, OperationKey, Service

T = TypeVar("T")
QUERY = TraceQuery(AT_S - 3600, AT_S)
WANTED = Wanted(AT_S - 3600, AT_S)
DOWN = SourceUnavailable("nobody listens there")


def run(work: Coroutine[Any, Any, T]) -> T:
    """What it comes to."""
    return asyncio.run(work)


def finding(finders: Mapping[str, Source], shelf: Shelf | None = None, patience_s: float = 5.0) -> Finding:
    """A search over these sources, with what a shelf has kept."""
    return Finding(Searches(finders, patience_s), shelf or Shelf())


def test_only_those_that_can_be_searched_are_asked() -> None:
    """A source that finds lines is not asked for traces, one that finds nothing is asked for neither."""
    searches = Searches({"oap": Traces(), "es": Lines(), "nacos": Source()})
    assert searches.names("traces") == ["oap"]
    assert searches.names("lines") == ["es"]


def test_traces_of_all_sources_come_newest_first_and_once() -> None:
    """Two sources that have the same trace give one row, and the limit holds over all of them."""
    first, second = Traces(found("a", 50), found("c", 10)), Traces(found("a", 50), found("b", 20), found("d", 99))
    told = run(Searches({"oap": first, "jaeger": second}).traces([TraceQuery(AT_S - 3600, AT_S, limit=3)]))
    assert [trace.trace_id for _, trace in told.found] == ["c", "b", "a"]
    assert [source for source, _ in told.found] == ["oap", "jaeger", "oap"]
    assert told.troubles == []


def test_a_slow_source_costs_only_its_own_answer() -> None:
    """What does not answer in its time is said in words; the others are there, and not later than that time."""
    slow = Slow(found("late"))
    began_s = time.monotonic()
    told = run(Searches({"slow": slow, "quick": Traces(found("a"))}, patience_s=0.3).traces([QUERY]))
    took_s = time.monotonic() - began_s
    slow.go.set()
    assert [trace.trace_id for _, trace in told.found] == ["a"]
    assert [(one.source, one.kind, one.reason) for one in told.troubles] == [("slow", "slow", "no answer within 0.3 s")]
    assert 0.3 <= took_s < 3


def test_a_source_that_hangs_takes_no_thread_of_another() -> None:
    """After many searches of a source that never answers it has its few threads, and the others answer as quickly."""
    slow, quick = Slow(), Traces(found("a"))
    searches = Searches({"hanging": slow, "quick": quick}, patience_s=0.05)

    async def often() -> int:
        told = [await searches.traces([QUERY]) for _ in range(10)]
        return sum(len(one.found) for one in told)

    assert run(often()) == 10
    hanging = [one for one in threading.enumerate() if one.name == "search-hanging"]
    slow.go.set()
    assert len(hanging) == search_desk.THREADS_EACH
    assert all(one.daemon for one in hanging), "they would hold up the end of the process"


def test_failures_are_told_in_plain_words() -> None:
    """A source that cannot be asked tells its reason; what it should never meet is named, and costs the others
    nothing."""
    finders = {"down": Failing(DOWN), "odd": Failing(KeyError("x")), "good": Traces(found("a"))}
    told = run(Searches(finders).traces([QUERY]))
    reasons = {one.source: one.reason for one in told.troubles}
    assert [trace.trace_id for _, trace in told.found] == ["a"]
    assert reasons == {"down": "nobody listens there", "odd": "KeyError while it was read; the log has more"}


def test_one_source_alone_can_be_asked() -> None:
    """With a name only that source is asked; a name nobody has finds nothing."""
    finders = {"oap": Traces(found("a")), "jaeger": Traces(found("b"))}
    searches = Searches(finders)
    assert [trace.trace_id for _, trace in run(searches.traces([QUERY], "jaeger")).found] == ["b"]
    assert finders["oap"].asked == []
    assert run(searches.traces([QUERY], "nobody")).found == []


def test_no_more_searches_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is refused at once, and there is room again when one is over."""
    monkeypatch.setattr(searching, "MOST_AT_ONCE", 2)
    slow = Slow(found("a"))
    searches = Searches({"slow": slow})

    async def crowd() -> int:
        under_way = [asyncio.ensure_future(searches.traces([QUERY])) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="too many"):
            await searches.traces([QUERY])
        slow.go.set()
        await asyncio.gather(*under_way)
        return len((await searches.traces([QUERY])).found)

    assert run(crowd()) == 1


def test_a_whole_trace_wins_over_a_part_of_it() -> None:
    """The first source that has all of it is enough; a part is shown when nobody has more, the larger part first."""
    root, child = span("1", None, 0, 10), span("2", "1", 2, 5)
    part, more, whole = OpenedTrace([root], False), OpenedTrace([root, child], False), OpenedTrace([root, child])
    parts = {"a": Traces(opened={"t1": part}), "b": Traces(opened={"t1": more})}
    assert run(Searches({**parts, "c": Traces(opened={"t1": whole})}).open("t1")).source == "c"
    opened = run(Searches(parts).open("t1"))
    assert (opened.source, opened.trace) == ("b", more)


def test_a_trace_is_opened_without_waiting_for_a_dead_source() -> None:
    """A whole trace is there at once while another source hangs, a part of one soon; when nobody has it, who did not
    answer is told."""
    slow = Slow()
    quick = Traces(opened={"t1": OpenedTrace([span("1", None, 0, 10)])})
    began_s = time.monotonic()
    assert run(Searches({"slow": slow, "quick": quick}, 15).open("t1")).source == "quick"
    assert time.monotonic() - began_s < 5
    missing = run(Searches({"slow": slow, "quick": quick}, 0.3).open("t2"))
    part = Searches({"slow": slow, "part": Traces(opened={"t1": OpenedTrace([span("1", None, 0, 10)], False)})}, 30)
    assert run(part.open("t1")).source == "part"
    slow.go.set()
    assert missing.trace is None
    assert [one.source for one in missing.troubles] == ["slow"]


def test_found_traces_name_the_node_of_the_map() -> None:
    """A service is asked for as each source may know it, and what is found carries the node's id."""
    oap, jaeger = Traces(found("a", service=ORDERS)), Traces(found("b", 30, Service("prod", "bank", "orders")))
    wanted = Wanted(AT_S - 3600, AT_S, "prod/bank/orders")
    answer = run(finding({"oap": oap, "jaeger": jaeger}).traces(wanted))
    assert [(row["trace_id"], row["service"], row["source"], row["kept"]) for row in answer["traces"]] == [
        ("b", "prod/bank/orders", "jaeger", False), ("a", "prod/bank/orders", "oap", False),
    ]
    assert [query.service.id for query in oap.asked if isinstance(query, TraceQuery) and query.service] == [
        "prod/bank/orders", "prod//orders"]


def test_kept_and_found_are_one_list() -> None:
    """A kept trace that a source has too is one row of that source, marked as kept; other kept ones have no source."""
    shelf = Shelf(traces=[kept_trace("t1", [_kept_span()]), kept_trace("t2", [_kept_span()])])
    answer = run(finding({"oap": Traces(found("t1", 1), found("t3", 10))}, shelf).traces(WANTED))
    assert {row["trace_id"]: (row["source"], row["kept"]) for row in answer["traces"]} == {
        "t1": ("oap", True), "t2": (None, True), "t3": ("oap", False)}
    alone = run(finding({"oap": Traces(found("t1", 1), found("t3", 10))}, shelf).traces(WANTED, "oap"))
    assert [(row["trace_id"], row["kept"]) for row in alone["traces"]] == [("t1", True), ("t3", False)]


def test_a_kept_trace_is_one_row_however_many_services_are_in_it() -> None:
    """Of a kept trace there is a row for every service in it: the longest is listed, as failed when one of them is."""
    shelf = Shelf()
    part = kept_trace("t1", [_kept_span()]) | {"service": "prod/bank/orders", "duration_ms": 5.0, "failed": True}
    whole = kept_trace("t1", [_kept_span()]) | {"service": "prod/bank/web", "duration_ms": 90.0}
    shelf.traces = lambda *_: [part, whole, part]  # type: ignore[method-assign]
    (row,) = run(finding({}, shelf).traces(WANTED))["traces"]
    assert (row["service"], row["duration_ms"], row["failed"], row["kept"]) == ("prod/bank/web", 90.0, True, True)


def test_an_opened_trace_is_told_like_a_kept_one() -> None:
    """Spans stand in the order of time with times from the first, nodes of the map, and a root that nobody called."""
    spans = [span("2", "1", 4, 5, ORDERS, failed=True, instance="o-1"), span("1", "outside", 0, 10, zone="b")]
    source = Traces(opened={"t1": OpenedTrace(spans, complete=False)})
    trace, troubles = run(finding({"oap": source}).trace("t1"))
    assert trace is not None
    assert troubles == []
    summary = {key: trace[key] for key in ("service", "operation", "duration_ms", "failed", "span_count", "source",
                                           "complete")}
    assert summary == {"service": "prod/bank/ledger", "operation": "do 1", "duration_ms": 10.0, "failed": True,
                       "span_count": 2, "source": "oap", "complete": False}
    assert [(one["span_id"], one["start_ms"], one["duration_ms"], one["service_id"]) for one in trace["spans"]] == [
        ("1", 0.0, 10.0, "prod/bank/ledger"), ("2", 4.0, 5.0, "prod/bank/orders")]
    assert set(trace["spans"][0]) == set(_kept_span())
    assert trace["spans"][1]["attributes"] == {"service.instance.id": "o-1"}


def test_a_kept_trace_is_not_asked_for() -> None:
    """What is kept is shown as it is, without asking anybody."""
    source = Traces()
    kept = kept_trace("t1", [_kept_span()])
    assert run(finding({"oap": source}, Shelf(traces=[kept])).trace("t1")) == (kept, ())
    assert source.asked == []


def test_lines_of_a_trace_come_from_everywhere_once() -> None:
    """Kept error lines and those of the sources stand in the order of time; one that both have is told once."""
    shelf = Shelf()
    shelf.at_hand = [line("no money", 60), line("gone from es", 62)]
    es = Lines(line("no money", 60), line("hello", 61, level="info"), line("other", 60, trace_id="t9"))
    told = run(finding({"es": es}, shelf).lines_of_trace("t1", AT_S - 60, AT_S - 59))
    assert [(one["body"], one["level"], one["source"]) for one in told["lines"]] == [
        ("gone from es", "error", None), ("hello", "info", "es"), ("no money", "error", "es")]


def test_what_a_source_may_know_a_node_by() -> None:
    """A node is known by its own name, by what it was told by that source, and by the plain name only where that is
    nobody else."""
    members = Members(counting=frozenset({"oap"}))
    plain, full = Service("prod", "", "orders"), Service("prod", "bank", "orders")
    members.extend([OperationKey(full, "", "/x"), OperationKey(plain, "", "", source="oap")])
    assert members.known_as(full) == [full, plain]
    assert members.known_as(LEDGER) == [LEDGER]
    members.extend([OperationKey(full, "", "/x"), OperationKey(plain, "", "", source="oap"),
                    OperationKey(Service("prod", "shop", "orders"), "", "/y")])
    assert members.known_as(full) == [full]
    assert members.known_as(plain) == [plain]
    assert members.known_as(Service("prod", "", "db", Kind.DATABASE)) == [Service("prod", "", "db", Kind.DATABASE)]


def _kept_span() -> dict[str, Any]:
    from snapshots import span as made

    return made("1", None, 0.0, 10.0)


def test_a_stop_waits_for_no_source() -> None:
    """Whoever waits when it is closed is answered at once with what there is, and asks nobody any more."""
    slow, quick = Slow(), Traces(found("a"))
    searches = Searches({"slow": slow, "quick": quick}, patience_s=30)

    async def stopped() -> tuple[list[str], list[str]]:
        waiting = asyncio.ensure_future(searches.traces([QUERY]))
        await asyncio.to_thread(soon, lambda: bool(quick.asked), 20)
        await asyncio.sleep(0.2)
        searches.close()
        told = await waiting
        after = await searches.traces([QUERY])
        return [trace.trace_id for _, trace in told.found], [one.reason for one in (*told.troubles, *after.troubles)]

    found_ids, reasons = run(stopped())
    slow.go.set()
    assert (found_ids, reasons) == (["a"], [searching.CLOSED])
