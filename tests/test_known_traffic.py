"""Traffic whose truth is written down call by call as it is made, then delivered the way networks deliver."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from pairing_run import LADDER, Counted
from plain_spans import CLIENT, CONSUMER, ERROR, INTERNAL, PRODUCER, SERVER, UNSET
from span_writing import NOW_NS, SECOND, Made

from topology.model import EdgeKey, InstanceKey, Kind, OperationKey, SeriesKey, Service, Side
from topology.rollup import COUNTS

CALLS, ERRORS, ORIGINATED, TOTAL, SELF, OBSERVED = (COUNTS.index(n) for n in (
    "calls", "errors", "originated", "total", "self_total", "observed"))
ZONES = ("east", "west")
CHAIN = ("gateway", "orders", "payment", "ledger", "archive")
DATABASE, MAIL = Service("", "", "accounts", Kind.DATABASE), Service("", "", "mail.example", Kind.EXTERNAL)
QUEUE, USER = Service("", "", "events", Kind.QUEUE), Service("", "", "user", Kind.USER)
Cell = tuple[SeriesKey, int]
QUEUED = {"messaging.system": "kafka", "messaging.destination.name": "events"}


@dataclass
class Truth:
    """What was made: counts and latencies in microseconds of every series and window."""

    counts: dict[Cell, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0] * len(COUNTS)))
    latencies: dict[Cell, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def call(self, edge: tuple, ended_ms: float, failed: bool, client_ms: float | None,
             server_ms: float | None) -> None:
        """One call over a path."""
        cell = self._cell(EdgeKey(*edge), ended_ms)
        self._count(cell, failed)
        if client_ms is not None:
            self._time(cell, client_ms)
        if server_ms is not None:
            self._time(self._cell(EdgeKey(*edge, Side.SERVER), ended_ms), server_ms)

    def work(self, span: Made, failed: bool, self_ms: float, child_failed: bool) -> None:
        """One piece of work of a service and of its instance."""
        service, ended = Service("", "", span.service), span.start + span.took
        for key in (OperationKey(service, span.zone, span.name), InstanceKey(service, span.zone, span.instance)):
            cell = self._cell(key, ended)
            self._count(cell, failed)
            self._time(cell, span.took)
        cell = self._cell(OperationKey(service, span.zone, span.name), ended)
        self.counts[cell][SELF] += self_ms * 1000
        self.counts[cell][ORIGINATED] += failed and not child_failed

    def _cell(self, key: SeriesKey, ended_ms: float) -> Cell:
        second = (NOW_NS - SECOND + round(ended_ms * 10**6)) // SECOND
        return key, second // 10 * 10

    def _count(self, cell: Cell, failed: bool) -> None:
        self.counts[cell][CALLS] += 1
        self.counts[cell][OBSERVED] += 1
        self.counts[cell][ERRORS] += failed

    def _time(self, cell: Cell, took_ms: float) -> None:
        self.counts[cell][TOTAL] += round(took_ms * 1000)
        self.latencies[cell][round(took_ms * 1000)] += 1


class Bank:
    """Serves users: every call it makes becomes spans, and is written down."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.truth = Truth()
        self.spans: list[Made] = []
        self._last_id = 0

    def serve(self, trace: int, at_ms: float) -> None:
        """One request of a user, with everything that follows from it."""
        span, _ = self._work("gateway", trace, 0, at_ms, 0)
        self.truth.call((USER, "", Service("", "", "gateway"), span.zone, "http"), span.start + span.took,
                        span.status == ERROR, None, span.took)

    def _id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _work(self, service: str, trace: int, parent: int, at_ms: float, depth: int) -> tuple[Made, float]:
        """A server span, everything it calls one after the other, and when it ended."""
        id_, zone, own_ms, now, failed_child = self._id(), self.random.choice(ZONES), 0.0, at_ms, False
        inside = self._internal(service, trace, id_, zone, at_ms) if self.random.random() < 0.3 else id_
        for _ in range(self.random.randrange(4) if depth < len(CHAIN) - 1 else 0):
            pause = self.random.randrange(1, 20)
            own_ms, now = own_ms + pause, now + pause
            call = self.random.choice((self._rpc, self._rpc, self._store, self._mail, self._publish))
            now, failed = call(service, zone, trace, inside, now, depth)
            failed_child = failed_child or failed
        rest = self.random.randrange(1, 30)
        failed = failed_child or self.random.random() < 0.05
        name = f"{service}-{self.random.randrange(3)}"
        span = Made(service, id_, parent, SERVER, at_ms, now + rest - at_ms, name, trace, zone, f"{service}-{zone}",
                    ERROR if failed else UNSET, attributes={"http.request.method": "GET"})
        self.spans.append(span)
        self.truth.work(span, failed, own_ms + rest, failed_child)
        return span, now + rest

    def _internal(self, service: str, trace: int, parent: int, zone: str, at_ms: float) -> int:
        id_ = self._id()
        self.spans.append(Made(service, id_, parent, INTERNAL, at_ms, 1, "inside", trace, zone, f"{service}-{zone}"))
        return id_

    def _client(self, service: str, zone: str, trace: int, parent: int, start: float, end: float, failed: bool,
                attributes: dict, kind: int = CLIENT) -> int:
        id_ = self._id()
        self.spans.append(Made(service, id_, parent, kind, start, end - start, "call", trace, zone, f"{service}-{zone}",
                               ERROR if failed else UNSET, attributes=attributes))
        return id_

    def _rpc(self, service: str, zone: str, trace: int, parent: int, at: float, depth: int) -> tuple[float, bool]:
        there, back = self.random.randrange(1, 5), self.random.randrange(1, 5)
        client = self._id()
        span, ended = self._work(CHAIN[depth + 1], trace, client, at + there, depth + 1)
        failed = span.status == ERROR or self.random.random() < 0.05
        self.spans.append(Made(service, client, parent, CLIENT, at, ended + back - at, "call", trace, zone,
                               f"{service}-{zone}", ERROR if failed else UNSET, attributes={"rpc.system": "grpc"}))
        edge = (Service("", "", service), zone, Service("", "", span.service), span.zone, "http")
        self.truth.call(edge, ended + back, failed, ended + back - at, span.took)
        return ended + back, failed

    def _leaf(self, target: Service, protocol: str, attributes: dict, kind: int = CLIENT) -> Callable:
        def call(service: str, zone: str, trace: int, parent: int, at: float, _: int) -> tuple[float, bool]:
            end, failed = at + self.random.randrange(1, 50), self.random.random() < 0.1
            id_ = self._client(service, zone, trace, parent, at, end, failed, attributes, kind)
            self.truth.call((Service("", "", service), zone, target, "", protocol), end, failed, end - at, None)
            if target is QUEUE:
                self._consume(trace, id_, end)
            return end, failed

        return call

    def _store(self, *call: object) -> tuple[float, bool]:
        return self._leaf(DATABASE, "postgresql", {"db.system.name": "postgresql", "db.namespace": "accounts"})(*call)

    def _mail(self, *call: object) -> tuple[float, bool]:
        return self._leaf(MAIL, "http", {"server.address": "mail.example", "http.request.method": "POST"})(*call)

    def _publish(self, *call: object) -> tuple[float, bool]:
        return self._leaf(QUEUE, "kafka", QUEUED, PRODUCER)(*call)

    def _consume(self, trace: int, producer: int, at_ms: float) -> None:
        """A message is taken from the queue in a trace of its own, known by its link or by its destination."""
        linked = self.random.random() < 0.5
        start, took = at_ms + self.random.randrange(500), self.random.randrange(1, 100)
        failed = self.random.random() < 0.1
        span = Made("mailer", self._id(), 0, CONSUMER, start, took, "consume", 10**6 + self._last_id, "east",
                    "mailer-east", ERROR if failed else UNSET, (trace, producer) if linked else None,
                    attributes={"messaging.system": "kafka"} if linked else QUEUED)
        self.spans.append(span)
        self.truth.work(span, failed, took, False)
        self.truth.call((QUEUE, "", Service("", "", "mailer"), "east", "kafka"), start + took, failed, None, took)


