"""Time in slices, for interfaces without a cursor: what they leave out of a long span they tell of a shorter one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Found = TypeVar("Found")
MICROS = 1_000_000
LONGEST_US, SHORTEST_US = 60 * MICROS, 50_000
FEW = 4
"""Slices grow again when a reply has less than a quarter of what it may have."""


class Slices(Generic[Found]):
    """Walks through time with slices as long as replies allow, and remembers their length from walk to walk. No slice
    is shorter than `shortest_us`, of which all are multiples."""

    def __init__(self, most: int, shortest_us: int = SHORTEST_US) -> None:
        self._most, self._width_us, self._shortest_us = most, LONGEST_US, shortest_us

    def walk(self, from_us: int, to_us: int, ask: Callable[[int, int], tuple[Found, int]],
             lacking: Callable[[int, int], None]) -> Iterator[Found]:
        """What `ask(from, to)` finds in [from_us, to_us), epoch microseconds. It tells how many there are besides: with
        as many as a reply may have, the slice is halved. `lacking` is told of slices that cannot be halved."""
        at = from_us
        while at < to_us:
            until = min(at + self._width_us, to_us)
            found, n = ask(at, until)
            if n >= self._most and until - at > self._shortest_us:
                self._width_us = max((until - at) // 2 // self._shortest_us, 1) * self._shortest_us
                continue
            if n >= self._most:
                lacking(at, until)
            elif n * FEW < self._most:
                self._width_us = min(2 * self._width_us, LONGEST_US)
            yield found
            at = until
