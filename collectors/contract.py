"""What a collector is, and where a listener hands over what it received."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class Signal(IntEnum):
    """The three OTLP signals; the number is written in the journal, so it never changes."""

    TRACES = 1
    LOGS = 2
    METRICS = 3


Body = bytes | memoryview
"""The bytes of a request, perhaps in memory that is used again for the next."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request: `ticket` orders it in the journal; `rejected` items were refused for good,
    for the reason in `message`."""

    ticket: int
    rejected: int = 0
    message: str = ""


class Intake(Protocol):
    """Takes whole requests from a listener. Thread-safe."""

    def take(self, signal: Signal, body: Body) -> Receipt:
        """Logs and counts one request, an uncompressed protobuf `Export*ServiceRequest`; a view is read only now.

        The sender may be answered only after `settle(receipt.ticket)`. Raises MalformedInput for bytes that are
        no such request and Overloaded when a bound is reached; in both cases nothing was counted.
        """
        ...

    def settle(self, ticket: int) -> None:
        """Returns when every request up to `ticket` would survive a crash of the process."""
        ...
