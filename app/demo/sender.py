"""Turns planned journeys into spans, log lines and saturation metrics of the OpenTelemetry SDK and sends them.

The clock is an argument everywhere: spans get the times of the plan, and go out once they have ended.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, Status, StatusCode

from app.demo.bank import Bank
from app.demo.conventions import Conventions, failed
from app.demo.simulate import Ending, Journey, Place, SpanPlan

SCOPE = "synoptic.demo"
_BATCH = 512
_KEPT_SPANS, _KEPT_LINES = 40_000, 2_000
_EXPORT_TIMEOUT_S = 5.0


class Wire(Protocol):
    """Where finished telemetry goes; every method says whether it was taken."""

    def spans(self, batch: Sequence[ReadableSpan]) -> bool:
        """Sends spans."""
        ...

    def lines(self, batch: Sequence[ReadableLogRecord]) -> bool:
        """Sends log lines."""
        ...

    def metrics(self, data: MetricsData) -> bool:
        """Sends metrics."""
        ...

    def close(self) -> None:
        """Ends waiting sends and lets go of the connection."""
        ...


class GrpcWire:
    """The OTLP exporters of the SDK towards one gRPC address, such as `http://127.0.0.1:4317`."""

    def __init__(self, endpoint: str, timeout_s: float = _EXPORT_TIMEOUT_S) -> None:
        plain = not endpoint.startswith("https://")
        self._spans = OTLPSpanExporter(endpoint, insecure=plain, timeout=timeout_s)
        self._lines = OTLPLogExporter(endpoint, insecure=plain, timeout=timeout_s)
        self._metrics = OTLPMetricExporter(endpoint, insecure=plain, timeout=timeout_s)

    def spans(self, batch: Sequence[ReadableSpan]) -> bool:
        """Sends spans; False when nobody took them within the time-out."""
        return self._spans.export(batch) is SpanExportResult.SUCCESS

    def lines(self, batch: Sequence[ReadableLogRecord]) -> bool:
        """Sends log lines; False when nobody took them."""
        return self._lines.export(batch) is LogRecordExportResult.SUCCESS

    def metrics(self, data: MetricsData) -> bool:
        """Sends metrics; False when nobody took them."""
        return self._metrics.export(data) is MetricExportResult.SUCCESS

    def close(self) -> None:
        """Closes the channels; a send that waits to try again gives up."""
        for exporter in (self._spans, self._lines, self._metrics):
            exporter.shutdown()


class _Outbox(SpanProcessor, LogRecordProcessor):
    """What the SDK finished and nobody has taken yet; bounded, the oldest goes first."""

    def __init__(self) -> None:
        self.spans: deque[ReadableSpan] = deque(maxlen=_KEPT_SPANS)
        self.lines: deque[ReadableLogRecord] = deque(maxlen=_KEPT_LINES)
        self.dropped_spans = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Keeps a finished span until it is sent."""
        self.dropped_spans += len(self.spans) == _KEPT_SPANS
        self.spans.append(span)

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Keeps a log line until it is sent."""
        self.lines.append(ReadableLogRecord(
            log_record=log_record.log_record, resource=log_record.resource or Resource.get_empty(),
            instrumentation_scope=log_record.instrumentation_scope, limits=log_record.limits,
        ))

    def shutdown(self) -> None:
        """Nothing to end: the sender owns the wire."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: the sender flushes."""
        return True


class _Instance:
    """Tracer and logger of one running instance of a service, each of a provider of its own."""

    __slots__ = ("logger", "resource", "tracer")

    def __init__(self, resource: Resource, outbox: _Outbox) -> None:
        self.resource = resource
        tracers = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        tracers.add_span_processor(outbox)
        loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        loggers.add_log_record_processor(outbox)
        self.tracer, self.logger = tracers.get_tracer(SCOPE), loggers.get_logger(SCOPE)


