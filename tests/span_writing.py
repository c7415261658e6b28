"""Spans written down in a test, and the OTLP request bytes they travel in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from plain_spans import SERVER

NOW_NS = 1_800_000_005 * 10**9
"""When a test's first request arrives: in the middle of a window."""
MS = 10**6
SECOND = 10**9


@dataclass(frozen=True)
class Made:
    """A span in a test. Ids are numbers, 0 for none; times are milliseconds after `NOW_NS` minus one second."""

    service: str
    id: int
    parent: int = 0
    kind: int = SERVER
    start: float = 0.0
    took: float = 100.0
    name: str = "work"
    trace: int = 1
    zone: str = ""
    instance: str = ""
    status: int = 0
    link: tuple[int, int] | None = None
    links: tuple[tuple[int, int], ...] = ()
    trace_state: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, str] = field(default_factory=dict)

    @property
    def start_ns(self) -> int:
        """When it started, epoch nanoseconds."""
        return NOW_NS - SECOND + round(self.start * MS)

    @property
    def end_ns(self) -> int:
        """When it ended, epoch nanoseconds."""
        return self.start_ns + round(self.took * MS)

    def resource_attributes(self) -> dict[str, str]:
        """Who made it, as resource attributes."""
        named = {"service.name": self.service, "cloud.availability_zone": self.zone,
                 "service.instance.id": self.instance}
        return {key: value for key, value in (named | dict(self.resource)).items() if value}


def trace_id(number: int) -> bytes:
    """The trace id a test means by a number."""
    return number.to_bytes(16, "big")


def span_id(number: int) -> bytes:
    """The span id a test means by a number; 0 is no id."""
    return number.to_bytes(8, "big") if number else b""


def body(spans: Iterable[Made]) -> bytes:
    """The request that carries these spans, in this order."""
    request = ExportTraceServiceRequest()
    for resource, group in groupby(spans, Made.resource_attributes):
        resource_spans = request.resource_spans.add()
        _set_attributes(resource_spans.resource.attributes, resource)
        scope = resource_spans.scope_spans.add()
        for span in group:
            _write(scope.spans.add(), span)
    return request.SerializeToString()


def _write(message: Any, span: Made) -> None:
    message.trace_id, message.span_id = trace_id(span.trace), span_id(span.id)
    message.parent_span_id, message.name, message.kind = span_id(span.parent), span.name, span.kind
    message.start_time_unix_nano, message.end_time_unix_nano = span.start_ns, max(span.end_ns, 0)
    message.trace_state, message.status.code = span.trace_state, span.status
    for trace, linked in ((span.link,) if span.link else ()) + span.links:
        message.links.add(trace_id=trace_id(trace), span_id=span_id(linked))
    _set_attributes(message.attributes, span.attributes)


def _set_attributes(attributes: Any, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        pair = attributes.add(key=key)
        if isinstance(value, str):
            pair.value.string_value = value
        else:
            pair.value.int_value = value
