"""Documents of the OpenTelemetry collector's Elasticsearch exporter in the modes `otel` and `none`.

Written after the exporter's source (opentelemetry-collector-contrib, exporter/elasticsearchexporter); the exporter
itself is not to be had for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from collectors.elastic_spans.fields import MICRO, Fields, flat, time_ns, under
from collectors.elastic_spans.texts import Text
from collectors.spans.writing import ERROR, KINDS, OK, UNSET, attribute, identifier, resource, span

Made = tuple[bytes, bytes]
NOTHING: Made = (b"", b"")
_STATUSES = {"ok": OK, "error": ERROR, "1": OK, "2": ERROR}


class _Document(msgspec.Struct, gc=False):
    """A document of the mode `otel` as the exporter writes it, with objects and not with dotted names."""

    trace: str = msgspec.field(name="trace_id")
    own: str = msgspec.field(name="span_id")
    start: str | int | float = msgspec.field(name="@timestamp")
    took_ns: int = msgspec.field(name="duration")
    attributes: dict[str, Any]
    status: dict[str, Any]
    resource: Text
    parent: str | None = msgspec.field(name="parent_span_id", default=None)
    name: str | None = None
    kind: str | None = None
    trace_state: str | None = None
    links: list[dict[str, Any]] | None = None


_DOCUMENT = msgspec.json.Decoder(_Document)


def otel(text: Text) -> Made:
    """A span of the mode `otel`: (resource, span), b"" for the span where there is none; ValueError for what has not
    the fields of one in objects."""
    return _told(_DOCUMENT.decode(text))


def otel_of(document: Mapping[str, Any]) -> Made:
    """The same of a document whose names may be dotted, or that may be none (an event of a span)."""
    took_ns, start = document.get("duration"), document.get("@timestamp")
    if not isinstance(took_ns, int) or not isinstance(start, (str, int, float)):
        return NOTHING
    names = ("trace_id", "span_id", "parent_span_id", "name", "kind", "trace_state")
    trace, own, parent, name, kind, state = (str(document.get(key) or "") for key in names)
    return _told(_Document(trace, own, start, took_ns, under(document, "attributes"), under(document, "status"),
                           Text(orjson.dumps(_resource(document))), parent, name, kind, state, document.get("links")))


def _told(document: _Document) -> Made:
    trace, own, start_ns = identifier(document.trace, 16), identifier(document.own, 8), time_ns(document.start)
    if not trace or not own or start_ns is None:
        return NOTHING
    code, message = document.status.get("code"), document.status.get("message")
    made = span((trace, own, identifier(document.parent, 8) if document.parent else b""), document.name or "",
                _kind(document.kind), (start_ns, start_ns + document.took_ns), _written(flat(document.attributes)),
                status=(_STATUSES.get(str(code or "").lower(), UNSET), str(message or "")),
                trace_state=document.trace_state or "", links=_links(document.links))
    return _sender(bytes(document.resource)), made


def none(document: Mapping[str, Any]) -> Made:
    """The same of the mode `none`, which was the default up to version 0.121."""
    trace, own = _ids(document, "TraceId", "SpanId")
    start_ns, took_us = time_ns(document.get("@timestamp")), document.get("Duration")
    if not trace or not own or start_ns is None or not isinstance(took_us, int):
        return NOTHING
    end_ns = time_ns(document.get("EndTimestamp"))
    told = (_STATUSES.get(str(document.get("TraceStatus")), UNSET), str(document.get("TraceStatusDescription") or ""))
    made = span((trace, own, identifier(str(document.get("ParentSpanId") or ""), 8)), str(document.get("Name") or ""),
                _kind(document.get("Kind")), (start_ns, start_ns + took_us * MICRO if end_ns is None else end_ns),
                _written(under(document, "Attributes")), status=told, links=_links(_parsed(document.get("Link"))))
    return _sender(orjson.dumps({"attributes": under(document, "Resource")})), made


def _ids(document: Mapping[str, Any], trace: str, own: str) -> tuple[bytes, bytes]:
    return identifier(str(document.get(trace) or ""), 16), identifier(str(document.get(own) or ""), 8)


def _kind(said: Any) -> int:
    return KINDS.get(str(said or "").lower().removeprefix("span_kind_"), 0)


def _written(attributes: Fields) -> list[bytes]:
    return [attribute(key, value) for key, value in attributes.items()]


def _resource(document: Mapping[str, Any]) -> Mapping[str, Any]:
    held = document.get("resource")
    if isinstance(held, dict):
        return held
    told = under(document, "resource")
    return {"attributes": {key.removeprefix("attributes."): value for key, value in told.items()}}


@lru_cache(maxsize=1 << 12)
def _sender(raw: bytes) -> bytes:
    """As text a resource can be remembered, and reading it costs more than writing it down."""
    return resource(under(orjson.loads(raw) or {}, "attributes"))


def _parsed(links: Any) -> Any:
    try:
        return orjson.loads(links) if isinstance(links, str) else links
    except orjson.JSONDecodeError:
        return None


def _links(links: Any) -> Iterator[tuple[bytes, bytes]]:
    for link in links if isinstance(links, Sequence) else ():
        trace = identifier(str(link.get("trace_id") or link.get("traceID") or ""), 16)
        own = identifier(str(link.get("span_id") or link.get("spanID") or ""), 8)
        if trace and own:
            yield trace, own
