"""Loads and stores at raw addresses, for compiled kernels over byte buffers and tables.

Passing NumPy arrays between kernels costs an atomic reference count per call, which was a third of the
scanner's time; addresses are free. Every kernel that uses these checks its own bounds. Integers are signed
64-bit; `load_u64` is for hashing only (mixing signed and unsigned makes Numba compute in floats).
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

JIT: dict[str, Any] = {"nogil": True, "cache": True, "boundscheck": False, "error_model": "numpy",
                       "forceinline": False}
"""A kernel that leaves `forceinline` open takes it over from the caller that happens to be compiled first."""
INLINE: dict[str, Any] = {**JIT, "forceinline": True}
"""LLVM-level inlining. Numba's own `inline='always'` miscompiled a helper with early returns."""

compiled = njit


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _load(bits: int, result: Any, signed: bool = False) -> Any:
    @intrinsic
    def load(typing: Any, address: Any) -> Any:
        """The integer at an address of any alignment, widened to 64 bits."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            """Its instructions."""
            kind = ir.IntType(bits)
            value = builder.load(_pointer(builder, args[0], kind), typ=kind, align=1)
            if bits == 64:
                return value
            return builder.sext(value, ir.IntType(64)) if signed else builder.zext(value, ir.IntType(64))

        return result(types.int64), emit

    return load


def _store(bits: int) -> Any:
    @intrinsic
    def store(typing: Any, address: Any, value: Any) -> Any:
        """Writes the lowest bits of an integer to an address of any alignment."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            """Its instructions."""
            kind = ir.IntType(bits)
            low = args[1] if bits == 64 else builder.trunc(args[1], kind)
            builder.store(low, _pointer(builder, args[0], kind), align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), emit

    return store


def _add_float(kind_of: Any) -> Any:
    @intrinsic
    def add(typing: Any, address: Any, value: Any) -> Any:
        """Adds to the float at an address that is a multiple of four."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            """Its instructions."""
            kind = kind_of()
            at = _pointer(builder, args[0], kind)
            more = args[1] if isinstance(kind, ir.DoubleType) else builder.fptrunc(args[1], kind)
            builder.store(builder.fadd(builder.load(at, typ=kind, align=4), more), at, align=4)
            return context.get_dummy_value()

        return types.void(types.int64, types.float64), emit

    return add


load_u8 = _load(8, types.int64)
load_u16 = _load(16, types.int64)
load_u32 = _load(32, types.int64)
load_i32 = _load(32, types.int64, signed=True)
load_i64 = _load(64, types.int64)
load_u64 = _load(64, types.uint64)
store_u8 = _store(8)
store_i32 = _store(32)
store_i64 = _store(64)
add_f64 = _add_float(ir.DoubleType)
add_f32 = _add_float(ir.FloatType)


@intrinsic
def float_of(typing: Any, bits: Any) -> Any:
    """The float64 whose bits are this int64."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), emit


@intrinsic
def bits_of(typing: Any, value: Any) -> Any:
    """The bits of this float64 as an int64."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), emit


@intrinsic
def prefetch(typing: Any, address: Any) -> Any:
    """Asks the processor to bring the cache line at an address nearer; never faults."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        """Its instructions."""
        pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        name = "llvm.prefetch.p0"
        function = builder.module.globals.get(name)
        if function is None:
            function = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [pointer, word, word, word]), name)
        for_reading, keep_near, data = (word(0), word(3), word(1))
        builder.call(function, [builder.inttoptr(args[0], pointer), for_reading, keep_near, data])
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def apart(typing: Any) -> Any:
    """Keeps the kernel that says so out of its callers: what is rare must be in no hot loop's way, nor be compiled
    again with each of them."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), emit


def address_of(memory: bytes | memoryview) -> int:
    """Where bytes lie, for compiled code, which must not read there once nobody holds them any more."""
    if isinstance(memory, memoryview) and len(memory) and not memory.readonly:
        # NumPy takes ten times as long, but also memory that may only be read.
        return ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return int(np.frombuffer(memory, np.uint8).ctypes.data)
