"""Which layout a document has, told by its own fields, and what it becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import orjson

from collectors.elastic_spans.apm_layout import NOTHING, Made, apm
from collectors.elastic_spans.jaeger_layout import jaeger
from collectors.elastic_spans.otel_layout import none, otel, otel_of
from collectors.elastic_spans.texts import Text
from collectors.spans.jaeger_model import sender, write

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
    "cloud.availability_zone", "cloud.region", "deployment",
)  # fmt: skip
"""The fields that are read, of all layouts."""


def is_wide(text: Text) -> bool:
    """Whether a document may have many fields that are not read. Of those of Jaeger and the OpenTelemetry exporter
    nearly all are, and to leave the others out costs the cluster more than it saves."""
    held = bytes(text)
    return b'"traceID"' not in held and b'"trace_id"' not in held


def made(texts: Iterable[Text], dot: str) -> Iterator[Made]:
    """The resource and the span that each document tells of, as bytes of OTLP; b"" for the span of one that tells of
    none. Neighbours are mostly of one layout, so that of the document before is tried first."""
    first: Callable[[Text], Made] = partial(jaeger, dot=dot)
    second: Callable[[Text], Made] = otel
    for text in texts:
        try:
            yield first(text)
        except ValueError:
            try:
                yield second(text)
                first, second = second, first
            except ValueError:
                yield _of_any(text, dot)


def _of_any(text: Text, dot: str) -> Made:
    """The same of a document of any layout."""
    document = _decoded(text)
    return _made(document, dot) if isinstance(document, dict) else NOTHING


def _decoded(text: Text) -> Any:
    try:
        return orjson.loads(memoryview(text))
    except orjson.JSONDecodeError:
        return None


def _made(document: Mapping[str, Any], dot: str) -> Made:
    if "traceID" in document:
        return sender(document.get("process") or {}, dot), write(document, dot)
    if "trace_id" in document:
        return otel_of(document)
    return none(document) if "TraceId" in document else apm(document)
