"""A store that forgets at the end of the process: for tests, for trying things out, and as the plain
reading of the contract that other stores are compared with."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np

from topology.changes import Change
from topology.errors import StoreError
from topology.histogram import Ladder
from topology.model import Entity, SeriesKey
from topology.rollup import RollupBatch, SeriesTable, coarsen, concatenate, empty
from topology.store.bounds import Bounds
from topology.store.contract import (
    ChangeQuery,
    Choice,
    Commit,
    Compaction,
    Example,
    ExampleQuery,
    ExampleSummary,
    KeyedRollups,
    Reading,
    everything,
)
from topology.store.tiers import Retention, move_before, whole_windows
from topology.store.trimming import kept_traces


class MemoryStore:
    """Keeps the contract of `Store`, except that nothing outlives the process and there is no backup."""

    def __init__(self, retention: Retention | None = None) -> None:
        self._retention = retention or Retention()
        self._lock = threading.RLock()
        self._table = SeriesTable()
        self._bounds = Bounds()
        self._tiers = [empty(tier.window_s) for tier in self._retention.tiers]
        self._entities: dict[str, Entity] = {}
        self._checkpoints: dict[str, bytes] = {}
        self._positions: dict[str, tuple[float, float]] = {}
        self._examples: dict[tuple[str, str, str], ExampleSummary] = {}
        self._payloads: dict[str, bytes] = {}
        self._changes: dict[str, Change] = {}

    def commit(self, commit: Commit) -> None:
        """Adds all of it under one lock."""
        with self._lock:
            if commit.rollups is not None:
                self._add(commit.rollups)
            for entity in commit.entities:
                self._see(entity)
            self._checkpoints.update(commit.checkpoints)
            for example in commit.examples:
                self._examples[example.trace_id, example.service_id, example.operation] = example.summary()
                self._payloads[example.trace_id] = example.payload
            self._changes.update({change.uid: change for change in commit.changes})

    def _add(self, rollups: KeyedRollups) -> None:
        place = self._retention.tier(rollups.batch.window_s)
        self._bounds.add(self._bounds.missing(rollups.ladder))
        batch = _renumber(rollups.batch, rollups.keys, self._table)
        stored = replace(batch, hist_bucket=self._bounds.of_buckets(rollups.ladder)[batch.hist_bucket])
        self._tiers[place] = concatenate([self._tiers[place], stored])

    def _see(self, entity: Entity) -> None:
        known = self._entities.get(entity.key, entity)
        self._entities[entity.key] = Entity(entity.key, min(known.first_seen_s, entity.first_seen_s),
                                            max(known.last_seen_s, entity.last_seen_s))

    def rollups(self, from_s: float, to_s: float, window_s: int, ladder: Ladder,
                choice: Choice = everything, histograms: bool = True) -> KeyedRollups:
        """Sums what all tiers hold of the span."""
        with self._lock:
            start, end, window_s = whole_windows(self._retention.tiers, (from_s, to_s), window_s, self._holds)
            chosen = np.array([choice(key) for key in self._table.keys], bool)
            parts = [_only(tier, (tier.starts_s >= start) & (tier.starts_s < end) & chosen[tier.series])
                     for tier in self._tiers]
            return self._answer(parts, window_s, ladder, histograms)

    def _answer(self, parts: list[RollupBatch], window_s: int, ladder: Ladder, histograms: bool) -> KeyedRollups:
        buckets = self._bounds.to_buckets(ladder)
        parts = [coarsen(replace(part, hist_bucket=buckets[part.hist_bucket]), window_s) for part in parts]
        batch = coarsen(concatenate(parts), window_s)
        numbers, series = np.unique(batch.series, return_inverse=True)
        batch = _ordered(replace(batch, series=series.reshape(-1).astype(np.int32)))
        if not histograms:
            none = empty(window_s)
            batch = replace(batch, hist_row=none.hist_row, hist_bucket=none.hist_bucket, hist_n=none.hist_n)
        return KeyedRollups(batch, [self._table.keys[number] for number in numbers], ladder)

    def _holds(self, place: int, from_s: int, to_s: int) -> bool:
        starts = self._tiers[place].starts_s
        return bool(((starts >= from_s) & (starts < to_s)).any())

    def seen(self, from_s: float, to_s: float) -> list[SeriesKey]:
        """The series that have counts in a span."""
        with self._lock:
            start, end, _ = whole_windows(self._retention.tiers, (from_s, to_s), 1, self._holds)
            used = [tier.series[(tier.starts_s >= start) & (tier.starts_s < end)] for tier in self._tiers]
            return [self._table.keys[number] for number in np.unique(np.concatenate(used)).tolist()]

    @contextmanager
    def frozen(self) -> Iterator[Reading]:
        """The rollups as they are now."""
        with self._lock:
            still = copy(self)
            still._tiers = list(self._tiers)
        yield still

    def entities(self) -> list[Entity]:
        """Everything ever seen and not yet expired."""
        with self._lock:
            return list(self._entities.values())

    def checkpoints(self) -> dict[str, bytes]:
        """The checkpoints by name."""
        with self._lock:
            return dict(self._checkpoints)

    def positions(self) -> dict[str, tuple[float, float]]:
        """Where each node stands, by id: (x, y)."""
        with self._lock:
            return dict(self._positions)

    def save_positions(self, positions: Mapping[str, tuple[float, float]]) -> None:
        """Keeps these positions; others stay."""
        with self._lock:
            self._positions.update(positions)

    def examples(self, query: ExampleQuery) -> list[ExampleSummary]:
        """The examples that match, newest first."""
        with self._lock:
            found = [replace(example, payload_bytes=len(self._payloads[example.trace_id]))
                     for example in self._examples.values() if _matches(example, query)]
        return sorted(found, key=lambda example: -example.start_s)[: query.limit]

    def example(self, trace_id: str) -> Example | None:
        """One trace with its payload."""
        with self._lock:
            for (trace, _, _), found in self._examples.items():
                if trace == trace_id:
                    return Example(trace_id, found.service_id, found.operation, found.start_s, found.duration_ms,
                                   found.failed, found.span_count, self._payloads[trace_id])
        return None

    def changes(self, query: ChangeQuery) -> list[Change]:
        """The changes that match, newest first."""
        with self._lock:
            found = [change for change in self._changes.values() if query.admits(change)]
        return sorted(found, key=lambda change: (-change.at_s, change.uid))[: query.limit]

    def compact(self, now_s: float) -> Compaction:
        """Moves, expires and trims."""
        with self._lock:
            moved = sum(self._move(place, now_s) for place in range(len(self._tiers) - 1))
            expired = self._expire(now_s)
            return Compaction(moved, expired, self._forget_series(), self._trim(now_s), self._forget_changes(now_s))

    def _forget_changes(self, now_s: float) -> int:
        before, since_s = len(self._changes), now_s - self._retention.longest_s
        self._changes = {uid: change for uid, change in self._changes.items() if change.at_s >= since_s}
        return before - len(self._changes)

    def _move(self, place: int, now_s: float) -> int:
        tier, coarser = self._tiers[place], self._tiers[place + 1]
        old = tier.starts_s < move_before(self._retention.tiers, place, now_s)
        self._tiers[place] = _only(tier, ~old)
        self._tiers[place + 1] = concatenate([coarser, coarsen(_only(tier, old), coarser.window_s)])
        return int(old.sum())

    def _expire(self, now_s: float) -> int:
        old = self._tiers[-1].starts_s < move_before(self._retention.tiers, len(self._tiers) - 1, now_s)
        self._tiers[-1] = _only(self._tiers[-1], ~old)
        for entity in list(self._entities.values()):
            if entity.last_seen_s < now_s - self._retention.longest_s:
                del self._entities[entity.key]
                self._positions.pop(entity.key, None)
        return int(old.sum())

    def _forget_series(self) -> int:
        before, kept = len(self._table), SeriesTable()
        self._tiers = [_renumber(tier, self._table.keys, kept) for tier in self._tiers]
        self._table = kept
        return before - len(kept)

    def _trim(self, now_s: float) -> int:
        before = len(self._examples)
        keep = kept_traces(self._examples.values(), {trace: len(p) for trace, p in self._payloads.items()},
                           self._retention, now_s)
        self._examples = {key: example for key, example in self._examples.items() if key[0] in keep}
        self._payloads = {trace: payload for trace, payload in self._payloads.items() if trace in keep}
        return before - len(self._examples)

    def backup(self, path: Path) -> None:
        """Always a StoreError."""
        raise StoreError("a store in memory has no backup")

    def close(self) -> None:
        """Nothing to end."""


def _matches(example: ExampleSummary, query: ExampleQuery) -> bool:
    return (query.from_s <= example.start_s < query.to_s
            and query.service_id in (None, example.service_id)
            and query.operation in (None, example.operation)
            and example.duration_ms >= query.min_ms
            and (example.failed or not query.failed_only))


def _renumber(batch: RollupBatch, keys: Iterable[SeriesKey], table: SeriesTable) -> RollupBatch:
    names = list(keys)
    numbers = {int(old): table.number(names[old]) for old in np.unique(batch.series)}
    lookup = np.zeros(len(names) + 1, np.int32)
    lookup[list(numbers)] = list(numbers.values())
    return replace(batch, series=lookup[batch.series])


def _only(batch: RollupBatch, wanted: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> RollupBatch:
    row = np.cumsum(wanted) - 1
    cells = wanted[batch.hist_row]
    return RollupBatch(batch.window_s, batch.starts_s[wanted], batch.series[wanted], batch.counts[wanted],
                       row[batch.hist_row[cells]].astype(np.int32), batch.hist_bucket[cells], batch.hist_n[cells])


def _ordered(batch: RollupBatch) -> RollupBatch:
    order = np.lexsort((batch.starts_s, batch.series))
    row = np.empty(len(order), np.int32)
    row[order] = np.arange(len(order), dtype=np.int32)
    cells = np.argsort(row[batch.hist_row], kind="stable")
    return RollupBatch(batch.window_s, batch.starts_s[order], batch.series[order], batch.counts[order],
                       row[batch.hist_row[cells]], batch.hist_bucket[cells], batch.hist_n[cells])
