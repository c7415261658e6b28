"""Names become numbers before pairing: who made a span, which operation it is, whom it calls.

A compiled pass looks every span up in small tables; what it does not know is named once, in Python, by
`Names`. The numbers live as long as the process; the tables are lookups that may be forgotten and filled again.
"""

from __future__ import annotations

import numpy as np

from topology.interning import K1, K2
from topology.lookup import value_of
from topology.machine import INLINE, JIT, compiled, load_i32, load_i64, load_u8, load_u32, store_i32, store_u8
from topology.pairing.entries import (
    CALLS,
    FAILED,
    IMMEDIATE,
    INBOUND,
    KINDLESS,
    LINKED,
    PROTECTED,
    QUEUED,
    ROOT_WORK,
    SILENT,
    tag_of,
)
from topology.pairing.kernel import INSTANCE, OPERATION, PARENT_TAG, PLACE, PROTOCOL, SPAN_TAG, TARGET, TRAITS
from topology.spans import (
    ADDRESS,
    CLIENT,
    CONSUMER,
    DB_NAMESPACE,
    DB_SYSTEM,
    DESTINATION,
    ERROR_TYPE,
    FIRST_CONFIGURED,
    FIRST_RECEIVING,
    GRPC_STATUS,
    HTTP_SEEN,
    HTTP_STATUS,
    KIND,
    LAST_PORT,
    LAST_RECEIVING,
    LINK_SPAN,
    LINK_TRACE,
    MESSAGING_OPERATION,
    MESSAGING_SYSTEM,
    NAME,
    PARENT,
    PEER_SERVICE,
    PORT_SHIFT,
    PRODUCER,
    RESOURCE,
    RESPONSE_FLAGS,
    RPC_SYSTEM,
    SERVER,
    SPAN,
    STATUS_ERROR,
    STATUS_SHIFT,
    STATUS_UNSET,
    TRACE,
    WEIGHT,
)

# Words of the state.
(PLACES, INSTANCES, PLACES_KNOWN, OPERATIONS, OPERATIONS_MASK, TARGETS, TARGETS_MASK, PROTOCOLS, PROTOCOLS_KNOWN,
 ENVIRONMENTS, OTHER_OPERATION, CLIENT_4XX, GRPC_SERVER, GRPC_CLIENT, LAST_PROTECTION, PROTECTED_STATUS,
 HTTP_PROTOCOL, THRESHOLDS) = range(18)
STATE_WORDS = 24
SAID, UNSAID = 1, 2
"""What the spans of an end said of sampling: a threshold, or nothing."""
PROTECTED_STATUSES = 10_000
"""The table of protected codes has a byte for every code that a span can carry."""


@compiled(**INLINE)
def _failed(narrow, client, names):  # type: ignore[no-untyped-def]
    """Rule 6: status ERROR; with status unset HTTP 5xx, 4xx for clients, gRPC codes as the conventions list them."""
    status = (load_i32(narrow + KIND * 4) >> STATUS_SHIFT) & 3
    if status != STATUS_UNSET:
        return status == STATUS_ERROR
    http = load_i32(narrow + HTTP_STATUS * 4) - 1
    if http >= 400:
        return http >= 500 or (client and load_i64(names + CLIENT_4XX * 8) != 0)
    code = load_i32(narrow + GRPC_STATUS * 4) - 1
    if code <= 0 or code > 31:
        return False
    return (load_i64(names + (GRPC_CLIENT if client else GRPC_SERVER) * 8) >> code) & 1 != 0


@compiled(**INLINE)
def _protected(narrow, names):  # type: ignore[no-untyped-def]
    """Rule 6: turned away by a rate limit or an open breaker."""
    http = load_i32(narrow + HTTP_STATUS * 4) - 1
    if 0 < http < PROTECTED_STATUSES and load_u8(load_i64(names + PROTECTED_STATUS * 8) + http) != 0:
        return True
    last = load_i64(names + LAST_PROTECTION * 8)
    error, flags = load_i32(narrow + ERROR_TYPE * 4), load_i32(narrow + RESPONSE_FLAGS * 4)
    return FIRST_CONFIGURED <= error <= last or FIRST_CONFIGURED <= flags <= last


