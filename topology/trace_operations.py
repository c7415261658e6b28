"""What was done in recent traces: which operation every inbound span was of, so that a log line that names only its
trace can be counted for the operation in which it was written.

A ring of sixteen bytes a span, written while spans arrive; failed ones, in whose traces most error lines are, are
remembered in a ring of their own that lasts longer. A look is one pass over both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from topology.machine import JIT, compiled
from topology.pairing.entries import FAILED, INBOUND, ROOT_WORK
from topology.pairing.kernel import OPERATION, TRAITS
from topology.spans import TRACE

RECENT, RECENT_FAILED = 1 << 20, 1 << 17
"""How many inbound spans are remembered: 18 MiB when all are in use."""
LOW_BITS = (1 << 16) - 1
MOST_FOUND = 1 << 15
"""Spans of one look, the newest first: there are traces of a hundred thousand spans."""

Rows = npt.NDArray[np.int64]
Done = tuple[int, bool]
"""The local number of an operation, and whether it failed."""


class TraceOperations:
    """Remembers the newest inbound and root spans. Not thread-safe."""

    def __init__(self, recent: int = RECENT, failed: int = RECENT_FAILED) -> None:
        self._rings = tuple(np.zeros((size, 2), np.int64) for size in (recent, failed))
        self._written = np.zeros(2, np.int64)

    def note(self, wide: Rows, resolved: npt.NDArray[np.int32], used: int) -> None:
        """Takes notice of the spans of a request, as `SpanColumns.wide` and `Naming.resolved` have them."""
        _note(wide, resolved, used, *self._rings, self._written)

    def forget(self) -> None:
        """Forgets everything, because the numbers of operations are new."""
        self._written[:] = 0

    def done_in(self, traces: Collection[int]) -> Mapping[int, list[Done]]:
        """What was done in each of the traces (their 64-bit keys, signed), in no order, each once."""
        if not traces:
            return {}
        wanted = np.fromiter(traces, np.int64, len(traces))
        maybe = np.zeros(LOW_BITS + 1, np.bool_)
        maybe[wanted & LOW_BITS] = True
        found: dict[int, set[Done]] = {}
        for ring, written in zip(self._rings, self._written.tolist(), strict=True):
            rows = _candidates(ring, written, maybe, MOST_FOUND)
            for trace, word in rows[np.isin(rows[:, 0], wanted)].tolist():
                found.setdefault(trace, set()).add((word >> 1, bool(word & 1)))
        return {trace: [*done] for trace, done in found.items()}


@compiled(**JIT)
def _note(wide, resolved, used, recent, failed, written):  # type: ignore[no-untyped-def]
    for i in range(used):
        operation, traits = np.int64(resolved[i, OPERATION]), resolved[i, TRAITS]
        if operation == 0 or traits & (INBOUND | ROOT_WORK) == 0:
            continue
        at = written[0] & (recent.shape[0] - 1)
        recent[at, 0] = wide[i, TRACE]
        recent[at, 1] = operation << 1 | (1 if traits & FAILED else 0)
        written[0] += 1
        if traits & FAILED:
            at = written[1] & (failed.shape[0] - 1)
            failed[at, 0] = wide[i, TRACE]
            failed[at, 1] = operation << 1 | 1
            written[1] += 1


@compiled(**JIT)
def _candidates(ring, written, maybe, most):  # type: ignore[no-untyped-def]
    """The newest rows whose trace has the low bits of one that is wanted."""
    chosen = np.empty(most, np.int64)
    n = 0
    for back in range(min(written, ring.shape[0])):
        i = (written - 1 - back) & (ring.shape[0] - 1)
        if maybe[ring[i, 0] & LOW_BITS]:
            chosen[n] = i
            n += 1
            if n == most:
                break
    return ring[chosen[:n]]


def compile_kernels() -> None:
    """Compiles what is needed (a moment, once a machine), so that no request waits for it."""
    small = TraceOperations(2, 2)
    small.note(np.zeros((1, 8), np.int64), np.zeros((1, 8), np.int32), 0)
    small.done_in([1])
