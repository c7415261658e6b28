"""Documents of Elastic APM, and of the OpenTelemetry collector's exporter in the mode `ecs`, which writes the same
fields as far as it knows them.

A transaction is the work that a service was called for, a span work inside it; a span that leaves the service says
where to in `service.target` or `span.destination.service.resource`. Sampling: `representative_count`, how many events a
document stands for. This reads them however they are written; `apm_text` reads those
that a server wrote, and tells the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from collectors.elastic_spans.apm_fields import (
    OUTCOMES,
    SPAN,
    attributes_of,
    called,
    duration,
    event_of,
    kind_of,
    name_of,
    sender_of,
    start_ns,
)
from collectors.elastic_spans.fields import Fields, flat, number
from collectors.spans.writing import UNSET, identifier, resource, span, span_attributes

Made = tuple[bytes, bytes]
NOTHING: Made = (b"", b"")


def apm_of(document: Mapping[str, Any]) -> Made:
    """A transaction or a span: (resource, span); b"" for a document that is neither, or stands for nothing."""
    fields = flat(document)
    event = event_of(fields)
    attributes = attributes_of(fields) | (called(fields) if event == SPAN else {})
    made = _span(fields, event, span_attributes(attributes))
    return (resource(sender_of(fields)), made) if made else NOTHING


def _span(fields: Fields, event: str, attributes: Iterable[bytes]) -> bytes:
    """The bytes of a span; b"" for what is none."""
    trace = identifier(str(fields.get("trace.id") or ""), 16)
    own = identifier(str(fields.get(f"{event}.id") or fields.get("span.id") or ""), 8)
    began_ns, weight = start_ns(fields), number(fields.get(f"{event}.representative_count"))
    if not event or not trace or not own or began_ns is None or weight == 0:
        return b""
    together, took_ns = duration(fields, event)
    ids = trace, own, identifier(str(fields.get("parent.id") or ""), 8)
    return span(ids, name_of(fields, event), kind_of(fields, event), (began_ns, began_ns + took_ns), (),
                framed=attributes, status=(OUTCOMES.get(str(fields.get("event.outcome")), UNSET), ""),
                trace_state=threshold(weight, together), links=links_of(fields.get("span.links") or ()))


@lru_cache(maxsize=1 << 8)
def threshold(weight: float | None, together: float = 1.0) -> str:
    """The `tracestate` of a span that stands for so many (OpenTelemetry, probability sampling): "" where it is not
    known for how many, 14 hexadecimal digits without the zeros at their end."""
    if weight is None and together <= 1:
        return ""
    stands_for = max((weight or 1.0) * together, 1.0)
    digits = f"{min(round((1 << 56) * (1 - 1 / stands_for)), (1 << 56) - 1):014x}".rstrip("0")
    return f"ot=th:{digits or '0'}"


def links_of(links: Any) -> Iterator[tuple[bytes, bytes]]:
    """The spans that a span is linked with, by their traces and ids."""
    for link in links if isinstance(links, Iterable) else ():
        told = flat(link) if isinstance(link, dict) else {}
        trace, own = identifier(str(told.get("trace.id") or ""), 16), identifier(str(told.get("span.id") or ""), 8)
        if trace and own:
            yield trace, own
