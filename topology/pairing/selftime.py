"""What a span did itself: its duration not covered by the calls it made, and whether its failure began in it.

Internal spans of the same service are transparent: their time is the service's own, and their children are
read as children of the span that the service was called with.
"""

from __future__ import annotations

import numpy as np

from topology.machine import INLINE, JIT, compiled, load_i64, load_u32, store_i64
from topology.pairing.calls import count_self, duration_us, same_service
from topology.pairing.entries import (
    CALLS,
    E_CHILDREN,
    E_END,
    E_START,
    FAILED,
    INBOUND,
    KEPT,
    LINKED,
    PROTECTED,
    SCRATCH,
    TRUNCATED,
    bump,
    entry_at,
    flags_of,
    place_of,
    sequence_of,
)

MAX_INTERVALS = 1024
MAX_STACK = 1024
SCRATCH_WORDS = 2 * MAX_INTERVALS + MAX_STACK


@compiled(**JIT)
def _sort(intervals, n):  # type: ignore[no-untyped-def]
    """Orders (start, end) pairs by start; children come nearly sorted, so insertion is quick."""
    for i in range(1, n):
        start, end = load_i64(intervals + i * 16), load_i64(intervals + i * 16 + 8)
        j = i - 1
        while j >= 0 and load_i64(intervals + j * 16) > start:
            store_i64(intervals + j * 16 + 16, load_i64(intervals + j * 16))
            store_i64(intervals + j * 16 + 24, load_i64(intervals + j * 16 + 8))
            j -= 1
        store_i64(intervals + j * 16 + 16, start)
        store_i64(intervals + j * 16 + 24, end)


@compiled(**JIT)
def _merge(intervals, n):  # type: ignore[no-untyped-def]
    """How many disjoint intervals are left after joining those that touch; they replace the first ones."""
    if n == 0:
        return np.int64(0)
    _sort(intervals, n)
    last = np.int64(0)
    for i in range(1, n):
        start, end = load_i64(intervals + i * 16), load_i64(intervals + i * 16 + 8)
        if start <= load_i64(intervals + last * 16 + 8):
            if end > load_i64(intervals + last * 16 + 8):
                store_i64(intervals + last * 16 + 8, end)
        else:
            last += 1
            store_i64(intervals + last * 16, start)
            store_i64(intervals + last * 16 + 8, end)
    return last + 1


@compiled(**INLINE)
def _add(state, parent, child, n):  # type: ignore[no-untyped-def]
    """The number of intervals after adding the child's, cut to its parent's (clocks of two hosts may differ)."""
    intervals = load_i64(state + SCRATCH * 8)
    start = max(load_i64(child + E_START * 8), load_i64(parent + E_START * 8))
    end = min(load_i64(child + E_END * 8), load_i64(parent + E_END * 8))
    if end <= start:
        return n
    if n == MAX_INTERVALS:
        n = _merge(intervals, n)
        if n == MAX_INTERVALS:
            bump(state, TRUNCATED)
            return n
    store_i64(intervals + n * 16, start)
    store_i64(intervals + n * 16 + 8, end)
    return n + 1


@compiled(**JIT)
def settle(state, parent):  # type: ignore[no-untyped-def]
    """Counts a span's self time and originated failure, now that no child can come any more."""
    stack = load_i64(state + SCRATCH * 8) + MAX_INTERVALS * 16
    kept = load_i64(state + KEPT * 8)
    depth, n, child_failed = np.int64(0), np.int64(0), False
    low = load_u32(parent + E_CHILDREN * 8)
    while True:
        while low != 0:
            sequence = sequence_of(state, low)
            if sequence < kept:
                break
            child = entry_at(state, sequence)
            flags = flags_of(child)
            low = load_u32(child + E_CHILDREN * 8 + 4)
            if flags & LINKED:
                continue
            if flags & (CALLS | INBOUND) or not same_service(state, place_of(parent), place_of(child)):
                n = _add(state, parent, child, n)
                child_failed = child_failed or flags & (FAILED | PROTECTED) != 0
            elif depth < MAX_STACK:
                store_i64(stack + depth * 8, np.int64(load_u32(child + E_CHILDREN * 8)))
                depth += 1
        if depth == 0:
            break
        depth -= 1
        low = load_i64(stack + depth * 8)
    _count(state, parent, n, child_failed)


@compiled(**INLINE)
def _count(state, parent, n, child_failed):  # type: ignore[no-untyped-def]
    intervals = load_i64(state + SCRATCH * 8)
    covered_ns = np.int64(0)
    for i in range(_merge(intervals, n)):
        covered_ns += load_i64(intervals + i * 16 + 8) - load_i64(intervals + i * 16)
    flags = flags_of(parent)
    failed = flags & FAILED != 0 and flags & PROTECTED == 0
    count_self(state, parent, max(duration_us(parent) - covered_ns // 1000, 0), failed and not child_failed)
