"""SkyWalking's names of traces and spans as OpenTelemetry's: the same name always has the same id."""

from __future__ import annotations

import re
from hashlib import blake2b

TRACE_ID_BYTES, SPAN_ID_BYTES = 16, 8
_HEXADECIMAL = re.compile(r"(?!0{32})[0-9A-Fa-f]{32}", re.ASCII)


def trace_id(name: str) -> bytes:
    """The 16 bytes of a trace: its 32 hexadecimal digits where the name is made of them, else a hash of the name.
    No bytes, which no trace has, for an empty name."""
    if _HEXADECIMAL.fullmatch(name):
        return bytes.fromhex(name)
    return blake2b(name.encode(), digest_size=TRACE_ID_BYTES).digest() if name else b""


def is_hashed(name: str) -> bool:
    """Whether the name of a trace cannot be read from its id."""
    return _HEXADECIMAL.fullmatch(name) is None


def span_id(segment: str, number: int) -> bytes:
    """The 8 bytes of a span, which SkyWalking knows by its number in its segment. No bytes for a segment without a
    name."""
    return blake2b(f"{segment}/{number}".encode(), digest_size=SPAN_ID_BYTES).digest() if segment else b""
