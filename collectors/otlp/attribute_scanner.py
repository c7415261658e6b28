"""Attributes of spans and of their events: from bytes into columns."""

from __future__ import annotations

import numpy as np

from collectors.otlp.attributes import (
    ATTRIBUTES,
    IN_EVENT,
    column_of,
    fill_number,
    fill_text,
    find,
    find_anywhere,
    outranked,
    priority_of,
    rank,
    rank_of,
)
from collectors.otlp.wire import BAD, check, length, skip, tag, text, varint
from topology.blocks import BLOCK_BYTES, clear_block, is_ascii
from topology.machine import INLINE, JIT, apart, compiled, load_i64, load_u8, load_u16, load_u32, store_u8
from topology.spans import ERROR_TYPE

# The scanner's context, words at one address: tables it reads and numbers of message types.
(STRINGS, RESOURCES, KEYS, SCHEMA, T_SCOPE, T_KEY_VALUE, T_ANY_VALUE, T_EVENT, T_LINK, T_STATUS, T_RESOURCE,
 FAR_FROM_END, COPY) = range(13)
CONTEXT_WORDS = 32
"""FAR_FROM_END: the address up to which something of less than 128 bytes that begins there may be read in whole blocks,
wherever in it they begin. COPY: the first word of a block for what stands nearer to the end."""
MARGIN_BYTES = 256
_HIGH_BITS = np.int64(0x0080808080808080)
EXCEPTION_TYPE = next(a.priority for a in ATTRIBUTES if a.name == "exception.type")


@compiled(**JIT)
def _copied(p, n, context):  # type: ignore[no-untyped-def]
    apart()
    copy = context + COPY * 8
    clear_block(copy)
    for k in range(n):
        store_u8(copy + k, load_u8(p + k))
    return copy


@compiled(**INLINE)
def readable(p, n, context):  # type: ignore[no-untyped-def]
    """Where the n bytes at p stand and, when they are less than 64, 64 may be read."""
    if n >= BLOCK_BYTES or p <= load_i64(context + FAR_FROM_END * 8):
        return p
    return _copied(p, n, context)


@compiled(**JIT)
def _value(p, end, entry, ranks, narrow, context):  # type: ignore[no-untyped-def]
    """A known attribute's AnyValue in any shape; the last member set counts, as in a protobuf oneof."""
    apart()
    if check(p, end, load_i64(context + T_ANY_VALUE * 8), load_i64(context + SCHEMA * 8)) < 0:
        return BAD
    member, number, at, size = np.int64(0), np.int64(-1), np.int64(0), np.int64(0)
    while p < end:
        t, p = tag(p, end)
        if t == 10:
            size, at = length(p, end)
            p = at + size
        elif t == 24:
            number, p = varint(p, end)
        else:
            p = skip(p, end, t)
        if t == 10 or t == 24 or t == 16 or t == 33 or t == 42 or t == 50 or t == 58 or t == 64:
            member = t
    if member == 0 or outranked(entry, ranks):
        return p
    if member == 10:
        at = readable(at, size, context)
        fill_text(narrow, column_of(entry), at, size, load_i64(context + STRINGS * 8))
    else:
        fill_number(narrow, column_of(entry), number if member == 24 else np.int64(-1))
    return p


@compiled(**JIT)
def _odd_attribute(p, end, ranks, narrow, context):  # type: ignore[no-untyped-def]
    """(next address, ranks) of an attribute whose shape is unusual: order of fields, repeats, nested values."""
    apart()
    if check(p, end, load_i64(context + T_KEY_VALUE * 8), load_i64(context + SCHEMA * 8)) < 0:
        return BAD, ranks
    entry = np.int64(0)
    q = p
    while q < end:
        t, q = tag(q, end)
        if t == 10:
            n, q = length(q, end)
            entry = find_anywhere(q, n, load_i64(context + KEYS * 8))
            q += n
        else:
            q = skip(q, end, t)
    if entry == 0:
        return end, ranks
    if rank_of(column_of(entry), ranks) == IN_EVENT and column_of(entry) == ERROR_TYPE:
        # An event before an attribute that may say nothing: for the protobuf runtime to sort out.
        return BAD, ranks
    values = 0
    while p < end:
        t, p = tag(p, end)
        if t == 18:
            n, p = length(p, end)
            values += 1
            # Several values of one attribute merge in ways only the protobuf runtime should decide.
            if values > 1 or _value(p, p + n, entry, ranks, narrow, context) < 0:
                return BAD, ranks
            p += n
        else:
            p = skip(p, end, t)
    return end, (ranks if values == 0 or outranked(entry, ranks) else rank(entry, ranks))


@compiled(**JIT)
def attribute(p, end, ranks, narrow, context):  # type: ignore[no-untyped-def]
    """(next address, ranks) of one attribute of any size. The usual shape, `key: short string, value: string or
    number`, is read without loops; everything else goes the long way."""
    apart()
    n = end - p
    if n < 6 or load_u8(p) != 10:
        return _odd_attribute(p, end, ranks, narrow, context)
    k = load_u8(p + 1)
    v = p + 2 + k
    if k >= 128 or k + 6 > n or load_u8(v) != 18:
        return _odd_attribute(p, end, ranks, narrow, context)
    size, v = length(v + 1, end)
    if v < 0 or size < 2 or v + size != end:
        return _odd_attribute(p, end, ranks, narrow, context)
    entry = find_anywhere(p + 2, k, load_i64(context + KEYS * 8))
    if load_u8(v) != 10:
        return _number(p, v, end, entry, ranks, narrow, context)
    m, q = length(v + 1, end)
    if q < 0 or q + m != end:
        return _odd_attribute(p, end, ranks, narrow, context)
    if entry == 0 or outranked(entry, ranks):
        return (end if text(p + 2, k) and text(q, m) else BAD), ranks
    good = fill_text(narrow, column_of(entry), readable(q, m, context), m, load_i64(context + STRINGS * 8))
    return (end if good else BAD), rank(entry, ranks)


