"""Documents of Elastic APM, and of the OpenTelemetry collector's exporter in the mode `ecs`, which writes the same
fields as far as it knows them.

A transaction is the work that a service was called for, a span work inside it; a span that leaves the service says
where to in `service.target` or `span.destination.service.resource`. Fields: elastic/apm-data (model/modeljson, ECS);
sampling: `representative_count`, how many events a document stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from collectors.elastic_spans.fields import MICRO, Fields, flat, number, time_ns
from collectors.spans.writing import ERROR, KINDS, OK, UNSET, attribute, identifier, resource, span

Made = tuple[bytes, bytes]
NOTHING: Made = (b"", b"")
TRANSACTION, SPAN = "transaction", "span"
_SENDER = {
    "service.name": "service.name", "service.version": "service.version", "service.node.name": "service.instance.id",
    "service.instance.id": "service.instance.id", "service.environment": "deployment.environment.name",
    "deployment.environment.name": "deployment.environment.name",
    "deployment.environment": "deployment.environment.name", "service.namespace": "service.namespace",
    "labels.service_namespace": "service.namespace",
    "kubernetes.pod.name": "k8s.pod.name", "kubernetes.namespace": "k8s.namespace.name",
    "kubernetes.node.name": "k8s.node.name", "container.id": "container.id", "host.hostname": "host.name",
    "host.name": "host.name", "cloud.availability_zone": "cloud.availability_zone", "cloud.region": "cloud.region",
}
_OUTCOMES = {"success": OK, "failure": ERROR}
_SENDING = ("send", "publish")
_CALLED = ("request", "http-request")
_OWN = ("@timestamp", "agent.", "data_stream.", "ecs.", "event.", "host.", "kubernetes.", "observer.", "parent.",
        "processor.", "service.", "span.", "timestamp.", "trace.", "transaction.", "container.", "cloud.",
        "deployment.")
_PLACE = re.compile(r"(?:[a-z0-9+.-]+://)?(\[[^\]]+\]|[^\s:/]+)(?::(\d{1,5}))?")


def apm(document: Mapping[str, Any]) -> Made:
    """A transaction or a span: (resource, span); b"" for a document that is neither, or stands for nothing."""
    fields = flat(document)
    event = _event(fields)
    trace = identifier(str(fields.get("trace.id") or ""), 16)
    own = identifier(str(fields.get(f"{event}.id") or fields.get("span.id") or ""), 8)
    start_ns, weight = _start_ns(fields), number(fields.get(f"{event}.representative_count"))
    if not event or not trace or not own or start_ns is None or weight == 0:
        return NOTHING
    together, took_ns = _duration(fields, event)
    attributes = _attributes(fields) | (_peer(fields) if event == SPAN else {})
    made = span((trace, own, identifier(str(fields.get("parent.id") or ""), 8)), _name(fields, event),
                _kind(fields, event), (start_ns, start_ns + took_ns), (attribute(*one) for one in attributes.items()),
                status=(_OUTCOMES.get(str(fields.get("event.outcome")), UNSET), ""),
                trace_state=threshold(weight, together), links=_links(fields.get("span.links")))
    return _sender(orjson.dumps({name: fields[name] for name in _SENDER if name in fields})), made


def threshold(weight: float | None, together: float = 1.0) -> str:
    """The `tracestate` of a span that stands for so many (OpenTelemetry, probability sampling): "" where it is not
    known for how many, 14 hexadecimal digits without the zeros at their end."""
    if weight is None and together <= 1:
        return ""
    stands_for = max((weight or 1.0) * together, 1.0)
    digits = f"{min(round((1 << 56) * (1 - 1 / stands_for)), (1 << 56) - 1):014x}".rstrip("0")
    return f"ot=th:{digits or '0'}"


def _event(fields: Fields) -> str:
    """Newer servers leave `processor.event` to the index; then a transaction is what has a duration or type as such."""
    said = fields.get("processor.event")
    if said in (TRANSACTION, SPAN):
        return str(said)
    if said:
        return ""
    if any(name in fields for name in ("transaction.duration.us", "transaction.type", "transaction.result")):
        return TRANSACTION
    return SPAN if "span.id" in fields and ("span.name" in fields or "span.type" in fields) else ""


def _start_ns(fields: Fields) -> int | None:
    exact = fields.get("timestamp.us")
    return exact * MICRO if isinstance(exact, int) else time_ns(fields.get("@timestamp"))


def _duration(fields: Fields, event: str) -> tuple[float, int]:
    """How many calls are told together in one document, and how long one of them took, in nanoseconds."""
    together = number(fields.get("span.composite.count")) or 1.0
    sum_us = number(fields.get("span.composite.sum.us"))
    if together > 1 and sum_us is not None:
        return together, round(sum_us / together * MICRO)
    took_us = number(fields.get(f"{event}.duration.us"))
    return 1.0, round(took_us * MICRO) if took_us is not None else round(number(fields.get("event.duration")) or 0)


def _name(fields: Fields, event: str) -> str:
    return str(fields.get(f"{event}.name") or fields.get("span.name") or "")


def _kind(fields: Fields, event: str) -> int:
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


def _attributes(fields: Fields) -> Fields:
    """Everything that does not say who, when and what, under the names of the semantic conventions."""
    found = {key: value for key, value in fields.items() if not key.startswith(_OWN)}
    for prefix in ("labels.", "numeric_labels."):
        found |= {key.removeprefix(prefix): found.pop(key) for key in list(found) if key.startswith(prefix)}
    queue = fields.get("transaction.message.queue.name") or fields.get("span.message.queue.name")
    if queue:
        found |= {"messaging.destination.name": queue}
    return found


def _peer(fields: Fields) -> Fields:
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


@lru_cache(maxsize=1 << 12)
def _sender(raw: bytes) -> bytes:
    """As text a sender can be remembered, and reading it costs more than writing it down."""
    fields = orjson.loads(raw)
    found: Fields = {}
    for name, conventional in _SENDER.items():
        if fields.get(name) not in (None, ""):
            found.setdefault(conventional, fields[name])
    return resource(found)


def _links(links: Any) -> Iterator[tuple[bytes, bytes]]:
    for link in links if isinstance(links, Iterable) else ():
        told = flat(link) if isinstance(link, dict) else {}
        trace, own = identifier(str(told.get("trace.id") or ""), 16), identifier(str(told.get("span.id") or ""), 8)
        if trace and own:
            yield trace, own
