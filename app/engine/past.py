"""What the store holds of a moment that is over, in whole windows so that nothing is counted twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.engine.evidence import dense
from topology.histogram import Ladder
from topology.model import SeriesKey
from topology.ring import Totals
from topology.rollup import COUNTS, SeriesTable
from topology.store.contract import KeyedRollups, Store

HOUR_S = 3600
FINEST_S = 10
PART_S = 600


@dataclass(frozen=True)
class Past:
    """Totals of [start_s, start_s + length_s), a row a series of `keys`."""

    totals: Totals
    keys: Sequence[SeriesKey]
    start_s: int
    length_s: int


def before(store: Store, ladder: Ladder, at_s: float, span_s: float) -> Past:
    """The newest `span_s` of a moment: the windows that a live picture showed then. Where only longer windows are
    left, whole ones of those."""
    window_s = FINEST_S
    while True:
        end_s, length_s = _up(at_s, window_s), _up(span_s, window_s)
        kept = store.rollups(end_s - length_s, end_s, window_s, ladder)
        if kept.batch.window_s <= window_s:
            return Past(*_added_up([kept]), end_s - length_s, length_s)
        window_s = kept.batch.window_s


def long_before(store: Store, ladder: Ladder, at_s: float, span_s: int) -> Past:
    """The whole hours of a day or more, and what the last hour had up to the moment."""
    hour_s = int(at_s // HOUR_S) * HOUR_S
    parts = [store.rollups(hour_s - span_s, hour_s, HOUR_S, ladder)]
    if at_s > hour_s:
        parts.append(store.rollups(hour_s, _up(at_s, FINEST_S), FINEST_S, ladder))
    return Past(*_added_up(parts), hour_s - span_s, _up(at_s, FINEST_S) - hour_s + span_s)


def recent(store: Store, ladder: Ladder, now_s: float, keep_s: float) -> Iterator[KeyedRollups]:
    """Everything of the last `keep_s` in the finest windows there are, ten minutes at a time, so that no more than
    that is in memory. Where only longer windows are left, whole ones of those: no window is in two parts."""
    start_s, until_s = now_s - keep_s, now_s + 60
    while start_s < until_s:
        end_s = min((start_s // PART_S + 1) * PART_S, until_s)
        kept = store.rollups(start_s, end_s, FINEST_S, ladder)
        yield kept
        start_s = _up(end_s, kept.batch.window_s)


def _up(seconds: float, step_s: int) -> int:
    return int(-(-seconds // step_s)) * step_s


def _added_up(parts: Sequence[KeyedRollups]) -> tuple[Totals, Sequence[SeriesKey]]:
    table = SeriesTable()
    totals = [dense(part, table) for part in parts]
    whole = Totals(np.zeros((len(table), len(COUNTS))), np.zeros((len(table), parts[0].ladder.buckets)))
    for part in totals:
        whole.counts[: len(part.counts)] += part.counts
        whole.buckets[: len(part.buckets)] += part.buckets
    return whole, table.keys
