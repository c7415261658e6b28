"""The pairing kernels: a span arrives, a request is taken. One core, no Python objects, no GIL."""

from __future__ import annotations

import numpy as np

from topology.machine import (
    INLINE,
    JIT,
    bits_of,
    compiled,
    float_of,
    load_i32,
    load_i64,
    load_u8,
    load_u32,
    prefetch,
    store_i64,
)
from topology.pairing.calls import (
    COUNTS,
    WINDOW_MASK,
    WINDOW_SHIFT,
    count_delivery,
    count_root,
    count_virtual,
    count_work,
    pair,
    same_service,
)
from topology.pairing.entries import (
    ARRIVAL_EPOCH_MS,
    CALLS,
    DUPLICATES,
    E_CHILDREN,
    E_COUNT,
    E_END,
    E_ENDS,
    E_START,
    E_WORK,
    EMITTED,
    END_BITS,
    END_MASK,
    FLAGS_SHIFT,
    FUTURE,
    HASH,
    HASH_MASK,
    HEAD,
    IMMEDIATE,
    INBOUND,
    INVALID,
    KINDLESS,
    LATE,
    LATE_NS,
    LINKED,
    NEWEST_NS,
    NOW_NS,
    ORPHANED,
    PAIRED,
    QUEUED,
    REAL,
    ROOT_WORK,
    SILENT,
    SOURCED,
    SPANS,
    TAIL,
    TALLY,
    THIS_START_NS,
    THIS_WINDOW,
    WAITING,
    WAITS,
    WINDOW_NS,
    adopt,
    append,
    bump,
    clear_flags,
    entry_at,
    find,
    flags_of,
    place_of,
    raise_flags,
    sequence_of,
    target_of,
)
from topology.pairing.expiry import AHEAD, AHEAD_NS, EXPIRE_AT_ONCE, expire, make_room, release, tell_time
from topology.pairing.tally import CAPACITY, USED
from topology.spans import END, LINK_SPAN, LINK_TRACE, PARENT, SPAN, START, TRACE, WEIGHT

# Columns the resolver fills, int32, one 32-byte line a span.
PLACE, INSTANCE, OPERATION, TARGET, PROTOCOL, TRAITS, SPAN_TAG, PARENT_TAG = range(8)
RESOLVED_COLUMNS = 8
FAR_AHEAD = 12
"""How many spans ahead their hash slots are brought into the cache; their entries, like those that expire, AHEAD."""


