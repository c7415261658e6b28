"""What the pages and the interface for programs may ask of the running engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

Json = dict[str, Any]


class Views(Protocol):
    """Read access to everything shown. Times are UTC epoch seconds; `at_s` None means now. Thread-safe."""

    def snapshot(self, window_s: int = 300, at_s: float | None = None) -> Json:
        """The graph of a window as `GET /api/v1/graph` answers it, unfiltered."""
        ...

    def service(self, node_id: str, window_s: int = 300, at_s: float | None = None) -> Json | None:
        """One node with callers, callees, operations and instances; None when unknown."""
        ...

    def series(self, of: str, signals: Sequence[str], from_s: float, to_s: float, step_s: int) -> Json | None:
        """Columns for charts of a node or edge: `times` in epoch seconds and one list a signal, None where unknown."""
        ...

    def traces(self, service: str | None = None, min_ms: float | None = None, errors: bool = False,
               from_s: float | None = None, to_s: float | None = None, limit: int = 20) -> list[Json]:
        """Kept example traces, newest first, without their spans."""
        ...

    def trace(self, trace_id: str) -> Json | None:
        """One kept trace with its spans, or None."""
        ...

    def log_counts(self, service: str | None, from_s: float, to_s: float, step_s: int) -> Json:
        """Log lines by level and window as columns."""
        ...

    def logs(self, service: str | None = None, trace: str | None = None, from_s: float | None = None,
             to_s: float | None = None, limit: int = 100) -> list[Json]:
        """The newest error lines, masked, newest first."""
        ...

    def sources(self) -> list[Json]:
        """Every collector with its state, rate, lag, last error and counters."""
        ...

    def quality(self) -> Json:
        """The counters of what was lost, merged, refused and is waiting."""
        ...

    def save_positions(self, positions: Mapping[str, tuple[float, float]]) -> None:
        """Pins nodes at world positions, for every viewer and for good."""
        ...

    def relayout(self) -> None:
        """Computes all positions anew, because a person asked."""
        ...

    def ready(self) -> bool:
        """Whether stored data is loaded and answers are complete."""
        ...

    def subscribe(self, on_tick: Callable[[int], None]) -> Callable[[], None]:
        """Calls `on_tick(seq)` from the engine's thread after every tick; returns how to stop."""
        ...
