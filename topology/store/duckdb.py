"""The durable store: one DuckDB file, one transaction for rollups and the checkpoints they cover."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]

from topology.changes import Change
from topology.errors import StoreError
from topology.histogram import Ladder
from topology.model import Entity, SeriesKey
from topology.store import change_tables, example_tables, small_tables, tier_tables
from topology.store.backup import copy_to
from topology.store.contract import (
    ChangeQuery,
    Choice,
    Commit,
    Compaction,
    Example,
    ExampleQuery,
    ExampleSummary,
    KeyedRollups,
    everything,
)
from topology.store.database import Cursor, Database
from topology.store.keys import Row, from_row
from topology.store.numbering import SeriesNumbers
from topology.store.opening import Limits
from topology.store.schema import create_tier, tier_table, tier_windows
from topology.store.stored_moment import StoredMoment
from topology.store.tier_tables import Reach
from topology.store.tiers import Retention, move_before, move_step_s


class DuckDBStore:
    """Keeps the contract of `Store` in one file.

    Opening raises StoreError when another process has the file or a newer program wrote it. A damaged file is
    renamed (`.damaged-<time>`), a new one is begun, and `notice` says so. `now_s` only names that file.
    """

    def __init__(self, path: Path, now_s: float, retention: Retention | None = None,
                 limits: Limits | None = None) -> None:
        self._retention = retention or Retention()
        self._windows = [tier.window_s for tier in self._retention.tiers]
        self._database = Database(path, limits or Limits(), now_s)
        self._write_lock = threading.Lock()
        self._compact_lock = threading.Lock()
        try:
            self._load()
        except BaseException:
            self._database.close()
            raise

    @property
    def notice(self) -> str | None:
        """What people must know about the opening: a damaged file was set aside."""
        return self._database.notice

    def _load(self) -> None:
        with self._database.reading() as cursor:
            for window_s in self._windows:
                create_tier(cursor, window_s)
            self._series = SeriesNumbers(small_tables.series(cursor))
            self._bounds = small_tables.bounds(cursor)
            foreign = [window_s for window_s in tier_windows(cursor) if window_s not in self._windows]
        for window_s in foreign:
            self._adopt(window_s)

    def _adopt(self, window_s: int) -> None:
        """Moves what a tier holds that is configured no more to the finest one it fits into."""
        into = next((other for other in self._windows if other % window_s == 0), None)
        with self._database.reading() as cursor:
            filled = tier_tables.holds(cursor, window_s)
        if filled and into is None:
            raise StoreError(f"{self._database.path} has windows of {window_s} s, which fit into no configured tier")
        if into is not None:
            tier_tables.move_all(self._database, window_s, into)
        with self._database.writing() as cursor:
            cursor.execute(f"DROP TABLE {tier_table(window_s)}")

    def commit(self, commit: Commit) -> None:
        """Makes all of it durable, or nothing."""
        with self._write_lock:
            try:
                with self._database.writing() as cursor:
                    new_series, new_bounds = self._add(cursor, commit.rollups)
                    small_tables.put_entities(cursor, commit.entities)
                    small_tables.put_checkpoints(cursor, commit.checkpoints)
                    if commit.examples:
                        example_tables.put(cursor, commit.examples)
                    if commit.changes:
                        change_tables.put(cursor, commit.changes)
            except BaseException:
                self._series.forget_places()
                raise
            self._series.add(new_series)
            self._bounds.add(new_bounds)
            self._database.checkpoint_if_due()

    def _add(self, cursor: Cursor, rollups: KeyedRollups | None) -> tuple[dict[Row, int], dict[int, int]]:
        """Writes rollups and returns the (series, bounds) that are new with them."""
        if rollups is None:
            return {}, {}
        self._retention.tier(rollups.batch.window_s)
        series, new_series = self._series.translate(rollups.keys, rollups.batch.series)
        new_bounds = self._bounds.missing(rollups.ladder)
        small_tables.add_series(cursor, new_series)
        small_tables.add_bounds(cursor, new_bounds)
        of_bucket = self._bounds.of_buckets(rollups.ladder, new_bounds)
        tier_tables.insert(cursor, rollups.batch.window_s, tier_tables.rows_of(rollups.batch, series, of_bucket))
        return new_series, new_bounds

    def rollups(self, from_s: float, to_s: float, window_s: int, ladder: Ladder,
                choice: Choice = everything, histograms: bool = True) -> KeyedRollups:
        """Sums what all tiers hold of the span."""
        with self.frozen() as moment:
            return moment.rollups(from_s, to_s, window_s, ladder, choice, histograms)

    def seen(self, from_s: float, to_s: float) -> list[SeriesKey]:
        """The series that have counts in a span."""
        with self.frozen() as moment:
            return moment.seen(from_s, to_s)

    @contextmanager
    def frozen(self) -> Iterator[StoredMoment]:
        """The rollups as they are now: one moment for all tables, so that what a compaction moves is not seen twice or
        not at all."""
        with self._database.reading() as cursor:
            cursor.begin()
            yield StoredMoment(cursor, self._known(cursor), self._retention)

    def _known(self, cursor: Cursor) -> dict[int, SeriesKey]:
        """The series as the cursor's transaction sees them: also those that were committed a moment ago."""
        known = self._series.known()
        late = small_tables.series(cursor, max(known, default=-1) + 1)
        return known | {number: from_row(kind, fields) for number, kind, fields in late}

    def entities(self) -> list[Entity]:
        """Everything ever seen and not yet expired."""
        with self._database.reading() as cursor:
            return small_tables.entities(cursor)

    def checkpoints(self) -> dict[str, bytes]:
        """The checkpoints by name."""
        with self._database.reading() as cursor:
            return dict(cursor.execute("SELECT name, value FROM checkpoints").fetchall())

    def positions(self) -> dict[str, tuple[float, float]]:
        """Where each node stands, by id: (x, y)."""
        with self._database.reading() as cursor:
            return {id_: (x, y) for id_, x, y in cursor.execute("SELECT id, x, y FROM positions").fetchall()}

    def save_positions(self, positions: Mapping[str, tuple[float, float]]) -> None:
        """Keeps these positions; others stay."""
        with self._write_lock, self._database.writing() as cursor:
            small_tables.put_positions(cursor, positions)

    def examples(self, query: ExampleQuery) -> list[ExampleSummary]:
        """The examples that match, newest first."""
        with self._database.reading() as cursor:
            return example_tables.find(cursor, query)

    def example(self, trace_id: str) -> Example | None:
        """One trace with its payload."""
        with self._database.reading() as cursor:
            return example_tables.get(cursor, trace_id)

    def changes(self, query: ChangeQuery) -> list[Change]:
        """The changes that match, newest first."""
        with self._database.reading() as cursor:
            return change_tables.find(cursor, query)

    def compact(self, now_s: float) -> Compaction:
        """Moves, expires and trims; the writer waits only while series, entities and examples are trimmed."""
        with self._compact_lock:
            moved = sum(self._move(place, now_s) for place in range(len(self._windows) - 1))
            expired = self._expire(now_s)
            gone = self._idle_series() if expired else set()
            with self._write_lock:
                series = self._forget_series(gone)
                with self._database.writing() as cursor:
                    small_tables.drop_entities(cursor, now_s - self._retention.longest_s)
                    examples = example_tables.trim(cursor, self._retention, now_s)
                    changes = change_tables.drop(cursor, now_s - self._retention.longest_s)
                if moved or expired:
                    self._database.checkpoint()
            self._database.give_back_memory()
            return Compaction(moved, expired, series, examples, changes)

    def _move(self, place: int, now_s: float) -> int:
        before_s, step_s = move_before(self._retention.tiers, place, now_s), move_step_s(self._retention.tiers, place)
        return tier_tables.move_all(self._database, self._windows[place], self._windows[place + 1], before_s, step_s)

    def _expire(self, now_s: float) -> int:
        last = len(self._windows) - 1
        with self._database.writing() as cursor:
            return tier_tables.delete(cursor, self._windows[last],
                                      Reach(None, move_before(self._retention.tiers, last, now_s)))

    def _idle_series(self) -> set[int]:
        known = set(self._series.known())
        with self._database.reading() as cursor:
            return known - tier_tables.series_in(cursor, self._windows)

    def _forget_series(self, gone: set[int]) -> int:
        """Removes series without rows, unless they got some since that was looked up. The writer waits."""
        if not gone:
            return 0
        with self._database.writing() as cursor:
            gone -= tier_tables.series_in(cursor, self._windows)
            cursor.register("gone", pa.table({"id": pa.array(gone, pa.int32())}))
            cursor.execute("DELETE FROM series WHERE id IN (SELECT id FROM gone)")
        self._series.remove(gone)
        return len(gone)

    def backup(self, path: Path) -> None:
        """A consistent copy, made while readers and the writer go on."""
        copy_to(self._database, path)

    def close(self) -> None:
        """Gives the file back."""
        with self._compact_lock, self._write_lock:
            self._database.close()
