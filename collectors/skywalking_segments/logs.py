"""Log lines of SkyWalking agents as one OTLP request."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from collectors.skywalking_segments.attributes import texts
from collectors.skywalking_segments.identity import span_id, trace_id
from collectors.skywalking_segments.protocol.skywalking_pb2 import LogData, LogDataBody
from collectors.skywalking_segments.senders import BySender, Fill
from collectors.skywalking_segments.spans import nanos


def logs_request(lines: Iterable[LogData], fill: Fill) -> bytes:
    """The bytes of the ExportLogsServiceRequest with these lines, grouped by who sent them."""
    request = ExportLogsServiceRequest()
    senders = BySender(request.resource_logs.add, lambda block: block.scope_logs.add(), fill)
    for line in lines:
        _write(line, senders.scope(line).log_records.add())
    return request.SerializeToString()


def _write(line: LogData, made: LogRecord) -> None:
    tags = texts(line.tags.data)
    made.time_unix_nano = nanos(line.timestamp)
    made.severity_text = tags.pop("level", "")
    made.body.string_value = _text(line.body)
    _write_context(line, made)
    if line.endpoint:
        tags["skywalking.endpoint"] = line.endpoint
    for key, value in tags.items():
        made.attributes.add(key=key).value.string_value = value


def _write_context(line: LogData, made: LogRecord) -> None:
    context = line.traceContext
    made.trace_id = trace_id(context.traceId)
    if context.traceId:
        made.span_id = span_id(context.traceSegmentId, context.spanId)


def _text(body: LogDataBody) -> str:
    """The one of text, JSON and YAML that is there."""
    return body.text.text or body.json.json or body.yaml.yaml
