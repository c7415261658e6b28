"""No more than so many queries in any minute."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from topology.errors import SourceUnavailable, Why

MINUTE_S = 60.0


class Ceiling:
    """Counts the queries of the last minute. Thread-safe."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._made: deque[float] = deque()

    def left(self) -> int:
        """How many queries may be made at once."""
        with self._lock:
            return self._most - self._counted(self._clock())

    def pass_one(self) -> None:
        """Counts a query; SourceUnavailable when there were as many as there may be."""
        with self._lock:
            now_s = self._clock()
            if self._counted(now_s) >= self._most:
                reason = f"its ceiling of {self._most} queries a minute (max_queries) is reached"
                raise SourceUnavailable(reason, max(0.1, self._made[0] + MINUTE_S - now_s), Why.BUSY)
            self._made.append(now_s)

    def _counted(self, now_s: float) -> int:
        # a clock that was set back must not close the way for longer than a minute
        while self._made and not self._made[0] <= now_s < self._made[0] + MINUTE_S:
            self._made.popleft()
        return len(self._made)
