"""Which span attributes are read, into which column, and how they are found among the others.

An attribute's place is found by a perfect hash over its length and its first and last eight bytes. Where
several names fill one column, the higher priority wins, and among equals the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.otlp.wire import text
from topology.interning import K2, intern, same_bytes
from topology.machine import INLINE, JIT, compiled, load_i64, load_u8, load_u32, load_u64, store_i32
from topology.spans import (
    ADDRESS,
    DB_NAMESPACE,
    DB_SYSTEM,
    DESTINATION,
    ERROR_TYPE,
    GRPC_NAMES,
    GRPC_STATUS,
    HTTP_SEEN,
    HTTP_STATUS,
    KIND,
    LAST_PORT,
    MESSAGING_OPERATION,
    MESSAGING_SYSTEM,
    PEER_SERVICE,
    PORT_SHIFT,
    RESOURCE,
    RESPONSE_FLAGS,
    RPC_SYSTEM,
)


class Attribute(NamedTuple):
    """One attribute name: the column it fills and its priority (1 to 15) among the names of that column."""

    name: str
    column: int
    priority: int


ATTRIBUTES = (
    Attribute("service.peer.name", PEER_SERVICE, 2),
    Attribute("peer.service", PEER_SERVICE, 1),
    Attribute("server.address", ADDRESS, 4),
    Attribute("net.peer.name", ADDRESS, 3),
    Attribute("network.peer.address", ADDRESS, 2),
    Attribute("net.sock.peer.addr", ADDRESS, 1),
    Attribute("net.peer.ip", ADDRESS, 1),
    Attribute("db.system.name", DB_SYSTEM, 2),
    Attribute("db.system", DB_SYSTEM, 1),
    Attribute("db.namespace", DB_NAMESPACE, 2),
    Attribute("db.name", DB_NAMESPACE, 1),
    Attribute("messaging.system", MESSAGING_SYSTEM, 1),
    Attribute("messaging.destination.name", DESTINATION, 2),
    Attribute("messaging.destination", DESTINATION, 1),
    Attribute("messaging.operation.type", MESSAGING_OPERATION, 2),
    Attribute("messaging.operation", MESSAGING_OPERATION, 1),
    Attribute("rpc.system.name", RPC_SYSTEM, 2),
    Attribute("rpc.system", RPC_SYSTEM, 1),
    Attribute("http.request.method", KIND, 1),
    Attribute("http.method", KIND, 1),
    Attribute("http.response.status_code", HTTP_STATUS, 2),
    Attribute("http.status_code", HTTP_STATUS, 1),
    Attribute("rpc.response.status_code", GRPC_STATUS, 2),
    Attribute("rpc.grpc.status_code", GRPC_STATUS, 1),
    Attribute("error.type", ERROR_TYPE, 3),
    Attribute("exception.type", ERROR_TYPE, 2),
    Attribute("response_flags", RESPONSE_FLAGS, 1),
)
"""Names of the semantic conventions, new and old, and Envoy's `response_flags`."""

PORT = RESOURCE
"""Stands for the port, which is packed into KIND: no attribute fills the column of this number."""
PORTS = (
    Attribute("server.port", PORT, 4),
    Attribute("net.peer.port", PORT, 3),
    Attribute("network.peer.port", PORT, 2),
    Attribute("net.sock.peer.port", PORT, 1),
)
"""Read only where addresses are looked up with their ports: nearly every span of a web service has one."""

IN_EVENT = 1
"""The priority of an event's `exception.type`: any attribute of the span itself outranks it."""
NUMERIC = (HTTP_STATUS, GRPC_STATUS)
MAX_NUMBER = 9999
SHORTEST, LONGEST = 7, 40
ENTRY_BYTES = 64
_SEED = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


@compiled(**INLINE)
def find(p, n, keys):  # type: ignore[no-untyped-def]
    """The address of the entry of the attribute name at p, or 0. Entries are (length, column, priority, name)."""
    if n < SHORTEST or n > LONGEST:
        return np.int64(0)
    if n >= 8:
        a = load_u64(p)
        b = load_u64(p + n - 8)
    else:
        a = np.uint64(load_u32(p)) | (np.uint64(load_u32(p + n - 4)) << np.uint64(32))
        b = np.uint64(0)
    h = ((a ^ (b * K2) ^ np.uint64(n)) * load_u64(keys)) >> np.uint64(56)
    entry = keys + ENTRY_BYTES + np.int64(h) * ENTRY_BYTES
    if load_i64(entry) == n and same_bytes(p, entry + 24, n):
        return entry
    return np.int64(0)


