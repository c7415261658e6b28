"""How the C library hands out the memory of request bodies."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
LARGEST_REUSED_BYTES = 8 << 20
KEPT_BYTES = 64 << 20


def reuse_freed_memory() -> bool:
    """Lets the whole process reuse freed blocks of up to 8 MiB; True when the C library can be told so (glibc).

    By default glibc gives a block of 128 KiB or more back to the system when it is freed, and a request body is
    bigger: every copy of it then costs a page fault per 4 KiB, three times what receiving it costs otherwise
    (docs/collectors/otlp.md). Up to 64 MiB an arena stay with the process instead.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGEST_REUSED_BYTES) and mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
