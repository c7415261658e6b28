"""Decompression that never gives out, or holds, more than a limit."""

from __future__ import annotations

import zlib

import deflate

from collectors.receiving.refusal import TooLarge
from topology.errors import MalformedInput

GZIP_MAGIC = b"\x1f\x8b"
GZIP_MEMBER = b"\x1f\x8b\x08"
ZLIB_MAGIC = b"\x78"
GZIP_WBITS = 31
ZLIB_WBITS = 15
TRAILER_BYTES = 8
DEFLATE_MAX_RATIO = 1032
"""No deflate stream grows by more (zlib technical details: 1032:1)."""


def gunzip(data: bytes, limit_bytes: int) -> bytes:
    """The content of a gzip stream; TooLarge over the limit, MalformedInput when damaged.

    libdeflate needs to know the size beforehand, and reads one member. The trailer claims a size; when the claim
    cannot be right, or a second member may follow, zlib reads the stream piece by piece.
    """
    claimed = gzip_size(data)
    if not 0 < claimed <= DEFLATE_MAX_RATIO * len(data) or data.find(GZIP_MEMBER, 1) > 0:
        return inflate(data, limit_bytes, GZIP_WBITS)
    if claimed > limit_bytes:
        raise TooLarge(f"the body is over {limit_bytes} bytes after decompression")
    try:
        content = deflate.gzip_decompress(data, claimed)
    except deflate.DeflateError:
        return inflate(data, limit_bytes, GZIP_WBITS)
    return bytes(content) if len(content) == claimed else inflate(data, limit_bytes, GZIP_WBITS)


def gzip_size(data: bytes) -> int:
    """The decompressed size a gzip trailer claims, modulo 2**32; 0 for a stream without one."""
    return int.from_bytes(data[-4:], "little") if len(data) > TRAILER_BYTES else 0


def inflate(data: bytes, limit_bytes: int, wbits: int) -> bytes:
    """The content of a gzip (all members) or zlib stream; TooLarge, MalformedInput as `gunzip`."""
    pieces: list[bytes] = []
    room = limit_bytes
    while data:
        stream = zlib.decompressobj(wbits)
        try:
            # one byte beyond the limit tells "exactly at the limit" from "over it"
            pieces.append(stream.decompress(data, room + 1))
        except zlib.error as error:
            raise MalformedInput(f"damaged compressed body: {error}") from error
        room -= len(pieces[-1])
        if room < 0:
            raise TooLarge(f"the body is over {limit_bytes} bytes after decompression")
        if not stream.eof:
            raise MalformedInput("the compressed body ends early")
        data = stream.unused_data
    return b"".join(pieces)


def is_compressed(message: bytes) -> bool:
    """Whether a gRPC message is compressed: no Export request begins like gzip or zlib do.

    Such a request is empty or begins with field 1 (0x0a).
    """
    return message[:2] == GZIP_MAGIC or (message[:1] == ZLIB_MAGIC and int.from_bytes(message[:2], "big") % 31 == 0)


def plain(message: bytes, limit_bytes: int) -> bytes:
    """A gRPC message decompressed when it is compressed; errors as `gunzip`."""
    if not is_compressed(message):
        return message
    return gunzip(message, limit_bytes) if message[:2] == GZIP_MAGIC else inflate(message, limit_bytes, ZLIB_WBITS)
