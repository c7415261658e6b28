"""The scanner: an ExportTraceServiceRequest's bytes to span columns, without objects and without the GIL.

Every string and every nested message is checked as the protobuf runtime checks it, also those that are
skipped, so that scanner and reference decoder accept the same requests.
"""

from __future__ import annotations

import numpy as np

from collectors.otlp.attribute_scanner import (
    FAR_FROM_END,
    MARGIN_BYTES,
    RESOURCES,
    SCHEMA,
    STRINGS,
    T_LINK,
    T_RESOURCE,
    T_SCOPE,
    T_STATUS,
    attribute,
    event,
    readable,
    short_attributes,
)
from collectors.otlp.attributes import number_of_text
from collectors.otlp.sampling import weight
from collectors.otlp.wire import BAD, check, length, skip, tag, text, varint
from topology.blocks import clear_block
from topology.interning import K1, K2, crowded, intern
from topology.machine import (
    INLINE,
    JIT,
    apart,
    bits_of,
    compiled,
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    load_u64,
    store_i32,
    store_i64,
)
from topology.spans import (
    END,
    KIND,
    LINK_SPAN,
    LINK_TRACE,
    NAME,
    OFFSET,
    PARENT,
    RESOURCE,
    SPAN,
    START,
    STATUS_ERROR,
    STATUS_SHIFT,
    TRACE,
    WEIGHT,
)

FULL, OUT_OF_NUMBERS, CROWDED = np.int64(-2), np.int64(-3), np.int64(-4)


@compiled(**INLINE)
def mix_trace(p):  # type: ignore[no-untyped-def]
    """The 128-bit trace id at p as 64 well mixed bits; 0 only for the all-zero (invalid) id."""
    low, high = load_u64(p), load_u64(p + 8)
    if low | high == np.uint64(0):
        return np.int64(0)
    h = (low ^ (high * K2)) * K1
    h = (h ^ (h >> np.uint64(29))) * K2
    h ^= h >> np.uint64(32)
    return np.int64(h) if h != np.uint64(0) else np.int64(1)


@compiled(**JIT)
def _status(p, end, narrow, context):  # type: ignore[no-untyped-def]
    apart()
    if check(p, end, load_i64(context + T_STATUS * 8), load_i64(context + SCHEMA * 8)) < 0:
        return BAD
    while p < end:
        t, p = tag(p, end)
        if t == 24:
            code, p = varint(p, end)
            code = code & 0xFFFFFFFF
            code = code if code <= STATUS_ERROR else np.int64(0)
            kind = load_u32(narrow + KIND * 4) & ~(3 << STATUS_SHIFT)
            store_i32(narrow + KIND * 4, kind | (code << STATUS_SHIFT))
        else:
            p = skip(p, end, t)
    return p


@compiled(**JIT)
def _link(p, end, wide, context):  # type: ignore[no-untyped-def]
    """The first link of a span is kept: messaging instrumentation puts the producer there."""
    apart()
    if check(p, end, load_i64(context + T_LINK * 8), load_i64(context + SCHEMA * 8)) < 0:
        return BAD
    trace, span = np.int64(0), np.int64(0)
    while p < end:
        t, p = tag(p, end)
        if t == 10 or t == 18:
            n, p = length(p, end)
            if t == 10:
                trace = mix_trace(p) if n == 16 else np.int64(0)
            else:
                span = load_i64(p) if n == 8 else np.int64(0)
            p += n
        else:
            p = skip(p, end, t)
    if load_i64(wide + LINK_SPAN * 8) == 0 and trace != 0 and span != 0:
        store_i64(wide + LINK_TRACE * 8, trace)
        store_i64(wide + LINK_SPAN * 8, span)
    return p


@compiled(**INLINE)
def _identity(p, n, t, wide):  # type: ignore[no-untyped-def]
    """The ids of a span; an id of the wrong length counts as none."""
    if t == 0x0A:
        store_i64(wide + TRACE * 8, mix_trace(p) if n == 16 else np.int64(0))
    else:
        store_i64(wide + (SPAN if t == 0x12 else PARENT) * 8, load_i64(p) if n == 8 else np.int64(0))