def delivered(bank: Bank, resent: float) -> list[tuple[int, list[Made]]]:
    """Every span up to 20 s after it ended, some a second time, in batches of any order."""
    random = bank.random
    arrivals = []
    for span in bank.spans:
        at_ms = span.start + max(span.took, 0) + random.uniform(0, 20_000)
        arrivals.append((at_ms, span))
        if random.random() < resent:
            arrivals.append((at_ms + random.uniform(0, 5_000), span))
    batches: dict[int, list[Made]] = defaultdict(list)
    for at_ms, span in arrivals:
        batches[int(at_ms // 250)].append(span)
    for batch in batches.values():
        random.shuffle(batch)
    return [(tick * 250 * 10**6, batch) for tick, batch in sorted(batches.items())]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_call_is_counted_exactly(seed):
    """Every call, error, time and bucket of every series and window equals what was written down."""
    bank = Bank(seed)
    for trace in range(1, 1_000):
        bank.serve(trace, trace * 150)
    run = Counted()
    for after_ns, spans in delivered(bank, resent=0.1):
        run.take(spans, after_ns).harvest()
    figures = run.finish()
    truth = bank.truth
    seen = {cell: (found["counts"].tolist(), found["buckets"]) for cell, found in figures.items()}
    assert seen == {cell: (truth.counts[cell], buckets(truth.latencies[cell])) for cell in truth.counts}
    counters = run.pairing.counters()
    assert counters["spans"] == len(bank.spans)
    assert counters["lost_parents"] == counters["unnamed_targets"] == counters["pending"] == 0
    assert counters["duplicates"] > 0.05 * len(bank.spans)


def buckets(latencies: Counter[int]) -> dict[int, float]:
    """Latencies as a histogram."""
    found: Counter[int] = Counter()
    for duration_us, n in latencies.items():
        found[int(LADDER.bucket(duration_us))] += n
    return {bucket: float(n) for bucket, n in found.items()}
