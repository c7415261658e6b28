"""Strings become small numbers: an open-addressing table over one byte arena, filled by compiled kernels.

Number 0 stands for the empty string and for every string that no longer fits; the latter are counted.
The table is bounded; whoever uses the numbers must be able to forget them, because `reset` starts anew.
"""

from __future__ import annotations

import numpy as np

from topology.blocks import BLOCK_BYTES, block_hash, same_bytes
from topology.machine import INLINE, JIT, address_of, apart, compiled, load_i64, load_u8, load_u64, store_i64, store_u8

K1 = np.uint64(0x9E3779B97F4A7C15)
K2 = np.uint64(0xD6E8FEB86659FD93)
_U1, _U5, _U29, _U32 = (np.uint64(x) for x in (1, 5, 29, 32))
_BEHIND = bytes(BLOCK_BYTES)

# The table's state, as words at one address.
SLOTS, MASK, STRINGS, CAPACITY, ARENA, ARENA_BYTES, USED, ARENA_USED, REFUSED, CROWDED = range(10)
HASH_KEYS = 16
WORDS = HASH_KEYS + BLOCK_BYTES // 8


@compiled(**INLINE)
def hash_bytes(p, n, keys):  # type: ignore[no-untyped-def]
    """A 64-bit hash of n bytes (at least one) at p; of less than 64, 64 may be read. See `block_hash`."""
    first = min(n, BLOCK_BYTES)
    h = (block_hash(p, first, keys) ^ (np.uint64(n) * K2)) * K1
    for at in range(BLOCK_BYTES, n, BLOCK_BYTES):
        h ^= h >> _U29
        h = (h ^ block_hash(p + min(at, n - BLOCK_BYTES), BLOCK_BYTES, keys)) * K1
    return h ^ (h >> _U32)


@compiled(**JIT)
def _insert(p, n, h, slot, table):  # type: ignore[no-untyped-def]
    apart()
    number = load_i64(table + USED * 8)
    offset = load_i64(table + ARENA_USED * 8)
    if number >= load_i64(table + CAPACITY * 8) or offset + n > load_i64(table + ARENA_BYTES * 8):
        store_i64(table + REFUSED * 8, load_i64(table + REFUSED * 8) + 1)
        return 0
    if number * 4 > load_i64(table + MASK * 8) * 3:
        store_i64(table + CROWDED * 8, 1)
        return 0
    to = load_i64(table + ARENA * 8) + offset
    for k in range(n):
        store_u8(to + k, load_u8(p + k))
    entry = load_i64(table + STRINGS * 8) + number * 16
    store_i64(entry, offset)
    store_i64(entry + 8, n)
    store_i64(slot, np.int64(h))
    store_i64(slot + 8, offset)
    store_i64(slot + 16, n)
    store_i64(slot + 24, number)
    store_i64(table + USED * 8, number + 1)
    store_i64(table + ARENA_USED * 8, offset + n)
    return number


@compiled(**INLINE)
def _seek(p, n, table):  # type: ignore[no-untyped-def]
    """(number, hash, slot) of n bytes at p, or 0 and the free slot where they belong. A slot is (hash, offset, length,
    number); number 0 is a free one."""
    h = hash_bytes(p, n, table + HASH_KEYS * 8)
    mask = load_u64(table + MASK * 8)
    slots = load_i64(table + SLOTS * 8)
    arena = load_i64(table + ARENA * 8)
    k = h & mask
    while True:
        slot = slots + np.int64(k << _U5)
        number = load_i64(slot + 24)
        if number == 0:
            return number, h, slot
        if load_u64(slot) == h and load_i64(slot + 16) == n and same_bytes(p, arena + load_i64(slot + 8), n):
            return number, h, slot
        k = (k + _U1) & mask


@compiled(**JIT)
def _known_long(p, n, table):  # type: ignore[no-untyped-def]
    apart()
    return _seek(p, n, table)[0]


@compiled(**INLINE)
def known(p, n, table):  # type: ignore[no-untyped-def]
    """The number of n bytes at p, 0 when they have none. Of less than 64 bytes, 64 may be read."""
    if n > BLOCK_BYTES:
        return _known_long(p, n, table)
    return _seek(p, n, table)[0] if n > 0 else np.int64(0)


