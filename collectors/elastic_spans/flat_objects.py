"""Objects of JSON, nested or with dotted names, written as the attributes of a span by a compiled loop.

Labels and attributes are half of a document. To make Python's objects of them and to look up what is remembered of each
takes several times as long as to copy them. What is rare (`\\u`, long numbers, lists of lists) is left to Python.
JSON: RFC 8259; attributes: opentelemetry-proto, trace/v1/trace.proto and common/v1/common.proto."""

from __future__ import annotations

import numpy as np

from topology.machine import INLINE, JIT, bits_of, compiled, load_i64, load_u8, load_u64, store_i64, store_u8

BAD = np.int64(-1)
MOST_NAMES = 64
LONGEST = 1 << 16
"""Bytes of text."""
DEEPEST, LONGEST_NAME = 8, 127
_SIZES = 8 * MOST_NAMES
_PREFIX = _SIZES + 8 * DEEPEST
SCRATCH = _PREFIX + LONGEST_NAME + 9
"""Room for what is known of the names so far, for how long the names of the objects around are, and for these."""
NAMES = MOST_NAMES * (LONGEST_NAME + 1)
"""How many bytes names may take more than in the text, where those of objects are written again and again."""
FRESH, AFTER, NEED = np.int64(0), np.int64(1), np.int64(2)
"""Where in an object: nothing of it is read, behind a value, behind a comma."""
QUOTE, BACKSLASH, COMMA, COLON, MINUS, DOT, ZERO, NINE = (np.int64(ord(one)) for one in '"\\,:-.09')
OPEN, CLOSE, FIRST, LAST = (np.int64(ord(one)) for one in "{}[]")
TRUE, FALSE, NULL = (np.int64(int.from_bytes(word, "big")) for word in (b"true", b"fals", b"null"))
BACKSPACE, FORM_FEED, LINE_FEED, RETURN, TAB, UNICODE = (np.int64(ord(one)) for one in "bfnrtu")
ONES, SPACES, QUOTES, BACKSLASHES, HIGH_BITS = (np.uint64(0x0101010101010101 * one) for one in b'\x01 "\\\x80')
EXACT_DIGITS = 15
"""A number of so many digits, divided by as many tens at most, is rounded as it should be."""


@compiled(**INLINE)
def _skip(p, end):  # type: ignore[no-untyped-def]
    """The next address with something other than white space."""
    while p < end and load_u8(p) <= 32:
        p += 1
    return p


@compiled(**JIT)
def _framed(start, end):  # type: ignore[no-untyped-def]
    """Puts its length in front of what was written behind one free byte at `start`; the end, which may have moved."""
    size = end - start - 1
    more, rest = np.int64(0), size >> 7
    while rest:
        more, rest = more + 1, rest >> 7
    at = end - 1 if more else start
    while at > start:
        store_u8(at + more, load_u8(at))
        at -= 1
    return _varint(size, start) + size


@compiled(**JIT)
def _varint(value, at):  # type: ignore[no-untyped-def]
    """The end of a number that is written at an address; a negative one as the 64 bits that it has."""
    rest = np.uint64(value)
    while rest > np.uint64(127):
        store_u8(at, np.int64(rest & np.uint64(127)) | 128)
        rest >>= np.uint64(7)
        at += 1
    store_u8(at, np.int64(rest))
    return at + 1


@compiled(**INLINE)
def _meant(escaped):  # type: ignore[no-untyped-def]
    """The character that is written with a backslash."""
    if escaped == LINE_FEED:
        return np.int64(10)
    if escaped == TAB:
        return np.int64(9)
    if escaped == RETURN:
        return np.int64(13)
    if escaped == BACKSPACE:
        return np.int64(8)
    return np.int64(12) if escaped == FORM_FEED else escaped


@compiled(**INLINE)
def _copied(p, end, at):  # type: ignore[no-untyped-def]
    """Copies characters that stand for themselves, eight at once: (next address, end).

    Whether one of eight bytes is nought: Warren, Hacker's Delight, 6-1."""
    while p + 8 <= end:
        word = load_u64(p)
        quote, backslash = word ^ QUOTES, word ^ BACKSLASHES
        if (word - SPACES & ~word | quote - ONES & ~quote | backslash - ONES & ~backslash) & HIGH_BITS:
            break
        store_i64(at, np.int64(word))
        p, at = p + 8, at + 8
    return p, at


