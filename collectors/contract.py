"""What a collector is: a listener hands over what it received, a puller answers when it is asked for some minutes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

from collectors.resources import Identify, identify
from topology.changes import Change
from topology.histogram import Ladder
from topology.model import SeriesKey, Service
from topology.registry import Instance

MINUTE_S = 60


class Signal(IntEnum):
    """The three OTLP signals; the number is written in the journal, so it never changes."""

    TRACES = 1
    LOGS = 2
    METRICS = 3


Body = bytes | memoryview
"""The bytes of a request, perhaps in memory that is used again for the next."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request: `ticket` orders it in the journal; `rejected` items were refused for good,
    for the reason in `message`."""

    ticket: int
    rejected: int = 0
    message: str = ""


class Intake(Protocol):
    """Takes whole requests from a listener. Thread-safe."""

    def take(self, signal: Signal, body: Body) -> Receipt:
        """Logs and counts one request, an uncompressed protobuf `Export*ServiceRequest`; a view is read only now.

        The sender may be answered only after `settle(receipt.ticket)`. Raises MalformedInput for bytes that are
        no such request and Overloaded when a bound is reached; in both cases nothing was counted.
        """
        ...

    def settle(self, ticket: int) -> None:
        """Returns when every request up to `ticket` would survive a crash of the process."""
        ...


class Receiver(Protocol):
    """A source that is listened to: what it takes in goes to an `Intake`."""

    name: str

    def start(self) -> None:
        """Listens; ConfigurationError when that is not possible."""
        ...

    def stop(self) -> None:
        """Refuses what comes new, answers what is under way, and ends; harmless when repeated."""
        ...

    def status(self) -> dict[str, Any]:
        """The row of the sources page: name, kind, state, rate_per_s, lag_s, last_error, last_seen, counters; and
        last_error_why, a `topology.errors.Why`, where that is known."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """What a source counted of one series in one minute: `counts` in the order of `topology.rollup.COUNTS`, `buckets`
    the calls by bucket of the latency ladder. The key's `source` is the collector's name in the configuration."""

    key: SeriesKey
    counts: tuple[float, float, float, float, float, float, float]
    buckets: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything a source says of the minute that begins at `start_s` (UTC epoch seconds): it takes the place of what
    the source said of that minute before. When not `complete`, series that are missing keep what was said of them,
    and what is shown of that minute is marked as partial. With `withheld` they keep it too, because it is not known yet
    what they are: nothing is missing for good, and nothing is marked."""

    start_s: int
    rows: Sequence[Row]
    complete: bool = True
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a puller brings: counts, changes that happened, spans (uncompressed `ExportTraceServiceRequest`s), and the
    registered instances as they are now (None: it knows of none). `faults` are troubles that did not keep it from
    answering, for the page of sources. `lines` are the newest error lines of these minutes, masked and few.

    Spans may be read from the source only while they are gone through, once: SourceUnavailable can come out of that,
    and only after it are `faults` whole, and `partial`, the minutes (their starts) of which spans are known to be
    missing. A span may come again with the next pull: it is counted once."""

    readings: Sequence[Reading] = ()
    spans: Iterable[bytes] = ()
    partial: Collection[int] = ()
    changes: Sequence[Change] = ()
    instances: Sequence[Instance] | None = None
    faults: Sequence[str] = ()
    lines: Sequence[FoundLine] = ()


Operations = Callable[[Collection[tuple[Service, str]]], Mapping[tuple[Service, str], str]]
"""Which operation a service did in a trace (its id), as far as that is known of the last minutes; from any thread."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a puller is given besides its configuration: the environment its services belong to when it does not say,
    the latency ladder in which calls are counted, how texts are masked, the time (UTC epoch seconds), which service
    resource attributes name, and which operations the services of traces did."""

    environment: str
    ladder: Ladder
    mask: Callable[[str], str]
    clock: Callable[[], float]
    identify: Identify = identify
    operations: Operations = lambda _asked: {}


class Puller(Protocol):
    """A source that is asked, by one thread at a time."""

    def pull(self, from_s: int, to_s: int) -> Pulled:
        """What the source knows of the whole minutes that begin in [from_s, to_s), UTC epoch seconds: a reading for
        every one of them that could be read. SourceUnavailable when nothing could be had at all."""
        ...

    def counters(self) -> Mapping[str, float]:
        """What is shown beside the source: requests made, rows read and whatever else tells its load."""
        ...

    def close(self) -> None:
        """Ends the use of the source."""
        ...


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """Which traces are wanted, newest first: those that start in [from_s, to_s), of a service as it is known to the
    source, at least `min_ms` long, with a failed span."""

    from_s: float
    to_s: float
    service: Service | None = None
    min_ms: float = 0.0
    failed_only: bool = False
    limit: int = 20


@dataclass(frozen=True, slots=True)
class FoundTrace:
    """A trace without its spans, as a search found it. `span_count` is None where the source does not say."""

    trace_id: str
    service: Service
    operation: str
    start_s: float
    duration_ms: float
    failed: bool
    span_count: int | None = None


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """One span, masked. `kind` is client, server, producer, consumer or internal."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: Service
    operation: str
    kind: str
    start_ns: int
    end_ns: int
    failed: bool
    zone: str = ""
    instance: str = ""
    status_message: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenedTrace:
    """A whole trace. Not `complete` when the source is known to have left something out."""

    spans: Sequence[FoundSpan]
    complete: bool = True


class TraceFinder(Protocol):
    """A source that can be searched for traces while a person waits; from any thread."""

    def find_traces(self, query: TraceQuery) -> Sequence[FoundTrace]:
        """The traces that match, newest first; SourceUnavailable when it cannot be asked."""
        ...

    def open_trace(self, trace_id: str) -> OpenedTrace | None:
        """One trace by the id the source gave, or by its 32 hexadecimal digits; None when it has none."""
        ...


@dataclass(frozen=True, slots=True)
class LineQuery:
    """Which log lines are wanted, newest first: of a service, a trace, a pattern (its id), at one of the levels,
    containing a text, with a time in [from_s, to_s)."""

    from_s: float
    to_s: float
    service: Service | None = None
    trace_id: str = ""
    pattern: str = ""
    levels: Sequence[str] = ()
    text: str = ""
    limit: int = 200


@dataclass(frozen=True, slots=True)
class FoundLine:
    """One log line, masked. `place` names it in its source for good (an index and a document's id)."""

    time_s: float
    service: Service
    level: str
    body: str
    trace_id: str = ""
    span_id: str = ""
    instance: str = ""
    place: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


class LineFinder(Protocol):
    """A source that can be searched for log lines while a person waits; from any thread."""

    def find_lines(self, query: LineQuery, cancelled: Callable[[], bool]) -> Iterator[Sequence[FoundLine]]:
        """The lines that match, newest first, page by page until `limit` or until `cancelled` says so; an empty page
        says that it goes on. SourceUnavailable when it cannot be asked."""
        ...


class Inspectable(Protocol):
    """A source that can tell a person who sets it up how it is read."""

    def inspect(self) -> Iterator[str]:
        """What answers there and how it is read, a line each, masked; SourceUnavailable when it cannot be asked."""
        ...
