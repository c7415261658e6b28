"""Bytes in flight: what was received and not yet answered, over both servers, bounded."""

from __future__ import annotations

import threading

from topology.errors import Overloaded


class Budget:
    """Bounds the bytes held by all requests together. Thread-safe.

    A request that is alone is never refused, however big: its own bound is the size limit, and a sender
    that is told to come back later must be able to succeed then.
    """

    def __init__(self, limit_bytes: int, retry_after_s: float = 1.0) -> None:
        self.limit_bytes = limit_bytes
        self.retry_after_s = retry_after_s
        self.in_flight_bytes = 0
        self.peak_bytes = 0
        self._lock = threading.Lock()

    def reserve(self, more_bytes: int, held_bytes: int = 0) -> None:
        """Adds `more_bytes` for a request that already holds `held_bytes`; Overloaded when there is no room."""
        with self._lock:
            wanted = self.in_flight_bytes + more_bytes
            if wanted > self.limit_bytes and self.in_flight_bytes > held_bytes:
                raise Overloaded(
                    f"{self.in_flight_bytes} of {self.limit_bytes} bytes are in flight", self.retry_after_s
                )
            self.in_flight_bytes = wanted
            self.peak_bytes = max(self.peak_bytes, wanted)

    def release(self, held_bytes: int) -> None:
        """Gives back what a request held."""
        with self._lock:
            self.in_flight_bytes -= held_bytes


class Hold:
    """What one request holds of a budget; a context manager that gives everything back."""

    __slots__ = ("_budget", "held_bytes")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held_bytes = 0

    def add(self, more_bytes: int) -> None:
        """Holds `more_bytes` more; Overloaded when there is no room, and then nothing more is held."""
        self._budget.reserve(more_bytes, self.held_bytes)
        self.held_bytes += more_bytes

    def release(self) -> None:
        """Gives everything back; harmless when repeated."""
        if self.held_bytes:
            self._budget.release(self.held_bytes)
            self.held_bytes = 0

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
