"""The spans of the last seconds: a ring in order of arrival, and a hash table (trace, span) -> place in the ring.

One cache line a span. The ring keeps a span for two horizons: one in which it can be found and paired, one in
which the span that called it can still read how long it took. A *placeholder* stands for a span that others
named as their parent before it came.
"""

from __future__ import annotations

import numpy as np

from topology.interning import K1, K2
from topology.machine import INLINE, JIT, compiled, load_i64, load_u32, load_u64, store_i32, store_i64

# Words of the state that every kernel of this package gets by address.
(RING, RING_MASK, HEAD, TAIL, KEPT, HASH, HASH_MASK, TALLY, EDGES, EDGE_MASK, EDGES_USED, LOCALS, MAX_LOCALS,
 NEW_EDGES, NEW_EDGES_USED, NEW_EDGES_CAPACITY, WAITS, USER_OF, UNKNOWN_OF, SERVICE_OF, WINDOW_NS, LATE_NS, NOW_NS,
 SCRATCH, WAITING, PAIRS, VIRTUAL, ROOTS, LOST_PARENTS, DUPLICATES, LATE, FUTURE, INVALID, UNNAMED, TRUNCATED,
 SPANS, NEWEST_NS, EXPIRED_EARLY, RING_BOUND, NEWEST_WINDOW, THIS_START_NS, THIS_WINDOW) = range(42)
STATE_WORDS = 48

# Words of an entry.
E_TRACE, E_SPAN, E_START, E_END, E_ENDS, E_CHILDREN, E_WORK, E_COUNT = range(8)
"""E_ENDS: place (20 bits), target (20), flags. E_CHILDREN: first child (32), next sibling (32).
E_WORK: arrival in ms (40), local series of the operation (24). E_COUNT: weight as float32 (32), protocol (8), the
lower bits of the window's index (23), and whether the span counts (1) or came too late for that."""

# Flags of an entry; the lower ones come from the resolver.
(FAILED, PROTECTED, INBOUND, ROOT_WORK, CALLS, IMMEDIATE, SILENT, KINDLESS, QUEUED, LINKED, REAL, PAIRED, EMITTED,
 SOURCED, ORPHANED) = (1 << k for k in range(15))
FLAGS_SHIFT = 40
END_BITS = 20
END_MASK = (1 << END_BITS) - 1
ARRIVAL_EPOCH_MS = 1_577_836_800_000
"""2020-01-01: arrival times fit 40 bits until 2054."""


@compiled(**INLINE)
def bump(state, word):  # type: ignore[no-untyped-def]
    """Adds one to a counter of the state."""
    store_i64(state + word * 8, load_i64(state + word * 8) + 1)


@compiled(**INLINE)
def drop(state, word):  # type: ignore[no-untyped-def]
    """Takes one from a counter of the state."""
    store_i64(state + word * 8, load_i64(state + word * 8) - 1)


@compiled(**INLINE)
def entry_at(state, sequence):  # type: ignore[no-untyped-def]
    """The address of the entry with this sequence number."""
    return load_i64(state + RING * 8) + (sequence & load_i64(state + RING_MASK * 8)) * 64


@compiled(**INLINE)
def sequence_of(state, low):  # type: ignore[no-untyped-def]
    """The whole sequence number of one whose low 32 bits were kept."""
    head = load_i64(state + HEAD * 8)
    return head - ((head - low) & 0xFFFFFFFF)


@compiled(**INLINE)
def flags_of(entry):  # type: ignore[no-untyped-def]
    """The flags of an entry."""
    return load_i64(entry + E_ENDS * 8) >> FLAGS_SHIFT


@compiled(**INLINE)
def raise_flags(entry, flags):  # type: ignore[no-untyped-def]
    """Sets flags of an entry."""
    store_i64(entry + E_ENDS * 8, load_i64(entry + E_ENDS * 8) | (flags << FLAGS_SHIFT))


@compiled(**INLINE)
def clear_flags(entry, flags):  # type: ignore[no-untyped-def]
    """Clears flags of an entry."""
    store_i64(entry + E_ENDS * 8, load_i64(entry + E_ENDS * 8) & ~(flags << FLAGS_SHIFT))