@compiled(**INLINE)
def _calling(kind, narrow):  # type: ignore[no-untyped-def]
    """The flags of a client or producer: does it wait for a server, is its target a store or a queue."""
    operation = load_i32(narrow + MESSAGING_OPERATION * 4)
    if kind == CLIENT and FIRST_RECEIVING <= operation <= LAST_RECEIVING:
        return np.int64(CALLS | SILENT)
    if load_i32(narrow + DB_SYSTEM * 4) != 0:
        return np.int64(CALLS | IMMEDIATE)
    return np.int64(CALLS | QUEUED if load_i32(narrow + DESTINATION * 4) != 0 else CALLS)


@compiled(**INLINE)
def _called(kind, wide, narrow):  # type: ignore[no-untyped-def]
    """The flags of a server or consumer: does it know its queue, or only the span that sent the message."""
    if kind == CONSUMER and load_i32(narrow + DESTINATION * 4) != 0:
        return np.int64(INBOUND | QUEUED)
    linked = kind == CONSUMER and load_i64(wide + LINK_SPAN * 8) != 0
    return np.int64(INBOUND | LINKED if linked else INBOUND)


@compiled(**INLINE)
def _traits(wide, narrow, names):  # type: ignore[no-untyped-def]
    """What kind of span it is, as flags."""
    kind = load_i32(narrow + KIND * 4) & 7
    client = kind == CLIENT or kind == PRODUCER
    traits = np.int64(0)
    if _failed(narrow, client, names):
        traits |= FAILED
    if _protected(narrow, names):
        traits |= PROTECTED
    if client:
        traits |= _calling(kind, narrow)
    elif kind == SERVER or kind == CONSUMER:
        traits |= _called(kind, wide, narrow)
    elif kind == 0 and load_i64(wide + PARENT * 8) != 0:
        traits |= KINDLESS
    if traits & INBOUND == 0 and load_i64(wide + PARENT * 8) == 0:
        traits |= ROOT_WORK
    return traits


@compiled(**INLINE)
def operation_key(place, name, root):  # type: ignore[no-untyped-def]
    """What an operation is looked up by."""
    return (place << 32) | (name << 1) | (1 if root else 0) | (np.int64(1) << 62)


@compiled(**INLINE)
def target_key(environment, narrow):  # type: ignore[no-untyped-def]
    """What a target is looked up by: a hash of everything that names it. Never 0."""
    port = (load_u32(narrow + KIND * 4) >> PORT_SHIFT) & LAST_PORT
    h = np.uint64((environment + 1) | (port << 32)) * K1
    for column in (PEER_SERVICE, ADDRESS, DB_SYSTEM, DB_NAMESPACE, MESSAGING_SYSTEM, DESTINATION):
        h = (h ^ np.uint64(load_u32(narrow + column * 4))) * K1
        h ^= h >> np.uint64(29)
    return np.int64((h * K2) | np.uint64(1))


@compiled(**INLINE)
def _names_a_target(narrow):  # type: ignore[no-untyped-def]
    return (load_i32(narrow + PEER_SERVICE * 4) | load_i32(narrow + ADDRESS * 4) | load_i32(narrow + DB_SYSTEM * 4)
            | load_i32(narrow + DESTINATION * 4)) != 0


