"""Log lines in the interface for programs: lists, patterns, and searches that are streamed."""

from __future__ import annotations

import json
import time

import pytest
from finders import FailingLines, Lines, line
from running import soon
from snapshots import AT, AT_S, Shelf
from web_server import serving

from app import searching
from app.searching import Searches
from topology.errors import SourceUnavailable, Why

LINES = [line(f"line {n}", 10 * n, "") for n in range(1, 4)]
PATTERN = {"id": "p-0123456789ab", "service": "prod/bank/ledger", "template": "line <number>", "level": "error",
           "count": 3, "first_seen": AT, "last_seen": AT, "is_new": True}


@pytest.fixture
def shelf():
    """An engine that knows one pattern."""
    shelf = Shelf()
    shelf.patterns = [PATTERN]
    return shelf


@pytest.fixture
def source():
    """A source with three lines, which is let go in the end."""
    source = Lines(*LINES)
    yield source
    source.go.set()


@pytest.fixture
def client(shelf, source):
    """A client of a server whose clock stands still."""
    broken = FailingLines(SourceUnavailable("the cluster is too busy", why=Why.BUSY))
    with serving(shelf, clock=lambda: AT_S, searches=Searches({"es": source, "old": broken})) as client:
        yield client


def pieces(answer):
    """The pieces of a search that is over, of which the last says only that."""
    *pieces, end = [json.loads(line) for line in answer.text.splitlines()]
    assert end == {"done": True}
    return pieces


def test_patterns_are_listed(client, shelf):
    """Patterns come as the engine tells them, of the last hour unless a time is named."""
    assert client.get("/api/v1/logs/patterns?service=prod/bank/ledger").json() == [PATTERN]
    assert shelf.asked[-1] == ("log_patterns", "prod/bank/ledger", AT_S - 3600, AT_S, 100)


def test_a_search_is_streamed_to_its_end(client, shelf):
    """Every piece is a line of JSON with lines, how far back it has come and how it goes with each source; the last one
    says that it is over."""
    query = "service=prod/bank/ledger&level=error,fatal&text=lock&pattern=p-0123456789ab&trace=ab12&limit=2&from=now-2h"
    answer = client.get(f"/api/v1/logs/stream?{query}")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert pieces(answer)[-1]["lines"] == []
    assert shelf.asked[-1] == ("line_search", {
        "from_s": AT_S - 7200, "to_s": AT_S, "service": "prod/bank/ledger", "trace_id": "ab12",
        "pattern": "p-0123456789ab", "levels": ("error", "fatal"), "text": "lock", "limit": 2,
    })


def test_the_lines_of_a_search_name_their_source(client):
    """What was found is told with its source; a source that could not be searched says why."""
    found = pieces(client.get("/api/v1/logs/stream?limit=2"))
    told = [(one["body"], one["service"], one["source"]) for piece in found for one in piece["lines"]]
    assert told == [("line 1", "prod/bank/ledger", "es"), ("line 2", "prod/bank/ledger", "es")]
    assert (found[-1]["more"], found[-1]["reached"]) == (True, "2026-01-01T07:59:40.000Z")
    assert found[-1]["sources"] == [
        {"source": "es", "state": "answered", "lines": 2, "reason": "", "why": "other"},
        {"source": "old", "state": "failed", "lines": 0, "reason": "the cluster is too busy", "why": "busy"},
    ]
    assert [one["state"] for one in found[0]["sources"]] == ["asking", "asking"]


@pytest.mark.parametrize(("query", "key"), [
    ("level=loud", "level"), ("pattern=oops", "pattern"), ("trace=a/b", "trace"), ("service=a%2", "service"),
    ("from=now&to=now-1h", "from"), ("limit=0", "limit"), ("colour=red", "colour"),
])
def test_a_search_that_makes_no_sense_is_refused_by_name(client, query, key):
    """What cannot be searched for is a 400 with the name of the parameter, before anything is asked."""
    answer = client.get(f"/api/v1/logs/stream?{query}")
    assert (answer.status_code, answer.json()["key"]) == (400, key)


def first_lines(answers):
    """The lines of the first piece that has any."""
    return next(found for line in answers if (found := json.loads(line)["lines"]))


def test_a_search_ends_when_its_reader_leaves(client, source):
    """Who closes the page stops the search at its next page."""
    source.go.clear()
    with client.stream("GET", "/api/v1/logs/stream") as answer:
        assert [one["body"] for one in first_lines(answer.iter_lines())] == ["line 1"]
    time.sleep(0.2)
    source.go.set()
    assert source.over.wait(5)
    assert len(source.asked) == 1


def test_no_more_searches_than_there_is_room_for(client, source, monkeypatch):
    """One search too many is told to come back; the one under way goes on, and makes room when its reader leaves."""
    monkeypatch.setattr(searching, "MOST_AT_ONCE", 1)
    source.go.clear()
    with client.stream("GET", "/api/v1/logs/stream") as answer:
        under_way = answer.iter_lines()
        first_lines(under_way)
        refused = client.get("/api/v1/logs/stream")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    source.go.set()
    assert soon(lambda: client.get("/api/v1/logs/stream").status_code == 200, 5)


def test_a_search_that_breaks_says_so(client, shelf, source):
    """A fault of the search is told as its end, and not as an endless wait."""
    good = shelf.told_lines

    def broken(lines):
        if lines:
            raise RuntimeError("oops")
        return good(lines)

    shelf.told_lines = broken
    *_, end = client.get("/api/v1/logs/stream").text.splitlines()
    assert json.loads(end) == {"done": True, "failed": True}
