"""Reads the protobuf wire format by hand: primitive values, text, and whole messages to be skipped.

Everything here works on addresses and returns the next address, or -1 for bytes it does not understand.
"Not understood" is not yet "malformed": the reference decoder judges what the scanner refuses.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from topology.blocks import BLOCK_BYTES, high_bits
from topology.machine import INLINE, JIT, apart, compiled, load_i64, load_u8, load_u32, load_u64, store_i64

BAD = np.int64(-1)
MAX_DEPTH = 48
FIELDS = 64
TYPES = 32
TEXT, MESSAGE = 1, 2
"""Codes in the schema table: 0 opaque, 1 a UTF-8 string, 2 + t a message of type t."""
_HIGH_BITS = np.uint64(0x8080808080808080)
_U0 = np.uint64(0)


@compiled(**INLINE)
def varint(p, end):  # type: ignore[no-untyped-def]
    """(value, next address) of a varint of at most ten bytes."""
    value = np.int64(0)
    shift = np.int64(0)
    end = min(end, p + 10)
    while p < end:
        b = load_u8(p)
        p += 1
        value |= (b & 127) << shift
        if b < 128:
            return value, p
        shift += 7
    return value, BAD


@compiled(**INLINE)
def tag(p, end):  # type: ignore[no-untyped-def]
    """(tag, next address); field number 0 and tags over 32 bits are not understood."""
    b = load_u8(p)
    if b < 128:
        return b, (p + 1 if b >= 8 else BAD)
    value, p = varint(p, end)
    return value, (p if 8 <= value < 4294967296 else BAD)


@compiled(**INLINE)
def length(p, end):  # type: ignore[no-untyped-def]
    """(n, start) of a length-delimited value that lies inside the message."""
    if p >= end:
        return np.int64(0), BAD
    n = load_u8(p)
    p += 1
    if n >= 128:
        n, p = varint(p - 1, end)
        if p < 0:
            return np.int64(0), BAD
    if n < 0 or n > end - p:
        return np.int64(0), BAD
    return n, p


@compiled(**JIT)
def _utf8(p, end):  # type: ignore[no-untyped-def]
    """Whether the bytes are UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF."""
    apart()
    while p < end:
        b = load_u8(p)
        if b < 0x80:
            p += 1
            continue
        if b < 0xC2 or b > 0xF4:
            return False
        more = 1 if b < 0xE0 else (2 if b < 0xF0 else 3)
        if p + more >= end:
            return False
        c = load_u8(p + 1)
        if (b == 0xE0 and c < 0xA0) or (b == 0xED and c > 0x9F) or (b == 0xF0 and c < 0x90) or (b == 0xF4 and c > 0x8F):
            return False
        for k in range(1, more + 1):
            if load_u8(p + k) & 0xC0 != 0x80:
                return False
        p += more + 1
    return True


@compiled(**JIT)
def _long_text(p, n):  # type: ignore[no-untyped-def]
    apart()
    seen = high_bits(p + n - BLOCK_BYTES)
    for at in range(0, n - BLOCK_BYTES, BLOCK_BYTES):
        seen |= high_bits(p + at)
    return seen == _U0 or _utf8(p, p + n)


@compiled(**INLINE)
def text(p, n):  # type: ignore[no-untyped-def]
    """Whether n bytes are UTF-8; eight ASCII bytes at a time, or sixty-four."""
    if n >= BLOCK_BYTES:
        return _long_text(p, n)
    q = p
    last = p + n - 8
    while q <= last:
        if load_u64(q) & _HIGH_BITS != _U0:
            return _utf8(q, p + n)
        q += 8
    if n >= 8:
        return load_u64(last) & _HIGH_BITS == _U0 or _utf8(q, p + n)
    if n >= 4:
        return (load_u32(p) | load_u32(p + n - 4)) & 0x80808080 == 0 or _utf8(p, p + n)
    while q < p + n:
        if load_u8(q) >= 128:
            return _utf8(p, p + n)
        q += 1
    return True


@compiled(**INLINE)
def skip(p, end, t):  # type: ignore[no-untyped-def]
    """Past the value of a field that means nothing to us; groups are not understood."""
    kind = t & 7
    if kind == 0:
        _, p = varint(p, end)
        return p
    if kind == 2:
        n, p = length(p, end)
        return p + n if p >= 0 else p
    if kind == 1:
        return p + 8 if end - p >= 8 else BAD
    if kind == 5:
        return p + 4 if end - p >= 4 else BAD
    return BAD


@compiled(**JIT)
def check(p, end, message, schema):  # type: ignore[no-untyped-def]
    """Past a whole message of the schema's type `message`, every string and nested message inside checked.

    The stack of open messages is kept in the words after the schema: a compiled function that calls itself
    does not survive Numba's cache.
    """
    apart()
    depth = np.int64(0)
    stack = schema + TYPES * FIELDS
    while True:
        while p == end and depth > 0:
            depth -= 1
            end, message = load_i64(stack + depth * 16), load_i64(stack + depth * 16 + 8)
        if p == end:
            return p
        t, p = tag(p, end)
        if p < 0:
            return BAD
        code = load_u8(schema + message * FIELDS + (t >> 3)) if t < FIELDS * 8 else np.int64(0)
        if t & 7 != 2 or code == 0:
            p = skip(p, end, t)
            if p < 0:
                return BAD
            continue
        n, p = length(p, end)
        if p < 0 or (code == TEXT and not text(p, n)) or depth == MAX_DEPTH:
            return BAD
        if code == TEXT:
            p += n
        else:
            store_i64(stack + depth * 16, end)
            store_i64(stack + depth * 16 + 8, message)
            depth += 1
            end, message = p + n, code - MESSAGE


def schema_table(root: Descriptor) -> tuple[npt.NDArray[np.uint8], dict[str, int]]:
    """The table `check` reads (with room for its stack), and the number of each type within `root`, by full name.

    Derived from the generated descriptors, so that it cannot drift from the protocol's version in use.
    """
    numbers: dict[str, int] = {}
    order: list[Descriptor] = []
    waiting = [root]
    while waiting:
        message = waiting.pop()
        if message.full_name in numbers:
            continue
        numbers[message.full_name] = len(order)
        order.append(message)
        waiting += [f.message_type for f in message.fields if f.message_type is not None]
    assert len(order) <= TYPES
    table = np.zeros((TYPES + MAX_DEPTH, FIELDS), np.uint8)
    for row, message in zip(table, order, strict=False):
        for field in message.fields:
            if field.number < FIELDS:
                row[field.number] = _code(field, numbers)
    return table, numbers


def _code(field: FieldDescriptor, numbers: dict[str, int]) -> int:
    if field.type == FieldDescriptor.TYPE_STRING:
        return TEXT
    return MESSAGE + numbers[field.message_type.full_name] if field.message_type is not None else 0