@compiled(**JIT)
def _number(p, v, end, entry, ranks, narrow, context):  # type: ignore[no-untyped-def]
    """(next address, ranks) of an attribute with a plain number at v."""
    apart()
    k = load_u8(p + 1)
    number, q = _plain_number(v, end)
    if q != end or (entry != 0 and column_of(entry) == ERROR_TYPE):
        return _odd_attribute(p, end, ranks, narrow, context)
    if entry == 0:
        return (end if text(p + 2, k) else BAD), ranks
    if outranked(entry, ranks):
        return end, ranks
    fill_number(narrow, column_of(entry), number)
    return end, rank(entry, ranks)


@compiled(**INLINE)
def short_attributes(p, end, ranks, narrow, context):  # type: ignore[no-untyped-def]
    """(next address, ranks) behind the attributes that follow each other from p and have the usual shape: less than
    128 bytes, key, string or number, far from the end of the request. Their lengths are then one byte each, so four
    bytes say at once what `attribute` asks one by one. BAD for text that is no UTF-8."""
    last = min(end, load_i64(context + FAR_FROM_END * 8))
    while p < last:
        head = load_u32(p)
        n, k = (head >> 8) & 127, head >> 24
        v, value = p + 4 + k, n - k - 4
        if head & 0xFF80FF != 0x0A004A or value < 2 or n > end - p - 2:
            break
        entry = find(p + 3, k, load_i64(context + KEYS * 8))
        if load_u32(v) == ((value - 2) << 24 | value << 8 | 0x0A0012):
            if entry == 0 or outranked(entry, ranks):
                good = is_ascii(p + 2, n) or (text(p + 4, k) and text(v + 4, value - 2))
            else:
                good = fill_text(narrow, column_of(entry), v + 4, value - 2, load_i64(context + STRINGS * 8))
                ranks = rank(entry, ranks)
            if not good:
                return BAD, ranks
        elif load_u16(v) != (value << 8 | 18):
            break
        elif entry != 0 or not _is_number(v + 2, value) or not is_ascii(p + 2, k + 2):
            q, ranks = _number(p + 2, v + 2, p + 2 + n, entry, ranks, narrow, context)
            if q < 0:
                return BAD, ranks
        p += 2 + n
    return p, ranks


@compiled(**INLINE)
def _is_number(p, n):  # type: ignore[no-untyped-def]
    """Whether an AnyValue of n bytes holds a bool, a double or a varint of at most seven bytes: all but its last are
    128 or more."""
    t = load_u8(p)
    if t == 33:
        return n == 9
    bits = (n - 1) * 8
    if n > 8 or (t != 24 and t != 16):
        return False
    return load_i64(p + 1) & _HIGH_BITS & ((1 << bits) - 1) == _HIGH_BITS & ((1 << (bits - 8)) - 1)


@compiled(**INLINE)
def _plain_number(p, end):  # type: ignore[no-untyped-def]
    """(value, next address) of the int in an AnyValue; -1 for the value of a bool or a double."""
    t = load_u8(p)
    if t == 24 or t == 16:
        number, p = varint(p + 1, end)
        return (number if t == 24 else np.int64(-1)), p
    return np.int64(-1), (p + 9 if t == 33 else BAD)


@compiled(**JIT)
def _event_attribute(p, end, ranks, narrow, context):  # type: ignore[no-untyped-def]
    """`ranks` after an event's attribute, BAD for an odd one; only `exception.type` is read, and only where no
    attribute of the span names the error."""
    apart()
    entry, values, at, size = np.int64(0), 0, np.int64(0), np.int64(0)
    while p < end:
        t, p = tag(p, end)
        if t != 10 and t != 18:
            p = skip(p, end, t)
            continue
        n, p = length(p, end)
        if t == 10:
            entry = find_anywhere(p, n, load_i64(context + KEYS * 8))
        else:
            values, at, size = values + 1, p, n
        p += n
    if entry == 0 or column_of(entry) != ERROR_TYPE or priority_of(entry) != EXCEPTION_TYPE:
        return ranks
    if values > 1:
        return BAD
    if values == 0 or rank_of(ERROR_TYPE, ranks) > IN_EVENT:
        return ranks
    _value(at, at + size, entry, np.int64(0), narrow, context)
    return ranks | (np.int64(IN_EVENT) << (ERROR_TYPE * 4))


@compiled(**JIT)
def event(p, end, ranks, narrow, context):  # type: ignore[no-untyped-def]
    """(next address, ranks) of an event: an exception's type names the error where no attribute does."""
    apart()
    if check(p, end, load_i64(context + T_EVENT * 8), load_i64(context + SCHEMA * 8)) < 0:
        return BAD, ranks
    while p < end:
        t, p = tag(p, end)
        if t == 26:
            n, p = length(p, end)
            ranks = _event_attribute(p, p + n, ranks, narrow, context)
            if ranks < 0:
                return BAD, np.int64(0)
            p += n
        else:
            p = skip(p, end, t)
    return end, ranks
