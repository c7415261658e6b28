"""Which spans make their trace worth keeping: failures, the slowest, and a sample of every operation.

A compiled pass over the spans of a request; what it remembers is a few numbers per operation.
Another writes down where spans are, so that a trace that was chosen can be read again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topology.machine import JIT, compiled
from topology.pairing.entries import FAILED, INBOUND, PROTECTED, ROOT_WORK
from topology.pairing.kernel import OPERATION, PLACE, TRAITS
from topology.spans import END, OFFSET, START, TRACE

HOUR_S = 3600.0
SLOWER = 1.25
"""Among the slowest is what takes this much longer than the last one chosen."""
ERROR, SLOW, SAMPLE = range(3)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many traces an operation may keep an hour, for each reason."""

    errors: int = 5
    slowest: int = 5
    sample: int = 5


@compiled(**JIT)
def _choose(wide, resolved, n, now_s, left, next_s, bar_ns, spacing_s, chosen):  # type: ignore[no-untyped-def]
    found = 0
    for i in range(n):
        operation = resolved[i, OPERATION]
        traits = resolved[i, TRAITS]
        if traits & (INBOUND | ROOT_WORK) == 0 or operation == 0 or found == chosen.shape[0]:
            continue
        took = wide[i, END] - wide[i, START]
        reason = -1
        if traits & FAILED and not traits & PROTECTED:
            if left[operation, ERROR] > 0 and now_s >= next_s[operation, ERROR]:
                reason = ERROR
        elif left[operation, SLOW] > 0 and took > bar_ns[operation]:
            reason = SLOW
            bar_ns[operation] = took * SLOWER
        elif left[operation, SAMPLE] > 0 and now_s >= next_s[operation, SAMPLE]:
            reason = SAMPLE
        if reason >= 0:
            left[operation, reason] -= 1
            next_s[operation, reason] = now_s + spacing_s[reason]
            chosen[found] = i
            found += 1
    return found


@compiled(**JIT)
def remember(wide, narrow, resolved, first, end, ticket, trace, rest, at):  # type: ignore[no-untyped-def]
    """Writes down, from row `at` on, where the spans [first, end) of a request are: their traces, and what `place_of`
    reads."""
    for i in range(first, end):
        trace[at] = wide[i, TRACE]
        rest[at, 0] = ticket
        failed = 1 if resolved[i, TRAITS] & FAILED else 0
        rest[at, 1] = (np.int64(narrow[i, OFFSET]) << 32) | (np.int64(resolved[i, PLACE]) << 1) | failed
        at += 1


Place = tuple[int, int, int, bool]
"""Where a span is and what pairing saw in it: (ticket of the request, offset in it, number of the end, failed)."""


def place_of(rest: npt.NDArray[np.int64]) -> Place:
    """Reads what `remember` wrote."""
    ticket, word = rest.tolist()
    return ticket, word >> 32, (word & 0xFFFFFFFF) >> 1, bool(word & 1)


class Chooser:
    """Chooses spans within a quota per operation and hour. Operations are local numbers below `operations`."""

    def __init__(self, operations: int, quota: Quota, most_at_once: int = 64) -> None:
        self._quota = quota
        self._left = np.zeros((operations, 3), np.int32)
        self._next_s = np.zeros((operations, 3))
        self._bar_ns = np.zeros(operations)
        each = np.maximum(np.array([quota.errors, quota.slowest, quota.sample]), 1)
        self._spacing_s = HOUR_S / each
        self._spacing_s[ERROR] = min(60.0, self._spacing_s[ERROR])
        self._chosen = np.zeros(most_at_once, np.int64)
        self._hour = -1

    def choose(self, wide: npt.NDArray[np.int64], resolved: npt.NDArray[np.int32], used: int,
               now_s: float) -> npt.NDArray[np.int64]:
        """The rows of the spans whose trace is to be kept."""
        hour = int(now_s // HOUR_S)
        if hour != self._hour:
            self._hour = hour
            self._left[:] = (self._quota.errors, self._quota.slowest, self._quota.sample)
            self._next_s[:] = 0
            self._bar_ns[:] = 0
        found = _choose(wide, resolved, used, now_s, self._left, self._next_s, self._bar_ns, self._spacing_s,
                        self._chosen)
        return self._chosen[:found].copy()
