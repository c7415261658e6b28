"""Log requests to what is kept of them: counts by service, level and window, and the newest error lines, masked."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from collectors.log_records import ERRORS, level_of, masked_body
from collectors.otlp.resources import identify as identify_resource
from collectors.otlp.values import NANOS, moment, parse, text, texts
from topology.masking import mask as mask_text
from topology.model import LogKey, Resource, Service

WINDOW_S = 10
KEPT_LINES = 100
TRACE_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class LogLine:
    """One error line. `trace_id` and `span_id` are lower-case hex or ""; `body` is masked and bounded."""

    time_s: float
    service: Service
    level: str
    body: str
    trace_id: str = ""
    span_id: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True)
class LogBatch:
    """What one request says: lines by (series, start of the 10 s window in epoch seconds), and error lines, newest
    first. `traced` are the error lines among them that name their trace (its 16 bytes)."""

    counts: Mapping[tuple[LogKey, int], int]
    errors: Sequence[LogLine]
    lines: int
    traced: Mapping[tuple[LogKey, int, bytes], int] = field(default_factory=dict)


@dataclass(slots=True)
class _Reader:
    received_s: float
    keep: int
    counts: Counter[tuple[LogKey, int]] = field(default_factory=Counter)
    traced: Counter[tuple[LogKey, int, bytes]] = field(default_factory=Counter)
    newest: list[tuple[int, int, LogRecord, Resource]] = field(default_factory=list)
    seen: int = 0

    def read(self, records: Sequence[LogRecord], sender: Resource) -> None:
        """Counts the records of one sender, and keeps the newest error lines."""
        for record in records:
            nanos = moment(record.time_unix_nano or record.observed_time_unix_nano, self.received_s)
            level = level_of(record.severity_number, record.severity_text)
            start_s = nanos // NANOS // WINDOW_S * WINDOW_S
            key = LogKey(sender.service, level)
            self.counts[key, start_s] += 1
            self.seen += 1
            if level in ERRORS and len(record.trace_id) == TRACE_ID_BYTES:
                self.traced[key, start_s, record.trace_id] += 1
            if level in ERRORS and self.keep:
                self._keep((nanos, self.seen, record, sender))

    def _keep(self, line: tuple[int, int, LogRecord, Resource]) -> None:
        if len(self.newest) < self.keep:
            heapq.heappush(self.newest, line)
        else:
            heapq.heappushpop(self.newest, line)


def read_logs(
    body: bytes, received_s: float, keep: int = KEPT_LINES, mask: Callable[[str], str] = mask_text,
    identify: Callable[[Mapping[str, str]], Resource] = identify_resource,
) -> LogBatch:
    """What is kept of an uncompressed ExportLogsServiceRequest; MalformedInput when it is none.

    A record without a time, or from the future, counts at `received_s` (epoch seconds). At most `keep`
    error lines are returned.
    """
    request = ExportLogsServiceRequest()
    parse(request, body)
    reader = _Reader(received_s, keep)
    for resource_logs in request.resource_logs:
        sender = identify(texts(resource_logs.resource.attributes))
        for scope_logs in resource_logs.scope_logs:
            reader.read(scope_logs.log_records, sender)
    errors = [
        _line(nanos, record, sender, mask)
        for nanos, _, record, sender in sorted(reader.newest, key=lambda line: line[:2], reverse=True)
    ]
    return LogBatch(reader.counts, errors, reader.seen, reader.traced)


def _line(nanos: int, record: LogRecord, sender: Resource, mask: Callable[[str], str]) -> LogLine:
    return LogLine(
        nanos / NANOS, sender.service, level_of(record.severity_number, record.severity_text),
        masked_body(_words(record), mask), record.trace_id.hex(), record.span_id.hex(), sender.instance,
    )


def _words(record: LogRecord) -> str:
    """The body; where that is empty, the exception or the event the record is about."""
    body = text(record.body)
    if body:
        return body
    found = texts(record.attributes)
    exception = [found[name] for name in ("exception.type", "exception.message") if found.get(name)]
    return ": ".join(exception) or record.event_name
