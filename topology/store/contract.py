"""What a store promises, whatever it is made of.

Rollups go in as deltas and add up with what is there; nothing is overwritten, so late data, repeated
windows and negative corrections need no special case. One `Commit` is one transaction: a checkpoint is
durable exactly when the rollups it covers are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from topology.changes import Change, ChangeKind
from topology.histogram import Ladder
from topology.model import EdgeKey, Entity, SeriesKey, Service
from topology.rollup import RollupBatch

Choice = Callable[[SeriesKey], bool]
"""Which series are read."""


def everything(_key: SeriesKey) -> bool:
    """Every series."""
    return True


def about(service: Service) -> Choice:
    """The series of one service: its own work and the calls it makes and takes."""

    def choice(key: SeriesKey) -> bool:
        if isinstance(key, EdgeKey):
            return service in (key.caller, key.callee)
        return key.service == service

    return choice


@dataclass(frozen=True, eq=False)
class KeyedRollups:
    """A batch that can be read by itself: `batch.series` are places in `keys`, `batch.hist_bucket` buckets
    of `ladder`. `keys` may grow (a SeriesTable's list), but what a place means must never change."""

    batch: RollupBatch
    keys: Sequence[SeriesKey]
    ladder: Ladder


@dataclass(frozen=True, slots=True)
class ExampleSummary:
    """One trace as an example of one operation of one service. `payload_bytes` is what it takes on disk."""

    trace_id: str
    service_id: str
    operation: str
    start_s: float
    duration_ms: float
    failed: bool
    span_count: int
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class Example:
    """An example to be kept. `payload` is opaque (compressed by the caller). A trace may be an example of
    several operations: its payload is kept once, the one committed last."""

    trace_id: str
    service_id: str
    operation: str
    start_s: float
    duration_ms: float
    failed: bool
    span_count: int
    payload: bytes = field(repr=False)

    def summary(self) -> ExampleSummary:
        """The example without its payload."""
        return ExampleSummary(self.trace_id, self.service_id, self.operation, self.start_s, self.duration_ms,
                              self.failed, self.span_count, len(self.payload))


@dataclass(frozen=True, slots=True)
class ExampleQuery:
    """Which examples are wanted, newest first: those that start in [from_s, to_s) and match what is given."""

    from_s: float
    to_s: float
    service_id: str | None = None
    operation: str | None = None
    min_ms: float = 0.0
    failed_only: bool = False
    limit: int = 100


@dataclass(frozen=True, slots=True)
class ChangeQuery:
    """Which changes are wanted, newest first: those made in [from_s, to_s), of any of the services and kinds.
    `services` are ids, EVERYTHING among them stands for changes of no service in particular; None is no limit."""

    from_s: float
    to_s: float
    services: Collection[str] | None = None
    kinds: Collection[ChangeKind] | None = None
    limit: int = 1000

    def admits(self, change: Change) -> bool:
        """Whether a change is one of those, whatever the limit."""
        service = change.service.id if change.service else EVERYTHING
        return (self.from_s <= change.at_s < self.to_s
                and (self.services is None or service in self.services)
                and (self.kinds is None or change.kind in self.kinds))


EVERYTHING = ""
"""In place of a service's id: a change of everything."""


@dataclass(frozen=True, eq=False)
class Commit:
    """All that becomes durable together. Entities widen what is known (`first_seen_s` only falls,
    `last_seen_s` only rises); a checkpoint replaces the one of the same name, a change that of the same uid."""

    rollups: KeyedRollups | None = None
    entities: Sequence[Entity] = ()
    checkpoints: Mapping[str, bytes] = field(default_factory=dict)
    examples: Sequence[Example] = ()
    changes: Sequence[Change] = ()


@dataclass(frozen=True, slots=True)
class Compaction:
    """What one compaction did, in rows."""

    moved: int = 0
    expired: int = 0
    series: int = 0
    examples: int = 0
    changes: int = 0


class Reading(Protocol):
    """What can be asked of the rollups of a store, as they are or as they were at one moment."""

    def rollups(self, from_s: float, to_s: float, window_s: int, ladder: Ladder,
                choice: Choice = everything, histograms: bool = True) -> KeyedRollups:
        """As `Store.rollups`."""

    def seen(self, from_s: float, to_s: float) -> Sequence[SeriesKey]:
        """The series that have counts in [from_s, to_s), widened to whole windows of what is stored."""


class Store(Protocol):
    """Durable rollups, entities, checkpoints, positions, examples and changes.

    One writer and many readers, from any thread. Every method may raise StoreError; after one, nothing is
    half done and the same call may be tried again.
    """

    def commit(self, commit: Commit) -> None:
        """Makes all of `commit` durable, or nothing: StoreFull when the disk is full.
        ValueError when the window of the rollups is that of no tier."""

    def rollups(self, from_s: float, to_s: float, window_s: int, ladder: Ladder,
                choice: Choice = everything, histograms: bool = True) -> KeyedRollups:
        """The counts of [from_s, to_s), widened to whole windows, one row per series and window, ordered by both.

        The windows are at least `window_s` long, and as long as the coarsest tier that holds counts of the
        span: read `batch.window_s`. Buckets are those of `ladder`; a bound it does not have falls into the
        bucket around it. Without `histograms` only the counts are read, which is several times faster.
        """

    def seen(self, from_s: float, to_s: float) -> Sequence[SeriesKey]:
        """As `Reading.seen`."""

    def frozen(self) -> AbstractContextManager[Reading]:
        """The rollups as they are at this moment, for as long as the context lasts. Everybody else goes on; it may be
        read by one thread at a time, and be closed by another than opened it."""

    def entities(self) -> list[Entity]:
        """Everything ever seen and not yet expired."""

    def checkpoints(self) -> dict[str, bytes]:
        """The checkpoints by name."""

    def positions(self) -> dict[str, tuple[float, float]]:
        """Where each node stands, by id: (x, y)."""

    def save_positions(self, positions: Mapping[str, tuple[float, float]]) -> None:
        """Keeps these positions; others stay."""

    def examples(self, query: ExampleQuery) -> list[ExampleSummary]:
        """The examples that match, newest first."""

    def example(self, trace_id: str) -> Example | None:
        """One trace with its payload, as an example of the operation it was first committed for."""

    def changes(self, query: ChangeQuery) -> list[Change]:
        """The changes that match, newest first; of several told with one uid the one committed last."""

    def compact(self, now_s: float) -> Compaction:
        """Moves counts to the coarser tiers, drops what is past its time, trims examples to their budget.
        Readers and the writer go on meanwhile. To be called every minute or so."""

    def backup(self, path: Path) -> None:
        """A consistent copy at `path` (which must not exist) while the store is in use."""

    def close(self) -> None:
        """Ends the use of the store; what was committed stays."""
