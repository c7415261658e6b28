"""Decompression under a limit, against Python's own gzip."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.otlp.inflate import gunzip, plain
from collectors.receiving.refusal import TooLarge
from topology.errors import MalformedInput

repeated = st.builds(lambda piece, times: piece * times, st.binary(max_size=4), st.integers(0, 2000))
contents = st.one_of(st.binary(max_size=300), repeated)


@given(st.lists(contents, min_size=1, max_size=3), st.integers(0, 9), st.integers(0, 9000))
def test_a_stream_is_read_whole_or_refused_as_too_large(parts: list[bytes], level: int, limit: int) -> None:
    """Any members at any level give what Python's gzip gives, up to and including the limit."""
    packed = b"".join(gzip.compress(part, level, mtime=0) for part in parts)
    whole = b"".join(parts)
    if len(whole) > limit:
        with pytest.raises(TooLarge):
            gunzip(packed, limit)
    else:
        assert gunzip(packed, limit) == whole == gzip.decompress(packed)


@given(contents, st.integers(0, 400), st.integers(1, 255))
def test_a_damaged_stream_is_never_misread(content: bytes, at: int, change: int) -> None:
    """One altered byte is noticed, or lies where it does not matter (the gzip header)."""
    packed = bytearray(gzip.compress(content, mtime=0))
    packed[at % len(packed)] ^= change
    try:
        assert gunzip(bytes(packed), 100_000) == content
    except MalformedInput:
        return


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever follows the magic, the outcome is content or MalformedInput."""
    for candidate in (data, b"\x1f\x8b\x08\x00" + data, b"\x78\x9c" + data):
        try:
            assert len(plain(candidate, 1000)) <= max(1000, len(candidate))
        except MalformedInput:
            continue


@given(contents)
def test_a_grpc_message_tells_how_it_is_packed(content: bytes) -> None:
    """gzip and zlib are known by their beginning; a request, which begins with field 1, is left alone."""
    request = b"\x0a" + content
    assert plain(request, 1000) is request
    assert plain(gzip.compress(request), 100_000) == request
    assert plain(zlib.compress(request), 100_000) == request
