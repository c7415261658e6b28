"""The sources that are asked: what they counted themselves, minute by minute, until the engine takes it in."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import structlog

from app.engine.claims import Claim, claims, unclaimed
from app.engine.deliveries import Delivery, Minute
from app.engine.parts import Parts
from topology.errors import StoreError
from topology.members import Members
from topology.model import SeriesKey
from topology.readings import MINUTE_S, Readings, by_minute
from topology.ring import Ring, Totals
from topology.rollup import RollupBatch, SeriesTable, concatenate, empty, rows_of

CHECKPOINT, TOLD = "source:", "told"
"""What the name of a source's checkpoint begins with, and the one that says until when each source has told."""
REMEMBERED_S = 1800
"""How far back minutes are remembered; an older one that is told again is looked up in the store."""
MOST_BEHIND_S = 300
"""A source that is silent for so long is not waited for: what it told last leaves the picture as time goes by."""
_log = structlog.get_logger("synoptic.asked")


@dataclass(frozen=True, eq=False)
class Taken:
    """What is new because of deliveries: rows in windows of a minute; whether an earlier belonging changed."""

    batch: RollupBatch
    changed: bool = False

    def fine(self, window_s: int) -> RollupBatch:
        """The same in windows as short as all else has: a minute is kept in its first one."""
        return replace(self.batch, window_s=window_s)