class Sender:
    """Sends journeys over a wire. Used by one thread."""

    def __init__(self, bank: Bank, wire: Wire, environment: str = "prod") -> None:
        self._wire, self._conventions = wire, Conventions(bank, environment)
        self._outbox = _Outbox()
        self._instances: dict[Place, _Instance] = {}
        self._open: list[tuple[int, int, trace.Span, SpanPlan]] = []  # a heap by the time of the end
        self._order = itertools.count()
        self.sent_spans = 0

    @property
    def waiting(self) -> int:
        """Finished spans that nobody has taken yet."""
        return len(self._outbox.spans)

    @property
    def dropped(self) -> int:
        """Spans given up because too many were waiting."""
        return self._outbox.dropped_spans

    def resources(self) -> list[tuple[Place, Resource]]:
        """The instances that have sent something."""
        return [(place, instance.resource) for place, instance in self._instances.items()]

    def begin(self, journeys: Iterable[Journey]) -> None:
        """Starts the spans of the journeys; they end when `finish` reaches their time."""
        for journey in journeys:
            begun: list[trace.Span] = []
            for span in journey.spans:
                begun.append(self._start(span, begun))
                heapq.heappush(self._open, (span.end_us, next(self._order), begun[-1], span))

    def finish(self, until_us: int) -> None:
        """Ends the spans whose end lies at or before `until_us`."""
        while self._open and self._open[0][0] <= until_us:
            end_us, _, started, span = heapq.heappop(self._open)
            if failed(span):
                self._fail(started, span)
            started.end(end_us * 1000)

    def flush(self, most: int = 64) -> bool:
        """Sends what has ended, up to `most` batches; False when the other side does not take it (it is kept)."""
        for _ in range(most):
            batch = list(itertools.islice(self._outbox.spans, _BATCH))
            if batch and not self._wire.spans(batch):
                return False
            self.sent_spans += len(batch)
            _forget(self._outbox.spans, len(batch))
            if len(batch) < _BATCH:
                break
        lines = list(self._outbox.lines)
        if lines and self._wire.lines(lines):
            _forget(self._outbox.lines, len(lines))
        return True

    def measure(self, data: MetricsData) -> bool:
        """Sends metrics at once; a lost reading is followed by the next."""
        return self._wire.metrics(data)

    def close(self) -> None:
        """Lets go of the wire."""
        self._wire.close()

    def _start(self, span: SpanPlan, begun: Sequence[trace.Span]) -> trace.Span:
        place = self._instance(span.place)
        name, kind, attributes = self._conventions.described(
            span.place.service, span.role, span.operation, span.peer
        )
        context = trace.set_span_in_context(begun[span.parent], Context()) if span.parent >= 0 else Context()
        links = [Link(begun[span.link].get_span_context())] if span.link >= 0 else None
        return place.tracer.start_span(
            name, context, kind, {**attributes, **self._conventions.outcome(span)}, links, span.start_us * 1000
        )

    def _fail(self, started: trace.Span, span: SpanPlan) -> None:
        """Marks a span as failed; where the trouble began there is an exception and a line in the log too."""
        outcome, time_ns = span.outcome, span.end_us * 1000
        started.set_status(Status(StatusCode.ERROR, outcome.message or None))
        if not outcome.error:
            return
        happened = {"exception.type": outcome.error, "exception.message": outcome.message}
        started.add_event("exception", happened, time_ns)
        guarded = outcome.ending is Ending.NOT_PERMITTED
        self._instance(span.place).logger.emit(LogRecord(
            timestamp=time_ns, observed_timestamp=time_ns, context=trace.set_span_in_context(started, Context()),
            severity_number=SeverityNumber.WARN if guarded else SeverityNumber.ERROR,
            severity_text="WARN" if guarded else "ERROR",
            body=f"{span.operation} failed: {outcome.error}: {outcome.message}", attributes=happened,
        ))

    def _instance(self, place: Place) -> _Instance:
        instance = self._instances.get(place)
        if instance is None:
            instance = _Instance(Resource(self._conventions.resource(place)), self._outbox)
            self._instances[place] = instance
        return instance


def _forget(kept: deque[Any], count: int) -> None:
    for _ in range(count):
        kept.popleft()


def quiet_exporters() -> None:
    """Keeps the exporters from logging every failed try; the demo says in its own words that nobody answers."""
    logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter").setLevel(logging.CRITICAL)
