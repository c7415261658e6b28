"""How the C library hands out the memory of request bodies, and of what a tick works out."""

from __future__ import annotations

import ctypes

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
    keep that for each, and give a heap back as soon as nothing is in it, which is at the end of every tick.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_MMAP_THRESHOLD, LARGEST_REUSED_BYTES), (_M_TRIM_THRESHOLD, KEPT_BYTES), (_M_ARENA_MAX, 1))
    return all(mallopt(name, value) for name, value in settings)