@compiled(**INLINE)
def outranked(entry, ranks):  # type: ignore[no-untyped-def]
    """Whether a higher name has already filled the entry's column. `ranks` holds four bits a column."""
    return (ranks >> (load_i64(entry + 8) * 4)) & 15 > load_i64(entry + 16)


@compiled(**INLINE)
def rank_of(column, ranks):  # type: ignore[no-untyped-def]
    """The priority of the name that filled a column, 0 for none."""
    return (ranks >> (column * 4)) & 15


@compiled(**INLINE)
def rank(entry, ranks):  # type: ignore[no-untyped-def]
    """`ranks` after the entry's column was filled."""
    shift = load_i64(entry + 8) * 4
    return (ranks & ~(np.int64(15) << shift)) | (load_i64(entry + 16) << shift)


@compiled(**JIT)
def _digits(p, n, most):  # type: ignore[no-untyped-def]
    if n == 0 or n > most:
        return np.int64(-1)
    value = np.int64(0)
    for k in range(n):
        digit = load_u8(p + k) - 48
        if digit < 0 or digit > 9:
            return np.int64(-1)
        value = value * 10 + digit
    return value


@compiled(**JIT)
def _fill_port(narrow, value):  # type: ignore[no-untyped-def]
    kind = load_u32(narrow + KIND * 4) & ~(LAST_PORT << PORT_SHIFT)
    store_i32(narrow + KIND * 4, kind | ((value if 0 < value <= LAST_PORT else np.int64(0)) << PORT_SHIFT))


@compiled(**JIT)
def fill_number(narrow, column, value):  # type: ignore[no-untyped-def]
    """A number into a numeric column (stored plus one); elsewhere numbers are no strings and are left out."""
    if column == KIND:
        store_i32(narrow + KIND * 4, load_u32(narrow + KIND * 4) | HTTP_SEEN)
    elif column == HTTP_STATUS or column == GRPC_STATUS:
        store_i32(narrow + column * 4, value + 1 if 0 <= value <= MAX_NUMBER else np.int64(0))
    elif column == PORT:
        _fill_port(narrow, value)


@compiled(**JIT)
def _fill_numeric_text(narrow, column, p, n, strings):  # type: ignore[no-untyped-def]
    value = _digits(p, n, 4)
    if value < 0 and column == GRPC_STATUS:
        number = intern(p, n, strings)
        value = number - 1 if 0 < number <= len(GRPC_NAMES) else np.int64(-1)
    store_i32(narrow + column * 4, value + 1)


@compiled(**INLINE)
def fill_text(narrow, column, p, n, strings):  # type: ignore[no-untyped-def]
    """A string into a column, interned; numeric columns take decimal digits and gRPC's names of codes."""
    if column == KIND:
        store_i32(narrow + KIND * 4, load_u32(narrow + KIND * 4) | HTTP_SEEN)
    elif column == HTTP_STATUS or column == GRPC_STATUS:
        _fill_numeric_text(narrow, column, p, n, strings)
    elif column == PORT:
        _fill_port(narrow, _digits(p, n, 5))
    else:
        store_i32(narrow + column * 4, intern(p, n, strings))
    return text(p, n)


def key_table(attributes: Sequence[Attribute] = ATTRIBUTES) -> npt.NDArray[np.int64]:
    """The perfect hash table `find` reads: a line with the multiplier, then 256 entries of one line each."""
    names = [a.name.encode() for a in attributes]
    multiplier = _SEED
    while len({_slot(name, multiplier) for name in names}) < len(names):
        multiplier = (multiplier * 6364136223846793005 + 1442695040888963407) & _WORD | 1
    table = np.zeros((257, ENTRY_BYTES // 8), np.int64)
    table[0, 0] = np.uint64(multiplier).view(np.int64)
    for attribute, name in zip(attributes, names, strict=True):
        row = table[1 + _slot(name, multiplier)]
        row[:3] = len(name), attribute.column, attribute.priority
        row.view(np.uint8)[24 : 24 + len(name)] = np.frombuffer(name, np.uint8)
    return table


def _slot(name: bytes, multiplier: int) -> int:
    n = len(name)
    if n >= 8:
        a, b = int.from_bytes(name[:8], "little"), int.from_bytes(name[-8:], "little")
    else:
        a, b = int.from_bytes(name[:4], "little") | int.from_bytes(name[-4:], "little") << 32, 0
    return (((a ^ (b * int(K2) & _WORD) ^ n) * multiplier) & _WORD) >> 56
