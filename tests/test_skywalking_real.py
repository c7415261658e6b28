"""Real OAP servers tell minute by minute the calls that were made: three versions, over a midnight of theirs, in zones
that are off by half hours and odd minutes, half of the services without an agent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from known_segments import Graph, send, teach
from oap_rows import answered, endpoints, instances, paths
from oap_server import LEARNT_S, running, source, zone_with_midnight_at

from collectors.contract import MINUTE_S, Pulled, Reading
from topology.model import EdgeKey, InstanceKey, OperationKey, Side
from topology.rollup import CALLS

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

GRAPH = Graph(12, silent=frozenset({2, 5, 6, 9, 10, 11}))
KEEPER_S = 125.0
"""The first run of what makes the tables of the next day, and the start of the server before."""
MINUTES = 4
WITHIN_S = 60.0
"""After so long everything that was sent can be asked for, on a busy machine too."""


@dataclass(frozen=True)
class Asked:
    """What a source brought from a real OAP, and the minute after the last one that was sent."""

    pulled: Pulled
    end: int


def told_endpoints(minute: int) -> dict[tuple[str, str], tuple[int, int]]:
    """Calls and errors of every endpoint that was called."""
    return {(name, f"/{name}"): counts for name, counts in GRAPH.answered(minute).items()}


def told_instances(minute: int) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    """Calls and errors of every instance, with its zone and version."""
    told, spoken = GRAPH.answered(minute), [i for i in range(GRAPH.services) if i not in GRAPH.silent]
    return {(GRAPH.name(i), f"zone-{i % 2}", GRAPH.instance(i), "1.0"): told[GRAPH.name(i)] for i in spoken}


def is_whole(pulled: Pulled) -> bool:
    """Whether the server has told everything of every minute: it stores what it counts in pieces, paths, endpoints and
    buckets perhaps seconds after the calls of services."""
    return all(_is_whole(reading, reading.start_s // MINUTE_S) for reading in pulled.readings)


def _is_whole(reading: Reading, minute: int) -> bool:
    return (answered(reading) == GRAPH.answered(minute) and paths(reading) == GRAPH.expected(minute)
            and endpoints(reading) == told_endpoints(minute) and instances(reading) == told_instances(minute)
            and all(row.buckets for row in reading.rows if isinstance(row.key, OperationKey | InstanceKey)))


@pytest.fixture(scope="module", params=["9.2.0 in Asia/Kolkata", "9.6.0 over midnight", "10.1.0 over midnight"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Four minutes of traffic in a real OAP, read by one pull."""
    version, _, where = request.param.partition(" ")
    end = int((time.time() + KEEPER_S) // MINUTE_S) + 2 if "midnight" in where else int(time.time() // MINUTE_S)
    zone = zone_with_midnight_at((end - 1) * MINUTE_S) if "midnight" in where else "Asia/Kolkata"
    with running(version, tmp_path_factory.mktemp("oap"), zone) as oap:
        teach(oap.http, GRAPH, (end - 60) * MINUTE_S * 1000)
        time.sleep(LEARNT_S)
        for minute in range(end - MINUTES, end):
            # the store has no tables of a day before that day
            time.sleep(max(0.0, minute * MINUTE_S + 1 - time.time()))
            send(oap.http, GRAPH.segments(minute))
        # addresses are believed at once: whom they belong to has been learnt
        asking = source(oap.graphql, address_learning_s=0.0)
        pulled = asking.pull((end - MINUTES) * MINUTE_S, end * MINUTE_S)
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline and not is_whole(pulled):
            time.sleep(1.0)
            pulled = asking.pull((end - MINUTES) * MINUTE_S, end * MINUTE_S)
        yield Asked(pulled, end)
        asking.close()


def test_every_minute_is_read_and_whole(asked: Asked) -> None:
    """There is a complete reading for every minute, and nothing was amiss."""
    minutes = [reading.start_s // MINUTE_S for reading in asked.pulled.readings]
    assert minutes == [*range(asked.end - MINUTES, asked.end)]
    assert all(reading.complete for reading in asked.pulled.readings)
    assert not asked.pulled.faults


def test_paths_are_the_calls_that_were_made(asked: Asked) -> None:
    """Every path has the calls, the errors and the milliseconds of both ends that were sent, and there is no other."""
    for reading in asked.pulled.readings:
        assert paths(reading) == GRAPH.expected(reading.start_s // MINUTE_S)


def test_services_answer_what_was_asked_of_them(asked: Asked) -> None:
    """The totals of services, of their instances (with their zones) and of their endpoints are those that were sent."""
    for reading in asked.pulled.readings:
        minute = reading.start_s // MINUTE_S
        assert answered(reading) == GRAPH.answered(minute)
        assert endpoints(reading) == told_endpoints(minute)
        assert instances(reading) == told_instances(minute)


def test_every_call_is_in_one_bucket(asked: Asked) -> None:
    """Services, instances and endpoints have as many calls in buckets as calls, and paths those that an end timed."""
    for reading in asked.pulled.readings:
        for row in reading.rows:
            timed = sum(row.buckets.values())
            if isinstance(row.key, OperationKey | InstanceKey):
                assert timed == row.counts[CALLS]
            if isinstance(row.key, EdgeKey) and row.key.side is Side.CLIENT:
                assert timed in (0.0, row.counts[CALLS])
