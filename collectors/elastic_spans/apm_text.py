"""Documents of Elastic APM, and of the mode `ecs`, read from their text. What a sender writes into all of them and what
calls of one kind say of whom they call, is remembered by it; labels are copied. It tells what `apm_layout` tells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import repeat
from operator import contains
from typing import Any, NamedTuple

import msgspec
import orjson

from collectors.elastic_spans.apm_fields import (
    LABELS,
    OUTCOMES,
    OWN,
    PEER,
    SENDER,
    SPAN,
    TRANSACTION,
    called,
    duration,
    event_of,
    kind_of,
    queue_of,
    sender_of,
)
from collectors.elastic_spans.apm_layout import NOTHING, Made, links_of, threshold
from collectors.elastic_spans.apm_parts import NO_OBJECT, Event, Id, Took, Us
from collectors.elastic_spans.fields import MICRO, Fields, time_ns, within
from collectors.elastic_spans.flat_objects import framed_attributes
from collectors.elastic_spans.parts import attributes_in, in_utf8, object_of, values_of, written
from collectors.elastic_spans.texts import Text
from collectors.spans.writing import (
    LONGEST_REMEMBERED,
    REMEMBERED,
    UNSET,
    identifier,
    resource,
    span,
    span_attributes,
)

TIME, NAMESPACE = "@timestamp", "service_namespace"
COMMON = ("agent", "data_stream", "ecs", "observer", "host", "kubernetes", "container", "cloud", "deployment",
          "process", "orchestrator")
"""The fields that are the same in all documents of one sender."""
APART = tuple(f"{name}." for name in (*COMMON, "destination"))
OTHER_LAYOUTS = ("traceID", "trace_id", "TraceId")
SENDERS = 1 << 11
"""How many are remembered, each with a few kilobytes of text."""
Pairs = tuple[tuple[str, bytes], ...]
_NAMESPACE, _NAMESPACE_TOLD = NAMESPACE.encode(), re.compile(rb'"service_namespace":"([^"\\]*)"')
_DOCUMENT = msgspec.json.Decoder(dict[str, Text])
_EVENT, _ID, _US = msgspec.json.Decoder(Event), msgspec.json.Decoder(Id), msgspec.json.Decoder(Us)


class _Common:
    """Who sent it, as far as all documents of a sender say it."""

    __slots__ = ("told",)

    def __init__(self, told: Fields) -> None:
        self.told = told


class _Outcome(NamedTuple):
    """How it ended, as a status of OpenTelemetry; whether it is a transaction or a span ("" for neither, None where
    that is not told); how long it took where it does not say itself."""

    status: int
    event: str | None
    took_ns: Any


class _Peer(NamedTuple):
    """What tells of which kind a span is and whom it calls: fields, or the text of them."""

    event: str
    has_parent: bool
    transaction_type: str | None
    type: str | None
    subtype: str | None
    action: str | None
    kind: str | None
    db_type: str | None
    db_instance: str | None
    queue: str
    destination: bytes
    target: bytes
    address: bytes


def apm(text: Text) -> Made:
    """(resource, span); b"" for the span where there is none. ValueError for what is of another layout, or has not the
    fields of this one in objects."""
    parts = _DOCUMENT.decode(text)
    take = parts.pop
    common = _common(b",".join(map(take, COMMON, repeat(NO_OBJECT))))
    service, target = _service(bytes(take("service", NO_OBJECT)))
    outcome = _outcome(bytes(take("event", NO_OBJECT)), bytes(take("processor", NO_OBJECT)))
    work, inner = _EVENT.decode(take(TRANSACTION, NO_OBJECT)), _EVENT.decode(take(SPAN, NO_OBJECT))
    event = _guessed(work, inner) if outcome.event is None else outcome.event
    own = work if event == TRANSACTION else inner
    ids = _id(take("trace", NO_OBJECT), 16), identifier(own.id or inner.id or "", 8), _id(take("parent", NO_OBJECT), 8)
    began_ns = _start_ns(take("timestamp", NO_OBJECT), take(TIME, NO_OBJECT))
    kind, address, callee = _peer((
        event, bool(ids[2]), work.type, inner.type, inner.subtype, inner.action, inner.kind, inner.db.type,
        inner.db.instance, work.message.queue.name or inner.message.queue.name, bytes(inner.destination), target,
        bytes(take("destination", NO_OBJECT)),
    ))
    namespace, attributes = _attributes(take("labels", NO_OBJECT), take("numeric_labels", NO_OBJECT), parts, address,
                                        callee)
    weight = own.representative_count
    if not event or not ids[0] or not ids[1] or began_ns is None or weight == 0:
        return NOTHING
    together, took_ns = _duration(own.duration, inner.composite, outcome)
    made = span(ids, own.name or inner.name or "", kind, (began_ns, began_ns + took_ns), (), framed=attributes,
                status=(outcome.status, ""), trace_state=threshold(weight, together),
                links=links_of(inner.links) if inner.links else ())
    return _sender(common, service, namespace), made


def _id(part: Text, length: int) -> bytes:
    return identifier(_ID.decode(part).id, length)


def _start_ns(exact: Text, time: Text) -> int | None:
    told = _US.decode(exact).us
    if told is not None:
        return told * MICRO
    return time_ns(orjson.loads(memoryview(time)))


def _guessed(work: Event, inner: Event) -> str:
    told = {"transaction.duration.us": work.duration, "transaction.type": work.type, "transaction.result": work.result,
            "span.id": inner.id, "span.name": inner.name, "span.type": inner.type}
    return event_of({name: value for name, value in told.items() if value is not None})


def _duration(own: Took | None, composite: Text, outcome: _Outcome) -> tuple[float, int]:
    if own is not None and composite is NO_OBJECT:
        return 1.0, round(own.us * MICRO)
    told = within("span.composite", object_of(composite)) | {"event.duration": outcome.took_ns}
    return duration(told | ({"span.duration.us": own.us} if own is not None else {}), SPAN)


def _attributes(
    labels: Text, numbers: Text, others: dict[str, Text], address: Pairs, callee: Pairs
) -> tuple[Any, Iterable[bytes]]:
    """The namespace that labels tell of, and all attributes: of those with one name the last."""
    texts = [_head(name) + bytes(part) for name, part in others.items()]
    if texts and not address and not callee:
        copied = _copied(bytes(labels), b"{%b}" % b",".join(texts) + bytes(numbers), True)
        if copied is not None:
            return copied[0], (copied[1],)
    found = dict(address)
    for name, part in others.items():
        found.update(attributes_in(name, part))
    copied = _copied(bytes(labels), bytes(numbers), False) if all(map(contains, found, repeat("."))) else None
    if copied is not None:
        found.update(callee)
        return copied[0], (*found.values(), copied[1])
    values = values_of(labels)
    namespace = values.get(NAMESPACE)
    values.update(values_of(numbers))
    found.update(zip(values, span_attributes(values), strict=True))
    found.update(callee)
    return namespace, found.values()


def _copied(labels: bytes, others: bytes, dots: bool) -> tuple[str | None, bytes] | None:
    """The namespace and everything as attributes; None where it has to be read one by one. Without `dots` labels have
    no name that something else may have, for that would have some."""
    told = None
    if _NAMESPACE in labels:
        told = _NAMESPACE_TOLD.search(labels)
        if told is None:
            return None
    framed = framed_attributes(in_utf8(labels + others), dots)
    return None if framed is None else (None if told is None else told[1].decode(), framed)


@lru_cache(maxsize=REMEMBERED)
def _head(name: str) -> bytes:
    """A name as JSON. ValueError for a field with a dotted name that is read, or of another layout: no document has it
    that can be read here."""
    if name.startswith((*OWN, *LABELS, *APART)) or name in OTHER_LAYOUTS:
        raise ValueError(name)
    return orjson.dumps(name) + b":"


def _object(name: str, text: bytes) -> Fields:
    """The values in a field by their dotted names; ValueError where it is no object."""
    return within(name, object_of(text))


@lru_cache(maxsize=SENDERS)
def _common(texts: bytes) -> _Common:
    found: Fields = {}
    for name, told in zip(COMMON, orjson.loads(b"[%b]" % texts), strict=True):
        if not isinstance(told, dict):
            raise ValueError(f"{name} is no object")
        found.update(within(name, told))
    return _Common({name: value for name, value in found.items() if name in SENDER})


@lru_cache(maxsize=REMEMBERED)
def _service(text: bytes) -> tuple[bytes, bytes]:
    """Who sent it, and whom it calls."""
    told = _object("service", text)
    sender, target = ({name: told[name] for name in told if name in known} for known in (SENDER, PEER))
    return orjson.dumps(sender), orjson.dumps(target)


@lru_cache(maxsize=REMEMBERED, typed=True)
def _sender(common: _Common, service: bytes, namespace: Any) -> bytes:
    """As text a service can be remembered, and reading it costs more than writing it down."""
    return resource(sender_of({**orjson.loads(service), **common.told, f"labels.{NAMESPACE}": namespace}))


@lru_cache(maxsize=REMEMBERED)
def _outcome(ended: bytes, processor: bytes) -> _Outcome:
    told = _object("event", ended) | _object("processor", processor)
    event = event_of(told) if told.get("processor.event") else None
    return _Outcome(OUTCOMES.get(str(told.get("event.outcome")), UNSET), event, told.get("event.duration"))


def _peer(told: tuple[Any, ...]) -> tuple[int, Pairs, Pairs]:
    """The kind, where it went, and whom that is, as attributes."""
    try:
        return _known_peer(told)
    except TypeError:
        return _peer_of(_Peer(*told))


@lru_cache(maxsize=REMEMBERED)
def _known_peer(told: tuple[Any, ...]) -> tuple[int, Pairs, Pairs]:
    """TypeError for long texts: a cache keeps no errors."""
    if any(isinstance(one, (str, bytes)) and len(one) > LONGEST_REMEMBERED for one in told):
        raise TypeError(f"more than {LONGEST_REMEMBERED} characters")
    return _peer_of(_Peer(*told))


def _peer_of(told: _Peer) -> tuple[int, Pairs, Pairs]:
    address = _object("destination", told.address)
    fields = address | _object("span.destination", told.destination) | orjson.loads(told.target) | {
        "parent.id": told.has_parent, "transaction.type": told.transaction_type, "span.type": told.type,
        "span.subtype": told.subtype, "span.action": told.action, "span.kind": told.kind, "span.db.type": told.db_type,
        "span.db.instance": told.db_instance, "span.message.queue.name": told.queue,
    }
    callee = queue_of(fields) | (called(fields) if told.event == SPAN else {})
    return kind_of(fields, told.event), tuple(written(address)), tuple(written(callee))