@compiled(**INLINE)
def _protocol(narrow, names):  # type: ignore[no-untyped-def]
    """The number of the protocol: that of the RPC system, the queue, the store, or HTTP; -1 for one not named yet."""
    text = load_i32(narrow + RPC_SYSTEM * 4)
    if text == 0:
        text = load_i32(narrow + MESSAGING_SYSTEM * 4)
    if text == 0:
        text = load_i32(narrow + DB_SYSTEM * 4)
    if text != 0:
        known = load_u8(load_i64(names + PROTOCOLS_KNOWN * 8) + text) != 0
        return np.int64(load_u8(load_i64(names + PROTOCOLS * 8) + text)) if known else np.int64(-1)
    http = load_i32(narrow + KIND * 4) & HTTP_SEEN or load_i32(narrow + HTTP_STATUS * 4) != 0
    return load_i64(names + HTTP_PROTOCOL * 8) if http else np.int64(0)


@compiled(**INLINE)
def _operation(place, narrow, traits, names):  # type: ignore[no-untyped-def]
    if traits & (INBOUND | ROOT_WORK | KINDLESS) == 0:
        return np.int64(0)
    root = traits & ROOT_WORK != 0
    key = operation_key(place, load_i32(narrow + NAME * 4), root)
    found = value_of(load_i64(names + OPERATIONS * 8), load_i64(names + OPERATIONS_MASK * 8), key)
    if found < 0:
        # A place that asked for far more names than it may have counts new ones as `other`, without asking.
        other = load_i32(load_i64(names + OTHER_OPERATION * 8) + place * 8 + (4 if root else 0))
        return np.int64(other) if other != 0 else np.int64(-1)
    return found


@compiled(**INLINE)
def _tags(wide, resolved, traits):  # type: ignore[no-untyped-def]
    """What the span and its parent are found by, hashed once for the several looks at the table."""
    trace = load_i64(wide + TRACE * 8)
    store_i32(resolved + SPAN_TAG * 4, tag_of(trace, load_i64(wide + SPAN * 8)))
    linked = traits & LINKED != 0
    trace = load_i64(wide + LINK_TRACE * 8) if linked else trace
    parent = load_i64(wide + (LINK_SPAN if linked else PARENT) * 8)
    store_i32(resolved + PARENT_TAG * 4, tag_of(trace, parent))


@compiled(**JIT)
def resolve(wide, narrow, resolved, n, names, unknown):  # type: ignore[no-untyped-def]
    """Fills the resolved columns of n spans; returns how many rows have a name that is not known yet (they are
    listed at `unknown`, int32)."""
    missing = np.int64(0)
    for i in range(n):
        w, s, r = wide + i * 64, narrow + i * 64, resolved + i * 32
        resource = load_i32(s + RESOURCE * 4)
        traits = _traits(w, s, names)
        complete = load_u8(load_i64(names + PLACES_KNOWN * 8) + resource) != 0
        place = np.int64(load_i32(load_i64(names + PLACES * 8) + resource * 4))
        operation, target, protocol = np.int64(0), np.int64(0), np.int64(0)
        if complete:
            operation = _operation(place, s, traits, names)
            protocol = _protocol(s, names)
            if traits & (CALLS | QUEUED) and _names_a_target(s):
                environment = load_i32(load_i64(names + ENVIRONMENTS * 8) + place * 4)
                key = target_key(environment, s)
                target = value_of(load_i64(names + TARGETS * 8), load_i64(names + TARGETS_MASK * 8), key)
            complete = operation >= 0 and target >= 0 and protocol >= 0
        if not complete:
            store_i32(unknown + missing * 4, i)
            missing += 1
            continue
        told = load_i64(names + THRESHOLDS * 8) + place
        store_u8(told, np.int64(load_u8(told)) | (SAID if load_i64(w + WEIGHT * 8) != 0 else UNSAID))
        store_i32(r + PLACE * 4, place)
        store_i32(r + INSTANCE * 4, load_i32(load_i64(names + INSTANCES * 8) + resource * 4))
        store_i32(r + OPERATION * 4, operation)
        store_i32(r + TARGET * 4, target)
        store_i32(r + PROTOCOL * 4, protocol)
        store_i32(r + TRAITS * 4, traits)
        _tags(w, r, traits)
    return missing
