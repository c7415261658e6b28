"""Which span attributes are read, into which column, and how they are found among the others.

An attribute's place is found by a perfect hash over the byte before its name, which is its length, and the first seven
and last eight of its name; that byte and the name are then compared as one block. Where several names fill one column,
the higher priority wins, and among equals the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.otlp.wire import BAD, text
from topology.blocks import BLOCK_BYTES, same_bytes
from topology.interning import intern, known
from topology.machine import INLINE, JIT, apart, compiled, load_i64, load_u8, load_u32, load_u64, store_i32, store_u8
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
ENTRIES = 256
_COLUMN, _PRIORITY = 48, 56
"""Where these words are in an entry, a block that begins with the length of the name and the name."""
_SEED = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


@compiled(**INLINE)
def find(p, n, keys):  # type: ignore[no-untyped-def]
    """The address of the entry of the attribute name whose length, the byte n, stands at p, or 0. From there on 64
    bytes may be read."""
    if n < SHORTEST or n > LONGEST:
        return np.int64(0)
    h = ((load_u64(p) + load_u64(p + n - 7)) * load_u64(keys)) >> np.uint64(56)
    entry = keys + BLOCK_BYTES + np.int64(h) * BLOCK_BYTES
    return entry if same_bytes(p, entry, n + 1) else np.int64(0)


@compiled(**JIT)
def find_anywhere(p, n, keys):  # type: ignore[no-untyped-def]
    """The same for a name of n bytes at p, of which no more may be read. It is copied to the line after the entries."""
    apart()
    if n < SHORTEST or n > LONGEST:
        return np.int64(0)
    line = keys + (ENTRIES + 1) * BLOCK_BYTES
    store_u8(line, n)
    for k in range(n):
        store_u8(line + 1 + k, load_u8(p + k))
    return find(line, n, keys)


@compiled(**INLINE)
def column_of(entry):  # type: ignore[no-untyped-def]
    """The column that the attribute of an entry fills."""
    return load_i64(entry + _COLUMN)


@compiled(**INLINE)
def priority_of(entry):  # type: ignore[no-untyped-def]
    """Its priority among the names of that column."""
    return load_i64(entry + _PRIORITY)


@compiled(**INLINE)
def outranked(entry, ranks):  # type: ignore[no-untyped-def]
    """Whether a higher name has already filled the entry's column. `ranks` holds four bits a column."""
    return (ranks >> (column_of(entry) * 4)) & 15 > priority_of(entry)


@compiled(**INLINE)
def rank_of(column, ranks):  # type: ignore[no-untyped-def]
    """The priority of the name that filled a column, 0 for none."""
    return (ranks >> (column * 4)) & 15


@compiled(**INLINE)
def rank(entry, ranks):  # type: ignore[no-untyped-def]
    """`ranks` after the entry's column was filled."""
    shift = column_of(entry) * 4
    return (ranks & ~(np.int64(15) << shift)) | (priority_of(entry) << shift)


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
    """Whether the text is UTF-8."""
    value = _digits(p, n, 4)
    if value < 0 and column == GRPC_STATUS:
        number = number_of_text(p, n, strings)
        value = number - 1 if 0 < number <= len(GRPC_NAMES) else np.int64(-1)
    store_i32(narrow + column * 4, value + 1)
    return text(p, n)


@compiled(**JIT)
def _new_text(p, n, strings):  # type: ignore[no-untyped-def]
    apart()
    return intern(p, n, strings) if text(p, n) else BAD


@compiled(**INLINE)
def number_of_text(p, n, strings):  # type: ignore[no-untyped-def]
    """The number of n bytes of text, BAD when they are no UTF-8; of less than 64, 64 may be read. What has a number
    already was looked at when it got it."""
    number = known(p, n, strings)
    return number if number != 0 else _new_text(p, n, strings)


@compiled(**JIT)
def _fill_other_text(narrow, column, p, n, strings):  # type: ignore[no-untyped-def]
    """Whether the text is UTF-8; for columns that take no numbers of strings."""
    apart()
    if column == HTTP_STATUS or column == GRPC_STATUS:
        return _fill_numeric_text(narrow, column, p, n, strings)
    if column == KIND:
        store_i32(narrow + KIND * 4, load_u32(narrow + KIND * 4) | HTTP_SEEN)
    else:
        _fill_port(narrow, _digits(p, n, 5))
    return text(p, n)


@compiled(**INLINE)
def fill_text(narrow, column, p, n, strings):  # type: ignore[no-untyped-def]
    """Whether the text is UTF-8. It goes into a column, interned; numeric columns take decimal digits and gRPC's names
    of codes. Of less than 64 bytes, 64 may be read."""
    if column == KIND or column == HTTP_STATUS or column == GRPC_STATUS or column == PORT:
        return _fill_other_text(narrow, column, p, n, strings)
    number = number_of_text(p, n, strings)
    store_i32(narrow + column * 4, number)
    return number >= 0


def key_table(attributes: Sequence[Attribute] = ATTRIBUTES) -> npt.NDArray[np.int64]:
    """The perfect hash table `find` reads, in blocks that begin at cache lines: one with the multiplier, 256 entries,
    and room for a name that is looked up elsewhere than where it stands."""
    names = [bytes([len(a.name)]) + a.name.encode() for a in attributes]
    multiplier = _SEED
    while len({_slot(name, multiplier) for name in names}) < len(names):
        multiplier = (multiplier * 6364136223846793005 + 1442695040888963407) & _WORD | 1
    table = _lines(ENTRIES + 2)
    table[0, 0] = np.uint64(multiplier).view(np.int64)
    for attribute, name in zip(attributes, names, strict=True):
        row = table[1 + _slot(name, multiplier)]
        row.view(np.uint8)[: len(name)] = np.frombuffer(name, np.uint8)
        row[[_COLUMN // 8, _PRIORITY // 8]] = attribute.column, attribute.priority
    return table


def _lines(n: int) -> npt.NDArray[np.int64]:
    words = BLOCK_BYTES // 8
    room = np.zeros((n + 1) * words, np.int64)
    start = -room.ctypes.data % BLOCK_BYTES // 8
    return room[start : start + n * words].reshape(n, words)


def _slot(name: bytes, multiplier: int) -> int:
    """As `find` has it; of the length and the name."""
    first, last = (int.from_bytes(part, "little") for part in (name[:8], name[-8:]))
    return ((first + last) * multiplier & _WORD) >> 56
