"""A little traffic whose truth is known: calls web -> orders, written as OTLP requests."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from running import Running

SECOND = 1_000_000_000
WEB, ORDERS = "default//web", "default//orders"
EDGE = f"{WEB}>{ORDERS}"


def spans_of(service: str, **resource: str) -> ResourceSpans:
    """Spans of one service, none yet."""
    found = ResourceSpans()
    for key, value in {"service.name": service, **resource}.items():
        found.resource.attributes.add(key=key).value.string_value = value
    found.scope_spans.add()
    return found


def add(
    block: ResourceSpans,
    trace: bytes,
    span: bytes,
    parent: bytes,
    kind: int,
    name: str,
    start_ns: int,
    took_ms: float = 20.0,
    failed: bool = False,
) -> Span:
    """One span more."""
    made = block.scope_spans[0].spans.add(
        trace_id=trace,
        span_id=span,
        parent_span_id=parent,
        kind=kind,
        name=name,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + int(took_ms * 1e6),
    )
    if failed:
        made.status.code = 2
    return made


def request(*blocks: ResourceSpans) -> bytes:
    """The bytes of the request with these spans."""
    return ExportTraceServiceRequest(resource_spans=blocks).SerializeToString()


def call(
    rng: random.Random, at_ns: int, failed: bool = False, took_ms: float = 20.0
) -> tuple[ResourceSpans, ResourceSpans]:
    """One call web -> orders that began at `at_ns`: the client's span (the child of an entry), and the server's."""
    trace, entry, client, server = rng.randbytes(16), rng.randbytes(8), rng.randbytes(8), rng.randbytes(8)
    web, orders = spans_of("web"), spans_of("orders")
    add(web, trace, entry, b"", Span.SPAN_KIND_SERVER, "GET /", at_ns, took_ms + 4, failed)
    add(web, trace, client, entry, Span.SPAN_KIND_CLIENT, "POST", at_ns + 10**6, took_ms + 2, failed)
    add(orders, trace, server, client, Span.SPAN_KIND_SERVER, "POST /orders", at_ns + 2 * 10**6, took_ms, failed)
    return web, orders


@dataclass
class Sender:
    """Sends calls until it is told to end, one request after the other, each until it is acknowledged.

    The two sides of a call travel in different requests, and the order is shuffled, so that every kill finds calls
    of which only one side has arrived.
    """

    running: Running
    rng: random.Random
    calls: int = 0
    errors: int = 0
    requests: int = 0
    resent: int = 0
    _waiting: list[ResourceSpans] = field(default_factory=list)

    def step(self) -> None:
        """Makes some calls and sends about half of the sides that wait."""
        for _ in range(self.rng.randrange(1, 6)):
            failed = self.rng.random() < 0.1
            self.calls += 1
            self.errors += failed
            self._waiting += call(self.rng, time.time_ns() - SECOND // 5, failed)
        self.rng.shuffle(self._waiting)
        self.flush(len(self._waiting) // 2)

    def flush(self, keep: int = 0) -> None:
        """Sends the sides that wait, but for `keep` of them, in one request."""
        going, self._waiting = self._waiting[keep:], self._waiting[:keep]
        if going:
            self._deliver(request(*going))

    def _deliver(self, body: bytes) -> None:
        self.requests += 1
        while not self._acknowledged(body):
            self.resent += 1
            time.sleep(0.02)

    def _acknowledged(self, body: bytes) -> bool:
        try:
            status = self.running.post(body)
        except httpx.TransportError:
            return False
        assert status in (200, 503), f"answered {status}"
        return status == 200
