"""Spans in the JSON of OTLP, as query interfaces give them: hexadecimal ids, numbers or names for enumerations, 64-bit
integers as text (opentelemetry-proto, docs/specification.md, JSON Protobuf Encoding)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from collectors.spans.writing import attribute, event, identifier, resource, span

_KIND, _STATUS = "SPAN_KIND_", "STATUS_CODE_"
_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("UNSET", "OK", "ERROR")


def spans(resource_spans: Iterable[Mapping[str, Any]]) -> Iterator[tuple[bytes, bytes]]:
    """The bytes of every span and those of its resource: (resource, span). What is no span is b""."""
    for group in resource_spans:
        sender = resource(dict(_read((group.get("resource") or {}).get("attributes"))))
        for scope in group.get("scopeSpans") or ():
            for document in scope.get("spans") or ():
                yield sender, _span(document)


def _span(document: Mapping[str, Any]) -> bytes:
    trace, own = (identifier(str(document.get(name) or ""), length)
                  for name, length in (("traceId", 16), ("spanId", 8)))
    if not trace or not own:
        return b""
    parent = identifier(str(document.get("parentSpanId") or ""), 8)
    times_ns = _integer(document.get("startTimeUnixNano")), _integer(document.get("endTimeUnixNano"))
    status = document.get("status") or {}
    events = [event(_integer(one.get("timeUnixNano")), str(one.get("name") or ""), _written(one.get("attributes")))
              for one in document.get("events") or ()]
    return span((trace, own, parent), str(document.get("name") or ""), _number(document.get("kind"), _KIND, _KINDS),
                times_ns, _written(document.get("attributes")), events=events, links=_links(document),
                status=(_number(status.get("code"), _STATUS, _STATUSES), str(status.get("message") or "")),
                trace_state=str(document.get("traceState") or ""))


def _links(document: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    for link in document.get("links") or ():
        trace, own = identifier(str(link.get("traceId") or ""), 16), identifier(str(link.get("spanId") or ""), 8)
        if trace and own:
            yield trace, own


def _written(attributes: Iterable[Mapping[str, Any]] | None) -> list[bytes]:
    return [attribute(key, value) for key, value in _read(attributes)]


def _read(attributes: Iterable[Mapping[str, Any]] | None) -> Iterator[tuple[str, Any]]:
    for one in attributes or ():
        yield str(one.get("key") or ""), value_of(one.get("value") or {})


def value_of(value: Mapping[str, Any]) -> Any:
    """An `AnyValue` in JSON as plain Python; None for the empty one."""
    for name, held in value.items():
        if name == "intValue":
            return _integer(held)
        if name == "doubleValue":
            return float(held)
        if name == "arrayValue":
            return [value_of(item) for item in held.get("values") or ()]
        if name == "kvlistValue":
            return dict(_read(held.get("values")))
        if name == "bytesValue":
            return _bytes(held)
        return held
    return None


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""


def _integer(text: Any) -> int:
    try:
        return int(text or 0)
    except (TypeError, ValueError):
        return 0


def _number(said: Any, prefix: str, names: tuple[str, ...]) -> int:
    if isinstance(said, str):
        said = names.index(said.removeprefix(prefix)) if said.removeprefix(prefix) in names else 0
    return said if isinstance(said, int) and 0 <= said < len(names) else 0
