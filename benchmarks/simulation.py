"""Requests of users through the fleet, one trace at a time, with every call written down as it is made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.fleet import REDIS, members
from benchmarks.workshop import Template, Workshop

LOST = 0.01
MS, SECOND = 1_000_000, 1_000_000_000


@dataclass
class Made:
    """A span on its way: what it looks like, whose child it is, when it was, and whether it will be lost."""

    service: int
    template: Template
    trace: bytes
    id: bytes
    parent: bytes
    start_ns: int
    end_ns: int
    lost: bool


@dataclass
class Truth:
    """Calls by (caller, callee, protocol): all that happened, and those of which every span is in the load."""

    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    whole: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    whole_errors: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, caller: str, callee: str, protocol: str, failed: bool, *spans: Made) -> None:
        """Writes one call down."""
        key = (caller, callee, protocol)
        self.calls[key] += 1
        self.errors[key] += failed
        if not any(span.lost for span in spans):
            self.whole[key] += 1
            self.whole_errors[key] += failed

    def rows(self) -> list[list[Any]]:
        """One row a path: caller, callee, protocol, calls, errors, whole calls, whole errors."""
        return [
            [*key, n, self.errors[key], self.whole[key], self.whole_errors[key]]
            for key, n in sorted(self.calls.items())
        ]


class Simulation:
    """Requests of users, one trace at a time."""

    def __init__(self, services: int, seed: int) -> None:
        self.random = Random(seed)
        self.fleet = members(services, self.random)
        self.workshop = Workshop(self.fleet, self.random)
        self.truth = Truth()
        self._spans: list[Made] = []
        self._left = 0

    def trace(self, at_ns: int) -> list[Made]:
        """Everything one request of a user sets off."""
        self._spans, self._left = [], self.random.randint(20, 60)
        self._trace = self.random.randbytes(16)
        root, failed = self._serve(self.random.choice((0, 0, 1)), b"", at_ns, 0, "http")
        self.truth.add("user", self.fleet[root.service].name, "http", failed, root)
        return self._spans

    def _took(self, mu: float) -> int:
        return int(self.random.lognormvariate(mu, 0.9) * MS)

    def _span(self, service: int, template: Template, parent: bytes, start_ns: int) -> Made:
        span = Made(
            service,
            template,
            self._trace,
            self.random.randbytes(8),
            parent,
            start_ns,
            start_ns,
            self.random.random() < LOST,
        )
        self._spans.append(span)
        self._left -= 1
        return span

    def _serve(self, service: int, parent: bytes, at_ns: int, depth: int, protocol: str) -> tuple[Made, bool]:
        failed = self.random.random() < 0.012
        shop = self.workshop
        if protocol == "http":
            template = shop.http_server(service, failed)
        elif protocol == "grpc":
            template = shop.grpc(service, service, True, failed)
        else:
            template = shop.message(service, service, True, failed)
        span = self._span(service, template, parent, at_ns)
        now_ns = self._work(span, at_ns + self._took(0))
        for callee in self._callees(service, depth):
            if self._left < 2:
                break
            now_ns = self._call(span, callee, now_ns, depth)
        span.end_ns = now_ns + self._took(0)
        return span, failed

    def _callees(self, service: int, depth: int) -> list[int]:
        callees = self.fleet[service].callees
        if not callees or depth >= 8:
            return []
        return self.random.sample(callees, 1 if service < 2 else self.random.randint(1, min(4, len(callees))))

    def _work(self, span: Made, now_ns: int) -> int:
        """What a service does itself: some code, its database, the cache."""
        service = span.service
        if self.random.random() < 0.33 and self._left > 0:
            inside = self._span(service, self.workshop.internal(service), span.id, now_ns)
            inside.end_ns = now_ns + self._took(0)
        if service < 3:
            return now_ns
        for _ in range(self.random.choice((0, 1, 1, 2))):
            if self._left > 0:
                now_ns = self._query(span, now_ns)
        if self.random.random() < 0.5 and self._left > 0:
            look = self._span(service, self.workshop.cached(service), span.id, now_ns)
            look.end_ns = now_ns = now_ns + self._took(-1)
            self.truth.add(self.fleet[service].name, REDIS, "redis", False, look)
        return now_ns

    def _query(self, span: Made, now_ns: int) -> int:
        member, failed = self.fleet[span.service], self.random.random() < 0.003
        query = self._span(span.service, self.workshop.query(span.service, failed), span.id, now_ns)
        query.end_ns = now_ns + self._took(0.8)
        self.truth.add(member.name, f"{member.domain}db", member.database, failed, query)
        return query.end_ns

    def _call(self, caller: Made, callee: int, now_ns: int, depth: int) -> int:
        service, chance = caller.service, self.random.random()
        if chance < 0.1 and service > 2:
            return self._publish(caller, callee, now_ns, depth)
        protocol = "grpc" if chance < 0.5 else "http"
        client = self._span(service, self._client(service, callee, protocol, False), caller.id, now_ns)
        network_ns = self.random.randint(100_000, 900_000)
        server, failed = self._serve(callee, client.id, now_ns + network_ns, depth + 1, protocol)
        if failed:
            client.template = self._client(service, callee, protocol, True)
        client.end_ns = server.end_ns + network_ns
        self.truth.add(self.fleet[service].name, self.fleet[callee].name, protocol, failed, client, server)
        return client.end_ns

    def _client(self, service: int, callee: int, protocol: str, failed: bool) -> Template:
        if protocol == "grpc":
            return self.workshop.grpc(service, callee, False, failed)
        return self.workshop.http_client(service, callee, failed)

    def _publish(self, caller: Made, callee: int, now_ns: int, depth: int) -> int:
        """A message is sent and, later, taken: two calls, with the topic between them."""
        own, other = self.fleet[caller.service].name, self.fleet[callee].name
        sent = self._span(
            caller.service, self.workshop.message(caller.service, callee, False, False), caller.id, now_ns
        )
        sent.end_ns = now_ns + self._took(-0.5)
        taken, failed = self._serve(callee, sent.id, now_ns + self._took(2.5), depth + 1, "kafka")
        self.truth.add(own, f"{other}.events", "kafka", False, sent)
        self.truth.add(f"{other}.events", other, "kafka", failed, taken)
        return sent.end_ns
