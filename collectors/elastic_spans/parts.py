"""Parts of documents that come again and again: what they become is remembered by their text."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import orjson

from collectors.elastic_spans.fields import Fields, flat, within
from collectors.elastic_spans.flat_objects import framed_attributes
from collectors.elastic_spans.texts import Text
from collectors.spans.writing import REMEMBERED, span_attributes

LONGEST_REMEMBERED = 512
"""Bytes of a part."""
Written = Iterable[tuple[str, bytes]]
"""Attributes by name, as a span holds them."""
Whole = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_VALUES = msgspec.json.Decoder(dict[str, str | Whole | float | bool | tuple[str, ...] | None])


def object_of(part: Text | bytes) -> dict[str, Any]:
    """The object in a part of a document; ValueError where it is none."""
    found = orjson.loads(part if isinstance(part, bytes) else memoryview(part))
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def values_of(part: Text) -> Fields:
    """The values in an object by their dotted names; ValueError where it is none. Mostly all of them can be remembered,
    lists of texts because they are tuples."""
    try:
        return _VALUES.decode(part)
    except ValueError:
        return flat(object_of(part))


def in_utf8(text: bytes) -> bytes:
    """The text; ValueError where it is none."""
    if not text.isascii():
        text.decode()
    return text


def attributes_of(part: Text) -> list[bytes]:
    """The values in an object as attributes of a span; ValueError where it is none."""
    framed = framed_attributes(in_utf8(bytes(part)), dots=True)
    return span_attributes(values_of(part)) if framed is None else [framed]


def attributes_in(name: str, part: Text) -> Written:
    """The attributes in a field of a document: of an object one for each value in it."""
    text = bytes(part)
    return _remembered(name, text) if len(text) <= LONGEST_REMEMBERED else _attributes_in(name, text)


def _attributes_in(name: str, text: bytes) -> Written:
    return written(within(name, orjson.loads(text)))


@lru_cache(maxsize=REMEMBERED)
def _remembered(name: str, text: bytes) -> Written:
    return tuple(_attributes_in(name, text))


def written(held: Fields) -> Written:
    """Values by their names as attributes."""
    return zip(held, span_attributes(held), strict=True)
