"""Spans as bytes of OTLP: written field by field, because objects of the protobuf runtime cost several times as much.

Field numbers: opentelemetry-proto 1.11, trace/v1/trace.proto, common/v1/common.proto, resource/v1/resource.proto.
Attributes and names come again and again: their bytes are remembered.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

REMEMBERED = 1 << 12
LONGEST_REMEMBERED = 256
"""Characters: longer texts (statements, stack traces) are seldom the same twice."""
KINDS: Mapping[str, int] = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
UNSET, OK, ERROR = 0, 1, 2
Scalar = str | bool | int | float
_MOST, _WORD = (1 << 63) - 1, (1 << 64) - 1
_TIMES = struct.Struct("<BQBQ")
_DOUBLE = struct.Struct("<d")


def varint(value: int) -> bytes:
    """An unsigned number of up to 64 bits."""
    if value < 128:
        return bytes((value,))
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def field(number: int, content: bytes) -> bytes:
    """A field with a length: text, bytes or a message."""
    if number < 16 and len(content) < 128:
        return bytes((number << 3 | 2, len(content))) + content
    return varint(number << 3 | 2) + _length(len(content)) + content


def _length(size: int) -> bytes:
    return _LENGTHS[size] if size < len(_LENGTHS) else varint(size)


def text_field(number: int, text: str) -> bytes:
    """A field of text; nothing for the empty one."""
    if not text:
        return b""
    return _text_field(number, text) if len(text) <= LONGEST_REMEMBERED else field(number, _utf8(text))


@lru_cache(maxsize=REMEMBERED)
def _text_field(number: int, text: str) -> bytes:
    return field(number, _utf8(text))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def attribute(key: str, value: Any) -> bytes:
    """A `KeyValue` of text, truth, a number, or a list or mapping of these; an empty value for None."""
    if isinstance(value, str):
        return _attribute(key, value) if len(value) <= LONGEST_REMEMBERED else _key_value(key, _any(value))
    if isinstance(value, (bool, int, float)):
        return _attribute(key, value)
    return _key_value(key, _any(value))


@lru_cache(maxsize=REMEMBERED, typed=True)
def _attribute(key: str, value: Scalar) -> bytes:
    return _key_value(key, _any(value))


def span_attributes(held: Mapping[str, Any]) -> list[bytes]:
    """Attributes as a span holds them, each behind its field number and length."""
    try:
        return list(map(_known, held, held.values()))
    except TypeError:
        return list(map(_span_attribute, held, held.values()))


def _span_attribute(key: str, value: Any) -> bytes:
    try:
        return _known(key, value)
    except TypeError:
        return _framed(key, value)


def _framed(key: str, value: Any) -> bytes:
    return field(9, _key_value(key, _any(value)))


@lru_cache(maxsize=REMEMBERED, typed=True)
def _known(key: str, value: Scalar | tuple[str, ...]) -> bytes:
    """TypeError for what is long, as for lists and mappings: a cache keeps no errors."""
    held = len(value) if isinstance(value, str) else sum(map(len, value)) if isinstance(value, tuple) else 0
    if len(key) + held > LONGEST_REMEMBERED:
        raise TypeError(f"more than {LONGEST_REMEMBERED} characters")
    return _framed(key, value)


def _key_value(key: str, value: bytes) -> bytes:
    return text_field(1, key) + field(2, value)


def _any(value: Any) -> bytes:
    """The bytes of an `AnyValue`. An integer that has no room in 64 bits is written as text."""
    if isinstance(value, str):
        return field(1, _utf8(value))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        fits = -_MOST - 1 <= value <= _MOST
        return b"\x18" + varint(value & _WORD) if fits else field(1, str(value).encode())
    if isinstance(value, float):
        return b"\x21" + _DOUBLE.pack(value)
    if isinstance(value, bytes):
        return field(7, value)
    if isinstance(value, Mapping):
        return field(6, b"".join(field(1, attribute(str(key), item)) for key, item in value.items()))
    if isinstance(value, Sequence):
        return field(5, b"".join(field(1, _any(item)) for item in value))
    return b""


def resource(attributes: Mapping[str, Any]) -> bytes:
    """The bytes of a `Resource`."""
    return b"".join(field(1, attribute(key, value)) for key, value in attributes.items())


def identifier(digits: str, length: int) -> bytes:
    """An id of so many bytes from hexadecimal digits, leading zeros added; b"" for anything else and for zeros."""
    try:
        found = bytes.fromhex(digits if len(digits) == 2 * length else digits.zfill(2 * length))
    except ValueError:
        return b""
    return found if len(found) == length and any(found) else b""


def span(
    ids: tuple[bytes, bytes, bytes], name: str, kind: int, times_ns: tuple[int, int],
    attributes: Iterable[bytes], *, status: tuple[int, str] = (UNSET, ""), trace_state: str = "",
    events: Iterable[bytes] = (), links: Iterable[tuple[bytes, bytes]] = (), framed: Iterable[bytes] = (),
) -> bytes:
    """A `Span`: `ids` are those of the trace, the span and its parent (b"" for none), `attributes` and `events` bytes
    of `KeyValue` and `Event`, `framed` attributes as `span_attributes` writes them."""
    trace, own, parent = ids
    parts = [b"\x0a\x10", trace, b"\x12\x08", own, text_field(3, trace_state)]
    if parent:
        parts += b"\x22\x08", parent
    parts += text_field(5, name), bytes((0x30, kind)), _TIMES.pack(0x39, times_ns[0] & _WORD, 0x41, times_ns[1] & _WORD)
    for one in attributes:
        parts += b"\x4a", _length(len(one)), one
    parts += framed
    if events:
        parts += [field(11, event) for event in events]
    if links:
        parts += [field(13, b"\x0a\x10" + linked + b"\x12\x08" + at) for linked, at in links]
    if status[0] or status[1]:
        parts.append(field(15, text_field(2, status[1]) + b"\x18" + bytes((status[0],))))
    return b"".join(parts)


def event(time_ns: int, name: str, attributes: Iterable[bytes]) -> bytes:
    """A span's `Event`."""
    parts = [b"\x09", struct.pack("<Q", time_ns & _WORD), text_field(2, name)]
    return b"".join([*parts, *(field(3, one) for one in attributes)])


_LENGTHS = [varint(length) for length in range(1024)]


class Request:
    """An `ExportTraceServiceRequest` that grows: spans under the resources that sent them."""

    def __init__(self) -> None:
        self._spans: dict[bytes, list[bytes]] = {}
        self.spans = 0

    def add(self, sender: bytes, made: bytes) -> None:
        """One span more, of the resource with these bytes."""
        self._spans.setdefault(sender, []).extend((b"\x12", _length(len(made)), made))
        self.spans += 1

    def content(self) -> bytes:
        """The request; b"" when it has no span."""
        return b"".join(field(1, field(1, sender) + field(2, b"".join(made))) for sender, made in self._spans.items())
