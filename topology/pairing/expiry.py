"""The expiry kernels: what waited for a horizon, or is oldest in a full ring, counts as it stands and is forgotten."""

from __future__ import annotations

import numpy as np

from topology.machine import INLINE, JIT, compiled, load_i64, load_u32, prefetch, store_i64
from topology.pairing.calls import count_orphan, count_unanswered
from topology.pairing.entries import (
    ARRIVAL_EPOCH_MS,
    CALLS,
    E_CHILDREN,
    E_SPAN,
    E_WORK,
    EMITTED,
    EXPIRED_EARLY,
    HASH,
    HASH_MASK,
    HEAD,
    INBOUND,
    KEPT,
    KINDLESS,
    LOST_PARENTS,
    NEWEST_WINDOW,
    NOW_NS,
    ORPHANED,
    PAIRED,
    REAL,
    RING_BOUND,
    RING_MASK,
    ROOT_WORK,
    SOURCED,
    TAIL,
    WINDOW_NS,
    append,
    bump,
    entry_at,
    find,
    flags_of,
    forget,
    raise_flags,
    sequence_of,
    tag_of,
)
from topology.pairing.selftime import settle

EXPIRE_AT_ONCE = 2048
AHEAD = 5
"""How many entries ahead what they will need is brought into the cache."""
AHEAD_NS = 5_000_000_000
"""A span that ends later than this after its arrival comes from a clock that is ahead; it is counted on arrival."""
_FAR_MS = 1 << 52


@compiled(**JIT)
def _renew(state, sequence, placeholder):  # type: ignore[no-untyped-def]
    """A placeholder whose newest child still waits gets a new place at the head of the ring, children and all."""
    raise_flags(placeholder, ORPHANED)
    first = np.int64(load_u32(placeholder + E_CHILDREN * 8))
    if sequence_of(state, first) <= sequence:
        return
    trace, span = load_i64(placeholder), load_i64(placeholder + E_SPAN * 8)
    tag = tag_of(trace, span)
    entry = entry_at(state, append(state, trace, span, find(state, trace, span, tag), tag))
    store_i64(entry + E_WORK * 8, (load_i64(state + NOW_NS * 8) // 1_000_000 - ARRIVAL_EPOCH_MS) << 24)
    store_i64(entry + E_CHILDREN * 8, first)


@compiled(**JIT)
def _expire_one(state, sequence):  # type: ignore[no-untyped-def]
    entry = entry_at(state, sequence)
    flags = flags_of(entry)
    if not flags & ORPHANED:
        forget(state, sequence)
    if not flags & REAL:
        if not flags & ORPHANED:
            _renew(state, sequence, entry)
        return
    if flags & CALLS and not flags & (PAIRED | EMITTED):
        count_unanswered(state, entry)
    if flags & INBOUND and not flags & SOURCED:
        count_orphan(state, entry)
    if flags & KINDLESS:
        bump(state, LOST_PARENTS)
    if flags & (INBOUND | ROOT_WORK):
        settle(state, entry)


@compiled(**INLINE)
def _ask_for_relatives(state, entry):  # type: ignore[no-untyped-def]
    """Brings nearer what the expiry of an entry will touch: its slot and its newest child."""
    tag = tag_of(load_i64(entry), load_i64(entry + E_SPAN * 8))
    prefetch(load_i64(state + HASH * 8) + (tag & load_i64(state + HASH_MASK * 8)) * 8)
    prefetch(entry_at(state, load_u32(entry + E_CHILDREN * 8)))


@compiled(**JIT)
def expire(state, before_ms, most):  # type: ignore[no-untyped-def]
    """Lets up to `most` spans that arrived before `before_ms` expire; returns how many did."""
    limit = before_ms - ARRIVAL_EPOCH_MS
    done = np.int64(0)
    while done < most and load_i64(state + TAIL * 8) < load_i64(state + HEAD * 8):
        sequence = load_i64(state + TAIL * 8)
        if load_i64(entry_at(state, sequence) + E_WORK * 8) >> 24 >= limit:
            break
        _ask_for_relatives(state, entry_at(state, sequence + AHEAD))
        _expire_one(state, sequence)
        store_i64(state + TAIL * 8, sequence + 1)
        done += 1
    return done


@compiled(**JIT)
def release(state, before_ms):  # type: ignore[no-untyped-def]
    """Frees the ring of spans that arrived before `before_ms` and have expired. Those that still wait count in windows
    near the present one; the clock may have jumped by years before, so it is not read earlier than here."""
    newest_ns = load_i64(state + NOW_NS * 8) + AHEAD_NS
    store_i64(state + NEWEST_WINDOW * 8, newest_ns // load_i64(state + WINDOW_NS * 8))
    limit = before_ms - ARRIVAL_EPOCH_MS
    while load_i64(state + KEPT * 8) < load_i64(state + TAIL * 8):
        sequence = load_i64(state + KEPT * 8)
        if load_i64(entry_at(state, sequence) + E_WORK * 8) >> 24 >= limit:
            break
        store_i64(state + KEPT * 8, sequence + 1)


@compiled(**JIT)
def make_room(state, more):  # type: ignore[no-untyped-def]
    """Whether the ring has room for `more` entries. Where it has reached its bound the oldest give way, as many of
    them before their time: more than once, since placeholders with children that still wait are put at the head
    again."""
    rows, most = load_i64(state + RING_MASK * 8) + 1, more
    while True:
        tail, kept = load_i64(state + TAIL * 8), load_i64(state + KEPT * 8)
        over = load_i64(state + HEAD * 8) - kept + more - rows
        early = min(over - (tail - kept), most)
        if over <= 0:
            return True
        if rows < load_i64(state + RING_BOUND * 8) or (tail == kept and early == 0):
            return False
        if early > 0:
            expired = expire(state, _FAR_MS, early)
            store_i64(state + EXPIRED_EARLY * 8, load_i64(state + EXPIRED_EARLY * 8) + expired)
            most -= early
        store_i64(state + KEPT * 8, min(kept + over, load_i64(state + TAIL * 8)))


@compiled(**JIT)
def tell_time(state, now_ns):  # type: ignore[no-untyped-def]
    """Sets the clock, which never goes back, and returns what it shows."""
    now_ns = max(now_ns, load_i64(state + NOW_NS * 8))
    store_i64(state + NOW_NS * 8, now_ns)
    return now_ns
