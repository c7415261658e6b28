"""Spans as other programs store them, written from OTLP as they write them, and what a request says, to be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
KINDS = ("", "internal", "server", "client", "producer", "consumer")
Told = tuple[Any, ...]


def value(held: Any) -> Any:
    """An attribute's value as plain Python."""
    kind = held.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in held.array_value.values]
    return getattr(held, kind) if kind else None


def attributes(listed: Any) -> dict[str, Any]:
    """Attributes by name."""
    return {one.key: value(one.value) for one in listed}


def pairs(body: bytes) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every span of a request with the attributes of its resource."""
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        sender = attributes(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield sender, span


def told(body: bytes, unit_ns: int = 1, state: bool = True, links: bool = True) -> list[Told]:
    """Everything that a request says of its spans, sorted; times in units, which some storages round down to."""
    found = []
    for sender, span in pairs(body):
        start, end = span.start_time_unix_nano // unit_ns, span.end_time_unix_nano // unit_ns
        linked = sorted((link.trace_id.hex(), link.span_id.hex()) for link in span.links) if links else []
        found.append((span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name, span.kind, start,
                      end, span.status.code, span.trace_state if state else "", linked,
                      sorted(attributes(span.attributes).items(), key=str), sorted(sender.items(), key=str)))
    return sorted(found, key=str)


def _tag(key: str, held: Any) -> dict[str, Any]:
    kind = {bool: "bool", int: "int64", float: "float64"}.get(type(held), "string")
    return {"key": key, "type": kind, "value": held}


def jaeger_tags(span: Any) -> list[dict[str, Any]]:
    """The tags that Jaeger makes of a span."""
    tags = [_tag(key, held) for key, held in attributes(span.attributes).items()]
    if span.kind:
        tags.append(_tag("span.kind", KINDS[span.kind]))
    if span.status.code:
        tags.append(_tag("otel.status_code", ("", "OK", "ERROR")[span.status.code]))
    if span.status.code == 2:
        tags.append(_tag("error", True))
    if span.status.message:
        tags.append(_tag("otel.status_description", span.status.message))
    if span.trace_state:
        tags.append(_tag("w3c.tracestate", span.trace_state))
    return tags


def jaeger_document(sender: Mapping[str, Any], span: Any, fields: bool = False) -> dict[str, Any]:
    """A span in Jaeger's index; with `fields` all tags are fields of their own."""
    trace = span.trace_id.hex()
    references = [{"refType": "CHILD_OF", "traceID": trace, "spanID": span.parent_span_id.hex()}]
    references = references if span.parent_span_id else []
    references += [{"refType": "FOLLOWS_FROM", "traceID": link.trace_id.hex(), "spanID": link.span_id.hex()}
                   for link in span.links]
    tags = jaeger_tags(span)
    own = {tag["key"].replace(".", "@"): tag["value"] for tag in tags}
    process = [_tag(key, held) for key, held in sender.items() if key != "service.name"]
    return {
        "traceID": trace, "spanID": span.span_id.hex(), "operationName": span.name, "references": references,
        "startTime": span.start_time_unix_nano // 1000, "startTimeMillis": span.start_time_unix_nano // 1_000_000,
        "duration": span.end_time_unix_nano // 1000 - span.start_time_unix_nano // 1000,
        "tags": [] if fields else tags, "tag": own if fields else {}, "logs": None,
        "process": {"serviceName": sender.get("service.name", ""), "tags": process},
    }


def otel_document(sender: Mapping[str, Any], span: Any) -> dict[str, Any]:
    """A span as the collector's exporter writes it in the mode otel: milliseconds, a dot, nanoseconds."""
    start = span.start_time_unix_nano
    return {
        "@timestamp": f"{start // 1_000_000}.{start % 1_000_000:06d}", "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(), "parent_span_id": span.parent_span_id.hex(), "trace_state": span.trace_state,
        "name": span.name, "kind": ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")[span.kind],
        "duration": span.end_time_unix_nano - start, "attributes": attributes(span.attributes),
        "links": [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links],
        "status": {"code": ("Unset", "Ok", "Error")[span.status.code], "message": span.status.message},
        "resource": {"attributes": dict(sender)}, "scope": {},
    }


def none_document(sender: Mapping[str, Any], span: Any) -> dict[str, Any]:
    """The same in the mode none, with dots taken apart."""
    links = [{"traceID": link.trace_id.hex(), "spanID": link.span_id.hex()} for link in span.links]
    return {
        "@timestamp": iso(span.start_time_unix_nano), "EndTimestamp": iso(span.end_time_unix_nano),
        "TraceId": span.trace_id.hex(), "SpanId": span.span_id.hex(), "ParentSpanId": span.parent_span_id.hex(),
        "Name": span.name, "Kind": f"SPAN_KIND_{KINDS[span.kind].upper() or 'UNSPECIFIED'}",
        "TraceStatus": span.status.code, "TraceStatusDescription": span.status.message, "Link": json.dumps(links),
        "Duration": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
        "Attributes": _nested(attributes(span.attributes)), "Resource": _nested(dict(sender)),
    }


def apm_document(sender: Mapping[str, Any], span: Any) -> dict[str, Any]:
    """The same as a server of Elastic APM stores it: what is called is a transaction, everything else a span."""
    own, said = attributes(span.attributes), {}
    event = "transaction" if span.kind in (2, 5) else "span"
    system, place = own.pop("db.system.name", ""), own.pop("server.address", "")
    if event == "transaction":
        said = {"type": "request" if span.kind == 2 else "messaging", "sampled": True}
    elif system:
        said = {"type": "db", "subtype": system, "destination": {"service": {"resource": place}}}
    elif span.kind == 3:
        said = {"type": "external", "destination": {"service": {"resource": "other:443"}}}
    took_us = (span.end_time_unix_nano - span.start_time_unix_nano) // 1000
    return {
        "@timestamp": iso(span.start_time_unix_nano)[:23] + "Z", "processor": {"event": event},
        "timestamp": {"us": span.start_time_unix_nano // 1000}, "trace": {"id": span.trace_id.hex()},
        "service": {"name": sender["service.name"], "node": {"name": sender["service.instance.id"]}},
        "cloud": {"availability_zone": sender["cloud.availability_zone"]}, "labels": own,
        "event": {"outcome": "failure" if span.status.code == 2 else "success"},
        event: {"id": span.span_id.hex(), "name": span.name, "duration": {"us": took_us}, "representative_count": 1,
                **said},
        **({"parent": {"id": span.parent_span_id.hex()}} if span.parent_span_id else {}),
    }


def iso(time_ns: int) -> str:
    """A time in ISO 8601 with all its digits."""
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9:09d}Z"


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, held in flat.items():
        at = found
        *above, last = name.split(".")
        for part in above:
            at = at.setdefault(part, {})
        at[last] = held
    return found


def api_trace(body: bytes) -> dict[str, Any]:
    """The spans of one trace as Jaeger's internal interface gives them: processes apart, short ids."""
    spans, processes = [], {}
    for sender, span in pairs(body):
        document = jaeger_document(sender, span)
        process = document.pop("process")
        name = next((known for known, other in processes.items() if other == process), f"p{len(processes) + 1}")
        processes[name] = process
        document["traceID"] = document["traceID"].lstrip("0")
        for reference in document["references"]:
            reference["traceID"] = reference["traceID"].lstrip("0")
        spans.append({**document, "processID": name})
    return {"traceID": spans[0]["traceID"], "spans": spans, "processes": processes}
