"""Memory for request bodies that is used again: a body is received where it is read, without a copy in between."""

from __future__ import annotations

import mmap

LARGEST_BYTES = 1 << 20
MOST = 64


class Bodies:
    """Lends memory for bodies of up to a MiB, at most 64 at a time. Pages nobody wrote to are not resident.

    What was given back last is lent first, while it is still in the processor's cache. `lent` is how many are out.
    Not thread-safe.
    """

    def __init__(self, most: int = MOST) -> None:
        self._left = most
        self._free: list[mmap.mmap] = []
        self.lent = 0

    def lend(self, size: int) -> mmap.mmap | None:
        """Memory for `size` bytes; None for a larger body, and when all of it is lent."""
        if size > LARGEST_BYTES or not (self._free or self._left):
            return None
        self.lent += 1
        if self._free:
            return self._free.pop()
        self._left -= 1
        return mmap.mmap(-1, LARGEST_BYTES)

    def give_back(self, memory: mmap.mmap) -> None:
        """Takes back what `lend` gave; nobody may read it any more."""
        self.lent -= 1
        self._free.append(memory)
