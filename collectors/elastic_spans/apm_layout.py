"""Documents of Elastic APM, and of the OpenTelemetry collector's exporter in the mode `ecs`, which writes the same
fields as far as it knows them.

A transaction is the work that a service was called for, a span work inside it; a span that leaves the service says
where to in `service.target` or `span.destination.service.resource`. Sampling: `representative_count`, how many events a
document stands for. Documents are read in two ways that tell the same: from their text, most parts of which are
remembered, and from a dictionary however it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from collectors.elastic_spans.apm_fields import (
    LABELS,
    OWN,
    PEER,
    SENDER,
    SPAN,
    attributes_of,
    called,
    duration,
    event_of,
    kind_of,
    name_of,
    queue_of,
    sender_of,
    start_ns,
)
from collectors.elastic_spans.fields import Fields, flat, flatten, number, within
from collectors.elastic_spans.parts import Written, attributes_in, values_of, written
from collectors.elastic_spans.texts import Text
from collectors.spans.writing import (
    ERROR,
    LONGEST_REMEMBERED,
    OK,
    REMEMBERED,
    UNSET,
    identifier,
    resource,
    span,
    span_attributes,
)

Made = tuple[bytes, bytes]
Part = tuple[str, bytes]
"""A field of a document: its name and its text."""
NOTHING: Made = (b"", b"")
TIME, NAMESPACE = "@timestamp", "service_namespace"
_OUTCOMES = {"success": OK, "failure": ERROR}
_DOCUMENT = msgspec.json.Decoder(dict[str, Text])


def apm_of(document: Mapping[str, Any]) -> Made:
    """A transaction or a span: (resource, span); b"" for a document that is neither, or stands for nothing."""
    fields = flat(document)
    event = event_of(fields)
    attributes = attributes_of(fields) | (called(fields) if event == SPAN else {})
    made = _span(fields, event, span_attributes(attributes))
    return (resource(sender_of(fields)), made) if made else NOTHING


def apm(text: Text) -> Made:
    """The same from the text of a document; ValueError for one of another layout, and for one that has values where
    there should be objects."""
    taken = _Taken()
    for name, part in _DOCUMENT.decode(text).items():
        _way(name)(taken, name, part)
    event = event_of(taken.fields)
    made = _span(taken.fields, event, taken.all_attributes(event))
    return (_sender_of(tuple(taken.sender)), made) if made else NOTHING


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
                framed=attributes, status=(_OUTCOMES.get(str(fields.get("event.outcome")), UNSET), ""),
                trace_state=threshold(weight, together), links=_links(fields.get("span.links") or ()))


@lru_cache(maxsize=1 << 8)
def threshold(weight: float | None, together: float = 1.0) -> str:
    """The `tracestate` of a span that stands for so many (OpenTelemetry, probability sampling): "" where it is not
    known for how many, 14 hexadecimal digits without the zeros at their end."""
    if weight is None and together <= 1:
        return ""
    stands_for = max((weight or 1.0) * together, 1.0)
    digits = f"{min(round((1 << 56) * (1 - 1 / stands_for)), (1 << 56) - 1):014x}".rstrip("0")
    return f"ot=th:{digits or '0'}"


def _links(links: Any) -> Iterator[tuple[bytes, bytes]]:
    for link in links if isinstance(links, Iterable) else ():
        told = flat(link) if isinstance(link, dict) else {}
        trace, own = identifier(str(told.get("trace.id") or ""), 16), identifier(str(told.get("span.id") or ""), 8)
        if trace and own:
            yield trace, own


class _Taken:
    """What the text of a document is taken apart into: `fields` that are read, `attributes` and labels as a span holds
    them, and the parts that tell who made it."""

    def __init__(self) -> None:
        self.fields: Fields = {}
        self.attributes: dict[str, bytes] = {}
        self.labels: dict[str, dict[str, bytes]] = {prefix: {} for prefix in LABELS}
        self.sender: list[Part] = []

    def attribute(self, name: str, part: Text) -> None:
        """A field that is an attribute, or an object of such."""
        self.attributes.update(attributes_in(name, part))

    def read(self, name: str, part: Text) -> None:
        """A field of the document itself."""
        held = orjson.loads(memoryview(part))
        if isinstance(held, dict):
            flatten(held, name + ".", self.fields)
        elif "." in name or name == TIME:
            self.fields[name] = held
        else:
            raise ValueError(f"{name} is no object")

    def outcome(self, name: str, part: Text) -> None:
        """The same of a field that has few values."""
        self.fields.update(_known(name, bytes(part)))

    def destination(self, name: str, part: Text) -> None:
        """Where a span went, which is both."""
        self.read(name, part)
        self.attribute(name, part)

    def label(self, name: str, part: Text) -> None:
        """Attributes that have no field of their own."""
        prefix = name.partition(".")[0] + "."
        held = values_of(part) if len(name) < len(prefix) else _below(prefix, _told(name, bytes(part)))
        self.labels[prefix].update(written(held))
        if prefix + NAMESPACE in SENDER and NAMESPACE in held:
            self.sender.append((prefix + NAMESPACE, orjson.dumps(held[NAMESPACE])))

    def service(self, name: str, part: Text) -> None:
        """Who made it, and whom it calls."""
        sender, target = _service(name, bytes(part))
        self.sender.append(sender)
        self.fields.update(target)

    def origin(self, name: str, part: Text) -> None:
        """Where it was made."""
        self.sender.append((name, _of_objects(name, bytes(part))))

    def rest(self, name: str, part: Text) -> None:
        """What is not read."""
        _of_objects(name, bytes(part))

    def other(self, name: str, part: Text) -> None:
        """What no document of this layout has."""
        raise ValueError(name)

    def all_attributes(self, event: str) -> Iterable[bytes]:
        """Attributes and labels, and whom a span calls; of those with one name the last."""
        for prefix in LABELS:
            self.attributes.update(self.labels[prefix])
        if queue := queue_of(self.fields):
            self.attributes.update(written(queue))
        if event == SPAN:
            self.attributes.update(_called(self.fields))
        return self.attributes.values()


_WAYS: Mapping[str, Callable[[_Taken, str, Text], None]] = {
    **dict.fromkeys((name.rstrip(".") for name in OWN), _Taken.rest),
    **dict.fromkeys(("traceID", "trace_id", "TraceId"), _Taken.other),
    **dict.fromkeys(("host", "kubernetes", "container", "cloud", "deployment"), _Taken.origin),
    **dict.fromkeys((TIME, "timestamp", "parent", "span", "trace", "transaction"), _Taken.read),
    **dict.fromkeys(("event", "processor"), _Taken.outcome),
    **dict.fromkeys((name.rstrip(".") for name in LABELS), _Taken.label),
    "service": _Taken.service, "destination": _Taken.destination,
}


@lru_cache(maxsize=REMEMBERED)
def _way(name: str) -> Callable[[_Taken, str, Text], None]:
    """What becomes of a field, by the beginning of its name."""
    return _WAYS.get(name.partition(".")[0], _Taken.rest if name.startswith(OWN) else _Taken.attribute)


def _of_objects(name: str, text: bytes) -> bytes:
    """The text of a field; ValueError where it would be a value by a name that is none of this layout."""
    if not text.startswith(b"{") and "." not in name:
        raise ValueError(f"{name} is no object")
    return text


def _told(name: str, text: bytes) -> Fields:
    return within(name, orjson.loads(_of_objects(name, text)))


_known = lru_cache(maxsize=1 << 10)(_told)


def _below(prefix: str, fields: Fields) -> Fields:
    return {key.removeprefix(prefix): value for key, value in fields.items()}


@lru_cache(maxsize=REMEMBERED)
def _service(name: str, text: bytes) -> tuple[Part, Fields]:
    told = _told(name, text)
    sender = {key.removeprefix("service."): value for key, value in told.items() if key in SENDER}
    return ("service", orjson.dumps(sender)), {key: value for key, value in told.items() if key in PEER}


@lru_cache(maxsize=1 << 12)
def _sender_of(parts: tuple[Part, ...]) -> bytes:
    """As text a sender can be remembered, and reading it costs more than writing it down."""
    told: Fields = {}
    for name, text in parts:
        told.update(within(name, orjson.loads(text)))
    return resource(sender_of(told))


def _called(fields: Fields) -> Written:
    try:
        return _known_call(*map(fields.get, PEER))
    except TypeError:
        return written(called(fields))


@lru_cache(maxsize=REMEMBERED, typed=True)
def _known_call(*told: Any) -> Written:
    """TypeError for long texts, as for lists: a cache keeps no errors."""
    if any(isinstance(value, str) and len(value) > LONGEST_REMEMBERED for value in told):
        raise TypeError(f"more than {LONGEST_REMEMBERED} characters")
    return tuple(written(called(dict(zip(PEER, told, strict=True)))))
