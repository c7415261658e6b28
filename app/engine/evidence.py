"""What is known of every node and path when its health is judged: events over short, long, day and period."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topology.graph import figures
from topology.histogram import Ladder
from topology.members import Members
from topology.model import EdgeKey, OperationKey, SeriesKey
from topology.ring import Totals
from topology.rollup import CALLS, ERRORS, RollupBatch, SeriesTable
from topology.store.contract import KeyedRollups, Store

DAY_S = 86400
PERIOD_S = 30 * DAY_S
NOTHING = (0.0, 0.0, 0.0)


def slow_totals(totals: Totals, ladder: Ladder, threshold_us: int) -> Totals:
    """The same counts with one bucket a series: the calls that took longer than the threshold."""
    slow = totals.buckets.sum(axis=1) - ladder.good(totals.buckets, threshold_us)
    return Totals(totals.counts, slow[:, None])


@dataclass(frozen=True)
class Judged:
    """Calls, failed and slow calls by node number and by path number: lists, since they are read one by one."""

    nodes: Sequence[Sequence[float]]
    edges: Sequence[Sequence[float]]

    def row(self, of: str, number: int) -> Sequence[float]:
        """The events of one of the `nodes` or `edges`; none for a number that was not known then."""
        rows = self.nodes if of == "nodes" else self.edges
        return rows[number] if number < len(rows) else NOTHING


def events(members: Members, totals: Totals) -> Judged:
    """The events of every node and path; `totals` as `slow_totals` makes them."""
    sums = figures(members, totals)
    return Judged(_rows(sums.work.counts, sums.work.buckets), _rows(sums.client.counts, sums.client.buckets))


def _rows(counts: npt.NDArray[np.float64], slow: npt.NDArray[np.float64]) -> list[list[float]]:
    rows: list[list[float]] = np.stack([counts[:, CALLS], counts[:, ERRORS], slow[:, 0]], axis=1).tolist()
    return rows


class Budgets:
    """Calls, failures and slow calls of every series over the last day and the last 30 days.

    Read from the store now and then, and kept in step with every harvest in between.
    """

    def __init__(self, store: Store, series: SeriesTable, ladder: Ladder, threshold_us: int) -> None:
        self._store, self._series, self._ladder, self._threshold_us = store, series, ladder, threshold_us
        self._lock = threading.Lock()
        self._base: dict[int, Totals] = {}
        self._since = Totals(np.zeros((0, 7)), np.zeros((0, 1)))

    def add(self, batch: RollupBatch) -> None:
        """Takes in what was just counted."""
        slow = batch.hist_bucket > self._ladder.bucket(self._threshold_us)
        slow_calls = np.bincount(batch.hist_row[slow], batch.hist_n[slow], minlength=len(batch))
        with self._lock:
            self._since = _grown(self._since, int(batch.series.max()) + 1)
            np.add.at(self._since.counts, batch.series, batch.counts)
            np.add.at(self._since.buckets[:, 0], batch.series, slow_calls)

    def forget(self) -> None:
        """Forgets everything, because the numbers of the series are new."""
        with self._lock:
            self._base, self._since = {}, Totals(np.zeros((0, 7)), np.zeros((0, 1)))

    def refresh(self, now_s: float) -> None:
        """Reads both spans again. Only what is committed is read: call it right after a commit."""
        with self._lock:
            before = Totals(self._since.counts.copy(), self._since.buckets.copy())
        base = {span: self._read(now_s - span, now_s + DAY_S) for span in (DAY_S, PERIOD_S)}
        with self._lock:
            self._base = base
            self._since = _plus(self._since, Totals(-before.counts, -before.buckets))

    def _read(self, from_s: float, to_s: float) -> Totals:
        kept = self._store.rollups(from_s, to_s, 3600, self._ladder, choice=_judged)
        return slow_totals(dense(kept, self._series), self._ladder, self._threshold_us)

    def over(self, span_s: int) -> Totals:
        """The totals of the last day or period."""
        with self._lock:
            return _plus(self._base.get(span_s, self._since), self._since) if self._base else self._since


def _judged(key: SeriesKey) -> bool:
    return isinstance(key, OperationKey | EdgeKey)


def dense(kept: KeyedRollups, series: SeriesTable) -> Totals:
    """Stored rows added up by series, in the numbers of `series` (which takes in the ones it does not know)."""
    batch = kept.batch
    numbers = np.array([series.number(key) for key in kept.keys], np.int64)
    totals = Totals(np.zeros((len(series), 7)), np.zeros((len(series), kept.ladder.buckets)))
    if len(batch):
        rows = numbers[batch.series]
        np.add.at(totals.counts, rows, batch.counts)
        np.add.at(totals.buckets, (rows[batch.hist_row], batch.hist_bucket), batch.hist_n)
    return totals


def _grown(totals: Totals, series: int) -> Totals:
    if series <= len(totals.counts):
        return totals
    room = 1 << series.bit_length()
    return Totals(_pad(totals.counts, room), _pad(totals.buckets, room))


def _plus(a: Totals, b: Totals) -> Totals:
    n = max(len(a.counts), len(b.counts))
    return Totals(_pad(a.counts, n) + _pad(b.counts, n), _pad(a.buckets, n) + _pad(b.buckets, n))


def _pad(rows: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    return np.pad(rows, ((0, n - len(rows)), (0, 0)))
