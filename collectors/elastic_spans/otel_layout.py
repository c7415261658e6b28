"""Documents of the OpenTelemetry collector's Elasticsearch exporter in the modes `otel` and `none`.

Written after the exporter's source (opentelemetry-collector-contrib, exporter/elasticsearchexporter); the exporter
itself is not to be had for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from collectors.elastic_spans.fields import MICRO, Fields, time_ns, under
from collectors.spans.writing import ERROR, KINDS, OK, UNSET, attribute, identifier, resource, span

Made = tuple[bytes, bytes]
NOTHING: Made = (b"", b"")
_STATUSES = {"ok": OK, "error": ERROR, "1": OK, "2": ERROR}


def otel(document: Mapping[str, Any]) -> Made:
    """A span of the mode `otel`: (resource, span), b"" for a document that is none (an event of a span)."""
    trace, own = _ids(document, "trace_id", "span_id")
    start_ns, took_ns = time_ns(document.get("@timestamp")), document.get("duration")
    if not trace or not own or start_ns is None or not isinstance(took_ns, int):
        return NOTHING
    status = under(document, "status")
    told = _STATUSES.get(str(status.get("code") or "").lower(), UNSET), str(status.get("message") or "")
    made = span((trace, own, identifier(str(document.get("parent_span_id") or ""), 8)),
                str(document.get("name") or ""), _kind(document.get("kind")), (start_ns, start_ns + took_ns),
                _written(under(document, "attributes")), status=told,
                trace_state=str(document.get("trace_state") or ""), links=_links(document.get("links")))
    return _sender(orjson.dumps(_resource(document))), made


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
    return resource(under(orjson.loads(raw), "attributes"))


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
