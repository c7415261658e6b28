"""The rollups of a DuckDB file as they are at one moment: that at which the transaction of the cursor began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from topology.histogram import Ladder
from topology.model import SeriesKey
from topology.store import small_tables, tier_tables
from topology.store.contract import Choice, KeyedRollups, everything
from topology.store.database import Cursor
from topology.store.tier_tables import Reach, Selection
from topology.store.tiers import Retention, whole_windows


@dataclass(frozen=True, eq=False)
class StoredMoment:
    """Answers as `Reading` says, for as long as the transaction lasts. `known` are the series by number."""

    cursor: Cursor
    known: Mapping[int, SeriesKey]
    retention: Retention

    @property
    def _windows(self) -> tuple[int, ...]:
        return tuple(tier.window_s for tier in self.retention.tiers)

    def rollups(self, from_s: float, to_s: float, window_s: int, ladder: Ladder,
                choice: Choice = everything, histograms: bool = True) -> KeyedRollups:
        """Sums what all tiers hold of the span."""
        reach, window_s = self._reach(from_s, to_s, window_s)
        span = Selection(self._windows, reach, _chosen(self.known, choice))
        if histograms:
            rows = tier_tables.read(self.cursor, span, window_s, small_tables.bounds(self.cursor).to_buckets(ladder))
        else:
            rows = tier_tables.read_counts(self.cursor, span, window_s)
        numbers, series = tier_tables.places(rows.series)
        batch = replace(tier_tables.batch_of(rows, window_s), series=series)
        return KeyedRollups(batch, [self.known[number] for number in numbers], ladder)

    def seen(self, from_s: float, to_s: float) -> list[SeriesKey]:
        """The series that have counts in a span."""
        reach, _ = self._reach(from_s, to_s, 1)
        return [self.known[number] for number in sorted(tier_tables.series_in(self.cursor, self._windows, reach))]

    def _reach(self, from_s: float, to_s: float, window_s: int) -> tuple[Reach, int]:
        start, end, window_s = whole_windows(
            self.retention.tiers, (from_s, to_s), window_s,
            lambda place, low, high: tier_tables.holds(self.cursor, self._windows[place], Reach(low, high)))
        return Reach(start, end), window_s


def _chosen(known: Mapping[int, SeriesKey], choice: Choice) -> npt.NDArray[np.int32] | None:
    """The numbers of the chosen series, ascending; None for all."""
    numbers = sorted(number for number, key in known.items() if choice(key))
    return None if len(numbers) == len(known) else np.array(numbers, np.int32)
