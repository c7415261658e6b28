"""SkyWalking segments of a call graph that is known to the call, and what a map of them has to show.

Every request enters at `gateway` and walks a tree (the parent of service i is (i - 1) // 3). `orders` calls a database,
a cache and a host of somebody else's besides; `worker` is fed through a queue. Of the requests of a minute the one with
number 3 fails in `orders` and `gateway`. Services in `silent` have no agent: their callers know only an address, and
whom they call is entered from outside. Everything follows from the arguments.

    python tests/known_segments.py http://127.0.0.1:12800 --minutes 3
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

NAMES = ("gateway", "orders", "payments", "worker")
BROKER = "kafka:9092"
FAILING_REQUEST = 3
QUEUED = 3
HTTP, MQ = "Http", "MQ"
TOMCAT, HTTP_CLIENT, KAFKA_PRODUCER, KAFKA_CONSUMER = 14, 2, 40, 41
MYSQL = {"db.type": "Mysql", "db.instance": "orders", "db.statement": "select 1"}
REDIS = {"cache.type": "Redis", "cache.op": "read", "cache.cmd": "GET", "cache.key": "k"}
Span = dict[str, Any]
Segment = dict[str, Any]


@dataclass(frozen=True)
class Leaf:
    """Something without an agent that `orders` calls."""

    peer: str
    kind: str
    layer: str
    component: int
    ms: int
    operation: str
    tags: Mapping[str, str]


LEAVES = (
    Leaf("db-orders:3306", "database", "Database", 33, 5, "Mysql/JDBC/execute", MYSQL),
    Leaf("cache:6379", "cache", "Cache", 30, 2, "Jedis/get", REDIS),
    Leaf("mail.example:443", "external", HTTP, HTTP_CLIENT, 10, "/send", {"http.method": "POST"}),
)


@dataclass(frozen=True)
class Calls:
    """Of one path in one minute: how many, how many failed, and the milliseconds that either end saw."""

    calls: int
    errors: int
    client_ms: int | None
    server_ms: int | None


End = tuple[str, str]
"""The name and the kind of a node."""
USER: End = ("user", "user")


@dataclass(frozen=True)
class Graph:
    """The graph of so many services."""

    services: int = 4
    silent: frozenset[int] = frozenset()

    def name(self, i: int) -> str:
        """The name of a service."""
        return NAMES[i] if i < len(NAMES) else f"svc-{i:03d}"

    def instance(self, i: int) -> str:
        """The name of its one instance."""
        return f"{self.name(i)}-0@10.0.{i // 250}.{i % 250 + 1}"

    def address(self, i: int) -> str:
        """Where its callers call it."""
        return BROKER if i == QUEUED else f"10.0.{i // 250}.{i % 250 + 1}:8080"

    def children(self, i: int) -> list[int]:
        """Whom it calls."""
        return [child for child in (3 * i + 1, 3 * i + 2, 3 * i + 3) if child < self.services]

    def rate(self, minute: int) -> int:
        """How many requests there are in a minute: from 4 to 10."""
        return 4 + minute % 7

    def fails(self, i: int, request: int) -> bool:
        """Whether a service fails in a request."""
        return i in (0, 1) and request == FAILING_REQUEST

    def ms(self, i: int) -> int:
        """How long the service takes."""
        own = 2 + i % 5 + sum(leaf.ms for leaf in self.leaves(i))
        return own + sum(1 if child == QUEUED else self.ms(child) + 2 for child in self.children(i))

    def leaves(self, i: int) -> Sequence[Leaf]:
        """What it calls besides services."""
        return LEAVES if i == 1 else ()

    def end(self, i: int) -> End:
        """What a service is for those who call it."""
        return (self.address(i), "external") if i in self.silent else (self.name(i), "service")

    def expected(self, minute: int) -> dict[tuple[End, End], Calls]:
        """All paths of the map in a minute, by caller and callee."""
        rate = self.rate(minute)
        found = {}
        for i in range(self.services):
            if i == 0 or (i not in self.silent and (i - 1) // 3 in self.silent and i != QUEUED):
                found[USER, self.end(i)] = Calls(rate, int(self.fails(i, FAILING_REQUEST)), None, self.ms(i))
            if i not in self.silent:
                found.update(self._called_by(i, rate))
        return found

    def answered(self, minute: int) -> dict[str, tuple[int, int]]:
        """Calls and errors that every service with an agent answers in a minute."""
        return {self.name(i): (self.rate(minute), int(self.fails(i, FAILING_REQUEST)))
                for i in range(self.services) if i not in self.silent}

    def _called_by(self, i: int, rate: int) -> Iterator[tuple[tuple[End, End], Calls]]:
        for leaf in self.leaves(i):
            yield (self.end(i), (leaf.peer, leaf.kind)), Calls(rate, 0, leaf.ms, None)
        for child in self.children(i):
            took, queue = self.ms(child), (BROKER, "queue")
            if child == QUEUED:
                yield (self.end(i), queue), Calls(rate, 0, 1, None)
                if child not in self.silent:
                    yield (queue, self.end(child)), Calls(rate, 0, None, took)
            else:
                server = None if child in self.silent else took
                yield (self.end(i), self.end(child)), Calls(rate, int(self.fails(child, 3)), took + 2, server)

    def segments(self, minute: int) -> Iterator[Segment]:
        """The segments of all requests of a minute."""
        for request in range(self.rate(minute)):
            trace = hashlib.sha256(f"{minute}/{request}".encode()).hexdigest()[:32]
            yield from self.request(trace, minute * 60_000 + request * 60_000 // self.rate(minute), request)

    def request(self, trace: str, start_ms: int, request: int = 0) -> Iterator[Segment]:
        """The segments of one request."""
        pending: list[tuple[int, int, dict[str, Any] | None]] = [(0, start_ms, None)]
        while pending:
            i, at, ref = pending.pop()
            spans, called = self._spans(i, at, ref, request)
            name = f"{trace}.{i}"
            if i not in self.silent:
                yield {"traceId": trace, "traceSegmentId": name, "service": self.name(i), "spans": spans,
                       "serviceInstance": self.instance(i), "isSizeLimited": False}
            pending += [(child, begin, self._ref(trace, i, span, child)) for child, begin, span in called]

    def _spans(self, i: int, at: int, ref: dict[str, Any] | None,
               request: int) -> tuple[list[Span], list[tuple[int, int, int]]]:
        """The spans of one service in a request; whom it calls, when, and in which span."""
        spans, called, now = [self._entry(i, at, ref, request)], [], at + 1
        for leaf in self.leaves(i):
            how = (leaf.peer, leaf.layer, leaf.component)
            spans.append(_exit(len(spans), *how, now, leaf.ms, leaf.operation, leaf.tags))
            now += leaf.ms
        for child in self.children(i):
            queue = child == QUEUED
            took = 1 if queue else self.ms(child) + 2
            called.append((child, now + 1, len(spans)))
            how = (self.address(child), *((MQ, KAFKA_PRODUCER) if queue else (HTTP, HTTP_CLIENT)))
            operation = "Kafka/jobs/Producer" if queue else f"/{self.name(child)}"
            tags = {"mq.topic": "jobs"} if queue else {"http.method": "GET"}
            failed = not queue and self.fails(child, request)
            spans.append(_exit(len(spans), *how, now, took, operation, tags, failed))
            now += took
        return spans, called

    def _entry(self, i: int, at: int, ref: dict[str, Any] | None, request: int) -> Span:
        failed = self.fails(i, request)
        http = {"http.method": "GET", "http.status_code": "500" if failed else "200"}
        span = {"spanId": 0, "parentSpanId": -1, "spanType": "Entry", "startTime": at, "endTime": at + self.ms(i),
                "operationName": f"/{self.name(i)}", "isError": failed, "refs": [ref] if ref else [],
                "spanLayer": MQ if i == QUEUED else HTTP, "componentId": KAFKA_CONSUMER if i == QUEUED else TOMCAT}
        return span | {"tags": _tags({"mq.topic": "jobs", "transmission.latency": "7"} if i == QUEUED else http)}

    def _ref(self, trace: str, i: int, span: int, child: int) -> dict[str, Any] | None:
        """What a caller tells its callee: nothing when it has no agent."""
        if i in self.silent:
            return None
        return {"refType": "CrossProcess", "traceId": trace, "parentTraceSegmentId": f"{trace}.{i}",
                "parentSpanId": span, "parentService": self.name(i), "parentServiceInstance": self.instance(i),
                "parentEndpoint": f"/{self.name(i)}", "networkAddressUsedAtPeer": self.address(child)}


def _exit(number: int, peer: str, layer: str, component: int, at: int, ms: int, operation: str,
          tags: Mapping[str, str], failed: bool = False) -> Span:
    return {"spanId": number, "parentSpanId": 0, "spanType": "Exit", "peer": peer, "startTime": at, "endTime": at + ms,
            "operationName": operation, "spanLayer": layer, "componentId": component, "isError": failed,
            "tags": _tags(tags)}


def _tags(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def post(url: str, body: Any) -> None:
    """Sends a JSON document."""
    httpx.post(url, json=body, timeout=30.0).raise_for_status()


def send(http: str, segments: Iterable[Segment], batch: int = 200) -> None:
    """Sends segments to an OAP (or to whoever takes them as one does)."""
    listed = list(segments)
    for at in range(0, len(listed), batch):
        post(f"{http}/v3/segments", listed[at : at + batch])


def teach(http: str, graph: Graph, at_ms: int) -> None:
    """Tells the OAP the zone of every instance and, by one request at another time, which service has which address.
    It has learnt them one or two of its persistence periods later."""
    for i in range(graph.services):
        who = {"service": graph.name(i), "serviceInstance": graph.instance(i)}
        properties = [{"key": "zone", "value": f"zone-{i % 2}"}, {"key": "version", "value": "1.0"}]
        if i not in graph.silent:
            post(f"{http}/v3/management/reportProperties", {**who, "properties": properties})
            post(f"{http}/v3/management/keepAlive", who)
    send(http, graph.request(f"teach{at_ms:x}", at_ms))


def main() -> None:
    """Sends whole minutes that have just passed."""
    said = argparse.ArgumentParser(description="Sends a known call graph to an OAP.")
    said.add_argument("http")
    said.add_argument("--services", type=int, default=4)
    said.add_argument("--minutes", type=int, default=3)
    chosen = said.parse_args()
    graph, last = Graph(chosen.services), int(time.time() // 60)
    teach(chosen.http, graph, (last - chosen.minutes - 60) * 60_000)
    time.sleep(12)
    for minute in range(last - chosen.minutes, last):
        send(chosen.http, graph.segments(minute))


if __name__ == "__main__":
    main()
