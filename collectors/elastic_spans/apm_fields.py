"""What the fields of a transaction or a span of Elastic APM mean, by their dotted names.

Fields: elastic/apm-data (model/modeljson, ECS)."""

from __future__ import annotations

import re

from collectors.elastic_spans.fields import MICRO, Fields, number, time_ns
from collectors.spans.writing import ERROR, KINDS, OK

TRANSACTION, SPAN = "transaction", "span"
LABELS = ("labels.", "numeric_labels.")
OWN = ("@timestamp", "agent.", "data_stream.", "ecs.", "event.", "host.", "kubernetes.", "observer.", "orchestrator.",
       "parent.", "process.", "processor.", "service.", "span.", "timestamp.", "trace.", "transaction.", "container.",
       "cloud.", "deployment.")
"""How the names of fields begin that are no attributes."""
PEER = ("span.type", "span.subtype", "span.action", "span.db.type", "span.db.instance", "span.message.queue.name",
        "span.destination.service.resource", "service.target.type", "service.target.name", "destination.address",
        "destination.port")
"""The fields that say of whom a span calls."""
SENDER = {
    "service.name": "service.name", "service.version": "service.version", "service.node.name": "service.instance.id",
    "service.instance.id": "service.instance.id", "service.environment": "deployment.environment.name",
    "deployment.environment.name": "deployment.environment.name",
    "deployment.environment": "deployment.environment.name", "service.namespace": "service.namespace",
    "labels.service_namespace": "service.namespace",
    "kubernetes.pod.name": "k8s.pod.name", "kubernetes.namespace": "k8s.namespace.name",
    "kubernetes.node.name": "k8s.node.name", "container.id": "container.id", "host.hostname": "host.name",
    "host.name": "host.name", "orchestrator.cluster.name": "k8s.cluster.name", "process.pid": "process.pid",
    "process.executable": "process.executable.path", "process.command_line": "process.command_line",
    "cloud.availability_zone": "cloud.availability_zone", "cloud.region": "cloud.region",
}
OUTCOMES = {"success": OK, "failure": ERROR}
_SENDING = ("send", "publish")
_CALLED = ("request", "http-request")
_PLACE = re.compile(r"(?:[a-z0-9+.-]+://)?(\[[^\]]+\]|[^\s:/]+)(?::(\d{1,5}))?")


def event_of(fields: Fields) -> str:
    """Newer servers leave `processor.event` to the index; then a transaction is what has a duration or type as such."""
    said = fields.get("processor.event")
    if said in (TRANSACTION, SPAN):
        return str(said)
    if said:
        return ""
    if any(name in fields for name in ("transaction.duration.us", "transaction.type", "transaction.result")):
        return TRANSACTION
    return SPAN if "span.id" in fields and ("span.name" in fields or "span.type" in fields) else ""


def start_ns(fields: Fields) -> int | None:
    """When it began, in epoch nanoseconds; None where that is not told."""
    exact = fields.get("timestamp.us")
    return exact * MICRO if isinstance(exact, int) else time_ns(fields.get("@timestamp"))


def duration(fields: Fields, event: str) -> tuple[float, int]:
    """How many calls are told together in one document, and how long one of them took, in nanoseconds."""
    together, sum_us = number(fields.get("span.composite.count")), number(fields.get("span.composite.sum.us"))
    if together is not None and together > 1 and sum_us is not None:
        return together, round(sum_us / together * MICRO)
    took_us = number(fields.get(f"{event}.duration.us"))
    return 1.0, round(took_us * MICRO) if took_us is not None else round(number(fields.get("event.duration")) or 0)


def name_of(fields: Fields, event: str) -> str:
    """What was done."""
    return str(fields.get(f"{event}.name") or fields.get("span.name") or "")


def kind_of(fields: Fields, event: str) -> int:
    """The kind of span in OpenTelemetry."""
    said = KINDS.get(str(fields.get("span.kind") or "").lower())
    if said is not None:
        return said
    kind = str(fields.get(f"{event}.type") or "")
    if event == TRANSACTION:
        called = fields.get("parent.id") or kind in _CALLED
        return KINDS["consumer" if kind == "messaging" else "server" if called else "internal"]
    if kind == "messaging" and fields.get("span.action") in _SENDING:
        return KINDS["producer"]
    leaves = any(fields.get(name) for name in ("service.target.type", "span.destination.service.resource"))
    return KINDS["client" if leaves else "internal"]


def attributes_of(fields: Fields) -> Fields:
    """Everything that does not say who, when and what, under the names of the semantic conventions."""
    found = {key: value for key, value in fields.items() if not key.startswith(OWN)}
    for prefix in LABELS:
        found |= {key.removeprefix(prefix): found.pop(key) for key in list(found) if key.startswith(prefix)}
    return found | queue_of(fields)


def queue_of(fields: Fields) -> Fields:
    """The queue that a message was in, as an attribute."""
    queue = fields.get("transaction.message.queue.name") or fields.get("span.message.queue.name")
    return {"messaging.destination.name": queue} if queue else {}


def called(fields: Fields) -> Fields:
    """What a span says of whom it calls."""
    kind, system = fields.get("span.type"), fields.get("span.subtype") or fields.get("service.target.type")
    name, place = fields.get("service.target.name"), fields.get("span.destination.service.resource")
    found = _address(fields, str(place or name or ""))
    if kind == "db" or fields.get("span.db.type"):
        instance = fields.get("span.db.instance") or name
        found |= {"db.system": system or fields.get("span.db.type"), "db.namespace": instance}
    elif kind == "messaging":
        receiving = fields.get("span.action") not in _SENDING
        queue = fields.get("span.message.queue.name") or name
        found |= {"messaging.system": system, "messaging.destination.name": queue}
        found |= {"messaging.operation": "receive"} if receiving else {}
    elif system == "grpc":
        found |= {"rpc.system": "grpc"}
    return {key: value for key, value in found.items() if value not in (None, "")}


def _address(fields: Fields, place: str) -> Fields:
    if fields.get("destination.address"):
        return {"server.address": fields["destination.address"], "server.port": fields.get("destination.port")}
    told = _PLACE.fullmatch(place)
    if told is None:
        return {"server.address": place}
    return {"server.address": told[1].strip("[]"), "server.port": int(told[2]) if told[2] else None}


def sender_of(fields: Fields) -> Fields:
    """Who made it, under the names of the semantic conventions."""
    found: Fields = {}
    for name, conventional in SENDER.items():
        if fields.get(name) not in (None, ""):
            found.setdefault(conventional, fields[name])
    return found
