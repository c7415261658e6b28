"""One window of rollups as few bytes: what the ring keeps an hour of.

Rows come by ascending series, each as: the step of the series since the row before, the length of what follows in
bytes, a byte that says which counts there are, those counts, and the cells of the histogram. Whole numbers are varints
(seven bits a byte, the lowest first). A cell is the step of the bucket and the number of calls in one varint; a busy
series has some ten cells of mostly one byte. A row with a number that is not whole (a sampled weight) or is negative
has float64s instead, so that packing loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topology.machine import INLINE, JIT, bits_of, compiled, float_of, load_i64, load_u8, store_i64, store_u8
from topology.rollup import COUNTS, OBSERVED, RollupBatch

Floats = npt.NDArray[np.float64]
MOST_HEAD_BYTES = 20 + 1 + 10 * len(COUNTS)
"""Two varints, the byte that says which counts there are, and as many counts of the greatest length."""
MOST_CELL_BYTES = 20
WIDE = 1 << 7
"""The row has float64s. The other bits of that byte are the counts that are not zero; for `observed`: not `calls`."""
LARGEST = float(1 << 50)
STEP_BITS, FAR = 3, 7
"""A step of `FAR` buckets or more has its rest in a varint of its own."""


@dataclass(frozen=True, eq=False)
class Packed:
    """The rows of one window. `address` is good as long as this lives."""

    start_s: int
    content: npt.NDArray[np.uint8]
    rows: int
    cells: int

    @property
    def address(self) -> int:
        """Where the bytes begin."""
        return int(self.content.ctypes.data)


def pack(window: RollupBatch) -> Packed:
    """Packs one window, as `coarsen` gives it: a row a series, ascending, its cells together and ascending."""
    offsets = np.searchsorted(window.hist_row, np.arange(len(window) + 1))
    room = np.empty(len(window) * MOST_HEAD_BYTES + len(window.hist_n) * MOST_CELL_BYTES, np.uint8)
    used = _pack(int(room.ctypes.data), window.series, window.counts, offsets, window.hist_bucket, window.hist_n)
    start_s = int(window.starts_s[0]) if len(window) else 0
    return Packed(start_s, room[:used].copy(), len(window), len(window.hist_n))


def unpack(packed: Packed, window_s: int, chosen: npt.NDArray[np.bool_]) -> RollupBatch:
    """The rows of the chosen series (a row a series), all counts as they were."""
    rows, cells = _chosen_rows(packed.address, packed.rows, chosen)
    rows_out = np.empty(rows, np.int32), np.zeros((rows, len(COUNTS)))
    cells_out = np.empty(cells, np.int32), np.empty(cells, np.int16), np.empty(cells)
    used = _unpack(packed.address, packed.rows, chosen, *rows_out, *cells_out)
    return RollupBatch(window_s, np.full(rows, packed.start_s, np.int64), *rows_out,
                       *(column[:used].copy() for column in cells_out))


def add_packed(packed: Packed, sign: float, residue: float, counts: Floats, buckets: Floats) -> None:
    """Adds (or with `sign` -1 takes away) every row to rows of `counts` and `buckets`; what is left of a sum that is
    gone, less than `residue`, becomes nothing."""
    _add(packed.address, packed.rows, sign, residue, counts, buckets)


def numbers(packed: Packed) -> npt.NDArray[np.int64]:
    """The series of all rows."""
    return np.asarray(_numbers(packed.address, packed.rows), np.int64)


@compiled(**INLINE)
def _put(at, number):  # type: ignore[no-untyped-def]
    while number > 127:
        store_u8(at, number & 127 | 128)
        number >>= 7
        at += 1
    store_u8(at, number)
    return at + 1


@compiled(**INLINE)
def _get(at):  # type: ignore[no-untyped-def]
    """(the varint at an address, where the next thing is)"""
    number, shift, byte = 0, 0, load_u8(at)
    while byte > 127:
        number |= (byte & 127) << shift
        shift += 7
        at += 1
        byte = load_u8(at)
    return number | byte << shift, at + 1


@compiled(**INLINE)
def _is_plain(number):  # type: ignore[no-untyped-def]
    return 0.0 <= number <= LARGEST and number == np.floor(number)


@compiled(**JIT)
def _pack(into, series, counts, offsets, bucket, n):  # type: ignore[no-untyped-def]
    at, before = into, 0
    for row in range(len(series)):
        first, end = offsets[row], offsets[row + 1]
        plain = True
        for column in range(counts.shape[1]):
            plain = plain and _is_plain(counts[row, column])
        for cell in range(first, end):
            plain = plain and _is_plain(n[cell]) and n[cell] >= 1.0
        at = _put(at, series[row] - before)
        before = series[row]
        # The length is not known yet; five bytes are left for it and closed up after.
        begun = at + 5
        if plain:
            ended = _pack_plain(begun, counts[row], bucket[first:end], n[first:end])
        else:
            ended = _pack_wide(begun, counts[row], bucket[first:end], n[first:end])
        at = _put(at, ended - begun)
        for byte in range(ended - begun):
            store_u8(at + byte, load_u8(begun + byte))
        at += ended - begun
    return at - into


@compiled(**JIT)
def _pack_plain(at, counts, bucket, n):  # type: ignore[no-untyped-def]
    which, start = 0, at
    at += 1
    for column in range(len(counts)):
        if counts[column] != (counts[0] if column == OBSERVED else 0.0):
            which |= 1 << column
            at = _put(at, np.int64(counts[column]))
    store_u8(start, which)
    before = -1
    for cell in range(len(n)):
        step = bucket[cell] - before - 1
        at = _put(at, (np.int64(n[cell]) - 1) << STEP_BITS | min(step, FAR))
        if step >= FAR:
            at = _put(at, step - FAR)
        before = bucket[cell]
    return at


@compiled(**JIT)
def _pack_wide(at, counts, bucket, n):  # type: ignore[no-untyped-def]
    store_u8(at, WIDE)
    at += 1
    for column in range(len(counts)):
        store_i64(at, bits_of(counts[column]))
        at += 8
    for cell in range(len(n)):
        at = _put(at, np.int64(bucket[cell]))
        store_i64(at, bits_of(n[cell]))
        at += 8
    return at


@compiled(**JIT)
def _head(at, counts):  # type: ignore[no-untyped-def]
    """Reads the counts of a row into `counts`: (whether it is wide, where its cells are)."""
    which = load_u8(at)
    at += 1
    for column in range(len(counts)):
        if which & WIDE:
            counts[column] = float_of(load_i64(at))
            at += 8
        elif which & (1 << column):
            number, at = _get(at)
            counts[column] = number
        else:
            counts[column] = counts[0] if column == OBSERVED else 0.0
    return which & WIDE, at


@compiled(**INLINE)
def _cell(at, wide, before):  # type: ignore[no-untyped-def]
    """(bucket, calls, where the next cell is)"""
    if wide:
        bucket, at = _get(at)
        return bucket, float_of(load_i64(at)), at + 8
    both, at = _get(at)
    step = both & FAR
    if step == FAR:
        more, at = _get(at)
        step += more
    return before + 1 + step, float((both >> STEP_BITS) + 1), at


@compiled(**INLINE)
def _changed(total, by, residue):  # type: ignore[no-untyped-def]
    total += by
    return 0.0 if abs(total) < residue else total


@compiled(**JIT)
def _add(at, rows, sign, residue, sums, buckets):  # type: ignore[no-untyped-def]
    series, counts = 0, np.zeros(sums.shape[1])
    for _ in range(rows):
        step, at = _get(at)
        size, at = _get(at)
        series, end = series + step, at + size
        wide, at = _head(at, counts)
        for column in range(len(counts)):
            sums[series, column] = _changed(sums[series, column], sign * counts[column], residue)
        bucket = -1
        while at < end:
            bucket, n, at = _cell(at, wide, bucket)
            buckets[series, bucket] = _changed(buckets[series, bucket], sign * n, residue)


@compiled(**JIT)
def _chosen_rows(at, rows, chosen):  # type: ignore[no-untyped-def]
    """(how many rows are of chosen series, no less than how many cells they have)"""
    series, found, most = 0, 0, 0
    for _ in range(rows):
        step, at = _get(at)
        size, at = _get(at)
        series, at = series + step, at + size
        if series < len(chosen) and chosen[series]:
            found += 1
            most += size
    return found, most


@compiled(**JIT)
def _unpack(at, rows, chosen, series_out, counts_out, row_out, bucket_out, n_out):  # type: ignore[no-untyped-def]
    series, row, cell = 0, 0, 0
    for _ in range(rows):
        step, at = _get(at)
        size, at = _get(at)
        series, end = series + step, at + size
        if series >= len(chosen) or not chosen[series]:
            at = end
            continue
        series_out[row] = series
        wide, at = _head(at, counts_out[row])
        bucket = -1
        while at < end:
            bucket, n, at = _cell(at, wide, bucket)
            row_out[cell], bucket_out[cell], n_out[cell] = row, bucket, n
            cell += 1
        row += 1
    return cell


@compiled(**JIT)
def _numbers(at, rows):  # type: ignore[no-untyped-def]
    series, found = 0, np.empty(rows, np.int64)
    for row in range(rows):
        step, at = _get(at)
        size, at = _get(at)
        series, at = series + step, at + size
        found[row] = series
    return found
