"""Documents of Jaeger, read from their text: the same tags and processes come again and again, and are remembered by
it. What the fields mean: collectors.spans.jaeger_model."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from collectors.elastic_spans.texts import Text
from collectors.spans.jaeger_model import Tags, field_tags, is_read, sender_of, typed, written
from collectors.spans.writing import REMEMBERED, attribute

LONGEST_REMEMBERED = 512
"""Bytes of a tag."""
Made = tuple[bytes, bytes]


class _Document(msgspec.Struct, gc=False):
    """A document as Jaeger writes it."""

    trace: str = msgspec.field(name="traceID")
    own: str = msgspec.field(name="spanID")
    start_us: int = msgspec.field(name="startTime")
    took_us: int | None = msgspec.field(name="duration", default=None)
    name: str | None = msgspec.field(name="operationName", default=None)
    parent: str | None = msgspec.field(name="parentSpanID", default=None)
    references: list[dict[str, Any]] | None = None
    tags: list[Text] | None = None
    fields: dict[str, Any] | None = msgspec.field(name="tag", default=None)
    logs: list[dict[str, Any]] | None = None
    process: Text = msgspec.Raw(b"{}")


class _Tag(msgspec.Struct, gc=False):
    key: str
    type: str | None = None
    value: Any = None


_DOCUMENT, _TAG = msgspec.json.Decoder(_Document), msgspec.json.Decoder(_Tag)


def jaeger(text: Text, dot: str) -> Made:
    """(resource, span), the span b"" where the ids are none; ValueError for what Jaeger did not write."""
    document = _DOCUMENT.decode(text)
    tags, attributes = _taken_apart(document, dot)
    span = written((document.trace, document.own, document.parent or ""), document.name or "",
                   (document.start_us, document.took_us or 0), tags, attributes, document.references, document.logs)
    return sender_of(bytes(document.process), dot), span


def _taken_apart(document: _Document, dot: str) -> tuple[Tags, list[bytes]]:
    read: Tags = {}
    others: list[bytes] = []
    for tag in document.tags or ():
        text = bytes(tag)
        key, value = _remembered(text) if len(text) <= LONGEST_REMEMBERED else _tag(text)
        if key is None:
            others.append(value)
        else:
            read[key] = value
    if document.fields:
        field_tags(document.fields, dot, read, others)
    return read, others


def _tag(text: bytes) -> tuple[str | None, Any]:
    """The name and the value of a tag that is read; None and the bytes of an attribute for any other."""
    tag = _TAG.decode(text)
    value = typed(tag.value, tag.type)
    return (tag.key, value) if is_read(tag.key) else (None, attribute(tag.key, value))


_remembered = lru_cache(maxsize=REMEMBERED)(_tag)
