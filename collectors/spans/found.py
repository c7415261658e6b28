"""Spans of an OTLP message as they are shown to a person: as text, masked and bounded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from collectors.contract import Context, FoundSpan, FoundTrace
from topology.model import Resource

KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
MOST_ATTRIBUTES, MOST_TEXT = 64, 1024
Mask = Callable[[str], str]


def found_spans(body: bytes, context: Context) -> Iterator[FoundSpan]:
    """Every span of an `ExportTraceServiceRequest` that has ids; none for bytes that are no such request."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return
    for group in request.resource_spans:
        sender = _sender(_texts(group.resource.attributes), context)
        for scope in group.scope_spans:
            yield from (_span(span, sender, context.mask) for span in scope.spans if span.trace_id and span.span_id)


def _sender(attributes: Mapping[str, str], context: Context) -> Resource:
    """Who sent it, in the environment of this product when it names none."""
    found = context.identify(attributes)
    service = replace(found.service, environment=found.service.environment or context.environment)
    return replace(found, service=service)


def _span(span: Span, sender: Resource, mask: Mask) -> FoundSpan:
    attributes = {_shown(key, mask): _shown(value, mask) for key, value in _texts(span.attributes).items()}
    for event in span.events:
        attributes |= {key: _shown(value, mask) for key, value in _texts(event.attributes).items()
                       if key.startswith("exception.")}
    return FoundSpan(
        span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex() or None, sender.service,
        _shown(span.name, mask), KINDS[span.kind] if 0 <= span.kind < len(KINDS) else KINDS[0],
        span.start_time_unix_nano, span.end_time_unix_nano, span.status.code == Status.STATUS_CODE_ERROR,
        sender.zone, sender.instance, _shown(span.status.message, mask),
        dict(list(attributes.items())[:MOST_ATTRIBUTES]),
    )


def _shown(text: str, mask: Mask) -> str:
    return mask(text[:MOST_TEXT])


def _texts(attributes: Iterable[Any]) -> dict[str, str]:
    return {one.key: _text(one.value) for one in attributes}


def _text(value: Any) -> str:
    held = _plain(value)
    return held if isinstance(held, str) else "" if held is None else json.dumps(held, ensure_ascii=False)


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _plain(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return f"<{len(value.bytes_value)} bytes>"
    return getattr(value, kind) if kind else None


def traces_of(spans: Iterable[FoundSpan]) -> Mapping[str, list[FoundSpan]]:
    """Spans by trace, each trace in the order of time."""
    found: dict[str, list[FoundSpan]] = {}
    for span in spans:
        found.setdefault(span.trace_id, []).append(span)
    return {trace: sorted(own, key=lambda span: (span.start_ns, span.span_id)) for trace, own in found.items()}


def summary(spans: Sequence[FoundSpan], whole: bool = True) -> FoundTrace:
    """A trace by its spans, which are in the order of time: it is named after the first one without a parent among
    them. Not `whole`: only some of its spans are known."""
    known = {span.span_id for span in spans}
    root = next((span for span in spans if span.parent_id is None or span.parent_id not in known), spans[0])
    end_ns = max(span.end_ns for span in spans)
    return FoundTrace(root.trace_id, root.service, root.operation, spans[0].start_ns / 1e9,
                      (end_ns - spans[0].start_ns) / 1e6, any(span.failed for span in spans),
                      len(spans) if whole else None)
