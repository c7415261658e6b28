"""Traces in the interface for programs: those that were kept, and those that sources have."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from finders import AT_S, LEDGER, Failing, Lines, Source, Traces, found, span
from snapshots import Shelf, trace
from snapshots import span as kept_span
from web_server import serving

from app import searching
from app.searching import Searches
from collectors.contract import OpenedTrace, TraceQuery
from topology.errors import SourceUnavailable, Why

KEPT = trace("a1" * 16, [kept_span("root", None, 0.0, 20.0)])
NATIVE = "2f5c.41.17672543400000001"


@pytest.fixture
def sources() -> dict[str, Source]:
    """A source with two traces, one that is down, and one that only has lines."""
    opened = OpenedTrace([span("1", None, 0, 10), span("2", "1", 2, 5, failed=True)], complete=False)
    traces = found(NATIVE, 30, failed=True), found("b2" * 16, 90, span_count=None)
    return {"oap": Traces(*traces, opened={NATIVE: opened}),
            "old": Failing(SourceUnavailable("nobody listens there", why=Why.UNREACHABLE)), "es": Lines()}  # fmt: skip


@pytest.fixture
def client(sources: dict[str, Source]) -> Iterator[httpx.Client]:
    """A client of a server with these sources and one kept trace, whose clock stands still."""
    with serving(Shelf(traces=[KEPT]), clock=lambda: AT_S, searches=Searches(sources)) as client:
        yield client


def test_a_search_lists_everything_and_who_did_not_answer(client: httpx.Client) -> None:
    """Rows of sources and kept ones stand in one list, newest first, with where they are; who failed is told beside
    them."""
    answer = client.get("/api/v1/traces/search").json()
    assert [(row["trace_id"], row["source"], row["kept"]) for row in answer["traces"]] == [
        (KEPT["trace_id"], None, True), (NATIVE, "oap", False), ("b2" * 16, "oap", False)]
    assert answer["traces"][1] == {
        "trace_id": NATIVE, "service": LEDGER.id, "service_title": {"en": "ledger", "zh": "ledger"},
        "operation": "POST /entries", "start": "2026-01-01T07:59:30.000Z", "at": "2026-01-01T07:59:30.000Z",
        "duration_ms": 120.0, "failed": True, "span_count": 2, "source": "oap",
        "kept": False,
    }  # fmt: skip
    assert answer["traces"][2]["span_count"] is None
    told = {"source": "old", "kind": "failed", "reason": "nobody listens there", "why": "unreachable"}
    assert answer["troubles"] == [told]
    assert answer["sources"] == ["oap", "old"]


def test_a_search_reaches_the_sources_as_it_was_asked(client: httpx.Client, sources: dict[str, Source]) -> None:
    """Service, time, least duration, failures and the limit arrive; one source alone is asked when it is named."""
    query = "service=prod/bank/ledger&min_ms=5&errors=true&from=now-15m&limit=7&source=oap"
    rows = client.get(f"/api/v1/traces/search?{query}").json()
    assert [row["trace_id"] for row in rows["traces"]] == [NATIVE]
    assert rows["sources"] == ["oap"]
    assert sources["oap"].asked[0] == TraceQuery(AT_S - 900, AT_S, LEDGER, 5.0, True, 7)


def test_the_list_of_kept_ones_asks_nobody(client: httpx.Client, sources: dict[str, Source]) -> None:
    """Without a search nothing changes: the kept traces, as a list."""
    assert [row["trace_id"] for row in client.get("/api/v1/traces").json()] == [KEPT["trace_id"]]
    assert sources["oap"].asked == []


def test_one_trace_comes_from_wherever_it_is(client: httpx.Client) -> None:
    """A kept trace is answered as it is, another one as its source has it, with the source and whether it is whole."""
    assert client.get(f"/api/v1/traces/{KEPT['trace_id']}").json() == KEPT
    opened = client.get(f"/api/v1/traces/{NATIVE}").json()
    assert (opened["source"], opened["complete"], opened["failed"]) == ("oap", False, True)
    assert [one["span_id"] for one in opened["spans"]] == ["1", "2"]


def test_a_trace_that_nobody_has_is_404(client: httpx.Client) -> None:
    """It says who could not be asked: that one may have it."""
    answer = client.get("/api/v1/traces/ffff")
    assert answer.status_code == 404
    assert "old: nobody listens there" in answer.json()["detail"]


@pytest.mark.parametrize(("query", "key"), [
    ("source=es", "source"), ("source=nobody", "source"), ("service=a", "service"), ("limit=201", "limit"),
    ("from=now&to=now-1h", "from"), ("min_ms=-1", "min_ms"), ("search=true", "search"),
])
def test_a_bad_search_is_named(client: httpx.Client, query: str, key: str) -> None:
    """What cannot be searched for is a 400 with the name of the parameter, before anybody is asked."""
    answer = client.get(f"/api/v1/traces/search?{query}")
    assert (answer.status_code, answer.json()["key"]) == (400, key)


def test_too_many_searches_are_asked_to_come_back(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for one more the answer is 503 and says when."""
    monkeypatch.setattr(searching, "MOST_AT_ONCE", 0)
    for path in ("search", "ffff"):
        answer = client.get(f"/api/v1/traces/{path}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
