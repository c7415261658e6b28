"""An open-addressing table of 64-bit keys and values, which kernels read by address. Key 0 is no key."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topology.interning import K1, K2
from topology.machine import INLINE, JIT, compiled, load_i64, store_i64

SMALLEST = 1 << 10


@compiled(**INLINE)
def slot_of(slots, mask, key):  # type: ignore[no-untyped-def]
    """The address of the slot (key, value) that holds `key`, or of the free one where it belongs."""
    h = (np.uint64(key) * K1) ^ ((np.uint64(key) * K2) >> np.uint64(29))
    k = np.int64(h >> np.uint64(20)) & mask
    while True:
        slot = slots + k * 16
        found = load_i64(slot)
        if found == key or found == 0:
            return slot
        k = (k + 1) & mask


@compiled(**INLINE)
def value_of(slots, mask, key):  # type: ignore[no-untyped-def]
    """The value of a key, -1 when it is not there."""
    slot = slot_of(slots, mask, key)
    return load_i64(slot + 8) if load_i64(slot) == key else np.int64(-1)


@compiled(**JIT)
def insert_all(slots, mask, pairs):  # type: ignore[no-untyped-def]
    """Puts (key, value) rows into the table at `slots`; rows with key 0 are left out."""
    for i in range(pairs.shape[0]):
        if pairs[i, 0] != 0:
            slot = slot_of(slots, mask, pairs[i, 0])
            store_i64(slot, pairs[i, 0])
            store_i64(slot + 8, pairs[i, 1])


class Lookup:
    """A table that Python fills; its place is written into two words of a kernel's state."""

    def __init__(self, words: npt.NDArray[np.int64], slots_word: int, mask_word: int) -> None:
        self._words, self._slots_word, self._mask_word = words, slots_word, mask_word
        self.clear()

    def clear(self) -> None:
        """Forgets everything."""
        self._known: set[int] = set()
        self._use(np.zeros((SMALLEST, 2), np.int64))

    def _use(self, slots: npt.NDArray[np.int64]) -> None:
        self.slots = slots
        self._words[self._slots_word], self._words[self._mask_word] = slots.ctypes.data, len(slots) - 1

    def insert(self, key: int, value: int) -> None:
        """Maps a key to a value."""
        if len(self._known) * 2 > len(self.slots):
            larger = np.zeros((len(self.slots) * 2, 2), np.int64)
            insert_all(int(larger.ctypes.data), len(larger) - 1, self.slots)
            self._use(larger)
        insert_all(int(self.slots.ctypes.data), len(self.slots) - 1, np.array([[key, value]], np.int64))
        self._known.add(key)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: int) -> bool:
        return key in self._known