@compiled(**INLINE)
def _named(p, n, t, wide, narrow, context):  # type: ignore[no-untyped-def]
    """Name and tracestate; False for text that is no UTF-8."""
    if t == 0x2A:
        number = number_of_text(readable(p, n, context), n, load_i64(context + STRINGS * 8))
        store_i32(narrow + NAME * 4, number)
        return number >= 0
    if n > 0:
        store_i64(wide + WEIGHT * 8, bits_of(weight(p, n)))
    else:
        store_i64(wide + WEIGHT * 8, np.int64(0))
    return text(p, n)


@compiled(**INLINE)
def _nested(p, end, t, ranks, wide, narrow, context):  # type: ignore[no-untyped-def]
    """(next address, ranks) of a message inside a span."""
    if t == 0x5A:
        return event(p, end, ranks, narrow, context)
    return (_link(p, end, wide, context) if t == 0x6A else _status(p, end, narrow, context)), ranks


@compiled(**INLINE)
def _delimited(p, end, t, ranks, wide, narrow, context):  # type: ignore[no-untyped-def]
    """(next address, ranks) of a length-delimited field of a span."""
    n, p = length(p, end)
    if p < 0:
        return BAD, ranks
    if t == 0x4A:
        q, ranks = attribute(p, p + n, ranks, narrow, context)
        if q < 0:
            return BAD, ranks
    elif t == 0x0A or t == 0x12 or t == 0x22:
        _identity(p, n, t, wide)
    elif t == 0x2A or t == 0x1A:
        if not _named(p, n, t, wide, narrow, context):
            return BAD, ranks
    elif t == 0x5A or t == 0x6A or t == 0x7A:
        q, ranks = _nested(p, p + n, t, ranks, wide, narrow, context)
        if q < 0:
            return BAD, ranks
    return p + n, ranks


@compiled(**INLINE)
def _scalar(p, end, t, wide, narrow):  # type: ignore[no-untyped-def]
    """Next address of a scalar field of a span."""
    if t == 0x39 or t == 0x41:
        if end - p < 8:
            return BAD
        store_i64(wide + (START if t == 0x39 else END) * 8, load_i64(p))
        if t == 0x39 and end - p >= 17 and load_u8(p + 8) == 0x41:
            store_i64(wide + END * 8, load_i64(p + 9))
            return p + 17
        return p + 8
    if t == 0x30:
        value, p = varint(p, end)
        value = value & 0xFFFFFFFF
        store_i32(narrow + KIND * 4, (load_u32(narrow + KIND * 4) & ~7) | (value if value <= 5 else np.int64(0)))
        return p
    return skip(p, end, t)


@compiled(**INLINE)
def _usual_head(p, end, wide):  # type: ignore[no-untyped-def]
    """The next address after the ids, when they come first and in order, as every library writes them; else p."""
    if end - p < 38 or load_u16(p) != 0x100A or load_u16(p + 18) != 0x0812:
        return p
    _identity(p + 2, 16, 0x0A, wide)
    _identity(p + 20, 8, 0x12, wide)
    if load_u16(p + 28) != 0x0822:
        return p + 28
    _identity(p + 30, 8, 0x22, wide)
    return p + 38


@compiled(**INLINE)
def _field(p, end, ranks, wide, narrow, context):  # type: ignore[no-untyped-def]
    """(next address, ranks) of any field of a span."""
    t, p = tag(p, end)
    if p < 0:
        return BAD, ranks
    if t & 7 == 2:
        return _delimited(p, end, t, ranks, wide, narrow, context)
    return _scalar(p, end, t, wide, narrow), ranks


