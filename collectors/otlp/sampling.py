"""Sampling thresholds: a span's weight from its W3C tracestate (OpenTelemetry, TraceState: probability sampling)."""

from __future__ import annotations

import numpy as np

from topology.machine import JIT, compiled, load_u8

_2_56 = np.int64(1) << 56


@compiled(**JIT)
def weight(p, n):  # type: ignore[no-untyped-def]
    """The sampling weight in a W3C tracestate, 2^56 / (2^56 - T) for `ot=th:T` (OpenTelemetry's probability
    sampling); 0.0 without a valid threshold."""
    i = np.int64(0)
    while i + 3 <= n:
        first = i == 0 or load_u8(p + i - 1) == 44 or load_u8(p + i - 1) == 32
        if first and load_u8(p + i) == 111 and load_u8(p + i + 1) == 116 and load_u8(p + i + 2) == 61:
            return _threshold(p + i + 3, p + n)
        i += 1
    return 0.0


@compiled(**JIT)
def _threshold(p, end):  # type: ignore[no-untyped-def]
    start = True
    while p + 3 <= end and load_u8(p) != 44:
        if start and load_u8(p) == 116 and load_u8(p + 1) == 104 and load_u8(p + 2) == 58:
            return _weight_of(p + 3, end)
        start = load_u8(p) == 59
        p += 1
    return 0.0


@compiled(**JIT)
def _weight_of(p, end):  # type: ignore[no-untyped-def]
    value, digits = np.int64(0), np.int64(0)
    while p < end and load_u8(p) != 59 and load_u8(p) != 44:
        c = load_u8(p)
        digit = c - 48 if 48 <= c <= 57 else (c - 87 if 97 <= c <= 102 else np.int64(-1))
        digits += 1
        if digit < 0 or digits > 14:
            return 0.0
        value = value * 16 + digit
        p += 1
    if digits == 0:
        return 0.0
    threshold = value << (4 * (14 - digits))
    return float(_2_56) / float(_2_56 - threshold)
