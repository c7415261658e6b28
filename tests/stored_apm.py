"""Spans as Elastic APM stores those that come by OTLP, and as the collector's exporter does in the mode `ecs`.

Written after elastic/apm-data (input/otlp, model/modeljson) and the exporter's source: what has a field of its own goes
there, everything else becomes a label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stored_spans import KINDS, attributes, iso

CONSUMER, SERVER = 5, 2
SENDER = {
    "service.name": "service.name", "service.version": "service.version", "service.instance.id": "service.node.name",
    "deployment.environment.name": "service.environment", "telemetry.sdk.language": "service.language.name",
    "process.runtime.name": "service.runtime.name", "process.runtime.version": "service.runtime.version",
    "k8s.namespace.name": "kubernetes.namespace", "k8s.pod.name": "kubernetes.pod.name",
    "k8s.pod.uid": "kubernetes.pod.uid", "k8s.node.name": "kubernetes.node.name",
    "k8s.cluster.name": "orchestrator.cluster.name", "container.id": "container.id",
    "container.image.name": "container.image.name", "cloud.provider": "cloud.provider",
    "cloud.platform": "cloud.service.name", "cloud.region": "cloud.region",
    "cloud.availability_zone": "cloud.availability_zone", "cloud.account.id": "cloud.account.id",
    "host.name": "host.name", "host.id": "host.id", "host.arch": "host.architecture", "host.type": "host.type",
    "os.type": "host.os.platform", "os.description": "host.os.full", "process.pid": "process.pid",
    "process.executable.path": "process.executable", "process.command_line": "process.command_line",
}
NOT_KEPT = ("telemetry.sdk.name", "telemetry.sdk.version")
FIELDS = ("http.request.method", "http.response.status_code", "url.full", "url.path", "url.scheme", "url.domain")
OUTCOMES = ("unknown", "success", "failure")


def apm_document(sender: Mapping[str, Any], span: Any) -> dict[str, Any]:
    """A span as a transaction (work a service was called for) or as a span of Elastic APM."""
    held = attributes(span.attributes)
    called = span.kind in (SERVER, CONSUMER) or not span.parent_span_id
    event = "transaction" if called else "span"
    own, took_us = span.span_id.hex(), (span.end_time_unix_nano - span.start_time_unix_nano) // 1000
    flat = {
        **_sender(sender), "@timestamp": iso(span.start_time_unix_nano)[:23] + "Z",
        "agent.name": f"opentelemetry/{sender.get('telemetry.sdk.language', 'otlp')}",
        "agent.version": sender.get("telemetry.sdk.version", "unknown"), "data_stream.type": "traces",
        "data_stream.dataset": "apm", "data_stream.namespace": "default", "ecs.version": "8.11.0",
        "event.outcome": OUTCOMES[span.status.code], "observer.hostname": "apm-server-0", "observer.type": "apm-server",
        "observer.version": "8.19.0", "processor.event": event, "timestamp.us": span.start_time_unix_nano // 1000,
        "trace.id": span.trace_id.hex(), "span.id": own, f"{event}.id": own, f"{event}.name": span.name,
        f"{event}.duration.us": took_us, f"{event}.representative_count": 1,
        **({"parent.id": span.parent_span_id.hex()} if span.parent_span_id else {}),
        **(_transaction(span) if called else _called(held)),
        **{name: held[name] for name in FIELDS if name in held},
    }
    return {**_nested(flat), **_labels(sender, held)}


def _transaction(span: Any) -> dict[str, Any]:
    kind = "messaging" if span.kind == CONSUMER else "request" if span.kind == SERVER else "unknown"
    return {"transaction.type": kind, "transaction.result": OUTCOMES[span.status.code].capitalize(),
            "transaction.sampled": True, "transaction.root": not span.parent_span_id}


def _called(held: Mapping[str, Any]) -> dict[str, Any]:
    """What a span says of whom it calls."""
    system = next((held[name] for name in ("db.system", "db.system.name", "messaging.system", "rpc.system")
                   if name in held), "http" if "http.request.method" in held else "")
    if not system:
        return {"span.type": "app", "span.subtype": "internal"}
    kind = "db" if any(name.startswith("db.") for name in held) else \
        "messaging" if "messaging.system" in held else "external"
    place = held.get("server.address", system)
    return {
        "span.type": kind, "span.subtype": system, "service.target.type": system, "service.target.name": place,
        "span.destination.service.resource": f"{place}:{held['server.port']}" if "server.port" in held else place,
        "destination.address": place, "destination.port": held.get("server.port", 0),
        **({"span.db.type": system, "span.db.instance": held.get("db.namespace", "")} if kind == "db" else {}),
        **({"span.message.queue.name": held.get("messaging.destination.name", ""), "span.action": "send"}
           if kind == "messaging" else {}),
    }


def _sender(sender: Mapping[str, Any]) -> dict[str, Any]:
    return {SENDER[name]: value for name, value in sender.items() if name in SENDER}


def _labels(sender: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    """What has no field of its own; dots become underscores, numbers are apart."""
    left = {name: value for name, value in sender.items() if name not in SENDER and name not in NOT_KEPT}
    left |= {name: value for name, value in held.items() if name not in FIELDS}
    texts, numbers = {}, {}
    for name, value in left.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        said = str(value).lower() if isinstance(value, bool) else value
        (numbers if number else texts)[name.replace(".", "_")] = said
    return {**({"labels": texts} if texts else {}), **({"numeric_labels": numbers} if numbers else {})}


def ecs_document(sender: Mapping[str, Any], span: Any) -> dict[str, Any]:
    """A span as the exporter writes it in the mode `ecs`: it tells no duration."""
    flat = {
        **attributes(span.attributes), **{SENDER.get(name, name): value for name, value in sender.items()},
        "@timestamp": iso(span.start_time_unix_nano), "agent.name": "otlp", "trace.id": span.trace_id.hex(),
        "span.id": span.span_id.hex(), "span.name": span.name, "event.outcome": OUTCOMES[span.status.code],
        **({"parent.id": span.parent_span_id.hex()} if span.parent_span_id else {}),
        **({"span.kind": KINDS[span.kind].upper()} if span.kind else {}),
    }
    links = [{"trace.id": link.trace_id.hex(), "span.id": link.span_id.hex()} for link in span.links]
    found = _nested(flat)
    return {**found, "span": {**found["span"], "links": links}} if links else found


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dots taken apart; a name that is both a value and the beginning of others keeps its dots."""
    found: dict[str, Any] = {}
    for name, held in flat.items():
        *above, last = name.split(".")
        at: Any = found
        for part in above:
            at = at.setdefault(part, {}) if isinstance(at, dict) else None
        if isinstance(at, dict) and not isinstance(at.get(last), dict):
            at[last] = held
        else:
            found[name] = held
    return found
