"""The product's engine in this process, from request bytes to answers, under a clock that a test moves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from app.configuration import follow, load
from app.engine.engine import Engine
from app.house import House
from app.product import _intake, _otlp, _rules
from app.slo.definitions import definitions_of
from collectors.contract import Receipt, Signal
from topology.journal import Journal
from topology.rollup import SeriesTable
from topology.store.contract import Store
from topology.store.memory import MemoryStore

NOW_S = 1_800_000_000.0
"""A full hour, and a while from the days of real clocks."""
SMALL = {"SYNOPTIC__PAIRING__MAX_STRINGS": "20000", "SYNOPTIC__PAIRING__MAX_SERIES": "2000"}


class Clock:
    """The time a test sets, in epoch seconds."""

    def __init__(self, now_s: float = NOW_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        """The time."""
        return self.now_s

    def ns(self) -> int:
        """The same in nanoseconds."""
        return int(self.now_s * 1_000_000_000)


class Run:
    """One life of an engine, loaded and not started: a test ticks. What it keeps is in `directory` and `store`."""

    def __init__(
        self,
        directory: Path,
        clock: Clock | None = None,
        store: Store | None = None,
        *,
        config: Path | None = None,
        segment_bytes: int = 1 << 20,
        patience_s: float = 60.0,
        **environ: str,
    ) -> None:
        self.clock, self.store, self.directory = clock or Clock(), store or MemoryStore(), directory
        self._again = {"config": config, "segment_bytes": segment_bytes, "patience_s": patience_s, **environ}
        settings = load(config, SMALL | environ)
        self.journal = Journal(directory / "journal", sync=False, segment_bytes=segment_bytes)
        house = House(settings, follow(config, settings, SMALL | environ))
        definitions = definitions_of(settings)
        self.intakes, parts = _intake(settings, _otlp(settings), self.journal, self.store, house, definitions)
        self.intake = self.intakes.own
        for intake in self.intakes:
            intake._p.clock_ns = self.clock.ns
        parts.clock, parts.sources = self.clock, list
        parts.objectives.patience_s = parts.objectives.start_s = patience_s
        self.engine = Engine(parts, _rules(settings))
        self.engine.load()

    @property
    def series(self) -> SeriesTable:
        """The series that were counted."""
        return self.engine.parts.series

    def take(self, body: bytes, signal: Signal = Signal.TRACES) -> Receipt:
        """Hands in one request."""
        return self.intake.take(signal, body)

    def step(self, seconds: float = 2.0) -> Run:
        """Moves the clock on, then ticks."""
        self.clock.now_s += seconds
        self.engine.tick()
        return self

    def settle(self, seconds: float = 40.0) -> Run:
        """Ticks until everything that waits is counted and committed."""
        for _ in range(int(seconds // 2)):
            self.step()
        return self

    def crashed(self, down_s: float = 1.0) -> Run:
        """The next life after this one ended without a word."""
        self.intakes.close()
        self.clock.now_s += down_s
        return Run(self.directory, self.clock, self.store, **self._again)  # type: ignore[arg-type]

    def stopped(self, down_s: float = 1.0) -> Run:
        """The next life after a clean end."""
        self.engine._harvest()
        self.engine._commit()
        return self.crashed(down_s)

    def node(self, name: str, window_s: int = 3600) -> dict:
        """The node of that name on the map; KeyError when there is none."""
        return {n["name"]: n for n in self.engine.snapshot(window_s)["nodes"]}[name]

    def edge(self, caller: str, callee: str, window_s: int = 3600) -> dict:
        """The path between two names; KeyError when there is none."""
        picture = self.engine.snapshot(window_s)
        names = {n["id"]: n["name"] for n in picture["nodes"]}
        return {(names[e["source"]], names[e["target"]]): e for e in picture["edges"]}[caller, callee]

    def names(self, window_s: int = 300) -> Sequence[str]:
        """The names of all nodes on the map."""
        return [n["name"] for n in self.engine.snapshot(window_s)["nodes"]]


def real_s() -> float:
    """The real time, for stores that compare with it."""
    return time.time()
