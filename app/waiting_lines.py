"""Error lines that services sent with the id of a trace: counted at once for the service and, when the spans of the
trace are here, for the operation in which they were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from app.written_in import Traces, operation_of
from topology.model import LogKey

PATIENT_S, GIVEN_UP_S = 6.0, 40.0
"""Spans usually come some seconds after the lines that were written in them."""
EVERY_S = 4.0
MOST = 20_000
"""So many (trace, level, time) wait at once; lines beyond stay counted for their service only."""

Traced = tuple[LogKey, int, int]
"""Whose lines of which level, the start of their window (epoch seconds), and the key of their trace."""
Row = tuple[int, LogKey, list[float]]


@dataclass(slots=True)
class WaitingLines:
    """Moves lines from their service to an operation of it: the sum of all rows is nothing. Not thread-safe."""

    _waiting: dict[Traced, tuple[float, int]] = field(default_factory=dict)
    _looked_s: float = 0.0

    def add(self, lines: Mapping[Traced, int], now_s: float) -> None:
        """Takes in lines that were counted under no operation."""
        for traced, n in lines.items():
            if traced in self._waiting:
                since_s, before = self._waiting[traced]
                self._waiting[traced] = since_s, before + n
            elif len(self._waiting) < MOST:
                self._waiting[traced] = now_s, n

    def clear(self) -> None:
        """Forgets what waits: it is counted, and goes on being counted for its service."""
        self._waiting.clear()

    def moved(self, traces: Traces, now_s: float) -> Iterator[Row]:
        """The rows that put lines to their operations, now and then; what is not known after a while stays."""
        if not self._waiting or now_s - self._looked_s < EVERY_S:
            return
        self._looked_s = now_s
        ready = [traced for traced, (since_s, _) in self._waiting.items() if now_s - since_s >= PATIENT_S]
        done = traces({trace for _, _, trace in ready})
        for key, start_s, trace in ready:
            since_s, n = self._waiting[key, start_s, trace]
            operation = operation_of(key.service, done.get(trace, ()))
            if operation:
                yield from _moved(key, start_s, n, operation)
            if operation or now_s - since_s >= GIVEN_UP_S:
                del self._waiting[key, start_s, trace]


def _moved(key: LogKey, start_s: int, lines: int, operation: str) -> Iterable[Row]:
    for to, n in ((key, -lines), (replace(key, operation=operation), lines)):
        yield start_s, to, [n, 0, 0, 0, 0, 0, n]