@compiled(**INLINE)
def _window_of(state, end_ns):  # type: ignore[no-untyped-def]
    """The index of a window since the epoch. Most spans end in that of the one before, and dividing is slow."""
    width = load_i64(state + WINDOW_NS * 8)
    if not 0 <= end_ns - load_i64(state + THIS_START_NS * 8) < width:
        store_i64(state + THIS_WINDOW * 8, end_ns // width)
        store_i64(state + THIS_START_NS * 8, end_ns // width * width)
    return load_i64(state + THIS_WINDOW * 8)


@compiled(**INLINE)
def _count_in(state, end_ns):  # type: ignore[no-untyped-def]
    """The window in which a span that ended at `end_ns` counts, as an entry keeps it; 0 when it came too late."""
    now = load_i64(state + NOW_NS * 8)
    if end_ns > now + AHEAD_NS:
        bump(state, FUTURE)
        end_ns = now
    elif end_ns < now - load_i64(state + LATE_NS * 8):
        bump(state, LATE)
        return np.int64(0)
    if end_ns > load_i64(state + NEWEST_NS * 8):
        store_i64(state + NEWEST_NS * 8, end_ns)
    return COUNTS | ((_window_of(state, end_ns) & WINDOW_MASK) << WINDOW_SHIFT)


@compiled(**INLINE)
def _fill(state, entry, wide, resolved):  # type: ignore[no-untyped-def]
    traits = np.int64(load_i32(resolved + TRAITS * 4)) | REAL
    start, end = load_i64(wide + START * 8), load_i64(wide + END * 8)
    store_i64(entry + E_START * 8, start)
    store_i64(entry + E_END * 8, max(start, end))
    # A span without kind calls no one; its instance is kept there until its parent tells what it is.
    second = np.int64(load_u32(resolved + (INSTANCE if traits & KINDLESS else TARGET) * 4))
    ends = load_u32(resolved + PLACE * 4) | ((second if second <= END_MASK else 0) << END_BITS)
    store_i64(entry + E_ENDS * 8, ends | (traits << FLAGS_SHIFT))
    arrival = load_i64(state + NOW_NS * 8) // 1_000_000 - ARRIVAL_EPOCH_MS
    store_i64(entry + E_WORK * 8, (arrival << 24) | load_u32(resolved + OPERATION * 4))
    weight = float_of(load_i64(wide + WEIGHT * 8))
    high = bits_of(weight if weight > 0.0 else 1.0) >> 32
    store_i64(entry + E_COUNT * 8, high | (load_u32(resolved + PROTOCOL * 4) << 32) | _count_in(state, end))


@compiled(**INLINE)
def _connect(state, parent, child, sequence):  # type: ignore[no-untyped-def]
    """A parent and its child are both known, whichever came first."""
    adopt(state, parent, child, sequence)
    flags = flags_of(child)
    if flags & KINDLESS:
        clear_flags(child, KINDLESS)
        if not same_service(state, place_of(parent), place_of(child)):
            # A span without kind whose parent is in another service is a call (rule 5).
            raise_flags(child, INBOUND)
            count_work(state, child, target_of(child))
            bump(state, WAITING)
            pair(state, parent, child)
    elif flags & INBOUND and not flags & SOURCED:
        pair(state, parent, child)


@compiled(**JIT)
def _welcome(state, parent, low):  # type: ignore[no-untyped-def]
    """A parent came after its children: each is connected, the last to come first."""
    while low != 0:
        sequence = sequence_of(state, low)
        if sequence < load_i64(state + TAIL * 8):
            break
        child = entry_at(state, sequence)
        low = np.int64(load_u32(child + E_CHILDREN * 8 + 4))
        _connect(state, parent, child, sequence)


@compiled(**INLINE)
def _seek_parent(state, sequence, wide, tag):  # type: ignore[no-untyped-def]
    """Connects a new span with its parent, or leaves it in the list of a placeholder."""
    entry = entry_at(state, sequence)
    linked = flags_of(entry) & LINKED != 0
    trace = load_i64(wide + (LINK_TRACE if linked else TRACE) * 8)
    span = load_i64(wide + (LINK_SPAN if linked else PARENT) * 8)
    if span == 0 or (span == load_i64(wide + SPAN * 8) and not linked):
        return
    slot = find(state, trace, span, tag)
    word = load_i64(slot)
    if word == 0:
        parent = entry_at(state, append(state, trace, span, slot, tag))
        arrival = load_i64(entry + E_WORK * 8) >> 24 << 24
        store_i64(parent + E_WORK * 8, arrival)
        adopt(state, parent, entry, sequence)
        return
    parent = entry_at(state, sequence_of(state, word & 0xFFFFFFFF))
    if flags_of(parent) & REAL:
        _connect(state, parent, entry, sequence)
    else:
        adopt(state, parent, entry, sequence)


@compiled(**INLINE)
def _call(state, entry):  # type: ignore[no-untyped-def]
    """A client or producer arrived: calls to stores and queues count at once, others wait for their server."""
    flags = flags_of(entry)
    if flags & SILENT:
        raise_flags(entry, PAIRED)
        return
    target = target_of(entry)
    seen_to = load_u8(load_i64(state + WAITS * 8) + target) != 0
    if flags & QUEUED or (flags & IMMEDIATE and not seen_to):
        count_virtual(state, entry, 1)
        raise_flags(entry, EMITTED)
    else:
        bump(state, WAITING)


@compiled(**INLINE)
def _serve(state, entry, wide):  # type: ignore[no-untyped-def]
    """A server or consumer arrived: from a queue, from a user, or from a caller still to be found."""
    flags = flags_of(entry)
    if flags & QUEUED:
        count_delivery(state, target_of(entry), entry)
    elif load_i64(wide + PARENT * 8) == 0 and not flags & LINKED:
        count_root(state, entry)
    else:
        bump(state, WAITING)


@compiled(**JIT)
def arrive(state, wide, resolved):  # type: ignore[no-untyped-def]
    """One span, in whatever order it comes."""
    trace, span = load_i64(wide + TRACE * 8), load_i64(wide + SPAN * 8)
    if trace == 0 or span == 0:
        bump(state, INVALID)
        return
    tag = np.int64(load_u32(resolved + SPAN_TAG * 4))
    slot = find(state, trace, span, tag)
    word = load_i64(slot)
    waiting_children = np.int64(0)
    if word != 0:
        known = entry_at(state, sequence_of(state, word & 0xFFFFFFFF))
        if flags_of(known) & REAL:
            bump(state, DUPLICATES)
            return
        waiting_children = np.int64(load_u32(known + E_CHILDREN * 8))
        raise_flags(known, ORPHANED)
    sequence = append(state, trace, span, slot, tag)
    entry = entry_at(state, sequence)
    _fill(state, entry, wide, resolved)
    bump(state, SPANS)
    flags = flags_of(entry)
    instance = np.int64(load_i32(resolved + INSTANCE * 4))
    if flags & (INBOUND | ROOT_WORK):
        count_work(state, entry, instance if flags & INBOUND else np.int64(0))
    if flags & CALLS:
        _call(state, entry)
    if flags & INBOUND:
        _serve(state, entry, wide)
    _seek_parent(state, sequence, wide, np.int64(load_u32(resolved + PARENT_TAG * 4)))
    if waiting_children != 0:
        _welcome(state, entry, waiting_children)


@compiled(**INLINE)
def _ask_for_slots(state, resolved):  # type: ignore[no-untyped-def]
    slots, mask = load_i64(state + HASH * 8), load_i64(state + HASH_MASK * 8)
    prefetch(slots + (load_u32(resolved + SPAN_TAG * 4) & mask) * 8)
    prefetch(slots + (load_u32(resolved + PARENT_TAG * 4) & mask) * 8)


@compiled(**INLINE)
def _ask_for_entries(state, resolved):  # type: ignore[no-untyped-def]
    slots, mask = load_i64(state + HASH * 8), load_i64(state + HASH_MASK * 8)
    for column in (SPAN_TAG, PARENT_TAG):
        word = load_i64(slots + (load_u32(resolved + column * 4) & mask) * 8)
        if word != 0:
            prefetch(entry_at(state, sequence_of(state, word & 0xFFFFFFFF)))


@compiled(**JIT)
def arrive_all(state, wide, resolved, n):  # type: ignore[no-untyped-def]
    """The spans of a request. What a span will need is asked for while those before it are counted."""
    for i in range(min(n, FAR_AHEAD)):
        _ask_for_slots(state, resolved + i * 32)
    for i in range(n):
        if i + FAR_AHEAD < n:
            _ask_for_slots(state, resolved + (i + FAR_AHEAD) * 32)
        if i + AHEAD < n:
            _ask_for_entries(state, resolved + (i + AHEAD) * 32)
        arrive(state, wide + i * 64, resolved + i * 32)


@compiled(**INLINE)
def _has_room(state, more):  # type: ignore[no-untyped-def]
    """Whether ring and hash table, as they are, have room for so many more entries once the oldest have given way."""
    if not make_room(state, more):
        return False
    waiting = load_i64(state + HEAD * 8) - load_i64(state + TAIL * 8)
    return (waiting + more) * 2 <= load_i64(state + HASH_MASK * 8) + 1


@compiled(**JIT)
def take(state, wide, resolved, n, now_ns, horizon_ms):  # type: ignore[no-untyped-def]
    """A request in one step, as most are: what waited for too long expires, then the spans arrive. False, with
    nothing or only a part of that expired, when tables must grow before or a lot expires: then step by step, which
    counts the same."""
    now_ms = tell_time(state, now_ns) // 1_000_000
    few = min(load_i64(state + HEAD * 8) - load_i64(state + TAIL * 8), EXPIRE_AT_ONCE)
    tally = load_i64(state + TALLY * 8)
    rows = 8 * (2 * n + few) + 1024
    if n > EXPIRE_AT_ONCE or load_i64(tally + USED * 8) + rows > load_i64(tally + CAPACITY * 8):
        return False
    if not _has_room(state, few) or (expire(state, now_ms - horizon_ms, few) == few and few > 0):
        return False
    release(state, now_ms - 2 * horizon_ms)
    if not _has_room(state, 2 * n):
        return False
    arrive_all(state, wide, resolved, n)
    return True