@compiled(**JIT)
def _span(p, end, wide, narrow, context):  # type: ignore[no-untyped-def]
    apart()
    clear_block(wide)
    clear_block(narrow)
    ranks = np.int64(0)
    p = _usual_head(p, end, wide)
    while p < end:
        p, ranks = short_attributes(p, end, ranks, narrow, context)
        if 0 <= p < end:
            p, ranks = _field(p, end, ranks, wide, narrow, context)
        if p < 0:
            return BAD
    return p


@compiled(**JIT)
def _scope_spans(p, end, origin, resource, row, columns, context):  # type: ignore[no-untyped-def]
    """Rows used after the spans of one scope, negative when refused. `columns` is (wide, narrow, capacity)."""
    wide, narrow, capacity = columns
    while p < end:
        t, p = tag(p, end)
        if p < 0:
            return BAD
        if t & 7 != 2:
            p = skip(p, end, t)
            if p < 0:
                return BAD
            continue
        start = p
        n, p = length(p, end)
        if p < 0:
            return BAD
        if t == 18:
            if row >= capacity:
                return FULL
            if _span(p, p + n, wide + row * 64, narrow + row * 64, context) < 0:
                return BAD
            store_i32(narrow + row * 64 + RESOURCE * 4, resource)
            store_i32(narrow + row * 64 + OFFSET * 4, start - origin)
            row += 1
        elif not _well_formed(p, n, t, T_SCOPE, context):
            return BAD
        p += n
    return row


@compiled(**INLINE)
def _well_formed(p, n, t, message, context):  # type: ignore[no-untyped-def]
    """Whether the message in field 1, or the URL of a schema in field 3, is what it should be."""
    if t == 10:
        return check(p, p + n, load_i64(context + message * 8), load_i64(context + SCHEMA * 8)) >= 0
    return t != 26 or text(p, n)


@compiled(**JIT)
def _resource_of(p, end, context):  # type: ignore[no-untyped-def]
    """The number of the resource: its raw bytes are interned, so a service's attributes are read once and not
    with every request. Two resource fields would have to be merged: not understood."""
    apart()
    found = np.int64(0)
    seen = 0
    while p < end:
        t, p = tag(p, end)
        if p < 0:
            return BAD
        if t == 10:
            n, p = length(p, end)
            if p < 0 or seen > 0 or not _well_formed(p, n, t, T_RESOURCE, context):
                return BAD
            found = intern(readable(p, n, context), n, load_i64(context + RESOURCES * 8))
            if n > 0 and found == 0:
                return OUT_OF_NUMBERS
            seen += 1
            p += n
        else:
            p = skip(p, end, t)
            if p < 0:
                return BAD
    return found


@compiled(**JIT)
def _resource_spans(p, end, origin, row, columns, context):  # type: ignore[no-untyped-def]
    resource = _resource_of(p, end, context)
    if resource < 0:
        return resource
    while p < end:
        t, p = tag(p, end)
        if t != 18 and t != 26:
            p = skip(p, end, t)
            continue
        n, p = length(p, end)
        if t == 26:
            if not text(p, n):
                return BAD
        else:
            row = _scope_spans(p, p + n, origin, resource, row, columns, context)
            if row < 0:
                return row
        p += n
    return row


@compiled(**JIT)
def scan(p, end, wide, narrow, capacity, context):  # type: ignore[no-untyped-def]
    """Fills the columns with the spans of the request at p; returns how many, BAD (not understood), FULL (the columns
    must grow), OUT_OF_NUMBERS (for resources) or CROWDED (the slots of a table must grow)."""
    origin = p
    row = np.int64(0)
    store_i64(context + FAR_FROM_END * 8, end - MARGIN_BYTES)
    while p < end:
        t, p = tag(p, end)
        if p < 0:
            return BAD
        if t != 10:
            p = skip(p, end, t)
            if p < 0:
                return BAD
            continue
        n, p = length(p, end)
        if p < 0:
            return BAD
        row = _resource_spans(p, p + n, origin, row, (wide, narrow, capacity), context)
        if row < 0:
            return row
        p += n
    if crowded(load_i64(context + STRINGS * 8)) or crowded(load_i64(context + RESOURCES * 8)):
        return CROWDED
    return row
