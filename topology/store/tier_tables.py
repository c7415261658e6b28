"""The rollups of a DuckDB file: one table a tier, written and read as Arrow columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]

from topology.grouping import grouped
from topology.rollup import COUNTS, RollupBatch
from topology.store.database import Cursor, Database
from topology.store.merging import TierRows, merged
from topology.store.schema import tier_table
from topology.store.small_tables import bounds
from topology.store.tiers import DAY_S

FOREVER_S = 2**62
ROWS_AT_ONCE = 750_000
"""Rows that are in memory together; some 300 MB with histograms of ten buckets."""

_COLUMNS = f"start_s, series, {', '.join(COUNTS)}, bounds, ns"


@dataclass(frozen=True, slots=True)
class Reach:
    """Which rows of a tier: starts in [from_s, to_s), series in [low, high); None is without end."""

    from_s: int | None
    to_s: int | None
    low: int = 0
    high: int = 2**31 - 1

    @property
    def condition(self) -> str:
        """The reach in SQL; it holds only numbers."""
        parts = [f"series >= {self.low}", f"series < {self.high}"]
        parts += [f"start_s >= {self.from_s}"] * (self.from_s is not None)
        parts += [f"start_s < {self.to_s}"] * (self.to_s is not None)
        return " AND ".join(parts)


@dataclass(frozen=True, eq=False)
class Selection:
    """Which rows of which tiers: of the chosen series only, unless that is None."""

    windows: tuple[int, ...]
    reach: Reach
    chosen: npt.NDArray[np.int32] | None = None

    @property
    def is_small(self) -> bool:
        """Whether it fits into memory at once, without looking."""
        if self.chosen is None or self.reach.from_s is None or self.reach.to_s is None:
            return False
        span_s = self.reach.to_s - self.reach.from_s
        return len(self.chosen) * (span_s // min(self.windows) + 1) <= ROWS_AT_ONCE


def rows_of(batch: RollupBatch, series: npt.NDArray[np.int32], of_bucket: npt.NDArray[np.int16]) -> TierRows:
    """A batch as rows of a tier: its series and buckets renumbered, its cells in the order of the rows."""
    order, offsets = grouped(batch.hist_row, len(batch))
    return TierRows(batch.starts_s, series, batch.counts, offsets,
                    of_bucket[batch.hist_bucket[order]], batch.hist_n[order])


def batch_of(rows: TierRows, window_s: int) -> RollupBatch:
    """The rows as a batch; series and buckets keep their numbers."""
    return RollupBatch(window_s, rows.starts_s, rows.series, rows.counts, rows.rows_of_cells(), rows.bounds, rows.ns)


def joined(rows: Sequence[TierRows]) -> TierRows:
    """All rows, one part after the other."""
    if len(rows) == 1:
        return rows[0]
    shifts = np.cumsum([0] + [int(one.offsets[-1]) for one in rows])
    offsets = [one.offsets[:-1] + shift for one, shift in zip(rows, shifts[:-1], strict=True)]
    return TierRows(
        np.concatenate([one.starts_s for one in rows]), np.concatenate([one.series for one in rows]),
        np.concatenate([one.counts for one in rows]), np.concatenate([*offsets, shifts[-1:]]),
        np.concatenate([one.bounds for one in rows]), np.concatenate([one.ns for one in rows]),
    )


def no_rows() -> TierRows:
    """Nothing."""
    return TierRows(np.empty(0, np.int64), np.empty(0, np.int32), np.empty((0, len(COUNTS))), np.zeros(1, np.int64),
                    np.empty(0, np.int16), np.empty(0, np.float64))


def insert(cursor: Cursor, window_s: int, rows: TierRows) -> None:
    """Appends rows to a tier."""
    offsets = rows.offsets.astype(np.int32)
    columns = [rows.starts_s, rows.series, *(np.ascontiguousarray(rows.counts[:, at]) for at in range(len(COUNTS))),
               pa.ListArray.from_arrays(offsets, rows.bounds), pa.ListArray.from_arrays(offsets, rows.ns)]
    cursor.register("incoming", pa.table(columns, names=["start_s", "series", *COUNTS, "bounds", "ns"]))
    cursor.execute(f"INSERT INTO {tier_table(window_s)} SELECT * FROM incoming")
    cursor.unregister("incoming")


def holds(cursor: Cursor, window_s: int, reach: Reach | None = None) -> bool:
    """Whether a tier has rows (within reach)."""
    where = f"WHERE {reach.condition}" if reach else ""
    return bool(cursor.execute(f"SELECT 1 FROM {tier_table(window_s)} {where} LIMIT 1").fetchall())


def select(cursor: Cursor, selection: Selection) -> TierRows:
    """The selected rows of all tiers, as they lie there."""
    return _from_arrow(cursor.sql(_query(cursor, selection, _COLUMNS)).to_arrow_table())


def _query(cursor: Cursor, selection: Selection, columns: str) -> str:
    condition = selection.reach.condition
    if selection.chosen is not None:
        cursor.register("chosen", pa.table({"id": selection.chosen}))
        condition += " AND series IN (SELECT id FROM chosen)"
    return " UNION ALL ".join(f"SELECT {columns} FROM {tier_table(window_s)} WHERE {condition}"
                              for window_s in selection.windows)


def _from_arrow(table: pa.Table) -> TierRows:
    table = table.combine_chunks()
    if not len(table):
        return no_rows()
    bounds, ns = (table.column(name).chunk(0) for name in ("bounds", "ns"))
    counts = np.stack([table.column(name).to_numpy() for name in COUNTS], axis=1)
    offsets = bounds.offsets.to_numpy().astype(np.int64)
    return TierRows(table.column("start_s").to_numpy(), table.column("series").to_numpy(), counts,
                    offsets - offsets[0], bounds.flatten().to_numpy(), ns.flatten().to_numpy())


def parts(cursor: Cursor, selection: Selection) -> Iterator[Selection]:
    """The selection cut by series so that each part has about ROWS_AT_ONCE rows, in the order of series."""
    if selection.is_small:
        yield selection
        return
    per_series = cursor.sql(f"SELECT series, count(*) AS rows FROM ({_query(cursor, selection, 'series')}) "
                            "GROUP BY series ORDER BY series").to_arrow_table()
    series, rows = per_series.column("series").to_numpy(), per_series.column("rows").to_numpy()
    if not len(series):
        return
    part = np.cumsum(rows) // ROWS_AT_ONCE
    edges = [series[0], *(series[np.flatnonzero(np.diff(part))] + 1), series[-1] + 1]
    for low, high in pairwise(edges):
        yield replace(selection, reach=replace(selection.reach, low=int(low), high=int(high)))


def read(cursor: Cursor, selection: Selection, window_s: int, to_bucket: npt.NDArray[np.int16]) -> TierRows:
    """What the tiers hold, merged into windows of `window_s`, ordered by series, then window."""
    found = [merged(select(cursor, part), window_s, to_bucket) for part in parts(cursor, selection)]
    return joined(found or [no_rows()])


def read_counts(cursor: Cursor, selection: Selection, window_s: int) -> TierRows:
    """As `read`, without histograms: summed by the database."""
    rows = _query(cursor, selection, f"start_s, series, {', '.join(COUNTS)}")
    sums = ", ".join(f"sum({name}) AS {name}" for name in COUNTS)
    table = cursor.sql(f"SELECT series, start_s - start_s % {window_s} AS start, {sums} FROM ({rows}) "
                       "GROUP BY ALL ORDER BY series, start").to_arrow_table()
    counts = np.stack([table.column(name).to_numpy() for name in COUNTS], axis=1)
    return TierRows(table.column("start").to_numpy(), table.column("series").to_numpy(), counts,
                    np.zeros(len(table) + 1, np.int64), np.empty(0, np.int16), np.empty(0, np.float64))


def places(numbers: npt.NDArray[np.int32]) -> tuple[list[int], npt.NDArray[np.int32]]:
    """(the different numbers of an ascending column, the place of each entry among them)."""
    new = np.diff(numbers, prepend=-1) != 0
    return numbers[new].tolist(), (np.cumsum(new) - 1).astype(np.int32)


def move_all(database: Database, window_s: int, coarser_s: int, before_s: int = FOREVER_S,
             step_s: int = DAY_S) -> int:
    """Moves what starts before `before_s` to a coarser tier, each `step_s` of time in a transaction of its own,
    and returns how many rows moved. Nobody waits for it: what is committed meanwhile is left for the next time."""
    moved = 0
    while True:
        with database.writing() as cursor:
            first_s = _first_start_s(cursor, window_s, before_s)
            if first_s is None:
                return moved
            reach = Reach(first_s, min(before_s, first_s - first_s % step_s + step_s))
            moved += _move(cursor, window_s, coarser_s, reach)


def _move(cursor: Cursor, window_s: int, coarser_s: int, reach: Reach) -> int:
    same = np.arange(len(bounds(cursor)), dtype=np.int16)
    for part in parts(cursor, Selection((window_s,), reach)):
        insert(cursor, coarser_s, merged(select(cursor, part), coarser_s, same))
    return delete(cursor, window_s, reach)


def delete(cursor: Cursor, window_s: int, reach: Reach) -> int:
    """Drops the rows within reach and returns how many there were."""
    ((rows,),) = cursor.execute(f"DELETE FROM {tier_table(window_s)} WHERE {reach.condition}").fetchall()
    return int(rows)


def series_in(cursor: Cursor, windows: Sequence[int], reach: Reach | None = None) -> set[int]:
    """The numbers of the series that have rows (within reach)."""
    where = f"WHERE {reach.condition}" if reach else ""
    tables = " UNION ".join(f"SELECT DISTINCT series FROM {tier_table(w)} {where}" for w in windows)
    return {int(number) for (number,) in cursor.execute(tables).fetchall()}


def _first_start_s(cursor: Cursor, window_s: int, before_s: int) -> int | None:
    query = f"SELECT min(start_s) FROM {tier_table(window_s)} WHERE start_s < {before_s}"
    ((start_s,),) = cursor.execute(query).fetchall()
    return None if start_s is None else int(start_s)
