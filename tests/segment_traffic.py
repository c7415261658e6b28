"""Traffic whose truth is known by construction, written twice: as SkyWalking segments and as OTLP spans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from traffic import add, spans_of

MS = 1_000_000
BROKER = "kafka:9092"
DEPTH = 3
CHAIN = ("gateway", "orders", "payments", "ledger")
LEAVES = ("database", "cache", "host")
PEERS = {"database": "db-1:3306", "cache": "cache-1:6379", "host": "mail.example:443"}
LAYERS = {"database": "Database", "cache": "Cache", "host": "Http", "service": "Http", "queue": "MQ"}
NODES = {"database": ("accounts", "database"), "cache": ("cache-1", "cache"), "host": ("mail.example", "external"),
         "queue": ("jobs", "queue")}  # fmt: skip
TAGS = {
    "database": {"db.type": "Mysql", "db.instance": "accounts", "db.statement": "select 1"},
    "cache": {"cache.type": "Redis", "cache.op": "read", "cache.cmd": "GET"},
    "host": {"http.method": "POST"}, "service": {"http.method": "GET"}, "queue": {"mq.topic": "jobs"},
}  # fmt: skip
ATTRIBUTES = {
    "database": {"db.system.name": "mysql", "db.namespace": "accounts"}, "cache": {"db.system.name": "redis"},
    "host": {"http.request.method": "POST"}, "service": {"http.request.method": "GET"},
    "queue": {"messaging.system": "kafka", "messaging.destination.name": "jobs"},
}  # fmt: skip
COMPONENTS = {"queue": 40, "host": 2, "service": 2, "database": 33, "cache": 30}
Edge = tuple[tuple[str, str], tuple[str, str]]


@dataclass
class Call:
    """What a piece of work calls: a service (`work`), a queue (`work` takes the message), or a leaf. `handed` says that
    another thread of the caller makes the call."""

    to: str
    start_ms: int
    end_ms: int
    failed: bool
    handed: bool
    work: Work | None = None


@dataclass
class Work:
    """What a service does for one request or message."""

    service: str
    by: str
    start_ms: int
    end_ms: int
    failed: bool
    calls: list[Call] = field(default_factory=list)


@dataclass
class Traffic:
    """Requests to a gateway at moments before `end_ms` (epoch milliseconds), and calls and errors of every path they
    make."""

    rng: Random
    end_ms: int
    truth: dict[Edge, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    requests: list[Work] = field(default_factory=list)

    def make(self, requests: int) -> Traffic:
        """So many requests more."""
        for _ in range(requests):
            self.requests.append(self._work(CHAIN[0], "user", self.end_ms - self.rng.randrange(2000, 50_000), 0))
            self._count(("user", "user"), (CHAIN[0], "service"), self.requests[-1].failed)
        return self

    def _work(self, service: str, by: str, at_ms: int, depth: int) -> Work:
        work = Work(service, by, at_ms, at_ms + 1, self.rng.random() < 0.1)
        for _ in range(self.rng.randrange(4)):
            work.calls.append(self._call(service, work.end_ms, depth))
            work.end_ms = work.calls[-1].end_ms + self.rng.randrange(3)
        return work

    def _call(self, caller: str, at_ms: int, depth: int) -> Call:
        ways = (*LEAVES, *(("service", "service", "queue") if depth < DEPTH else ()))
        call = Call(self.rng.choice(ways), at_ms, at_ms + self.rng.randrange(1, 9), self.rng.random() < 0.1,
                    self.rng.random() < 0.3)  # fmt: skip
        source = caller, "service"
        if call.to == "service":
            call.work = self._work(CHAIN[depth + 1], call.to, at_ms + 1, depth + 1)
            call.end_ms = call.work.end_ms + 1
            self._count(source, (call.work.service, "service"), call.failed or call.work.failed)
            return call
        self._count(source, NODES[call.to], call.failed)
        if call.to == "queue":
            call.work = self._work("worker", call.to, call.end_ms + 1, DEPTH)
            self._count(NODES["queue"], ("worker", "service"), call.work.failed)
        return call

    def _count(self, source: tuple[str, str], target: tuple[str, str], failed: bool) -> None:
        counted = self.truth[source, target]
        counted[0] += 1
        counted[1] += failed

    def segments(self) -> list[dict[str, Any]]:
        """Every segment, as JSON has it."""
        writer = Segments(self.rng)
        for work in self.requests:
            writer.write(work, writer.trace(), None)
        return writer.made

    def blocks(self) -> list[ResourceSpans]:
        """Every span, as OTLP has it."""
        return [block for work in self.requests for block in _spans(work, self.rng, self.rng.randbytes(16), b"")]


@dataclass
class Segments:
    """Writes work as the segments of SkyWalking agents."""

    rng: Random
    made: list[dict[str, Any]] = field(default_factory=list)

    def trace(self) -> str:
        """The name of a trace as Python agents give it, or as Java agents do."""
        name = self.rng.randbytes(16).hex()
        return name if self.rng.random() < 0.5 else f"{name}.{self.rng.randrange(99)}.{self.rng.randrange(10**17)}"

    def write(self, work: Work, trace: str, reference: dict[str, Any] | None) -> None:
        """The segments of work and of all that it causes."""
        layer = LAYERS["queue" if work.by == "queue" else "service"]
        segment = self._segment(work.service, trace)
        segment["spans"].append(_span(0, "Entry", work, f"{work.by} {work.service}", layer, reference))
        segment["spans"][0]["tags"] = _pairs(TAGS["queue"] if work.by == "queue" else TAGS["service"])
        for call in work.calls:
            self._exit(self._handed(segment, call) if call.handed else segment, call, trace)
        self.made.append(segment)

    def _exit(self, caller: dict[str, Any], call: Call, trace: str) -> None:
        number = len(caller["spans"])
        peer = BROKER if call.to == "queue" else PEERS.get(call.to) or f"{call.work.service if call.work else ''}:8080"
        span = _span(number, "Exit", call, f"to {call.to}", LAYERS[call.to]) | {"parentSpanId": 0, "peer": peer}
        caller["spans"].append(span | {"tags": _pairs(TAGS[call.to]), "componentId": COMPONENTS[call.to]})
        if call.work is not None:
            self.write(call.work, trace, _reference(caller, number, "CrossProcess") | {
                "networkAddressUsedAtPeer": peer})

    def _handed(self, segment: dict[str, Any], call: Call) -> dict[str, Any]:
        other = self._segment(segment["service"], segment["traceId"])
        other["spans"].append(_span(0, "Local", call, "pool", "Unknown", _reference(segment, 0, "CrossThread")))
        self.made.append(other)
        return other

    def _segment(self, service: str, trace: str) -> dict[str, Any]:
        return {"traceId": trace, "traceSegmentId": f"{self.rng.randbytes(16).hex()}.1", "service": service,
                "serviceInstance": f"{service}-0", "spans": []}  # fmt: skip


def _span(number: int, kind: str, timed: Work | Call, name: str, layer: str,
          reference: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"spanId": number, "parentSpanId": -1, "startTime": timed.start_ms, "endTime": timed.end_ms,
            "operationName": name, "spanType": kind, "spanLayer": layer, "isError": timed.failed,
            "refs": [reference] if reference else []}  # fmt: skip


def _reference(segment: dict[str, Any], number: int, kind: str) -> dict[str, Any]:
    return {"refType": kind, "traceId": segment["traceId"], "parentTraceSegmentId": segment["traceSegmentId"],
            "parentSpanId": number, "parentService": segment["service"],
            "parentServiceInstance": segment["serviceInstance"], "parentEndpoint": "/"}  # fmt: skip


def _pairs(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _spans(work: Work, rng: Random, trace: bytes, parent: bytes) -> Iterator[ResourceSpans]:
    """Work and all that it causes, a block of one span each."""
    kind = Span.SPAN_KIND_CONSUMER if work.by == "queue" else Span.SPAN_KIND_SERVER
    entry = rng.randbytes(8)
    name = f"{work.by} {work.service}"
    yield _block(work.service, trace, entry, parent, kind, name, work, "queue" if work.by == "queue" else "service")
    for call in work.calls:
        client = rng.randbytes(8)
        kind = Span.SPAN_KIND_PRODUCER if call.to == "queue" else Span.SPAN_KIND_CLIENT
        block = _block(work.service, trace, client, entry, kind, f"to {call.to}", call, call.to)
        peer = BROKER if call.to == "queue" else PEERS.get(call.to, "")
        if peer:
            address = block.scope_spans[0].spans[0].attributes.add(key="server.address")
            address.value.string_value = peer.partition(":")[0]
        yield block
        if call.work is not None:
            yield from _spans(call.work, rng, trace, client)


def _block(service: str, trace: bytes, span: bytes, parent: bytes, kind: int, name: str, timed: Work | Call,
           spoken: str) -> ResourceSpans:
    block = spans_of(service, **{"service.instance.id": f"{service}-0"})
    made = add(block, trace, span, parent, kind, name, timed.start_ms * MS, timed.end_ms - timed.start_ms, timed.failed)
    for key, value in ATTRIBUTES[spoken].items():
        made.attributes.add(key=key).value.string_value = value
    return block


def drawn(picture: dict[str, Any]) -> dict[Edge, list[int]]:
    """Calls and errors of every path of a picture of the map."""
    names = {node["id"]: (node["name"], node["kind"]) for node in picture["nodes"]}
    return {(names[edge["source"]], names[edge["target"]]): [edge["calls"], edge["errors"]]
            for edge in picture["edges"]}  # fmt: skip
