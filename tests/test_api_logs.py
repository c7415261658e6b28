"""Log lines in the interface for programs: lists, patterns, and searches that are streamed."""

from __future__ import annotations

import json
import threading
import time

import pytest
from snapshots import AT, AT_S, Shelf
from web_server import serving

from app.web import logs

LINES = [{"time": AT, "service": "prod/bank/ledger", "level": "error", "body": f"line {n}", "trace_id": None}
         for n in range(3)]
PATTERN = {"id": "p-0123456789ab", "service": "prod/bank/ledger", "template": "line <number>", "level": "error",
           "count": 3, "first_seen": AT, "last_seen": AT, "is_new": True}


@pytest.fixture
def shelf():
    """An engine with three lines of one pattern."""
    shelf = Shelf(lines=LINES)
    shelf.patterns = [PATTERN]
    return shelf


@pytest.fixture
def client(shelf):
    """A client of a server whose clock stands still."""
    with serving(shelf, clock=lambda: AT_S) as client:
        yield client


def test_patterns_are_listed(client, shelf):
    """Patterns come as the engine tells them, of the last hour unless a time is named."""
    assert client.get("/api/v1/logs/patterns?service=prod/bank/ledger").json() == [PATTERN]
    assert shelf.asked[-1] == ("log_patterns", "prod/bank/ledger", AT_S - 3600, AT_S, 100)


def test_a_search_is_streamed_to_its_end(client, shelf):
    """Every piece is a line of JSON with lines, how far back it has come and faults; the last one says that it is
    over."""
    shelf.unsearched = ["logs: the cluster is too busy"]
    query = "service=prod/bank/ledger&level=error,fatal&text=lock&pattern=p-0123456789ab&trace=ab12&limit=2&from=now-2h"
    answer = client.get(f"/api/v1/logs/stream?{query}")
    assert answer.headers["content-type"] == "application/x-ndjson"
    pieces = [json.loads(line) for line in answer.text.splitlines()]
    assert pieces == [*({"lines": [line], "reached": AT, "faults": shelf.unsearched} for line in LINES[:2]),
                      {"done": True}]
    assert shelf.asked[-1] == ("find_lines", {
        "from_s": AT_S - 7200, "to_s": AT_S, "service": "prod/bank/ledger", "trace_id": "ab12",
        "pattern": "p-0123456789ab", "levels": ("error", "fatal"), "text": "lock", "limit": 2,
    })


@pytest.mark.parametrize(("query", "key"), [
    ("level=loud", "level"), ("pattern=oops", "pattern"), ("trace=a/b", "trace"), ("service=a%2", "service"),
    ("from=now&to=now-1h", "from"), ("limit=0", "limit"), ("colour=red", "colour"),
])
def test_a_search_that_makes_no_sense_is_refused_by_name(client, query, key):
    """What cannot be searched for is a 400 with the name of the parameter, before anything is asked."""
    answer = client.get(f"/api/v1/logs/stream?{query}")
    assert (answer.status_code, answer.json()["key"]) == (400, key)


def test_a_search_ends_when_its_reader_leaves(client, shelf):
    """Who closes the page stops the search at its next piece, and makes room for others."""
    shelf.searching.clear()
    over = threading.Event()
    found = shelf.find_lines

    def find_lines(query, cancelled):
        yield from found(query, lambda: cancelled() and (over.set() or True))

    shelf.find_lines = find_lines
    with client.stream("GET", "/api/v1/logs/stream") as answer:
        first = next(answer.iter_lines())
    assert json.loads(first)["lines"] == LINES[:1]
    time.sleep(0.2)
    shelf.searching.set()
    assert over.wait(5)


def test_no_more_searches_than_there_is_room_for(client, shelf, monkeypatch):
    """One search too many is told to come back; the ones under way go on."""
    monkeypatch.setattr(logs, "MOST_SEARCHES", 1)
    shelf.searching.clear()
    with client.stream("GET", "/api/v1/logs/stream") as answer:
        lines = answer.iter_lines()
        next(lines)
        refused = client.get("/api/v1/logs/stream")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        shelf.searching.set()
        assert json.loads([*lines][-1]) == {"done": True}
    for _ in range(50):
        answer = client.get("/api/v1/logs/stream")
        if answer.status_code == 200:
            break
        time.sleep(0.05)
    assert answer.status_code == 200


def test_a_search_that_breaks_says_so(client, shelf):
    """A fault of the search is told as its end, and not as an endless wait."""
    def broken(query, cancelled):
        raise RuntimeError("oops")
        yield

    shelf.find_lines = broken
    assert json.loads(client.get("/api/v1/logs/stream").text) == {"done": True, "failed": True}
