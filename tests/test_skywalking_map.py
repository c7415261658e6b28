"""The product asks a real OAP: its map is the calls that were made, through crashes and absences of either."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from known_segments import Calls, End, Graph, send, teach
from oap_server import LEARNT_S, Oap, free_port, half_hour_zone
from oap_server import running as oap_running
from running import Running, product, soon

pytestmark = pytest.mark.real

HALF_SILENT = Graph(8, frozenset({2, 5, 6, 7}))
WITHIN_S = 60.0
COMMITTED_S = 15.0
"""After how long what was asked for is in the store: what is not yet is asked for again, and addresses learnt again."""


def asking(oap: Oap) -> dict[str, str]:
    """The environment of a product that asks this OAP, often."""
    own = {"KIND": "skywalking", "URL": oap.graphql, "PACE__INTERVAL": "5s", "ADDRESS_LEARNING": "15s"}
    return {f"SYNOPTIC__COLLECTORS__OAP__{key}": value for key, value in own.items()}


@pytest.fixture(params=["10.1.0", "9.6.0", "9.2.0"])
def oap(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Oap]:
    """A server of every version half an hour off the full hour, with an empty store."""
    with oap_running(request.param, tmp_path / "oap", half_hour_zone(time.time())) as server:
        yield server


def sent(oap: Oap, minutes: int = 3) -> range:
    """Teaches the OAP all addresses, then sends the last whole minutes; returns them."""
    last = int(time.time() // 60)
    teach(oap.http, HALF_SILENT, (last - 90) * 60_000)
    time.sleep(LEARNT_S)
    told = range(last - minutes, last)
    for minute in told:
        send(oap.http, HALF_SILENT.segments(minute))
    return told


def paths(running: Running) -> dict[tuple[End, End], str]:
    """The id of every path on the map by the names and kinds of its ends."""
    picture = running.get("/api/v1/graph", window="15m")
    ends = {node["id"]: (node["name"], node["kind"]) for node in picture["nodes"]}
    return {(ends[edge["source"]], ends[edge["target"]]): edge["id"] for edge in picture["edges"]}


def drawn(running: Running, minute: int) -> Mapping[tuple[End, End], tuple[Any, Any]]:
    """Calls and errors of every path in a minute that has some."""
    span = {"from": minute * 60, "to": minute * 60 + 60, "step": 60, "signal": "calls,errors"}
    found = {ends: running.get("/api/v1/series", of=key, **span) for ends, key in paths(running).items()}
    return {ends: (one["calls"][0], one["errors"][0]) for ends, one in found.items() if one["calls"][0]}


def true(minute: int) -> Mapping[tuple[End, End], tuple[int, int]]:
    """What was made."""
    calls: Mapping[tuple[End, End], Calls] = HALF_SILENT.expected(minute)
    return {ends: (one.calls, one.errors) for ends, one in calls.items()}


def state(running: Running) -> str:
    """How the source is."""
    row = {row["name"]: row for row in running.get("/api/v1/sources")}["oap"]
    return str(row["state"])


def test_map_is_the_calls_that_were_made(oap: Oap, tmp_path: Path) -> None:
    """Every path, to the call per minute, half of the services without an agent; the same right after the product was
    killed, while it learns anew which addresses are services."""
    told = sent(oap)
    with product(tmp_path / "product", **asking(oap)) as running:
        assert soon(lambda: [drawn(running, minute) for minute in told] == [true(minute) for minute in told], WITHIN_S)
        time.sleep(COMMITTED_S)
        running.kill()
        running.start()
        assert soon(lambda: state(running) == "ok", WITHIN_S)
        assert [drawn(running, minute) for minute in told] == [true(minute) for minute in told]


def test_absence_of_the_oap_costs_a_line(tmp_path: Path) -> None:
    """While the OAP is away the page of sources says so and the map stands; what it forgot meanwhile is not taken back,
    and what it tells anew is added."""
    port = free_port()
    with oap_running("10.1.0", tmp_path / "first", half_hour_zone(time.time()), port) as oap:
        told = sent(oap, 2)
        running = Running(tmp_path / "product", asking(oap)).start()
        assert soon(lambda: [drawn(running, minute) for minute in told] == [true(minute) for minute in told], WITHIN_S)
    try:
        assert soon(lambda: state(running) == "failed", WITHIN_S)
        assert drawn(running, told[0]) == true(told[0])
        with oap_running("10.1.0", tmp_path / "second", half_hour_zone(time.time()), port) as oap:
            again = sent(oap, 1)
            assert soon(lambda: drawn(running, again[-1]) == true(again[-1]), 120)
            assert drawn(running, told[0]) == true(told[0])
    finally:
        running.kill()
