"""How the C library hands out the memory of request bodies, and of what a tick works out; when garbage is sought."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
LARGEST_REUSED_BYTES = 32 << 20
KEPT_BYTES = 128 << 20


def reuse_freed_memory() -> bool:
    """Lets the whole process reuse freed blocks of up to 32 MiB; True when the C library can be told so (glibc).

    By default glibc gives a block of 128 KiB or more back to the system when it is freed, and a request body is
    bigger: every copy of it then costs a page fault per 4 KiB, three times what receiving it costs otherwise
    (docs/collectors/otlp.md). Up to 128 MiB stay with the process instead, in one arena: one for each thread would
    keep that for each, and give a heap back as soon as nothing is in it, which is at the end of every tick. Call it
    before there is another thread (numeric libraries start some when they are imported): then it is too late for that.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_MMAP_THRESHOLD, LARGEST_REUSED_BYTES), (_M_TRIM_THRESHOLD, KEPT_BYTES), (_M_ARENA_MAX, 1))
    return all(mallopt(name, value) for name, value in settings)


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Seeks no garbage in this context. Of what importing makes nearly nothing is garbage, and looking for it again
    and again is a fifth of the time (measured: 1.2 instead of 1.5 s of CPU for the product)."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def spare_the_long_lived() -> None:
    """Keeps the garbage collector from going through modules and everything just loaded again and again: a full pass
    takes 0.2 s, and pictures, which are many objects and in no cycles, would bring one on every other tick."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
