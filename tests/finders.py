"""Sources that can be searched and whose answers are fixed, over the real contract: also slow ones and broken ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from collectors.contract import (
    FoundLine,
    FoundSpan,
    FoundTrace,
    LineQuery,
    OpenedTrace,
    Pulled,
    TraceQuery,
)
from topology.model import Service

AT_S = 1_767_254_400.0
LEDGER, ORDERS = Service("prod", "bank", "ledger"), Service("prod", "", "orders")


class Source:
    """A source that is asked and answers nothing; `asked` tells how it was searched."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def pull(self, from_s: int, to_s: int) -> Pulled:
        """Nothing."""
        return Pulled()

    def counters(self) -> Mapping[str, float]:
        """None."""
        return {}

    def close(self) -> None:
        """Nothing to end."""


class Traces(Source):
    """A source that has these traces; what is in `opened` by id can be opened."""

    def __init__(self, *found: FoundTrace, opened: Mapping[str, OpenedTrace] | None = None) -> None:
        super().__init__()
        self.found, self.opened = found, dict(opened or {})

    def find_traces(self, query: TraceQuery) -> Sequence[FoundTrace]:
        """Those that match."""
        self.asked.append(query)
        fits = [one for one in self.found if query.from_s <= one.start_s < query.to_s
                and query.service in (None, one.service) and one.duration_ms >= query.min_ms
                and (one.failed or not query.failed_only)]
        return sorted(fits, key=lambda one: -one.start_s)[: query.limit]

    def open_trace(self, trace_id: str) -> OpenedTrace | None:
        """That one."""
        self.asked.append(trace_id)
        return self.opened.get(trace_id)


class Lines(Source):
    """A source that has these log lines and hands them out one by one; the next one only while it may `go` on."""

    def __init__(self, *found: FoundLine) -> None:
        super().__init__()
        self.found: Sequence[FoundLine] = found
        self.go = threading.Event()
        self.go.set()
        self.over = threading.Event()  # set when a search has ended

    def find_lines(self, query: LineQuery, cancelled: Callable[[], bool]) -> Iterator[Sequence[FoundLine]]:
        """Those of the service, the trace and the time."""
        self.asked.append(query)
        fits = [one for one in self.found if query.trace_id in ("", one.trace_id)
                and query.service in (None, one.service) and query.from_s <= one.time_s < query.to_s]
        try:
            for line in sorted(fits, key=lambda one: -one.time_s)[: query.limit]:
                yield [line]
                self.go.wait(20)
                if cancelled():
                    return
        finally:
            self.over.set()


class Slow(Traces):
    """A source that answers when it is let go."""

    def __init__(self, *found: FoundTrace, opened: Mapping[str, OpenedTrace] | None = None) -> None:
        super().__init__(*found, opened=opened)
        self.go = threading.Event()

    def find_traces(self, query: TraceQuery) -> Sequence[FoundTrace]:
        """Later."""
        self.go.wait(20)
        return super().find_traces(query)

    def open_trace(self, trace_id: str) -> OpenedTrace | None:
        """Later."""
        self.go.wait(20)
        return super().open_trace(trace_id)


class Failing(Traces):
    """A source whose every answer is this error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def find_traces(self, query: TraceQuery) -> Sequence[FoundTrace]:
        """Fails."""
        raise self.error

    def open_trace(self, trace_id: str) -> OpenedTrace | None:
        """Fails."""
        raise self.error


class FailingLines(Source):
    """A source of lines that gives one page and then this error."""

    def __init__(self, error: Exception, *found: FoundLine) -> None:
        super().__init__()
        self.error, self.found = error, found

    def find_lines(self, query: LineQuery, cancelled: Callable[[], bool]) -> Iterator[Sequence[FoundLine]]:
        """What there is, then the error."""
        yield self.found
        raise self.error


def found(trace_id: str, ago_s: float = 60.0, service: Service = LEDGER, **changes: object) -> FoundTrace:
    """A trace that was found."""
    made = {"operation": "POST /entries", "duration_ms": 120.0, "failed": False, "span_count": 2} | changes
    return FoundTrace(trace_id, service, start_s=AT_S - ago_s, **made)  # type: ignore[arg-type]


def span(span_id: str, parent_id: str | None, start_ms: float, duration_ms: float, service: Service = LEDGER,
         **changes: object) -> FoundSpan:
    """A span of a trace that began a minute ago."""
    start_ns = int((AT_S - 60) * 1e9 + start_ms * 1e6)
    made = {"operation": f"do {span_id}", "kind": "server", "failed": False} | changes
    return FoundSpan("t1", span_id, parent_id, service, start_ns=start_ns,
                     end_ns=start_ns + int(duration_ms * 1e6), **made)  # type: ignore[arg-type]


def line(body: str, ago_s: float = 60.0, trace_id: str = "t1", **changes: object) -> FoundLine:
    """A log line of the ledger."""
    made = {"service": LEDGER, "level": "error"} | changes
    return FoundLine(AT_S - ago_s, body=body, trace_id=trace_id, **made)  # type: ignore[arg-type]