@compiled(**JIT)
def _characters(p, end, at):  # type: ignore[no-untyped-def]
    """Copies what is in a string: (next address, end of what was written)."""
    if p >= end or load_u8(p) != QUOTE:
        return BAD, at
    p, at = _copied(p + 1, end, at)
    while p < end:
        c = load_u8(p)
        p += 1
        if c == QUOTE:
            return p, at
        if c < 32:
            return BAD, at
        if c == BACKSLASH:
            c = load_u8(p) if p < end else UNICODE
            p += 1
            if c == UNICODE:
                return BAD, at
            c = _meant(c)
        store_u8(at, c)
        at += 1
    return BAD, at


@compiled(**JIT)
def _text(p, end, at):  # type: ignore[no-untyped-def]
    """The same with its length in front."""
    p, stop = _characters(p, end, at + 1)
    return p, (stop if p < 0 else _framed(at, stop))


@compiled(**JIT)
def _texts(p, end, at):  # type: ignore[no-untyped-def]
    """The same of a list of strings, each an `AnyValue`, with the length of all in front."""
    start, at = at, at + 1
    p = _skip(p + 1, end)
    if p < end and load_u8(p) == LAST:
        return p + 1, _framed(start, at)
    while True:
        store_u8(at, 0x0A)
        store_u8(at + 2, 0x0A)
        p, stop = _text(p, end, at + 3)
        if p < 0:
            return BAD, at
        at = _framed(at + 1, stop)
        p = _skip(p, end)
        c = load_u8(p) if p < end else BAD
        p = _skip(p + 1, end)
        if c == LAST:
            return p, _framed(start, at)
        if c != COMMA:
            return BAD, at


@compiled(**JIT)
def _number(p, end, at):  # type: ignore[no-untyped-def]
    """A number as the content of an `AnyValue`: (next address, end)."""
    negative = load_u8(p) == MINUS
    p += negative
    first, point, value = p, end, np.int64(0)
    while p < end:
        c = load_u8(p)
        if c == DOT and point == end:
            point = p
        elif ZERO <= c <= NINE:
            value = value * 10 + c - ZERO
        else:
            break
        p += 1
    digits = p - first - (point < end)
    if digits < 1 or digits > EXACT_DIGITS or (negative and value == 0) or point + 1 == p or p >= end:
        return BAD, at
    if c != COMMA and c != CLOSE and c > 32:
        return BAD, at
    value = -value if negative else value
    if point == end:
        store_u8(at, 0x18)
        return p, _varint(value, at + 1)
    store_u8(at, 0x21)
    store_i64(at + 1, bits_of(value / 10.0 ** (p - point - 1)))
    return p, at + 9


@compiled(**INLINE)
def _word(p, end):  # type: ignore[no-untyped-def]
    """The next four bytes as a number."""
    word = np.int64(0)
    for q in range(p, min(p + 4, end)):
        word = word << 8 | load_u8(q)
    return word


@compiled(**JIT)
def _value(p, end, at):  # type: ignore[no-untyped-def]
    """A value as the content of an `AnyValue`: (next address, end)."""
    c = load_u8(p) if p < end else BAD
    if c == QUOTE:
        store_u8(at, 0x0A)
        return _text(p, end, at + 1)
    if c == FIRST:
        store_u8(at, 0x2A)
        return _texts(p, end, at + 1)
    if c == MINUS or ZERO <= c <= NINE:
        return _number(p, end, at)
    word = _word(p, end)
    if word == NULL:
        return p + 4, at
    store_u8(at, 0x10)
    store_u8(at + 1, word == TRUE)
    if word == TRUE:
        return p + 4, at + 2
    return (p + 5 if word == FALSE else BAD), at + 2


@compiled(**JIT)
def _is_new(p, end, names, count, dots):  # type: ignore[no-untyped-def]
    """Whether a name is none of those before, which are remembered by a hash, and has no dot where none may be."""
    found = end - p
    for q in range(p, end):
        c = load_u8(q)
        if c == DOT and not dots:
            return False
        found = found * 31 + c
    for n in range(count):
        if load_i64(names + 8 * n) == found:
            return False
    store_i64(names + 8 * count, found)
    return True


