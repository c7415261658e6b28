"""What passed through the receiver, counted for the sources page."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

RATE_WINDOW_S = 10
TROUBLE_LASTS_S = 60.0


class Traffic:
    """Counters, request rate and last error of a receiver. Thread-safe; `clock` gives UTC epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counters: Counter[str] = Counter()
        self._per_second: dict[int, int] = {}
        self._last_seen_s: float | None = None
        self._last_error = ""
        self._last_error_s = 0.0

    def accepted(self, signal: str, body_bytes: int, rejected: int = 0, reason: str = "") -> None:
        """Counts a request that was taken, with `rejected` of its items refused for `reason`."""
        now_s = self._clock()
        with self._lock:
            self._counters[f"{signal}_requests"] += 1
            self._counters["bytes"] += body_bytes
            self._seen(now_s)
        if rejected:
            self.rejected(rejected, reason)

    def rejected(self, items: int, reason: str) -> None:
        """Counts items of a request that was taken which are refused for `reason`."""
        with self._lock:
            self._counters["rejected_items"] += items
            self._trouble(self._clock(), reason)

    def add(self, counter: str, number: int = 1) -> None:
        """Counts what has a counter of its own."""
        with self._lock:
            self._counters[counter] += number

    def refused(self, why: str, message: str) -> None:
        """Counts a request that was answered with an error; `why` names the counter."""
        now_s = self._clock()
        with self._lock:
            self._counters[f"refused_{why}"] += 1
            self._seen(now_s)
            self._trouble(now_s, message)

    def _seen(self, now_s: float) -> None:
        second = int(now_s)
        self._last_seen_s = now_s
        self._per_second[second] = self._per_second.get(second, 0) + 1
        if len(self._per_second) > 2 * RATE_WINDOW_S:
            self._per_second = {s: n for s, n in self._per_second.items() if s >= second - RATE_WINDOW_S}

    def _trouble(self, now_s: float, message: str) -> None:
        self._last_error = message
        self._last_error_s = now_s

    def counters(self) -> dict[str, int]:
        """A copy of all counters."""
        with self._lock:
            return dict(self._counters)

    def rate_per_s(self) -> float:
        """Requests a second over the last ten whole seconds."""
        second = int(self._clock())
        with self._lock:
            recent = (n for s, n in self._per_second.items() if second - RATE_WINDOW_S <= s < second)
            return sum(recent) / RATE_WINDOW_S

    def last_seen_s(self) -> float | None:
        """When the last request came; None before the first."""
        return self._last_seen_s

    def last_error(self) -> str:
        """What the last refused request was told; "" before the first."""
        return self._last_error

    def in_trouble(self) -> bool:
        """Whether a request was refused within the last minute."""
        return bool(self._last_error) and self._clock() - self._last_error_s < TROUBLE_LASTS_S
