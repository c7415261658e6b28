"""Counting: (series, window) -> a row of counts and latency buckets, added to by kernels, harvested each tick.

A row is eight words (the columns of `rollup.COUNTS` and its key) and two blocks of float32 buckets: the
client's latencies, used for everything that has only one, and the server's, used for paths. Row 0 takes what
finds no room, so that a kernel never writes outside the table; its calls are the overflow counter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topology.histogram import Ladder
from topology.lookup import slot_of
from topology.machine import (
    INLINE,
    JIT,
    add_f32,
    add_f64,
    bits_of,
    compiled,
    load_i32,
    load_i64,
    store_i64,
)
from topology.rollup import COUNTS, OBSERVED, RollupBatch

ROWS, USED, CAPACITY, HASH, MASK, ROW_BYTES, BUCKETS, LOOKUP, BOUNDS = range(9)
HEADER_BYTES = 64
KEY_WORD = len(COUNTS)
Cells = tuple[npt.NDArray[np.int32], npt.NDArray[np.int16], npt.NDArray[np.float64]]
"""A sparse histogram: row, bucket, count."""
WINDOW_BITS = 28
RESERVED_ROWS = 1 << 18
_PREFIX_SHIFT = 47
_PREFIX_BASE = 1023 << 5
_PREFIXES = 48 << 5


@compiled(**INLINE)
def row_of(tally, series, window):  # type: ignore[no-untyped-def]
    """The address of the row of a series (a local number) in a window (its index since the epoch)."""
    if series == 0:
        return load_i64(tally + ROWS * 8)
    key = (series << WINDOW_BITS) | window
    slot = slot_of(load_i64(tally + HASH * 8), load_i64(tally + MASK * 8), key)
    return load_i64(slot + 8) if load_i64(slot) == key else np.int64(_new_row(tally, key, slot))


@compiled(**JIT)
def _new_row(tally, key, slot):  # type: ignore[no-untyped-def]
    used = load_i64(tally + USED * 8)
    rows = load_i64(tally + ROWS * 8)
    if used >= load_i64(tally + CAPACITY * 8):
        return rows
    row = rows + used * load_i64(tally + ROW_BYTES * 8)
    store_i64(tally + USED * 8, used + 1)
    store_i64(row + KEY_WORD * 8, key)
    store_i64(slot, key)
    store_i64(slot + 8, row)
    return row


@compiled(**INLINE)
def bucket_of(tally, duration_us):  # type: ignore[no-untyped-def]
    """The ladder bucket of a duration: a table over exponent and five mantissa bits, then at most a step or two."""
    prefix = (bits_of(float(duration_us)) >> _PREFIX_SHIFT) - _PREFIX_BASE
    prefix = min(max(prefix, 0), _PREFIXES - 1)
    bucket = load_i32(load_i64(tally + LOOKUP * 8) + prefix * 4)
    bounds = load_i64(tally + BOUNDS * 8)
    while duration_us > load_i64(bounds + bucket * 8):
        bucket += 1
    return bucket


@compiled(**INLINE)
def add_latency(tally, row, duration_us, weight, server):  # type: ignore[no-untyped-def]
    """Adds a duration to a row: to its sum (`total`, or `self_total` for the server's side) and its bucket."""
    add_f64(row + (32 + 8 * server), weight * duration_us)
    bucket = bucket_of(tally, duration_us) + server * load_i64(tally + BUCKETS * 8)
    add_f32(row + HEADER_BYTES + bucket * 4, weight)


@compiled(**INLINE)
def add_call(row, failed, protected, weight, sign):  # type: ignore[no-untyped-def]
    """Adds a call to a row; a protected call is no error. `sign` -1 takes one back."""
    add_f64(row, weight * sign)
    add_f64(row + OBSERVED * 8, float(sign))
    if protected:
        add_f64(row + 24, weight * sign)
    elif failed:
        add_f64(row + 8, weight * sign)


@compiled(**JIT)
def _rehash(rows, used, row_bytes, slots, mask):  # type: ignore[no-untyped-def]
    for i in range(1, used):
        key = load_i64(rows + i * row_bytes + KEY_WORD * 8)
        slot = slot_of(slots, mask, key)
        store_i64(slot, key)
        store_i64(slot + 8, rows + i * row_bytes)


@compiled(**JIT)
def _count_pairs(pairs):  # type: ignore[no-untyped-def]
    found = 0
    for i in range(pairs.shape[0]):
        for j in range(pairs.shape[1]):
            found += 1 if pairs[i, j] != 0 else 0
    return found


@compiled(**JIT)
def _list_cells(pairs, cells, row, column, n):  # type: ignore[no-untyped-def]
    """Lists the buckets that are not zero, looking at two at a time, since most are; returns how many there are."""
    used = 0
    for i in range(pairs.shape[0]):
        for j in range(pairs.shape[1]):
            if pairs[i, j] != 0:
                for k in (2 * j, 2 * j + 1):
                    if cells[i, k] != 0.0:
                        row[used], column[used], n[used] = i, k, cells[i, k]
                        used += 1
    return used


class Tally:
    """The table of rows. `address` is handed to kernels; `ensure` must be called before a kernel that adds rows."""

    _rows: npt.NDArray[np.uint8]
    _slots: npt.NDArray[np.int64]

    def __init__(self, ladder: Ladder, window_s: int = 10, rows: int = 4096) -> None:
        self.window_s = window_s
        self.overflow = 0
        self._buckets = ladder.buckets
        self._row_bytes = HEADER_BYTES + -(-2 * ladder.buckets * 4 // 64) * 64
        self._bounds = np.append(ladder.bounds_us, np.iinfo(np.int64).max)
        self._lookup = _lookup(ladder)
        self._words = np.zeros(16, np.int64)
        self._words[[ROW_BYTES, BUCKETS]] = self._row_bytes, self._buckets
        self._words[[LOOKUP, BOUNDS]] = self._lookup.ctypes.data, self._bounds.ctypes.data
        self.address = int(self._words.ctypes.data)
        self._words[USED] = 1
        # Address space: memory is taken as rows are used.
        self._reserved = np.zeros((max(rows, RESERVED_ROWS), self._row_bytes), np.uint8)
        self._allocate(rows)

    def _allocate(self, capacity: int) -> None:
        used = int(self._words[USED])
        if capacity > len(self._reserved):
            larger = np.zeros((capacity, self._row_bytes), np.uint8)
            larger[:used] = self._reserved[:used]
            self._reserved = larger
        rows = self._reserved[:capacity]
        slots = np.zeros((2 * capacity, 2), np.int64)
        self._rows, self._slots = rows, slots
        self._words[[ROWS, CAPACITY]] = rows.ctypes.data, capacity
        self._words[[HASH, MASK]] = slots.ctypes.data, len(slots) - 1
        _rehash(int(rows.ctypes.data), used, self._row_bytes, int(slots.ctypes.data), len(slots) - 1)

    def ensure(self, more: int) -> None:
        """Room for `more` new rows."""
        needed = int(self._words[USED]) + more
        if needed > self._words[CAPACITY]:
            self._allocate(1 << (needed - 1).bit_length())

    def harvest(self) -> tuple[npt.NDArray[np.int64], RollupBatch, RollupBatch]:
        """What was counted since the last harvest: the local series of each row, the rows with the first block of
        buckets, and rows that hold only the server's latencies (series still local). The table is empty after."""
        used = int(self._words[USED])
        self.overflow += int(self._rows[0, :8].view(np.float64)[0])
        taken = self._rows[1:used]
        words = taken[:, :HEADER_BYTES].view(np.int64)
        keys = words[:, KEY_WORD]
        local, starts = keys >> WINDOW_BITS, (keys & ((1 << WINDOW_BITS) - 1)) * self.window_s
        counts = taken[:, :HEADER_BYTES].view(np.float64)[:, :KEY_WORD].copy()
        first, second = self._histograms(taken)
        batch = RollupBatch(self.window_s, starts, local.astype(np.int32), counts, *first)
        server = np.zeros_like(counts)
        server[:, 4] = counts[:, 5]
        batch_server = RollupBatch(self.window_s, starts, local.astype(np.int32), server, *second)
        self._rows[:used] = 0
        self._slots[:] = 0
        self._words[USED] = 1
        return local.copy(), batch, batch_server

    def _histograms(self, rows: npt.NDArray[np.uint8]) -> tuple[Cells, Cells]:
        row, column, n = self._cells(rows)
        client = column < self._buckets
        return (
            (row[client].astype(np.int32), column[client].astype(np.int16), n[client]),
            (row[~client].astype(np.int32), (column[~client] - self._buckets).astype(np.int16), n[~client]),
        )

    def _cells(self, rows: npt.NDArray[np.uint8]) -> Cells:
        cells = rows[:, HEADER_BYTES:].view(np.float32)
        pairs = rows[:, HEADER_BYTES:].view(np.int64)
        most = 2 * _count_pairs(pairs)
        found = (np.empty(most, np.int32), np.empty(most, np.int16), np.empty(most))
        used = _list_cells(pairs, cells, *found)
        return found[0][:used], found[1][:used], found[2][:used]

    def __len__(self) -> int:
        return int(self._words[USED]) - 1


def _lookup(ladder: Ladder) -> npt.NDArray[np.int32]:
    prefixes = np.arange(_PREFIXES, dtype=np.int64) + _PREFIX_BASE
    smallest = np.floor((prefixes << _PREFIX_SHIFT).view(np.float64)).astype(np.int64)
    smallest[0] = 0
    return ladder.bucket(smallest).astype(np.int32)
