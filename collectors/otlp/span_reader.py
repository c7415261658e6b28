"""Single spans out of request bytes, for people to read: names, times, attributes as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from collectors.otlp import values
from collectors.otlp.reference import parse, trace_key

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
MAX_ATTRIBUTES = 64
MAX_TEXT = 1024


@dataclass(frozen=True, slots=True)
class ReadSpan:
    """A span with ids in lower-case hex; `parent_id` is empty for a root. Texts are masked and bounded."""

    trace_id: str
    span_id: str
    parent_id: str
    operation: str
    kind: str
    start_ns: int
    end_ns: int
    failed: bool
    status_message: str
    attributes: dict[str, str]


def span_at(body: bytes, offset: int, mask: Callable[[str], str]) -> ReadSpan | None:
    """The span whose length prefix stands at `offset` of a request; None when it is not whole."""
    size, shift, at = 0, 0, offset
    while at < len(body) and shift < 64:
        byte = body[at]
        size |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
        if byte < 128:
            break
    if at + size > len(body):
        return None
    try:
        return _read(Span.FromString(body[at : at + size]), mask)
    except DecodeError:
        return None


def spans_of(body: bytes, key: int, mask: Callable[[str], str]) -> Iterator[ReadSpan]:
    """The spans of one trace (its 64-bit key, signed) in a request."""
    wanted = key & ((1 << 64) - 1)
    for resource_spans in parse(body).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            yield from (_read(span, mask) for span in scope_spans.spans if trace_key(span.trace_id) == wanted)


def _read(span: Span, mask: Callable[[str], str]) -> ReadSpan:
    def text(raw: str) -> str:
        return mask(raw[:MAX_TEXT])

    attributes = {text(a.key): text(values.text(a.value)) for a in span.attributes[:MAX_ATTRIBUTES]}
    for event in span.events:
        for attribute in event.attributes:
            if attribute.key.startswith("exception."):
                attributes[attribute.key] = text(values.text(attribute.value))
    return ReadSpan(
        span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), text(span.name),
        KINDS[span.kind] if 0 <= span.kind < len(KINDS) else KINDS[0], span.start_time_unix_nano,
        span.end_time_unix_nano, span.status.code == Status.STATUS_CODE_ERROR, text(span.status.message), attributes,
    )
