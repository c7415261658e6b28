"""Spans as Jaeger keeps them (tags, references, a process) to OTLP spans: of its internal API and of its indices.

The way back from what Jaeger makes of OTLP (jaegertracing/jaeger, internal/jptrace and the contrib module
pkg/translator/jaeger); its times have whole microseconds. Names of OpenTracing that the map reads get those of the
semantic conventions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from collectors.spans.writing import (
    ERROR,
    KINDS,
    LONGEST_REMEMBERED,
    OK,
    REMEMBERED,
    UNSET,
    attribute,
    event,
    identifier,
    resource,
    span,
    text_field,
)

Tags = dict[str, Any]
CHILD_OF = "CHILD_OF"
MICRO = 1000
DOT = "@"
"""What Jaeger writes for a dot in the names of tags that are fields of their own."""
_OWN = ("span.kind", "otel.status_code", "otel.status_description", "w3c.tracestate", "internal.span.format")
_NEW_NAMES = {"peer.hostname": "server.address", "peer.port": "server.port", "db.instance": "db.namespace",
              "db.type": "db.system", "message_bus.destination": "messaging.destination.name"}
_SENDER_NAMES = {"hostname": "host.name"}
_STATUSES = {"ERROR": ERROR, "OK": OK}
_READ = frozenset((*_OWN, *_NEW_NAMES, "error"))


def sender(process: Mapping[str, Any], dot: str = DOT) -> bytes:
    """The bytes of the resource of a process."""
    return sender_of(orjson.dumps(process), dot)


@lru_cache(maxsize=1 << 12)
def sender_of(process: bytes, dot: str) -> bytes:
    """The same of its text, by which a process can be remembered; reading it costs more than writing it down."""
    read = orjson.loads(process) or {}
    tags = read_tags(read.get("tags"), read.get("tag"), dot)
    attributes = {_SENDER_NAMES.get(key, key): value for key, value in tags.items()}
    return resource({**attributes, "service.name": str(read.get("serviceName") or "")})


def read_tags(listed: Iterable[Mapping[str, Any]] | None, fields: Mapping[str, Any] | None = None,
              dot: str = DOT) -> Tags:
    """Tags by name, those in a list and those that are fields of their own."""
    found: Tags = {tag["key"]: _value(tag) for tag in listed or () if isinstance(tag, Mapping) and "key" in tag}
    for name, value in (fields or {}).items():
        found[name.replace(dot, ".")] = value
    return found


def _value(tag: Mapping[str, Any]) -> Any:
    return typed(tag.get("value"), tag.get("type"))


def typed(value: Any, kind: Any) -> Any:
    """The value of a tag of a type, which its storage may have turned into text."""
    if not isinstance(value, str) or kind in (None, "string", "binary"):
        return value
    try:
        return value.lower() == "true" if kind == "bool" else float(value) if kind == "float64" else int(value)
    except ValueError:
        return value


@lru_cache(maxsize=REMEMBERED, typed=True)
def _remembered(key: str, kind: Any, value: Any) -> bytes:
    return attribute(key, typed(value, kind))


def _taken_apart(document: Mapping[str, Any], dot: str) -> tuple[Tags, list[bytes]]:
    """The tags that are read, and all others as attributes. Most tags have been seen before."""
    read: Tags = {}
    others: list[bytes] = []
    for tag in document.get("tags") or ():
        if not isinstance(tag, Mapping):
            continue
        key, value, kind = tag.get("key"), tag.get("value"), tag.get("type")
        if key in _READ:
            read[key] = typed(value, kind)
        elif (isinstance(value, str) and len(value) > LONGEST_REMEMBERED) or isinstance(value, (list, dict)):
            others.append(attribute(str(key), typed(value, kind)))
        elif isinstance(key, str):
            others.append(_remembered(key, kind, value))
    field_tags(document.get("tag") or {}, dot, read, others)
    return read, others


def field_tags(fields: Mapping[str, Any], dot: str, read: Tags, others: list[bytes]) -> None:
    """Adds tags that are fields of their own to those that are read and to all others."""
    for name, value in fields.items():
        key = name.replace(dot, ".")
        if key in _READ:
            read[key] = value
        else:
            others.append(attribute(key, value))


def is_read(key: str) -> bool:
    """Whether a tag says more than that it is there."""
    return key in _READ


def write(document: Mapping[str, Any], dot: str = DOT) -> bytes:
    """The bytes of a span; b"" for a document that is none."""
    start_us = document.get("startTime")
    if not isinstance(start_us, int):
        return b""
    ids = str(document.get("traceID", "")), str(document.get("spanID", "")), str(document.get("parentSpanID") or "")
    times_us = start_us, int(document.get("duration") or 0)
    return written(ids, str(document.get("operationName") or ""), times_us, *_taken_apart(document, dot),
                   document.get("references"), document.get("logs"))


def written(
    digits: tuple[str, str, str], name: str, times_us: tuple[int, int], tags: Tags, attributes: list[bytes],
    references: Sequence[Mapping[str, Any]] | None, logs: Sequence[Mapping[str, Any]] | None,
) -> bytes:
    """The bytes of a span; b"" without ids. `digits` are those of its trace, its own and its parent's, `times_us` when
    it began and how long it took, `tags` those that are read, `attributes` all others."""
    trace, own = identifier(digits[0], 16), identifier(digits[1], 8)
    if not trace or not own:
        return b""
    parent, links = _references(references, trace, identifier(digits[2], 8) if digits[2] else b"")
    kind = KINDS.get(str(tags.get("span.kind", "")).lower(), 0)
    status, state = _status(tags), str(tags.get("w3c.tracestate") or "")
    times_ns = times_us[0] * MICRO, (times_us[0] + times_us[1]) * MICRO
    return span((trace, own, parent), name, kind, times_ns, [*attributes, *_translated(tags, attributes)],
                status=status, trace_state=state, events=_events(logs), links=links)


def _references(
    references: Sequence[Mapping[str, Any]] | None, trace: bytes, parent: bytes
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The parent, which is the first CHILD_OF in the same trace, and everything else that is referred to."""
    links = []
    for reference in references or ():
        where = identifier(str(reference.get("traceID", "")), 16)
        at = identifier(str(reference.get("spanID", "")), 8)
        is_child = where == trace and reference.get("refType") == CHILD_OF
        if is_child and parent in (b"", at):
            parent = at
        elif where and at:
            links.append((where, at))
    return parent, links


def _status(tags: Tags) -> tuple[int, str]:
    said = _STATUSES.get(str(tags.get("otel.status_code", "")).upper(), UNSET)
    if str(tags.get("error")).lower() in ("true", "false"):
        said = ERROR if str(tags.pop("error")).lower() == "true" and said == UNSET else said
    return said, str(tags.get("otel.status_description") or "")


def _translated(tags: Tags, attributes: list[bytes]) -> list[bytes]:
    """What is left of the tags that are read, under their own names and those of the conventions."""
    left = {key: value for key, value in tags.items() if key not in _OWN}
    if not left:
        return []
    known = b"".join(attributes)
    for old, new in _NEW_NAMES.items():
        if old in left and text_field(1, new) not in known:
            left[new] = left[old]
    return [attribute(key, value) for key, value in left.items()]


def _events(logs: Sequence[Mapping[str, Any]] | None) -> list[bytes]:
    found = []
    for log in logs or ():
        fields = read_tags(log.get("fields"))
        name = str(fields.pop("event", ""))
        at_us = log.get("timestamp")
        found.append(event(at_us * MICRO if isinstance(at_us, int) else 0, name,
                           [attribute(key, value) for key, value in fields.items()]))
    return found
