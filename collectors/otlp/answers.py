"""What a sender is told, in the encoding it spoke: export responses and google.rpc.Status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from collectors.contract import Receipt, Signal
from collectors.receiving.refusal import Refusal

MAX_MESSAGE_CHARS = 1000
"""Keeps every answer far below the 4 MiB a server may answer (OTLP 1.11)."""

_RESPONSES: Mapping[Signal, type[Message]] = {
    Signal.TRACES: trace_service_pb2.ExportTraceServiceResponse,
    Signal.LOGS: logs_service_pb2.ExportLogsServiceResponse,
    Signal.METRICS: metrics_service_pb2.ExportMetricsServiceResponse,
}
_REJECTED = {
    Signal.TRACES: ("rejected_spans", "rejectedSpans"),
    Signal.LOGS: ("rejected_log_records", "rejectedLogRecords"),
    Signal.METRICS: ("rejected_data_points", "rejectedDataPoints"),
}


def sendable(message: str) -> str:
    """A message may quote the sender's bytes: cut, and without half characters, which no encoding carries."""
    return message[:MAX_MESSAGE_CHARS].encode("utf-8", "replace").decode()


def export_protobuf(signal: Signal, receipt: Receipt) -> bytes:
    """An Export response; `partial_success` is set only when something was refused or there is a warning."""
    if not receipt.rejected and not receipt.message:
        return b""
    partial = {_REJECTED[signal][0]: receipt.rejected, "error_message": sendable(receipt.message)}
    response: bytes = _RESPONSES[signal](partial_success=partial).SerializeToString()
    return response


def export_json(signal: Signal, receipt: Receipt) -> bytes:
    """The same as OTLP/JSON; 64-bit numbers are strings there."""
    if not receipt.rejected and not receipt.message:
        return b"{}"
    partial: dict[str, Any] = {"errorMessage": sendable(receipt.message)}
    if receipt.rejected:
        partial[_REJECTED[signal][1]] = str(receipt.rejected)
    return json.dumps({"partialSuccess": partial}).encode()


def status_protobuf(refusal: Refusal) -> bytes:
    """A google.rpc.Status, with RetryInfo when the request is welcome later."""
    status = Status(code=refusal.code, message=sendable(refusal.message))
    if refusal.retry_after_s is not None:
        nanos = round(refusal.retry_after_s * 1e9)
        delay = Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    encoded: bytes = status.SerializeToString()
    return encoded


def status_json(refusal: Refusal) -> bytes:
    """A google.rpc.Status as JSON."""
    return json.dumps({"code": refusal.code, "message": sendable(refusal.message)}).encode()
