"""A set of 64-bit numbers that only grows: open addressing, so that a number takes 16 to 32 bytes and no object."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topology.interning import K1, K2
from topology.machine import JIT, compiled

Ids = npt.NDArray[np.int64]
SMALLEST = 1 << 10


@compiled(**JIT)
def _seek(slots, number):  # type: ignore[no-untyped-def]
    """Where a number is, or the free slot where it belongs."""
    mask = slots.shape[0] - 1
    k = np.int64((np.uint64(number) * K1) >> np.uint64(20)) & mask
    while slots[k] != number and slots[k] != 0:
        k = (k + 1) & mask
    return k


@compiled(**JIT)
def _known(slots, numbers, known):  # type: ignore[no-untyped-def]
    for i in range(numbers.shape[0]):
        known[i] = slots[_seek(slots, numbers[i])] != 0


@compiled(**JIT)
def _add(slots, numbers):  # type: ignore[no-untyped-def]
    """How many of the numbers are new."""
    new = 0
    for i in range(numbers.shape[0]):
        k = _seek(slots, numbers[i])
        if slots[k] == 0 and numbers[i] != 0:
            slots[k] = numbers[i]
            new += 1
    return new


class IdSet:
    """Numbers other than 0. Not thread-safe."""

    def __init__(self) -> None:
        self._slots: Ids = np.zeros(SMALLEST, np.int64)
        self._used = 0

    def known(self, numbers: Ids) -> npt.NDArray[np.bool_]:
        """Which of the numbers are in it."""
        known = np.zeros(len(numbers), np.bool_)
        _known(self._slots, numbers, known)
        return known

    def add(self, numbers: Ids) -> None:
        """Takes in numbers; those it has are left as they are."""
        while (self._used + len(numbers)) * 2 > len(self._slots):
            larger = np.zeros(2 * len(self._slots), np.int64)
            _add(larger, self.all())
            self._slots = larger
        self._used += _add(self._slots, numbers)

    def all(self) -> Ids:
        """Every number, in no order."""
        used: Ids = self._slots[self._slots != 0]
        return used

    def __len__(self) -> int:
        return self._used


def mixed(left: Ids, right: Ids) -> Ids:
    """One number for every pair of numbers, never 0; two pairs share one with a probability of 2^-64."""
    h = (left.view(np.uint64) ^ (right.view(np.uint64) * K2)) * K1
    h ^= h >> np.uint64(32)
    h *= K2
    h ^= h >> np.uint64(29)
    h[h == 0] = 1
    return h.view(np.int64)