@compiled(**JIT)
def intern(p, n, table):  # type: ignore[no-untyped-def]
    """The number of n bytes at p, given out at first sight. Of less than 64 bytes, 64 may be read."""
    apart()
    if n == 0:
        return np.int64(0)
    number, h, slot = _seek(p, n, table)
    return number if number != 0 else np.int64(_insert(p, n, h, slot, table))


@compiled(**INLINE)
def crowded(table):  # type: ignore[no-untyped-def]
    """Whether a string was left without a number for want of slots: time for `Interner.relieve`."""
    return load_i64(table + CROWDED * 8) != 0


@compiled(**JIT)
def _rehash(old, new):  # type: ignore[no-untyped-def]
    mask = np.uint64(new.shape[0] - 1)
    for i in range(old.shape[0]):
        if old[i, 3] != 0:
            k = np.uint64(old[i, 0]) & mask
            while new[np.int64(k), 3] != 0:
                k = (k + _U1) & mask
            new[np.int64(k)] = old[i]


class Interner:
    """A bounded table of byte strings, numbered from 1 in order of first sight."""

    def __init__(self, max_strings: int, arena_bytes: int, seed: int, reserved: tuple[str, ...] = ()) -> None:
        self._words = np.zeros(WORDS, np.int64)
        self._strings = np.zeros((max_strings, 2), np.int64)
        # the newest string is read as a whole block
        self._arena = np.zeros(arena_bytes + BLOCK_BYTES, np.uint8)
        self._reserved = reserved
        self._words[[STRINGS, CAPACITY]] = self._strings.ctypes.data, max_strings
        self._words[[ARENA, ARENA_BYTES]] = self._arena.ctypes.data, arena_bytes
        secret = np.random.SeedSequence(seed).generate_state(WORDS - HASH_KEYS, np.uint64)
        self._words[HASH_KEYS:] = secret.view(np.int64)
        self.address = int(self._words.ctypes.data)
        self._read = self._words.data
        self._nearly = max_strings * 9 // 10, arena_bytes * 9 // 10
        self.reset()

    def reset(self) -> None:
        """Forgets every string but the reserved ones, which keep the numbers 1, 2, 3..."""
        self._use_slots(np.zeros((1 << 12, 4), np.int64))
        self._words[USED], self._words[ARENA_USED] = 1, 0
        for text in self._reserved:
            self.number(text)

    def number(self, text: str) -> int:
        """The number of a string."""
        return self.number_of(text.encode())

    def number_of(self, content: bytes) -> int:
        """The number of a byte string."""
        readable = content + _BEHIND
        start = address_of(readable)
        found = int(intern(start, len(content), self.address))
        if self.relieve():
            found = int(intern(start, len(content), self.address))
        return found

    def raw(self, number: int) -> bytes:
        """The bytes with this number."""
        offset, length = self._strings[number]
        return self._arena[offset : offset + length].tobytes() if number else b""

    def text(self, number: int) -> str:
        """The string with this number; damaged UTF-8 is replaced."""
        return self.raw(number).decode("utf-8", "replace")

    def relieve(self) -> bool:
        """Makes room when a kernel found the slots crowded; the kernel must then run again."""
        if not self._read[CROWDED]:
            return False
        slots = np.zeros((len(self._slots) * 2, 4), np.int64)
        _rehash(self._slots, slots)
        self._use_slots(slots)
        return True

    @property
    def refused(self) -> int:
        """How many lookups found no room since the start."""
        return self._read[REFUSED]

    @property
    def full(self) -> bool:
        """Whether nine tenths of the bounds are used: time for a reset."""
        strings, arena = self._nearly
        return self._read[USED] > strings or self._read[ARENA_USED] > arena

    def __len__(self) -> int:
        return self._read[USED]

    def _use_slots(self, slots: np.ndarray) -> None:
        self._slots = slots
        self._words[SLOTS], self._words[MASK], self._words[CROWDED] = slots.ctypes.data, len(slots) - 1, 0
