"""How a request is written down: a header (magic, length, ticket, arrival, signal, checksum), then the body.

Reading stops at the first record that is not whole and next in order: that cuts a torn tail, and what an older use of
the file left behind.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from topology.blocks import BLOCK_BYTES, block_hash
from topology.interning import K1, K2
from topology.machine import JIT, address_of, compiled, load_u8

HEADER = struct.Struct("<IIQQQQ")
MAGIC = 0x53594E32
_KEYS = np.array([(k * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) for k in range(1, 9)], np.uint64)
_KEYS_AT = int(_KEYS.ctypes.data)


@dataclass(frozen=True, slots=True)
class Record:
    """One request: its place in the order, what it is, when it came (epoch ns), and its bytes."""

    ticket: int
    signal: int
    arrival_ns: int
    body: bytes


@compiled(**JIT)
def _checksum(p, n, seed, keys):  # type: ignore[no-untyped-def]
    """A 64-bit checksum: block after block, hashed by NH with known keys, in two chains that do not wait for each
    other. What is left at the end counts byte by byte."""
    a, b = seed, seed ^ K1
    end = p + (n & ~127)
    while p < end:
        a = (a ^ block_hash(p, BLOCK_BYTES, keys)) * K1
        b = (b ^ block_hash(p + BLOCK_BYTES, BLOCK_BYTES, keys)) * K1
        p += 128
    for k in range(n & 127):
        a = (a ^ np.uint64(load_u8(p + k))) * K1
    h = (a ^ (b >> np.uint64(29)) ^ np.uint64(n)) * K2
    return (h ^ (h >> np.uint64(32)) ^ b) * K2


def checksum(body: bytes | memoryview, ticket: int) -> int:
    """The checksum of a body under its ticket, so that a stale record never fits a new place."""
    seed = np.uint64(ticket * 0x9E3779B97F4A7C15 & (1 << 64) - 1)
    return int(_checksum(address_of(body), len(body), seed, _KEYS_AT))


def header(ticket: int, signal: int, arrival_ns: int, body: bytes | memoryview) -> bytes:
    """What stands before the body of a `Record`."""
    return HEADER.pack(MAGIC, len(body), ticket, arrival_ns, signal, checksum(body, ticket))


def scan(path: Path, first: int) -> Iterator[tuple[Record, int]]:
    """The whole records of a file with their offsets, up to the first that is not whole and next in order."""
    expected, offset = first, 0
    with path.open("rb") as file:
        while len(header := file.read(HEADER.size)) == HEADER.size:
            magic, size, ticket, arrival_ns, signal, check = HEADER.unpack(header)
            if magic != MAGIC or ticket != expected:
                return
            body = file.read(size)
            if len(body) != size or checksum(body, ticket) != check:
                return
            yield Record(ticket, signal, arrival_ns, body), offset
            expected, offset = expected + 1, offset + HEADER.size + size