class Asked:
    """Takes deliveries from any thread (`offer`); everything else belongs to the engine, which holds its lock.

    Every source has a ring of its own that moves on with what it has told: "the last five minutes" of a source that
    is a minute behind are the last five that it told. `names`: the sources that count themselves."""

    def __init__(self, parts: Parts, names: frozenset[str], new_members: Callable[[], Members]) -> None:
        self.names = names
        self._ladder, self._store, self._new_members = parts.ladder, parts.store, new_members
        self._most_series = parts.pairing.bounds.max_series
        self._rings = {name: Ring(parts.ladder, MINUTE_S) for name in names}
        self._until_s = dict.fromkeys(names, 0)
        self._partial_s: dict[str, int] = {}
        self._readings = Readings()
        self._lock = threading.Condition()
        self._inbox: list[Delivery] = []
        self._numbers: dict[str, npt.NDArray[np.int64]] = {}
        self.checkpoints: dict[str, bytes] = {}
        self.refused = self.lost = 0

    def offer(self, delivery: Delivery, patience_s: float = 30.0) -> bool:
        """Hands over a delivery and waits until it is counted; False when that takes too long."""
        with self._lock:
            self._inbox.append(delivery)
            return self._lock.wait_for(lambda: all(one is not delivery for one in self._inbox), patience_s)

    def must_recall(self) -> bool:
        """Whether something waits whose minutes are only in the store: everything has to be committed first."""
        with self._lock:
            return any(self._unknown(delivery) for delivery in self._inbox)

    def _unknown(self, delivery: Delivery) -> list[int]:
        """The minutes of a delivery that were told before this process remembers."""
        until_s = self._until_s.get(delivery.source, 0)
        return [minute.start_s for minute in delivery.minutes
                if minute.start_s < until_s and not self._readings.knows(delivery.source, minute.start_s)]

    def take(self, series: SeriesTable, members: Members, ring: Ring, now_s: float, *, may_recall: bool) -> Taken:
        """Counts everything that waits, what is counted exactly (it is in `ring`, or in the store) left out. What
        cannot be compared with what was told before goes on waiting: while the store fails, and unless `may_recall`
        says that everything is committed, because the store would not know all of it."""
        with self._lock:
            waiting = list(self._inbox)
        taken = []
        for delivery in waiting:
            if not may_recall and self._unknown(delivery):
                break
            try:
                taken.append(self._take(delivery, series, members, ring))
            except StoreError as error:
                _log.error("what a source told cannot be compared with what it told before; it waits", why=str(error))
                break
        with self._lock:
            self._inbox = self._inbox[len(taken) :]
            self._lock.notify_all()
        self.advance(now_s)
        if not taken:
            return Taken(empty(MINUTE_S))
        self._numbers.clear()
        return Taken(concatenate([one.batch for one in taken]), any(one.changed for one in taken))

    def _take(self, delivery: Delivery, series: SeriesTable, members: Members, ring: Ring) -> Taken:
        lost = self._recall(delivery, series)
        numbered, refused = delivery.numbered(series, self._most_series)
        told = [(minute, said) for minute, said in numbered if minute.start_s not in lost]
        changed = members.extend(series.keys)
        claimed = self._claimed(told[0][0].start_s, told[-1][0].start_s + MINUTE_S, members, ring) if told else {}
        batches = [self._count(delivery.source, minute, said, members, claimed) for minute, said in told]
        self.refused += refused
        self._note(delivery)
        return Taken(concatenate(batches) if batches else empty(MINUTE_S), changed)

    def _claimed(self, from_s: int, to_s: int, members: Members, ring: Ring) -> Mapping[int, Claim]:
        """What is counted exactly in a span, by minutes."""
        if from_s >= ring.oldest_s:
            return claims(ring.rows(from_s, to_s, ring.numbers().astype(np.int32)), members)
        kept = self._store.rollups(from_s, to_s, MINUTE_S, self._ladder, histograms=False,
                                   choice=lambda key: key.source not in self.names)
        known = self._new_members()
        known.extend(kept.keys)
        return claims(kept.batch, known)

    def _note(self, delivery: Delivery) -> None:
        self.checkpoints[CHECKPOINT + delivery.source] = delivery.checkpoint
        self.checkpoints[TOLD] = json.dumps(self._until_s).encode()
        self._readings.forget_before(delivery.source, self._until_s.get(delivery.source, 0) - REMEMBERED_S)
        if delivery.partial:
            known = self._partial_s.get(delivery.source, 0)
            self._partial_s[delivery.source] = max(known, max(delivery.partial) + MINUTE_S)

    def _recall(self, delivery: Delivery, series: SeriesTable) -> set[int]:
        """Looks up what was told of minutes before; returns those of which only sums of longer windows are left."""
        lost: set[int] = set()
        for from_s, to_s in _stretches(sorted(self._unknown(delivery))):
            kept = self._store.rollups(from_s, to_s, MINUTE_S, self._ladder,
                                       choice=lambda key: key.source == delivery.source)
            if kept.batch.window_s > MINUTE_S:
                lost.update(range(from_s, to_s, MINUTE_S))
                continue
            numbers = np.array([series.number(key) for key in kept.keys], np.int32)
            found = by_minute(replace(kept.batch, series=numbers[kept.batch.series])) if len(kept.batch) else {}
            for start_s in range(from_s, to_s, MINUTE_S):
                said = found.get(start_s, empty(MINUTE_S))
                self._readings.recall(delivery.source, start_s, said)
        self.lost += len(lost)
        return lost

    def _count(self, source: str, minute: Minute, said: RollupBatch, members: Members,
               claimed: Mapping[int, Claim]) -> RollupBatch:
        own = rows_of(said, unclaimed(said, members, claimed.get(minute.start_s)))
        added = self._readings.replace(source, minute.start_s, own, minute.whole)
        self._until_s[source] = max(self._until_s[source], minute.start_s + MINUTE_S)
        self._rings[source].add(added)
        return added

    def recover(self, told: bytes) -> None:
        """Takes back until when each source had told."""
        self._until_s |= {name: until_s for name, until_s in json.loads(told).items() if name in self.names}

    def restore(self, batch: RollupBatch, keys: Sequence[SeriesKey]) -> RollupBatch:
        """Takes the rows of its sources out of what the store had of the last hour; returns the others."""
        if not self.names or not len(batch):
            return batch
        source = np.array([key.source if key.source in self.names else "" for key in keys])[batch.series]
        for name in self.names:
            mine = by_minute(rows_of(batch, source == name)) if (source == name).any() else {}
            for start_s, rows in mine.items():
                self._rings[name].add(rows)
                self._until_s[name] = max(self._until_s[name], start_s + MINUTE_S)
        return rows_of(batch, source == "")

    def advance(self, now_s: float) -> None:
        """Moves every ring on to the newest minute its source has told."""
        for name, ring in self._rings.items():
            ring.advance(max(self._until_s[name] - MINUTE_S, now_s - MOST_BEHIND_S))

    def add_to(self, totals: Totals, span_s: int) -> Totals:
        """The totals of the newest `span_s`, with what every source told of its own newest."""
        told = [(name, self._last(name, span_s)) for name in sorted(self.names)]
        told = [(name, one) for name, one in told if len(one.counts)]
        if not told:
            return totals
        rows = max(len(totals.counts), *(len(one.counts) for _, one in told))
        counts, buckets = _longer(totals.counts, rows), _longer(totals.buckets, rows)
        for name, one in told:
            if name not in self._numbers:
                self._numbers[name] = self._rings[name].numbers()
            mine = self._numbers[name]
            counts[mine] += one.counts[mine]
            buckets[mine] += one.buckets[mine]
        return Totals(counts, buckets)

    def _last(self, name: str, span_s: int) -> Totals:
        ring = self._rings[name]
        if span_s in ring.spans:
            return ring.last(span_s)
        return ring.between(ring.newest_end_s - span_s, ring.newest_end_s)

    def rows(self, from_s: float, to_s: float, series: npt.NDArray[np.int32]) -> list[RollupBatch]:
        """The minutes that begin in [from_s, to_s), of the given series only, a batch a source that has some."""
        found = [ring.rows(from_s, to_s, series) for ring in self._rings.values()]
        return [batch for batch in found if len(batch)]

    def numbers(self) -> npt.NDArray[np.int64]:
        """The series that occur in any ring."""
        held = [ring.numbers() for ring in self._rings.values()]
        return np.unique(np.concatenate(held)) if held else np.empty(0, np.int64)

    def renumber(self, new_of: npt.NDArray[np.int64], series: int) -> None:
        """Gives every series another number, see `Ring.renumber`."""
        self._numbers.clear()
        self._readings.renumber(new_of)
        for ring in self._rings.values():
            ring.renumber(new_of, series)

    def newest_end_s(self) -> float:
        """When the newest minute ended that any source told, epoch seconds; 0 before the first."""
        return float(max(self._until_s.values(), default=0))

    def quality(self) -> dict[str, int]:
        """Rows refused because of the bound on series, and minutes that came too late to be compared with what is
        stored of them."""
        return {"told_refused": self.refused, "told_too_late": self.lost}

    def partial(self, since_s: float) -> frozenset[str]:
        """The sources that left something out of a minute since then."""
        return frozenset(name for name, until_s in self._partial_s.items() if until_s > since_s)


def _stretches(starts: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending minutes as [from_s, to_s) of neighbours."""
    ends = [i + 1 for i, (a, b) in enumerate(pairwise(starts)) if b != a + MINUTE_S]
    return [(starts[low], starts[high - 1] + MINUTE_S)
            for low, high in pairwise([0, *ends, len(starts)])] if starts else []


def _longer(rows: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    longer = np.zeros((n, rows.shape[1]))
    longer[: len(rows)] = rows
    return longer
