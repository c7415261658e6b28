"""The newest error lines of every service, and how they outlive a restart."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable

from collectors.otlp.logs import LogLine
from topology.model import Service

PER_SERVICE, MOST = 100, 20_000
KEPT_CHARS = 1 << 18
"""How much of them is kept over a restart: what each service said last comes first."""


class ErrorLines:
    """Bounded for every service and altogether. A line knows the ticket of the request it came with, so that one
    which is read again from the journal is there once. Not thread-safe."""

    def __init__(self) -> None:
        self._lines: dict[Service, deque[tuple[int, LogLine]]] = {}
        self._held = 0
        self._content: bytes | None = b"[]"

    def add(self, lines: Iterable[LogLine], ticket: int) -> None:
        """Takes in the error lines of a request, newest first. Too many push out those of the service that was quiet
        for longest."""
        for line in reversed([*lines]):
            # at the end of the dictionary are those who spoke last
            said = self._lines[line.service] = self._lines.pop(line.service, deque(maxlen=PER_SERVICE))
            self._held += len(said) < PER_SERVICE
            said.appendleft((ticket, line))
            self._content = None
        while self._held > MOST:
            self._held -= len(self._lines.pop(next(iter(self._lines))))

    def all(self) -> list[LogLine]:
        """Every line, a service after the other, newest first."""
        return [line for lines in self._lines.values() for _, line in lines]

    def content(self) -> bytes:
        """What is kept over a restart; the same object while there are no new lines."""
        if self._content is None:
            self._content = json.dumps(self._kept(), ensure_ascii=False).encode(errors="replace")
        return self._content

    def _kept(self) -> list[list[object]]:
        """The newest line of every service, then every second one and so on, as long as there is room."""
        rows: list[list[object]] = []
        chars = 0
        for rank in range(PER_SERVICE):
            for lines in reversed(self._lines.values()):
                if rank < len(lines):
                    rows.append(_row(*lines[rank]))
                    chars += sum(len(str(cell)) for cell in rows[-1])
                    if chars > KEPT_CHARS:
                        return rows
        return rows

    def restore(self, content: bytes, counted: int) -> None:
        """Takes back what `content` gave before a restart, up to the ticket `counted`: later ones are read again."""
        for ticket, time_s, service, *rest in reversed(json.loads(content)):
            if ticket <= counted:
                self.add([LogLine(time_s, Service.from_id(service), *rest)], ticket)


def _row(ticket: int, line: LogLine) -> list[object]:
    return [ticket, line.time_s, line.service.id, line.level, line.body, line.trace_id, line.span_id, line.instance]
