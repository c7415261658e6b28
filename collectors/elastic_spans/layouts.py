"""Which layout a document has, told by its own fields, and what it becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import orjson

from collectors.elastic_spans.apm_layout import NOTHING, Made, apm_of
from collectors.elastic_spans.apm_text import apm
from collectors.elastic_spans.jaeger_layout import jaeger
from collectors.elastic_spans.otel_layout import older, older_of, otel, otel_of
from collectors.elastic_spans.texts import Text
from collectors.spans.jaeger_model import sender, write

Way = Callable[[Text], Made]
STRANGE = (ValueError, TypeError, AttributeError, OverflowError)
"""What comes of a document that is not as its layout has it: it may cost itself, and not its page."""
WANTED = (
    "@timestamp", "traceID", "spanID", "parentSpanID", "operationName", "references", "startTime", "duration", "tags",
    "tag", "logs", "process", "trace_id", "span_id", "parent_span_id", "trace_state", "name", "kind", "attributes",
    "links", "status", "resource.attributes", "TraceId", "SpanId", "ParentSpanId", "Name", "Kind", "TraceStatus",
    "TraceStatusDescription", "Duration", "EndTimestamp", "Attributes", "Resource", "Link", "timestamp.us", "trace.id",
    "parent.id", "processor.event", "event.outcome", "event.duration", "transaction.id", "transaction.name",
    "transaction.type", "transaction.duration.us", "transaction.result", "transaction.representative_count",
    "transaction.message.queue.name", "span.id", "span.name", "span.type", "span.subtype", "span.action", "span.kind",
    "span.duration.us", "span.composite", "span.db.*", "span.destination.service.resource", "span.message.queue.name",
    "span.links", "span.representative_count", "service", "destination", "http", "url", "messaging*", "rpc*", "server*",
    "db*", "error*", "peer*", "net*", "network*", "exception*", "labels", "numeric_labels", "kubernetes.pod.name",
    "kubernetes.namespace", "kubernetes.node.name", "container.id", "host.name", "host.hostname",
    "cloud.availability_zone", "cloud.region", "deployment", "orchestrator.cluster.name",
)  # fmt: skip
"""The fields that are read, of all layouts."""


def is_wide(text: Text) -> bool:
    """Whether a document may have many fields that are not read: stack traces, bodies, marks. Of those of Jaeger and
    the OpenTelemetry exporter nearly all are."""
    held = bytes(text)
    return all(name not in held for name in (b'"traceID"', b'"trace_id"', b'"TraceId"'))


def made(texts: Iterable[Text], dot: str) -> Iterator[Made]:
    """The resource and the span that each document tells of, as bytes of OTLP; b"" for the span of one that tells of
    none. Neighbours are mostly of one layout, so that of the document before is tried first."""
    ways: list[Way] = [partial(jaeger, dot=dot), otel, older, apm]
    for text in texts:
        try:
            yield ways[0](text)
        except STRANGE:
            yield _by_another(ways, text) or made_plainly(text, dot)


def _by_another(ways: list[Way], text: Text) -> Made | None:
    """By the first that can read it, which is the first to be tried from now on."""
    for at, way in enumerate(ways):
        try:
            found = way(text)
        except STRANGE:
            continue
        ways.insert(0, ways.pop(at))
        return found
    return None


def made_plainly(text: Text, dot: str) -> Made:
    """The same of a document however it is written: b"" for one whose fields are of types that no program writes."""
    try:
        document = orjson.loads(memoryview(text))
        return _made(document, dot) if isinstance(document, dict) else NOTHING
    except STRANGE:
        return NOTHING


def _made(document: Mapping[str, Any], dot: str) -> Made:
    if "traceID" in document:
        return sender(document.get("process") or {}, dot), write(document, dot)
    if "trace_id" in document:
        return otel_of(document)
    return older_of(document) if "TraceId" in document else apm_of(document)
