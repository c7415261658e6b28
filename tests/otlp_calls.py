"""Calls of the OTLP/gRPC receiver over a bare channel, with any bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.otlp.grpc_server import METHODS
from collectors.otlp.receiver import OtlpReceiver

TRACES, LOGS, METRICS = METHODS
KIB = 1 << 10
SPANS = [{"name": "x" * 100}]
BODY = ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": SPANS}]}]).SerializeToString()


@contextmanager
def channel(receiver: OtlpReceiver) -> Iterator[grpc.Channel]:
    """A connection of its own."""
    with grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as one:
        yield one


def export(receiver: OtlpReceiver, body: bytes = BODY, method: str = TRACES, **more: Any) -> bytes:
    """One call with any bytes; the bytes of the answer."""
    with channel(receiver) as connection:
        answer: bytes = connection.unary_unary(method)(body, timeout=20, **more)
        return answer


def refused(receiver: OtlpReceiver, body: bytes = BODY, method: str = TRACES, **more: Any) -> grpc.RpcError:
    """One call that must fail; its error."""
    with pytest.raises(grpc.RpcError) as failure:
        export(receiver, body, method, **more)
    return failure.value


def details(error: Any) -> Status | None:
    """The google.rpc.Status in the trailing metadata, or None."""
    found = dict(error.trailing_metadata()).get("grpc-status-details-bin")
    return Status.FromString(found) if found is not None else None


def request_of(size: int) -> bytes:
    """A valid request of so many bytes."""
    request = ExportTraceServiceRequest(resource_spans=[{"schema_url": "u" * (size - 20)}])
    request.resource_spans[0].schema_url += "u" * (size - request.ByteSize())
    return request.SerializeToString()
