"""Blocks of sixty-four bytes say what loops over bytes say, and their hash is NH as published."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from topology.blocks import BLOCK_BYTES, block_hash, clear_block, is_ascii, same_bytes
from topology.interning import hash_bytes
from topology.machine import JIT, compiled

KEYS = np.random.SeedSequence(5).generate_state(8, np.uint64)
ROOM = 256


@compiled(**JIT)
def _clear(p):  # type: ignore[no-untyped-def]
    clear_block(p)


@compiled(**JIT)
def _nh(p, n, keys):  # type: ignore[no-untyped-def]
    return block_hash(p, n, keys)


def _placed(content: bytes, at: int, around: int = 0xFF) -> tuple[np.ndarray, int]:
    """Memory with `content` at `at` and other bytes around it, and the address of the content."""
    memory = np.full(ROOM + BLOCK_BYTES + at, around, np.uint8)
    memory[at : at + len(content)] = np.frombuffer(content, np.uint8)
    return memory, int(memory.ctypes.data) + at


def _plain_nh(content: bytes) -> int:
    """NH of RFC 4418, 5.2.2, for one block: sum of (m[2i] + k[2i]) * (m[2i+1] + k[2i+1])."""
    words = np.frombuffer(content.ljust(BLOCK_BYTES, b"\0"), "<u4").tolist()
    keys = KEYS.view("<u4").tolist()
    added = [(word + key) % 2**32 for word, key in zip(words, keys, strict=True)]
    return sum(low * high for low, high in zip(added[::2], added[1::2], strict=True)) % 2**64


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=BLOCK_BYTES), st.integers(0, 9))
def test_the_hash_of_a_block_is_nh(content: bytes, at: int) -> None:
    """The published sum, whatever stands behind the bytes and wherever they are."""
    memory, address = _placed(content, at)
    assert int(_nh(address, len(content), int(KEYS.ctypes.data))) == _plain_nh(content)
    assert memory[at] == content[0]


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=ROOM), st.integers(0, 9))
def test_equal_bytes_have_equal_hashes_wherever_they_are(content: bytes, at: int) -> None:
    """What stands around a text is no part of it."""
    here, there = _placed(content, 0), _placed(content, at, around=0x41)
    keys = int(KEYS.ctypes.data)
    assert hash_bytes(here[1], len(content), keys) == hash_bytes(there[1], len(content), keys)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=ROOM), st.data())
def test_one_other_byte_or_one_byte_less_is_another_text(content: bytes, data: st.DataObject) -> None:
    """A difference is seen at every place; one behind the end is none. The hashes differ too."""
    where, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    other = bytearray(content)
    other[where] ^= 1 << bit
    one, same, different = _placed(content, 3), _placed(content, 5, around=0), _placed(bytes(other), 7)
    assert same_bytes(one[1], same[1], len(content))
    assert not same_bytes(one[1], different[1], len(content))
    assert where == 0 or same_bytes(one[1], different[1], where)
    keys = int(KEYS.ctypes.data)
    assert hash_bytes(one[1], len(content), keys) != hash_bytes(different[1], len(content), keys)
    if len(content) > 1:
        assert hash_bytes(one[1], len(content), keys) != hash_bytes(one[1], len(content) - 1, keys)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=128), st.integers(0, 9))
def test_ascii_is_what_python_calls_ascii(content: bytes, at: int) -> None:
    """Bytes of 128 and more behind the end count for nothing."""
    for text in (content, bytes(byte & 127 for byte in content)):
        memory, address = _placed(text, at)
        assert is_ascii(address, len(text)) == text.isascii()
        assert len(memory)


def test_a_block_is_cleared_and_nothing_beside_it() -> None:
    """Exactly sixty-four bytes become zero."""
    memory = np.full(100, 7, np.uint8)
    _clear(int(memory.ctypes.data) + 9)
    assert memory.tolist() == [7] * 9 + [0] * 64 + [7] * 27
