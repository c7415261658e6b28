"""Documents of the OpenTelemetry collector's Elasticsearch exporter in the modes `otel` and `none`.

Written after the exporter's source (opentelemetry-collector-contrib, exporter/elasticsearchexporter); the exporter
itself is not to be had for tests. Each mode is read in two ways that tell the same: from the text of a document as the
exporter writes it, with objects, of which most parts are remembered, and from a dictionary however it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from collectors.elastic_spans.fields import MICRO, Fields, flat, time_ns, under
from collectors.elastic_spans.parts import LONGEST_REMEMBERED, attributes_of, object_of
from collectors.elastic_spans.texts import Text
from collectors.spans.writing import ERROR, KINDS, OK, UNSET, identifier, resource, span, span_attributes

Made = tuple[bytes, bytes]
Status = tuple[int, str]
NOTHING: Made = (b"", b"")
_STATUSES = {"ok": OK, "error": ERROR, "1": OK, "2": ERROR}


class _Document(msgspec.Struct, gc=False):
    """A document of the mode `otel`."""

    trace: str = msgspec.field(name="trace_id")
    own: str = msgspec.field(name="span_id")
    start: str | int | float = msgspec.field(name="@timestamp")
    took_ns: int = msgspec.field(name="duration")
    attributes: Text
    status: Text
    resource: Text
    parent: str | None = msgspec.field(name="parent_span_id", default=None)
    name: str | None = None
    kind: str | None = None
    trace_state: str | None = None
    links: list[dict[str, Any]] | None = None


class _Older(msgspec.Struct, gc=False):
    """A document of the mode `none`."""

    trace: str = msgspec.field(name="TraceId")
    own: str = msgspec.field(name="SpanId")
    start: str | int | float = msgspec.field(name="@timestamp")
    took_us: int = msgspec.field(name="Duration")
    attributes: Text = msgspec.field(name="Attributes")
    resource: Text = msgspec.field(name="Resource")
    end: str | int | float | None = msgspec.field(name="EndTimestamp", default=None)
    parent: str | None = msgspec.field(name="ParentSpanId", default=None)
    name: str | None = msgspec.field(name="Name", default=None)
    kind: str | None = msgspec.field(name="Kind", default=None)
    status: str | int | None = msgspec.field(name="TraceStatus", default=None)
    message: str | None = msgspec.field(name="TraceStatusDescription", default=None)
    links: str | list[dict[str, Any]] | None = msgspec.field(name="Link", default=None)


_DOCUMENT, _OLDER = msgspec.json.Decoder(_Document), msgspec.json.Decoder(_Older)


def otel(text: Text) -> Made:
    """A span of the mode `otel`: (resource, span), b"" for the span where there is none; ValueError for what has not
    the fields of one in objects."""
    told = _DOCUMENT.decode(text)
    sender = _sender(bytes(told.resource))
    made = _span((told.trace, told.own, told.parent), told.name, told.kind, (time_ns(told.start), told.took_ns),
                 attributes_of(told.attributes), _status(told.status), told.links, told.trace_state)
    return (sender, made) if made else NOTHING


def otel_of(document: Mapping[str, Any]) -> Made:
    """The same of a document whose names may be dotted, or that may be none (an event of a span)."""
    took_ns, start_ns = document.get("duration"), time_ns(document.get("@timestamp"))
    if not isinstance(took_ns, int):
        return NOTHING
    ids = _texts(document, "trace_id", "span_id", "parent_span_id")
    name, kind, state = _texts(document, "name", "kind", "trace_state")
    made = _span(ids, name, kind, (start_ns, took_ns), span_attributes(under(document, "attributes")),
                 _status_of(under(document, "status")), document.get("links"), state)
    return (resource(_resource(document)), made) if made else NOTHING


def older(text: Text) -> Made:
    """A span of the mode `none`, the default up to version 0.121, as `otel` reads one of its mode."""
    told = _OLDER.decode(text)
    sender = _older_sender(bytes(told.resource))
    times_ns = _older_times(told.start, told.end, told.took_us)
    made = _span((told.trace, told.own, told.parent), told.name, told.kind, times_ns, attributes_of(told.attributes),
                 (_code(told.status), told.message or ""), _parsed(told.links))
    return (sender, made) if made else NOTHING


def older_of(document: Mapping[str, Any]) -> Made:
    """The same of a document whose names may be dotted."""
    took_us = document.get("Duration")
    if not isinstance(took_us, int):
        return NOTHING
    ids = _texts(document, "TraceId", "SpanId", "ParentSpanId")
    name, kind, message = _texts(document, "Name", "Kind", "TraceStatusDescription")
    times_ns = _older_times(document.get("@timestamp"), document.get("EndTimestamp"), took_us)
    made = _span(ids, name, kind, times_ns, span_attributes(under(document, "Attributes")),
                 (_code(document.get("TraceStatus")), message), _parsed(document.get("Link")))
    return (resource(under(document, "Resource")), made) if made else NOTHING


def _span(
    digits: tuple[str, str, str | None], name: str | None, kind: str | None, times_ns: tuple[int | None, int],
    attributes: Iterable[bytes], status: Status, links: Any, trace_state: str | None = "",
) -> bytes:
    """The bytes of a span; b"" without ids or a start. `times_ns` are its start and how long it took."""
    start_ns, took_ns = times_ns
    trace, own = identifier(digits[0], 16), identifier(digits[1], 8)
    if not trace or not own or start_ns is None:
        return b""
    ids = trace, own, identifier(digits[2], 8) if digits[2] else b""
    return span(ids, name or "", _kind(kind or ""), (start_ns, start_ns + took_ns), (), framed=attributes,
                status=status, trace_state=trace_state or "", links=_links(links) if links else ())


def _texts(document: Mapping[str, Any], *names: str) -> tuple[str, str, str]:
    first, second, third = (str(document.get(name) or "") for name in names)
    return first, second, third


def _older_times(start: Any, end: Any, took_us: int) -> tuple[int | None, int]:
    start_ns, end_ns = time_ns(start), time_ns(end)
    return start_ns, took_us * MICRO if end_ns is None or start_ns is None else end_ns - start_ns


@lru_cache(maxsize=64)
def _kind(said: str) -> int:
    return KINDS.get(said.lower().removeprefix("span_kind_"), 0)


def _code(said: Any) -> int:
    return _STATUSES.get(str(said or "").lower(), UNSET)


def _status(part: Text) -> Status:
    text = bytes(part)
    return _remembered_status(text) if len(text) < LONGEST_REMEMBERED else _status_of(flat(object_of(text)))


@lru_cache(maxsize=1 << 8)
def _remembered_status(text: bytes) -> Status:
    return _status_of(flat(object_of(text)))


def _status_of(fields: Fields) -> Status:
    return _code(fields.get("code")), str(fields.get("message") or "")


def _resource(document: Mapping[str, Any]) -> Fields:
    held = document.get("resource")
    if isinstance(held, dict):
        return under(held, "attributes")
    return under(document, "resource.attributes")


@lru_cache(maxsize=1 << 12)
def _sender(part: bytes) -> bytes:
    """As text a resource can be remembered, and reading it costs more than writing it down."""
    return resource(under(object_of(part), "attributes"))


@lru_cache(maxsize=1 << 12)
def _older_sender(part: bytes) -> bytes:
    return resource(flat(object_of(part)))


def _parsed(links: Any) -> Any:
    try:
        return orjson.loads(links) if isinstance(links, str) else links
    except orjson.JSONDecodeError:
        return None


def _links(links: Any) -> Iterator[tuple[bytes, bytes]]:
    for link in links if isinstance(links, Sequence) else ():
        if isinstance(link, dict):
            trace = identifier(str(link.get("trace_id") or link.get("traceID") or ""), 16)
            own = identifier(str(link.get("span_id") or link.get("spanID") or ""), 8)
            if trace and own:
                yield trace, own
