"""What an acknowledged segment is worth: the product is killed while agents send, and started again."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import pytest
from running import free_ports, product, soon
from segment_senders import COLLECT, call, channel, messages, post
from test_durability import PATIENT, expected, sending, shown

COLLECTOR = "SYNOPTIC__COLLECTORS__AGENTS__"


def calls(rng: random.Random, at_ms: int, failed: bool) -> list[dict[str, Any]]:
    """One call web -> orders as the segments of both."""
    trace, web, orders = (rng.randbytes(16).hex() for _ in range(3))
    times = {"startTime": at_ms, "endTime": at_ms + 20, "spanLayer": "Http", "isError": failed}
    entry = {"spanId": 0, "parentSpanId": -1, "spanType": "Entry", "operationName": "/", **times}
    leaving = {"spanId": 1, "spanType": "Exit", "peer": "orders:80", **times}
    reference = {"traceId": trace, "parentTraceSegmentId": web, "parentSpanId": 1}
    return [
        {"traceId": trace, "traceSegmentId": web, "service": "web", "spans": [entry, leaving]},
        {"traceId": trace, "traceSegmentId": orders, "service": "orders", "spans": [{**entry, "refs": [reference]}]},
    ]


@dataclass
class Agents:
    """Send calls over gRPC and HTTP by turns, each request until it is acknowledged; the two sides of a call travel
    apart."""

    grpc_port: int
    http_port: int
    rng: random.Random
    calls: int = 0
    errors: int = 0
    resent: int = 0
    acknowledged: int = 0
    _waiting: list[dict[str, Any]] = field(default_factory=list)

    def step(self) -> None:
        """Makes some calls and sends about half of the sides that wait."""
        for _ in range(self.rng.randrange(1, 6)):
            failed = self.rng.random() < 0.1
            self.calls += 1
            self.errors += failed
            self._waiting += calls(self.rng, int(time.time() * 1000) - 200, failed)
        self.rng.shuffle(self._waiting)
        self.flush(len(self._waiting) // 2)

    def flush(self, keep: int = 0) -> None:
        """Sends the sides that wait, but for `keep` of them."""
        going, self._waiting = self._waiting[keep:], self._waiting[:keep]
        while going and not (self._over_grpc(going) if self.rng.random() < 0.5 else self._over_http(going)):
            self.resent += 1
            time.sleep(0.02)
        self.acknowledged += len(going)

    def _over_http(self, segments: list[dict[str, Any]]) -> bool:
        try:
            status = post(self.http_port, "/v3/segments", segments).status_code
        except httpx.TransportError:
            return False
        assert status in (200, 503), f"answered {status}"
        return status == 200

    def _over_grpc(self, segments: list[dict[str, Any]]) -> bool:
        try:
            with channel(self.grpc_port) as made:
                return call(made, COLLECT, messages(segments)) == b""
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False


@pytest.mark.timeout(300)
def test_no_acknowledged_segment_is_lost_and_none_counts_twice_in_two_kills(tmp_path):
    """While agents send, the product is killed at work and while it starts; in the end every acknowledged call is
    drawn exactly once, no side of it without the other."""
    ports = free_ports(2)
    environ = {f"{COLLECTOR}KIND": "skywalking_segments", f"{COLLECTOR}GRPC": f"127.0.0.1:{ports[0]}",
               f"{COLLECTOR}HTTP": f"127.0.0.1:{ports[1]}", **PATIENT}  # fmt: skip
    with product(tmp_path, **environ) as running:
        agents = Agents(*ports, random.Random(7))
        with sending(agents):
            for wait_s in (2.5, 0.8):
                time.sleep(wait_s)
                running.kill()
                running.start(wait=False)
            running.wait_ready()
            time.sleep(0.5)
        assert agents.resent > 0
        assert agents.acknowledged == 2 * agents.calls
        assert soon(lambda: shown(running) == expected(agents)), f"{shown(running)} is not {expected(agents)}"
        assert running.get("/api/v1/quality")["lost_parents"] == 0
