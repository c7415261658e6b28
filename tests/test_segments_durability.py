"""What an acknowledged segment is worth: the product is killed the moment it has answered, and started again."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from running import Running, free_ports, product, soon
from segment_senders import COLLECT, call, channel, messages, post
from test_durability import PATIENT
from traffic import EDGE, ORDERS, WEB

from collectors.skywalking_segments.protocol.skywalking_pb2 import Event

COLLECTOR = "SYNOPTIC__COLLECTORS__AGENTS__"
CALLS = 100


def sides(rng: random.Random, at_ms: int, failed: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """One call web -> orders as the segments of both."""
    trace, web, orders = (rng.randbytes(16).hex() for _ in range(3))
    times = {"startTime": at_ms, "endTime": at_ms + 20, "spanLayer": "Http", "isError": failed}
    entry = {"spanId": 0, "parentSpanId": -1, "spanType": "Entry", "operationName": "/", **times}
    leaving = {"spanId": 1, "spanType": "Exit", "peer": "orders:80", **times}
    reference = {"traceId": trace, "parentTraceSegmentId": web, "parentSpanId": 1}
    return (
        {"traceId": trace, "traceSegmentId": web, "service": "web", "spans": [entry, leaving]},
        {"traceId": trace, "traceSegmentId": orders, "service": "orders", "spans": [{**entry, "refs": [reference]}]},
    )


def reported(running: Running) -> int:
    """How many instances the product knows the properties of."""
    (row,) = [row for row in running.get("/api/v1/sources") if row["name"] == "agents"]
    return int(row["counters"]["instances"])


def shown(running: Running) -> dict[str, tuple[int, int]]:
    """Calls and errors of every path over the last hour."""
    edges = running.get("/api/v1/graph", window="1h")["edges"]
    return {edge["id"]: (edge["calls"], edge["errors"]) for edge in edges}


@pytest.mark.timeout(120)
def test_no_acknowledged_segment_is_lost_or_counts_twice(tmp_path):
    """Callers sent over gRPC, then those they called over HTTP, then every other call once more; the moment it answers
    the product is killed. In the end every call is drawn exactly once, none of its sides without the other, and what
    an instance reported is still known; an event is a change."""
    ports = free_ports(2)
    environ = {f"{COLLECTOR}KIND": "skywalking_segments", f"{COLLECTOR}GRPC": f"127.0.0.1:{ports[0]}",
               f"{COLLECTOR}HTTP": f"127.0.0.1:{ports[1]}", **PATIENT}  # fmt: skip
    rng, now_ms = random.Random(7), int(time.time() * 1000)
    made = [sides(rng, now_ms - rng.randrange(5000), number % 10 == 3) for number in range(CALLS)]
    callers, called = zip(*made, strict=True)
    with product(tmp_path, **environ) as running:
        with channel(ports[0]) as agents:
            assert call(agents, COLLECT, messages(callers)) == b""
            running.kill()
        running.start()
        told = {"service": "web", "serviceInstance": "web-0", "properties": [{"key": "zone", "value": "east"}]}
        assert post(ports[1], "/v3/management/reportProperties", told).status_code == 200
        kept = tmp_path / "data" / "instances" / "agents.json"
        assert soon(lambda: kept.exists() and b"east" in kept.read_bytes())
        assert post(ports[1], "/v3/segments", list(called)).status_code == 200
        running.kill()
        running.start()
        assert post(ports[1], "/v3/segments", [*callers[::2], *called[::2]]).status_code == 200
        assert reported(running) == 1
        event = Event(uuid="u", name="Deploy", source={"service": "web"}, startTime=now_ms).SerializeToString()
        with channel(ports[0]) as agents:
            assert call(agents, "EventService/collect", [event]) == b""
        noted = soon(lambda: running.get("/api/v1/changes"))
        assert [(one["title"], one["service"], one["kind"]) for one in noted] == [("Deploy", WEB, "deployment")]
        truth = (CALLS, CALLS // 10)
        expected = {EDGE: truth, f"default//user/~user>{WEB}": truth}
        assert soon(lambda: shown(running) == expected, 30), f"{shown(running)} is not {expected}"
        assert ORDERS in {node["id"] for node in running.get("/api/v1/graph", window="1h")["nodes"]}
        assert running.get("/api/v1/quality")["lost_parents"] == 0
