"""Segments to spans: what SkyWalking agents send as one OTLP request.

SkyWalking's trace data protocol v3.1: a segment holds the spans of one thread of one process; a span's parent is in its
segment, or its references lead to spans of other segments.
"""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from collectors.skywalking_segments.attributes import attributes, texts
from collectors.skywalking_segments.identity import is_hashed, span_id, trace_id
from collectors.skywalking_segments.protocol.skywalking_pb2 import (
    MQ,
    Entry,
    Exit,
    Log,
    SegmentObject,
    SegmentReference,
    SpanObject,
)
from collectors.skywalking_segments.senders import BySender, Fill

NANOS_PER_MS = 1_000_000
LAST_MS = (1 << 63) // NANOS_PER_MS - 1
_EXCEPTION = {"error.kind": "exception.type", "message": "exception.message", "stack": "exception.stacktrace"}


def traces_request(segments: Iterable[SegmentObject], fill: Fill) -> bytes:
    """The bytes of the ExportTraceServiceRequest with the spans of these segments, grouped by who sent them."""
    request = ExportTraceServiceRequest()
    senders = BySender(request.resource_spans.add, lambda block: block.scope_spans.add(), fill)
    for segment in segments:
        scope = senders.scope(segment)
        for span in segment.spans:
            _write(span, segment, scope.spans.add())
    return request.SerializeToString()


def nanos(epoch_ms: int) -> int:
    """Epoch milliseconds as nanoseconds; 0 for what no clock says."""
    return epoch_ms * NANOS_PER_MS if 0 < epoch_ms < LAST_MS else 0


def _write(span: SpanObject, segment: SegmentObject, made: Span) -> None:
    made.trace_id = trace_id(segment.traceId)
    made.span_id = span_id(segment.traceSegmentId, span.spanId)
    made.name = span.operationName
    made.kind = _kind(span)
    made.start_time_unix_nano, made.end_time_unix_nano = nanos(span.startTime), nanos(span.endTime)
    made.status.code = Status.STATUS_CODE_ERROR if span.isError else Status.STATUS_CODE_OK
    _write_origin(span, segment, made)
    _write_attributes(span, segment, made)
    for log in span.logs:
        _write_event(log, made)


def _kind(span: SpanObject) -> Span.SpanKind.ValueType:
    """What a span that is not to be analysed stands for is not a call: it only joins its parent and its children."""
    if span.skipAnalysis or span.spanType not in (Entry, Exit):
        return Span.SPAN_KIND_INTERNAL
    if span.spanLayer == MQ:
        return Span.SPAN_KIND_CONSUMER if span.spanType == Entry else Span.SPAN_KIND_PRODUCER
    return Span.SPAN_KIND_SERVER if span.spanType == Entry else Span.SPAN_KIND_CLIENT


def _write_origin(span: SpanObject, segment: SegmentObject, made: Span) -> None:
    """A reference is the parent of an inbound span, and where the segment has none. Where there are several (a consumer
    of a batch), all are links, in their order, because pairing follows the first link."""
    references = [reference for reference in span.refs if reference.parentTraceSegmentId]
    inbound = span.spanType == Entry or span.parentSpanId < 0
    if references and inbound and references[0].traceId in ("", segment.traceId):
        made.parent_span_id = _referred(references.pop(0) if len(references) == 1 else references[0])
    elif span.parentSpanId >= 0:
        made.parent_span_id = span_id(segment.traceSegmentId, span.parentSpanId)
    for reference in references:
        made.links.add(trace_id=trace_id(reference.traceId or segment.traceId), span_id=_referred(reference))


def _referred(reference: SegmentReference) -> bytes:
    return span_id(reference.parentTraceSegmentId, reference.parentSpanId)


def _write_attributes(span: SpanObject, segment: SegmentObject, made: Span) -> None:
    for key, value in attributes(span).items():
        written = made.attributes.add(key=key).value
        if isinstance(value, int):
            written.int_value = value
        else:
            written.string_value = value
    if is_hashed(segment.traceId):
        made.attributes.add(key="skywalking.trace_id").value.string_value = segment.traceId


def _write_event(log: Log, made: Span) -> None:
    told = texts(log.data)
    failed = "error.kind" in told
    event = made.events.add(time_unix_nano=nanos(log.time), name="exception" if failed else told.get("event", "log"))
    for key, value in told.items():
        event.attributes.add(key=_EXCEPTION.get(key, key) if failed else key).value.string_value = value