@compiled(**INLINE)
def place_of(entry):  # type: ignore[no-untyped-def]
    """The end (service in a zone) that made the span."""
    return load_i64(entry + E_ENDS * 8) & END_MASK


@compiled(**INLINE)
def target_of(entry):  # type: ignore[no-untyped-def]
    """The virtual end the span calls, 0 for none."""
    return (load_i64(entry + E_ENDS * 8) >> END_BITS) & END_MASK


@compiled(**INLINE)
def tag_of(trace, span):  # type: ignore[no-untyped-def]
    """31 bits that name a span in the hash table, never 0."""
    h = (np.uint64(trace) ^ (np.uint64(span) * K2)) * K1
    h ^= h >> np.uint64(32)
    h *= K2
    tag = np.int64(h >> np.uint64(33))
    return tag if tag != 0 else np.int64(1)


@compiled(**INLINE)
def find(state, trace, span, tag):  # type: ignore[no-untyped-def]
    """The address of the slot of a span, or of the free slot where it belongs."""
    mask = load_i64(state + HASH_MASK * 8)
    slots = load_i64(state + HASH * 8)
    k = tag & mask
    while True:
        slot = slots + k * 8
        word = load_i64(slot)
        if word == 0:
            return slot
        if word >> 32 == tag:
            entry = entry_at(state, sequence_of(state, word & 0xFFFFFFFF))
            if load_i64(entry) == trace and load_i64(entry + E_SPAN * 8) == span:
                return slot
        k = (k + 1) & mask


@compiled(**INLINE)
def append(state, trace, span, slot, tag):  # type: ignore[no-untyped-def]
    """The sequence number of a new, empty entry at the head of the ring, found through `slot` from now on."""
    sequence = load_i64(state + HEAD * 8)
    entry = entry_at(state, sequence)
    store_i64(entry, trace)
    store_i64(entry + E_SPAN * 8, span)
    for k in range(2, 8):
        store_i64(entry + k * 8, np.int64(0))
    store_i64(slot, (tag << 32) | (sequence & 0xFFFFFFFF))
    store_i64(state + HEAD * 8, sequence + 1)
    return sequence


@compiled(**JIT)
def forget(state, sequence):  # type: ignore[no-untyped-def]
    """Takes an entry out of the hash table (backward-shift deletion); it stays in the ring."""
    mask = load_i64(state + HASH_MASK * 8)
    slots = load_i64(state + HASH * 8)
    entry = entry_at(state, sequence)
    low = sequence & 0xFFFFFFFF
    k = tag_of(load_i64(entry), load_i64(entry + E_SPAN * 8)) & mask
    while load_u32(slots + k * 8) != low:
        if load_i64(slots + k * 8) == 0:
            return
        k = (k + 1) & mask
    hole = k
    while True:
        k = (k + 1) & mask
        word = load_i64(slots + k * 8)
        if word == 0:
            break
        if ((k - (word >> 32)) & mask) >= ((k - hole) & mask):
            store_i64(slots + hole * 8, word)
            hole = k
    store_i64(slots + hole * 8, np.int64(0))


@compiled(**INLINE)
def adopt(state, parent, child, child_sequence):  # type: ignore[no-untyped-def]
    """Puts a child at the front of its parent's list."""
    children = load_i64(parent + E_CHILDREN * 8)
    store_i32(child + E_CHILDREN * 8 + 4, children & 0xFFFFFFFF)
    store_i32(parent + E_CHILDREN * 8, child_sequence & 0xFFFFFFFF)


@compiled(**JIT)
def move_entries(state, ring, mask):  # type: ignore[no-untyped-def]
    """Puts every kept entry at its place in a larger ring, which may begin at the same address."""
    for sequence in range(load_i64(state + KEPT * 8), load_i64(state + HEAD * 8)):
        source = entry_at(state, sequence)
        target = ring + (sequence & mask) * 64
        for k in range(8):
            store_i64(target + k * 8, load_i64(source + k * 8))


@compiled(**JIT)
def move_slots(old, old_size, new, mask):  # type: ignore[no-untyped-def]
    """Copies every slot into a larger hash table."""
    for i in range(old_size):
        word = load_i64(old + i * 8)
        if word != 0:
            k = (word >> 32) & mask
            while load_u64(new + k * 8) != np.uint64(0):
                k = (k + 1) & mask
            store_i64(new + k * 8, word)
