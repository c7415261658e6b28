"""What a source told at once, as columns: made by whoever asked, so that counting it holds nobody up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from collectors.contract import Reading
from topology.model import SeriesKey
from topology.readings import MINUTE_S
from topology.rollup import RollupBatch, SeriesTable, from_rows, rows_of


@dataclass(frozen=True, eq=False)
class Minute:
    """One minute: rows by the place of their key among those of the delivery. When not `whole`, series that are missing
    keep what was said of them."""

    start_s: int
    whole: bool
    rows: RollupBatch


@dataclass(frozen=True, eq=False)
class Delivery:
    """Minutes in order, and the source's checkpoint, which is true when they are counted. `partial`: the starts of
    minutes of which something is missing."""

    source: str
    keys: Sequence[SeriesKey]
    minutes: Sequence[Minute]
    checkpoint: bytes
    partial: Collection[int] = ()

    def numbered(self, series: SeriesTable, most: int) -> tuple[list[tuple[Minute, RollupBatch]], int]:
        """The rows of every minute with the numbers of their series, and how many keys were refused, because `most`
        series are known."""
        numbers = np.array([_number(key, series, most) for key in self.keys], np.int64)
        found = []
        for minute in self.minutes:
            number = numbers[minute.rows.series]
            kept = rows_of(minute.rows, number >= 0)
            found.append((minute, replace(kept, series=number[number >= 0].astype(np.int32))))
        return found, int((numbers < 0).sum())


def _number(key: SeriesKey, series: SeriesTable, most: int) -> int:
    known = series.numbers.get(key)
    if known is not None:
        return known
    return series.number(key) if len(series) < most else -1


def delivery(source: str, readings: Sequence[Reading], checkpoint: bytes, partial: Collection[int] = ()) -> Delivery:
    """The columns of what a source told."""
    places: dict[SeriesKey, int] = {}
    minutes = []
    for reading in sorted(readings, key=lambda one: one.start_s):
        rows = [(reading.start_s, places.setdefault(row.key, len(places)), row.counts, dict(row.buckets))
                for row in reading.rows]
        whole = reading.complete and not reading.withheld
        minutes.append(Minute(reading.start_s, whole, from_rows(MINUTE_S, rows)))
    lacking = [*partial, *(one.start_s for one in readings if not one.complete)]
    return Delivery(source, list(places), minutes, checkpoint, lacking)
