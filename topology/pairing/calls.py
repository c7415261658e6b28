"""What a span adds to the rollups: its operation's and instance's work, and the call it stands for."""

from __future__ import annotations

import numpy as np

from topology.lookup import slot_of
from topology.machine import (
    INLINE,
    JIT,
    add_f64,
    compiled,
    float_of,
    load_i32,
    load_i64,
    load_u8,
    load_u32,
    store_i64,
    store_u8,
)
from topology.pairing.entries import (
    CALLS,
    E_COUNT,
    E_END,
    E_START,
    E_WORK,
    EDGE_MASK,
    EDGES,
    EDGES_USED,
    EMITTED,
    FAILED,
    LOCALS,
    LOST_PARENTS,
    MAX_LOCALS,
    NEW_EDGES,
    NEW_EDGES_CAPACITY,
    NEW_EDGES_USED,
    NEWEST_WINDOW,
    PAIRED,
    PAIRS,
    PROTECTED,
    QUEUED,
    ROOTS,
    SERVICE_OF,
    SOURCED,
    TALLY,
    UNKNOWN_OF,
    UNNAMED,
    USER_OF,
    VIRTUAL,
    WAITING,
    WAITS,
    bump,
    clear_flags,
    drop,
    flags_of,
    place_of,
    raise_flags,
    target_of,
)
from topology.pairing.tally import add_call, add_latency, row_of

UNTIMED = np.int64(-1)
WINDOW_SHIFT, WINDOW_MASK, COUNTS = 40, (1 << 23) - 1, -(1 << 63)
"""An entry keeps the lower bits of its window's index: windows of a second repeat after 97 days."""


@compiled(**INLINE)
def weight_of(entry):  # type: ignore[no-untyped-def]
    """The sampling weight of a span, kept as the upper half of a float64's bits."""
    return float_of(load_u32(entry + E_COUNT * 8) << 32)


@compiled(**INLINE)
def protocol_of(entry):  # type: ignore[no-untyped-def]
    """The number of the protocol the span speaks, 0 for unknown."""
    return load_u8(entry + E_COUNT * 8 + 4)


@compiled(**INLINE)
def window_of(state, entry):  # type: ignore[no-untyped-def]
    """The window in which the span ended (its index since the epoch), 0 when it came too late to be counted."""
    kept = load_i64(entry + E_COUNT * 8)
    newest = load_i64(state + NEWEST_WINDOW * 8)
    return newest - ((newest - (kept >> WINDOW_SHIFT)) & WINDOW_MASK) if kept < 0 else np.int64(0)


@compiled(**INLINE)
def duration_us(entry):  # type: ignore[no-untyped-def]
    """How long the span took, rounded up, so that a call is within a threshold only if it really was."""
    took_ns = load_i64(entry + E_END * 8) - load_i64(entry + E_START * 8)
    return (took_ns + 999) // 1000 if took_ns > 0 else np.int64(0)


@compiled(**INLINE)
def edge_series(state, caller, callee, protocol):  # type: ignore[no-untyped-def]
    """The local series of a path, given out at first sight; 0 when the bound on series is reached."""
    key = ((caller << 28) | (callee << 8) | protocol) + 1
    slot = slot_of(load_i64(state + EDGES * 8), load_i64(state + EDGE_MASK * 8), key)
    return load_i64(slot + 8) if load_i64(slot) == key else np.int64(_new_edge(state, key, slot))


@compiled(**JIT)
def _new_edge(state, key, slot):  # type: ignore[no-untyped-def]
    local = load_i64(state + LOCALS * 8)
    at = load_i64(state + NEW_EDGES_USED * 8)
    if local >= load_i64(state + MAX_LOCALS * 8) or at >= load_i64(state + NEW_EDGES_CAPACITY * 8):
        return np.int64(0)
    store_i64(state + LOCALS * 8, local + 1)
    store_i64(state + NEW_EDGES_USED * 8, at + 1)
    store_i64(state + EDGES_USED * 8, load_i64(state + EDGES_USED * 8) + 1)
    new = load_i64(state + NEW_EDGES * 8) + at * 16
    store_i64(new, local)
    store_i64(new + 8, key - 1)
    store_i64(slot, key)
    store_i64(slot + 8, local)
    return local


@compiled(**INLINE)
def count_path(  # type: ignore[no-untyped-def]
    state, caller, callee, protocol, window, flags, weight, client_us, server_us, sign
):
    """Adds one call from end to end; a side that was not seen is UNTIMED. `sign` -1 takes it back."""
    if window == 0:
        return
    tally = load_i64(state + TALLY * 8)
    row = row_of(tally, edge_series(state, caller, callee, protocol), window)
    add_call(row, flags & FAILED != 0, flags & PROTECTED != 0, weight, sign)
    if client_us >= 0:
        add_latency(tally, row, client_us, weight * sign, 0)
    if server_us >= 0:
        add_latency(tally, row, server_us, weight * sign, 1)


