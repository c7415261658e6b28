"""Sixty-four bytes at a time, for compiled kernels: one look at a block instead of a loop over its words.

The loops were most of what a span cost: their lengths differ from text to text. LLVM makes of a block what the machine
has: one register of 512 bits, or two, or four. Whoever hands over an address vouches that 64 bytes may be read there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from topology.machine import INLINE, compiled

BLOCK_BYTES = 64
_WORD = ir.IntType(64)
_BYTES, _WORDS = ir.VectorType(ir.IntType(8), 64), ir.VectorType(_WORD, 8)
_HALVES, _CHOSEN = ir.VectorType(ir.IntType(32), 16), ir.VectorType(ir.IntType(1), 64)
_NO_BYTES = ir.Constant(_BYTES, [0] * 64)
_U0, _U64 = np.uint64(0), np.uint64(64)


def _block(builder: Any, address: Any, kind: Any = _BYTES) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), typ=kind, align=1)


@intrinsic
def high_bits(typing: Any, address: Any) -> Any:
    """Which of the 64 bytes at an address are 128 or more: bit k for byte k."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.icmp_signed("<", _block(builder, args[0]), _NO_BYTES), _WORD)

    return types.uint64(types.int64), emit


@intrinsic
def unequal_bits(typing: Any, one: Any, other: Any) -> Any:
    """Which of the 64 bytes at two addresses differ: bit k for byte k."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        blocks = [_block(builder, address) for address in args]
        return builder.bitcast(builder.icmp_signed("!=", *blocks), _WORD)

    return types.uint64(types.int64, types.int64), emit


@intrinsic
def clear_block(typing: Any, address: Any) -> Any:
    """Writes 64 zeros to an address."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(_NO_BYTES, builder.inttoptr(args[0], _BYTES.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def block_hash(typing: Any, address: Any, n: Any, keys: Any) -> Any:
    """NH of the first n bytes (1 to 64) at an address, zeros behind them, with the 64 secret bytes at `keys`.

    NH is the almost universal hash of UMAC (Black and others, CRYPTO 1999; RFC 4418, 5.2.2): without the keys nobody
    finds two texts that collide more often than once in 2^32.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        """Its instructions."""
        ones = builder.lshr(ir.Constant(_WORD, -1), builder.sub(ir.Constant(_WORD, 64), args[1]))
        kept = builder.select(builder.bitcast(ones, _CHOSEN), _block(builder, args[0]), _NO_BYTES)
        summed = builder.add(builder.bitcast(kept, _HALVES), _block(builder, args[2], _HALVES))
        pairs = builder.bitcast(summed, _WORDS)
        low = builder.and_(pairs, ir.Constant(_WORDS, [0xFFFFFFFF] * 8))
        high = builder.lshr(pairs, ir.Constant(_WORDS, [32] * 8))
        return builder.call(_sum_of_words(builder.module), [builder.mul(low, high)])

    return types.uint64(types.int64, types.int64, types.int64), emit


def _sum_of_words(module: Any) -> Any:
    name = "llvm.vector.reduce.add.v8i64"
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(_WORD, [_WORDS]), name)


@compiled(**INLINE)
def same_bytes(p, q, n):  # type: ignore[no-untyped-def]
    """Whether n bytes (at least one) at p and q are equal. Of less than 64, 64 may be read at both."""
    if n <= BLOCK_BYTES:
        return unequal_bits(p, q) << (_U64 - np.uint64(n)) == _U0
    last = n - BLOCK_BYTES
    different = unequal_bits(p + last, q + last)
    for at in range(0, last, BLOCK_BYTES):
        different |= unequal_bits(p + at, q + at)
    return different == _U0


@compiled(**INLINE)
def is_ascii(p, n):  # type: ignore[no-untyped-def]
    """Whether 1 to 128 bytes are ASCII. Of less than 64, 64 may be read."""
    if n <= BLOCK_BYTES:
        return high_bits(p) << (_U64 - np.uint64(n)) == _U0
    return high_bits(p) | high_bits(p + n - BLOCK_BYTES) == _U0
