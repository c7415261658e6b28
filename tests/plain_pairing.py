"""The pairing rules a second time: plain Python objects and dictionaries over the protobuf classes, slow and simple.

Written from the rules in `docs/pairing.md`, sharing nothing with the compiled kernels but the words of the model
and the choice of a target. It judges them in the tests and is the loop they are measured against.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from plain_spans import CLIENT, CONSUMER, KINDLESS, PRODUCER, SERVER, Span, read_body

from topology.model import EdgeKey, InstanceKey, Kind, OperationKey, SeriesKey, Service, Side
from topology.pairing.targets import target

WINDOW_S = 10
LATE_NS = 3600 * 10**9
AHEAD_NS = 5 * 10**9
RECEIVING = ("receive", "settle", "poll")


@dataclass
class Figures:
    """What is counted about one series in one window; every latency is kept, in microseconds, with its weight."""

    calls: float = 0.0
    errors: float = 0.0
    originated: float = 0.0
    protected: float = 0.0
    total: float = 0.0
    self_total: float = 0.0
    observed: float = 0.0
    latencies: Counter[int] = field(default_factory=Counter)

    def add_call(self, failed: bool, protected: bool, weight: float, sign: int = 1) -> None:
        """One call more, or with `sign` -1 one less; a protected call is no error."""
        self.calls += sign * weight
        self.observed += sign
        self.protected += sign * weight if protected else 0.0
        self.errors += sign * weight if failed and not protected else 0.0

    def add_latency(self, duration_us: int, weight: float, sign: int = 1) -> None:
        """The duration of that call."""
        self.total += sign * weight * duration_us
        self.latencies[duration_us] += sign * weight


@dataclass(eq=False, slots=True)
class Waiting:
    """A span of the last seconds, and what became of it so far."""

    span: Span
    arrived_ms: int
    window_s: int | None
    inbound: bool
    calls: bool
    undecided: bool
    weight: float
    target: Service | None
    by_link: bool = False
    to_queue: bool = False
    root: bool = False
    children: list[Waiting] = field(default_factory=list)
    paired: bool = False
    virtual: bool = False
    sourced: bool = False
    gone: bool = False

    @property
    def parent(self) -> tuple[bytes, bytes] | None:
        """Whose child it is: its link's where that is followed, else its parent's; None for none or itself."""
        if self.by_link:
            return self.span.link
        known = self.span.parent and self.span.parent != self.span.id
        return (self.span.trace, self.span.parent) if known else None

    @property
    def pending(self) -> bool:
        """Whether a partner is still to come."""
        return (self.calls and not self.paired and not self.virtual) or (self.inbound and not self.sourced)


class PlainPairing:
    """The rules over spans as they arrive. Results: `figures[series, window start]` and `counters`."""

    def __init__(self, horizon_ms: int = 30_000) -> None:
        self.figures: dict[tuple[SeriesKey, int], Figures] = {}
        self.counters: Counter[str] = Counter()
        self._horizon_ms = horizon_ms
        self._now_ns = 0
        self._known: dict[tuple[bytes, bytes], Waiting] = {}
        self._waiting_for: dict[tuple[bytes, bytes], list[Waiting]] = {}
        self._arrivals: deque[Waiting] = deque()
        self._answering: set[Service] = set()

    def take(self, spans: Iterable[Span], now_ns: int) -> None:
        """Spans that arrived together at `now_ns`."""
        self.advance(now_ns)
        for span in spans:
            self._arrive(span)

    def advance(self, now_ns: int) -> None:
        """What arrived longer ago than the horizon stops waiting."""
        self._now_ns = max(now_ns, self._now_ns)
        limit_ms = self._now_ns // 10**6 - self._horizon_ms
        while self._arrivals and self._arrivals[0].arrived_ms < limit_ms:
            self._expire(self._arrivals.popleft())

    def pending(self) -> int:
        """How many spans wait for a partner."""
        return sum(waiting.pending for waiting in self._arrivals)

    # A span arrives

    def _arrive(self, span: Span) -> None:
        key = (span.trace, span.id)
        if not span.trace or not span.id:
            self.counters["invalid"] += 1
        elif key in self._known:
            self.counters["duplicates"] += 1
        else:
            self.counters["spans"] += 1
            waiting = self._known[key] = self._classify(span)
            self._arrivals.append(waiting)
            self._count_arrival(waiting)
            self._seek_parent(waiting)
            # Of several children that came before their parent, the last to come is connected first.
            for child in reversed(self._waiting_for.pop(key, ())):
                if not child.gone:
                    self._connect(waiting, child)

    def _classify(self, span: Span) -> Waiting:
        calls, inbound = span.kind in (CLIENT, PRODUCER), span.kind in (SERVER, CONSUMER)
        waiting = Waiting(span, self._now_ns // 10**6, self._window(span.end_ns), inbound, calls,
                          span.kind == KINDLESS and bool(span.parent), span.weight, _target(span))
        waiting.root = not inbound and not span.parent
        if span.kind == CONSUMER:
            waiting.to_queue = bool(span.peer.destination)
            waiting.by_link = not waiting.to_queue and span.link is not None
        if calls:
            waiting.paired = span.kind == CLIENT and span.messaging_operation in RECEIVING
            waiting.to_queue = not waiting.paired and not span.peer.database and bool(span.peer.destination)
        return waiting

    def _window(self, end_ns: int) -> int | None:
        """The start of the window the span counts in; None when it came too late."""
        if end_ns > self._now_ns + AHEAD_NS:
            self.counters["ahead_of_time"] += 1
            end_ns = self._now_ns
        elif end_ns < self._now_ns - LATE_NS:
            self.counters["late"] += 1
            return None
        return end_ns // 10**9 // WINDOW_S * WINDOW_S

    def _count_arrival(self, waiting: Waiting) -> None:
        if waiting.inbound or waiting.root:
            self._count_work(waiting)
        if waiting.calls and not waiting.paired:
            at_once = waiting.span.peer.database and waiting.target not in self._answering
            if waiting.to_queue or at_once:
                self._count_virtual(waiting, 1)
        if waiting.inbound:
            self._find_source(waiting)

    def _find_source(self, server: Waiting) -> None:
        if server.to_queue:
            self._count_delivery(server.target, server)
        elif not server.span.parent and not server.by_link:
            server.sourced = True
            self.counters["root_calls"] += 1
            self._count_path(_virtual(server, "user", Kind.USER), "", server, server)

    def _seek_parent(self, child: Waiting) -> None:
        if child.parent is None:
            return
        parent = self._known.get(child.parent)
        if parent is None:
            self._waiting_for.setdefault(child.parent, []).append(child)
        else:
            self._connect(parent, child)

    # A span and its child have both arrived

    def _connect(self, parent: Waiting, child: Waiting) -> None:
        parent.children.append(child)
        if child.undecided:
            child.undecided = False
            if not _same_service(parent, child):
                child.inbound = True
                self._count_work(child)
        if child.inbound and not child.sourced:
            self._pair(parent, child)

    def _pair(self, parent: Waiting, child: Waiting) -> None:
        child.sourced = True
        if parent.to_queue and parent.calls:
            self._count_delivery(parent.target, child)
            return
        first = parent.calls and not parent.paired
        parent.paired = True
        if first and parent.target is not None:
            self._answering.add(parent.target)
        if first and parent.virtual:
            self._count_virtual(parent, -1)
            parent.virtual = False
        if not _same_service(parent, child):
            self.counters["pairs"] += 1
            self._count_pair(parent, child, first)

    def _count_pair(self, parent: Waiting, child: Waiting, first: bool) -> None:
        timed, caller, callee = parent if first else child, parent.span.resource, child.span.resource
        failed = child.span.failed or (parent.calls and parent.span.failed)
        protected = child.span.protected or (parent.calls and parent.span.protected)
        weight = max(parent.weight, child.weight)
        protocol = child.span.protocol or parent.span.protocol
        edge = (caller.service, caller.zone, callee.service, callee.zone, protocol)
        if timed.window_s is None:
            return
        client = self._of(EdgeKey(*edge), timed.window_s)
        client.add_call(failed, protected, weight)
        if first:
            client.add_latency(parent.span.duration_us, weight)
        self._of(EdgeKey(*edge, Side.SERVER), timed.window_s).add_latency(child.span.duration_us, weight)

    # A span stops waiting

    def _expire(self, waiting: Waiting) -> None:
        span = waiting.span
        waiting.gone = True
        del self._known[span.trace, span.id]
        if waiting.calls and not waiting.paired and not waiting.virtual:
            if waiting.target is None:
                self.counters["unnamed_targets"] += 1
            else:
                self._count_virtual(waiting, 1)
        if waiting.undecided:
            self.counters["lost_parents"] += 1
        if waiting.inbound and not waiting.sourced:
            self.counters["lost_parents"] += 1
            self._count_path(_virtual(waiting, "unknown", Kind.UNKNOWN), "", waiting, waiting)
        if waiting.inbound or waiting.root:
            self._count_self(waiting)
        self._forget_children(waiting)

    def _forget_children(self, waiting: Waiting) -> None:
        siblings = self._waiting_for.get(waiting.parent or (b"", b""), [])
        if siblings and all(sibling.gone for sibling in siblings):
            del self._waiting_for[waiting.parent or (b"", b"")]

    def _count_self(self, waiting: Waiting) -> None:
        if waiting.window_s is None:
            return
        span = waiting.span
        covered, child_failed = _children(waiting)
        figures = self._of(_operation(waiting), waiting.window_s)
        figures.self_total += waiting.weight * max(span.duration_us - _union_ns(covered) // 1000, 0)
        if span.failed and not span.protected and not child_failed:
            figures.originated += waiting.weight

    # What is counted

    def _of(self, key: SeriesKey, window_s: int) -> Figures:
        found = self.figures.get((key, window_s))
        if found is None:
            found = self.figures[key, window_s] = Figures()
        return found

    def _count_work(self, waiting: Waiting) -> None:
        if waiting.window_s is None:
            return
        span, resource = waiting.span, waiting.span.resource
        keys: list[SeriesKey] = [_operation(waiting)]
        if waiting.inbound and resource.instance:
            keys.append(InstanceKey(resource.service, resource.zone, resource.instance, resource.version))
        for key in keys:
            figures = self._of(key, waiting.window_s)
            figures.add_call(span.failed, span.protected, waiting.weight)
            figures.add_latency(span.duration_us, waiting.weight)

    def _count_virtual(self, client: Waiting, sign: int) -> None:
        client.virtual = True
        self.counters["virtual_calls"] += sign
        if client.window_s is None or client.target is None:
            return
        span = client.span
        caller = span.resource
        figures = self._of(EdgeKey(caller.service, caller.zone, client.target, "", span.protocol), client.window_s)
        figures.add_call(span.failed, span.protected, client.weight, sign)
        figures.add_latency(span.duration_us, client.weight, sign)

    def _count_delivery(self, queue: Service | None, consumer: Waiting) -> None:
        consumer.sourced = True
        if queue is not None:
            self._count_path(queue, "", consumer, consumer)

    def _count_path(self, caller: Service, zone: str, callee: Waiting, counted: Waiting) -> None:
        """A call that only its server saw."""
        if counted.window_s is None:
            return
        span, end = counted.span, callee.span.resource
        edge = (caller, zone, end.service, end.zone, span.protocol)
        self._of(EdgeKey(*edge), counted.window_s).add_call(span.failed, span.protected, counted.weight)
        self._of(EdgeKey(*edge, Side.SERVER), counted.window_s).add_latency(span.duration_us, counted.weight)


def plain_bytes(bodies: Iterable[tuple[int, bytes]], horizon_ms: int = 30_000) -> PlainPairing:
    """Everything counted about requests that arrived as (epoch ns, body) pairs, their horizon over."""
    pairing = PlainPairing(horizon_ms)
    now_ns = 0
    for now_ns, body in bodies:
        pairing.take(read_body(body), now_ns)
    pairing.advance(now_ns + (horizon_ms + 2) * 10**6)
    return pairing


def _same_service(a: Waiting, b: Waiting) -> bool:
    return a.span.resource.service == b.span.resource.service


def _virtual(waiting: Waiting, name: str, kind: Kind) -> Service:
    return Service(waiting.span.resource.service.environment, "", name, kind)


def _target(span: Span) -> Service | None:
    peer = span.peer
    if not (peer.service or peer.address or peer.database or peer.destination):
        return None
    return target(peer, span.resource.service.environment)


def _operation(waiting: Waiting) -> OperationKey:
    resource = waiting.span.resource
    return OperationKey(resource.service, resource.zone, waiting.span.name or "other", waiting.root)


def _children(parent: Waiting) -> tuple[list[tuple[int, int]], bool]:
    """The time a span spent waiting for the calls it made, and whether one of them failed. Spans inside the service
    are looked through."""
    covered, failed = [], False
    open_ = list(parent.children)
    while open_:
        child = open_.pop()
        if child.by_link:
            continue
        if child.calls or child.inbound or not _same_service(parent, child):
            failed = failed or child.span.failed or child.span.protected
            start_ns = max(child.span.start_ns, parent.span.start_ns)
            covered.append((start_ns, min(child.span.last_ns, parent.span.last_ns)))
        else:
            open_ += child.children
    return covered, failed


def _union_ns(intervals: list[tuple[int, int]]) -> int:
    covered = reached = 0
    for start, end in sorted(intervals):
        covered += max(0, end - max(start, reached))
        reached = max(reached, end)
    return covered