@compiled(**INLINE)
def count_work(state, entry, instance):  # type: ignore[no-untyped-def]
    """Adds a span to the work of its operation and, where known, of its instance."""
    window = window_of(state, entry)
    if window == 0:
        return
    tally = load_i64(state + TALLY * 8)
    flags = flags_of(entry)
    took = duration_us(entry)
    row = row_of(tally, load_i64(entry + E_WORK * 8) & 0xFFFFFF, window)
    add_call(row, flags & FAILED != 0, flags & PROTECTED != 0, weight_of(entry), 1)
    add_latency(tally, row, took, weight_of(entry), 0)
    if instance > 0:
        row = row_of(tally, instance, window)
        add_call(row, flags & FAILED != 0, flags & PROTECTED != 0, weight_of(entry), 1)
        add_latency(tally, row, took, weight_of(entry), 0)


@compiled(**JIT)
def count_self(state, entry, self_us, originated):  # type: ignore[no-untyped-def]
    """Adds what is only known when a span's children are: its self time, and whether its failure began there."""
    window = window_of(state, entry)
    if window == 0:
        return
    row = row_of(load_i64(state + TALLY * 8), load_i64(entry + E_WORK * 8) & 0xFFFFFF, window)
    add_f64(row + 40, weight_of(entry) * self_us)
    if originated:
        add_f64(row + 16, weight_of(entry))


@compiled(**INLINE)
def same_service(state, a, b):  # type: ignore[no-untyped-def]
    """Whether two ends belong to one service."""
    services = load_i64(state + SERVICE_OF * 8)
    return load_i32(services + a * 4) == load_i32(services + b * 4)


@compiled(**JIT)
def count_virtual(state, client, sign):  # type: ignore[no-untyped-def]
    """Adds a client's call to its virtual target (rule 2), or takes it back when a server turns up after all."""
    count_path(state, place_of(client), target_of(client), protocol_of(client), window_of(state, client),
               flags_of(client), weight_of(client), duration_us(client), UNTIMED, sign)
    if sign > 0:
        bump(state, VIRTUAL)
    else:
        drop(state, VIRTUAL)


@compiled(**JIT)
def count_root(state, server):  # type: ignore[no-untyped-def]
    """A root server span is a call from `user` (rule 3)."""
    raise_flags(server, SOURCED)
    user = load_i32(load_i64(state + USER_OF * 8) + place_of(server) * 4)
    count_path(state, user, place_of(server), protocol_of(server), window_of(state, server), flags_of(server),
               weight_of(server), UNTIMED, duration_us(server), 1)
    bump(state, ROOTS)


@compiled(**JIT)
def count_orphan(state, server):  # type: ignore[no-untyped-def]
    """A server span whose parent was lost is a call from `unknown` (rule 3)."""
    raise_flags(server, SOURCED)
    drop(state, WAITING)
    bump(state, LOST_PARENTS)
    unknown = load_i32(load_i64(state + UNKNOWN_OF * 8) + place_of(server) * 4)
    count_path(state, unknown, place_of(server), protocol_of(server), window_of(state, server), flags_of(server),
               weight_of(server), UNTIMED, duration_us(server), 1)


@compiled(**JIT)
def count_delivery(state, queue, consumer):  # type: ignore[no-untyped-def]
    """A message taken from a queue (rule 4)."""
    raise_flags(consumer, SOURCED)
    count_path(state, queue, place_of(consumer), protocol_of(consumer), window_of(state, consumer), flags_of(consumer),
               weight_of(consumer), UNTIMED, duration_us(consumer), 1)


@compiled(**JIT)
def count_unanswered(state, client):  # type: ignore[no-untyped-def]
    """A client whose server never came: the call goes to its virtual target (rule 2)."""
    drop(state, WAITING)
    if target_of(client) == 0:
        bump(state, UNNAMED)
    else:
        count_virtual(state, client, 1)


@compiled(**JIT)
def pair(state, parent, child):  # type: ignore[no-untyped-def]
    """The parent called the child: one call, unless it stayed inside one service (rules 1, 4, 5)."""
    was, is_ = flags_of(parent), flags_of(child)
    raise_flags(child, SOURCED)
    drop(state, WAITING)
    if was & QUEUED and was & CALLS:
        count_delivery(state, target_of(parent), child)
        return
    first = was & CALLS != 0 and was & PAIRED == 0
    if first and was & EMITTED:
        # A store that answers with spans of its own: its clients wait from now on (rule 2).
        count_virtual(state, parent, -1)
        clear_flags(parent, EMITTED)
    elif first:
        drop(state, WAITING)
    if first and target_of(parent) != 0:
        store_u8(load_i64(state + WAITS * 8) + target_of(parent), np.int64(1))
    raise_flags(parent, PAIRED)
    if same_service(state, place_of(parent), place_of(child)):
        return
    failed = (was if was & CALLS else 0) | is_
    window = window_of(state, parent) if first else window_of(state, child)
    protocol = protocol_of(child) or protocol_of(parent)
    count_path(state, place_of(parent), place_of(child), protocol, window, failed,
               max(weight_of(parent), weight_of(child)), duration_us(parent) if first else UNTIMED,
               duration_us(child), 1)
    bump(state, PAIRS)