@compiled(**INLINE)
def _moved(p, at, size):  # type: ignore[no-untyped-def]
    """The end of so many bytes that are written somewhere else, and of up to seven more."""
    for n in range(0, size, 8):
        store_i64(at + n, load_i64(p + n))
    return at + size


@compiled(**JIT)
def _name(p, end, at, scratch, size):  # type: ignore[no-untyped-def]
    """Starts an attribute with its name, behind those of the objects around: (address of its value, end)."""
    store_u8(at, 0x4A)
    store_u8(at + 2, 0x0A)
    first = _moved(scratch + _PREFIX, at + 4, size)
    p, stop = _characters(p, end, first)
    if p < 0 or stop == first or stop - at - 4 > LONGEST_NAME:
        return BAD, at
    store_u8(at + 3, stop - at - 4)
    p = _skip(p, end)
    if p >= end or load_u8(p) != COLON:
        return BAD, at
    return _skip(p + 1, end), stop


@compiled(**JIT)
def _inside(at, stop, scratch, depth, size):  # type: ignore[no-untyped-def]
    """How long the name is that those in the object have before theirs; -1 for objects too deep inside others."""
    if depth == DEEPEST:
        return BAD
    store_i64(scratch + _SIZES + 8 * depth, size)
    end = _moved(at + 4, scratch + _PREFIX, stop - at - 4)
    store_u8(end, DOT)
    return stop - at - 3


@compiled(**JIT)
def _member(p, end, at, scratch, depth, size, count, dots):  # type: ignore[no-untyped-def]
    """A name and what it has: (next address, end, how long the names around are, or -1 where they are the same)."""
    p, stop = _name(p, end, at, scratch, size)
    if p < 0 or p >= end:
        return BAD, at, BAD
    if load_u8(p) == OPEN:
        size = _inside(at, stop, scratch, depth, size)
        return (p + 1 if size > 0 else BAD), at, size
    if count == MOST_NAMES or not _is_new(at + 4, stop, scratch, count, dots):
        return BAD, at, BAD
    store_u8(stop, 0x12)
    p, after = _value(p, end, stop + 2)
    return p, (at if p < 0 else _framed(at + 1, _framed(stop + 1, after))), BAD


@compiled(**JIT)
def _objects(p, end, scratch, at, dots):  # type: ignore[no-untyped-def]
    """Writes the attributes in all objects; the end of what was written."""
    count, depth, size, state = np.int64(0), np.int64(0), np.int64(0), FRESH
    p = _skip(p, end)
    while p < end:
        c = load_u8(p)
        if depth == 0:
            if c != OPEN:
                return BAD
            p, depth, size, state = p + 1, np.int64(1), np.int64(0), FRESH
        elif c == CLOSE and state != NEED:
            depth -= 1
            p, size, state = p + 1, load_i64(scratch + _SIZES + 8 * depth) if depth else np.int64(0), AFTER
        elif c == COMMA and state == AFTER:
            p, state = p + 1, NEED
        else:
            p, at, inner = _member(p, end, at, scratch, depth, size, count, dots)
            if p < 0 or state == AFTER:
                return BAD
            if inner > 0:
                depth, size, state = depth + 1, inner, FRESH
            else:
                count, state = count + 1, AFTER
        p = _skip(p, end)
    return BAD if depth else at


@compiled(**{**JIT, "nogil": False})
def _written(text, room, dots):  # type: ignore[no-untyped-def]
    """How many bytes of `room` were written behind its scratch. Other threads wait this microsecond: to let them in
    takes longer."""
    scratch, start = np.int64(room.ctypes.data), np.int64(text.ctypes.data)
    end = _objects(start, start + text.size, scratch, scratch + SCRATCH, dots)
    return end if end < 0 else end - scratch - SCRATCH


def framed_attributes(text: bytes, dots: bool) -> bytes | None:
    """The attributes in objects of JSON, one after the other, as the bytes of the fields of a span; what is in objects
    inside has dotted names. None for what has to be read in Python: names that come twice or, where there may be no
    `dots`, with dots, and values of other kinds.

    Texts are copied: whoever calls knows that they are UTF-8."""
    if len(text) > LONGEST:
        return None
    room = np.empty(SCRATCH + 3 * len(text) + NAMES, np.uint8)
    size = _written(np.frombuffer(text, np.uint8), room, dots)
    return None if size < 0 else room[SCRATCH : SCRATCH + size].tobytes()
