"""Minutes that a source counted itself and tells again and again: what has to be added so that its last word holds.

Rollups only ever add up, so a minute that is told anew becomes the difference to what was told before. The sum of all
differences is the last word, whatever came in between (a law that is tested).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from topology.rollup import RollupBatch, coarsen, concatenate, rows_of

MINUTE_S = 60


class Readings:
    """The last word of every source on every minute it may still change. Batches have windows of a minute, a row a
    series. Not thread-safe."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, int], RollupBatch] = {}

    def knows(self, source: str, start_s: int) -> bool:
        """Whether what the source said of a minute is remembered."""
        return (source, start_s) in self._said

    def recall(self, source: str, start_s: int, said: RollupBatch) -> None:
        """Takes back, from a store, what was said of a minute before."""
        self._said[source, start_s] = said

    def replace(self, source: str, start_s: int, said: RollupBatch, complete: bool = True) -> RollupBatch:
        """What has to be added so that `said` is all that is counted of the minute; where it is not `complete`, series
        that it does not name keep what was said of them."""
        before = self._said.get((source, start_s))
        if before is not None and not complete:
            kept = rows_of(before, ~np.isin(before.series, said.series))
            said = concatenate([kept, said])
        self._said[source, start_s] = said
        return said if before is None else _difference(said, before)

    def forget_before(self, source: str, start_s: int) -> None:
        """Forgets the minutes of a source that begin earlier: it will not speak of them again."""
        for key in [key for key in self._said if key[0] == source and key[1] < start_s]:
            del self._said[key]

    def renumber(self, new_of: npt.NDArray[np.int64]) -> None:
        """Gives every series another number; rows of a series whose new number is -1 are forgotten."""
        for key, said in self._said.items():
            kept = rows_of(said, new_of[said.series] >= 0)
            self._said[key] = replace(kept, series=new_of[kept.series].astype(np.int32))


def _difference(said: RollupBatch, before: RollupBatch) -> RollupBatch:
    """What was added less what was there; series of which nothing changed have no row."""
    taken = replace(before, counts=-before.counts, hist_n=-before.hist_n)
    added = coarsen(concatenate([said, taken]), said.window_s)
    changed = (added.counts != 0).any(axis=1)
    changed[added.hist_row] = True
    return rows_of(added, changed)


def by_minute(batch: RollupBatch) -> dict[int, RollupBatch]:
    """The rows of a batch by the minute they are in, a row a series."""
    minutes = coarsen(batch, MINUTE_S)
    starts: Sequence[int] = np.unique(minutes.starts_s).tolist()
    return {start_s: rows_of(minutes, minutes.starts_s == start_s) for start_s in starts}
