"""Decodes damaged requests that end where unreadable memory begins: a read past the end kills this process.

Run by test_scanner.py; prints how many were accepted and refused.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import sys

from wild_requests import mutated, wild

from collectors.otlp.decoding import SpanDecoder
from topology.errors import MalformedInput

PAGES = 64


def guarded_end() -> tuple[mmap.mmap, int]:
    """Memory, and the address where it ends and nothing may be read."""
    memory = mmap.mmap(-1, mmap.PAGESIZE * (PAGES + 1))
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    end = base + mmap.PAGESIZE * PAGES
    if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(end), mmap.PAGESIZE, 0):
        raise OSError(ctypes.get_errno(), "mprotect")
    return memory, end


def main(count: int) -> dict[str, int]:
    """Scans `count` requests; {"requests", "accepted", "refused"}."""
    memory, end = guarded_end()
    decoder = SpanDecoder(1, 1 << 14, ports=True)
    told = {"requests": 0, "accepted": 0, "refused": 0}
    for seed in range(count):
        request = wild(seed) if seed % 4 == 0 else mutated(seed)
        request = request[: mmap.PAGESIZE * PAGES]
        ctypes.memmove(end - len(request), request, len(request))
        if decoder.crowded:
            decoder.reset()
        try:
            decoder.decode_at(end - len(request), request)
            told["accepted"] += 1
        except MalformedInput:
            told["refused"] += 1
        told["requests"] += 1
    assert memory
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]))))
