"""Pairing: batches of spans in, rollups out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from topology.histogram import Ladder
from topology.interning import Interner
from topology.lookup import insert_all
from topology.model import EdgeKey, Resource, SeriesKey, Service, Side
from topology.pairing import entries, expiry, kernel
from topology.pairing.expiry import EXPIRE_AT_ONCE
from topology.pairing.naming import Bounds, FailureRules, Naming
from topology.pairing.selftime import SCRATCH_WORDS
from topology.pairing.tally import Tally
from topology.pairing.targets import Alias, no_alias
from topology.rollup import RollupBatch, SeriesTable, concatenate, rows_of
from topology.spans import SpanColumns

FIRST_RING = 1 << 14
NEW_EDGES_AT_ONCE = 1 << 16
RECENT_HARVESTS = 300
"""Ten minutes of ticks: a series that was counted in them is kept when numbers run out."""

COUNTERS = {
    "spans": entries.SPANS, "duplicates": entries.DUPLICATES, "lost_parents": entries.LOST_PARENTS,
    "pending": entries.WAITING, "late": entries.LATE, "ahead_of_time": entries.FUTURE, "invalid": entries.INVALID,
    "unnamed_targets": entries.UNNAMED, "pairs": entries.PAIRS, "virtual_calls": entries.VIRTUAL,
    "root_calls": entries.ROOTS, "expired_early": entries.EXPIRED_EARLY, "truncated_children": entries.TRUNCATED,
}
"""Counters of the sources page and `/api/v1/quality`, and the words of the state that hold them."""


class Pairing:
    """Spans of one source to calls, work and self time, by the seven rules.

    Deterministic: the same batches at the same times give the same rollups. Time is the arrival time handed
    in, never a clock. Not thread-safe.
    """

    _ring: np.ndarray
    _hash: np.ndarray

    def __init__(self, strings: Interner, resource_of: Callable[[int], Resource], ladder: Ladder, *,
                 rules: FailureRules | None = None, bounds: Bounds | None = None, horizon_s: float = 30.0,
                 late_limit_s: float = 3600.0, window_s: int = 10, alias: Alias = no_alias,
                 source: str = "otlp", clean: Callable[[str], str] = str) -> None:
        self.bounds = bounds or Bounds()
        self._horizon_ms = int(horizon_s * 1000)
        self._state = np.zeros(entries.STATE_WORDS, np.int64)
        self._address = int(self._state.ctypes.data)
        # an int from here takes a third of the time that one from the array takes
        self._read = self._state.data
        self._tally = Tally(ladder, window_s)
        self.naming = Naming(strings, resource_of, self._state, rules or FailureRules(), self.bounds, alias, source,
                             clean)
        self._edges = np.zeros((2 * _power_of_two(self.bounds.max_series), 2), np.int64)
        self._new_edges = np.zeros((NEW_EDGES_AT_ONCE, 2), np.int64)
        self._scratch = np.zeros(SCRATCH_WORDS, np.int64)
        self._last_used = np.zeros(self.bounds.max_series, np.int64)
        self._harvests = 0
        self._numbered_for: list[SeriesKey] | None = None
        self._numbers = np.empty((2, 0), np.int32)
        self._set_state(window_s, late_limit_s)
        # Address space for the bound; memory is taken as the ring grows into it, in place.
        self._reserved = np.zeros((max(_power_of_two(self.bounds.max_pending_spans), FIRST_RING), 8), np.int64)
        self._state[entries.RING_BOUND] = len(self._reserved)
        self._use_ring(FIRST_RING)
        self._use_hash(np.zeros(1 << 15, np.int64))

    def _set_state(self, window_s: int, late_limit_s: float) -> None:
        state, ends = self._state, self.naming.ends
        state[[entries.HEAD, entries.TAIL, entries.KEPT, entries.LOCALS]] = 1
        state[entries.TALLY] = self._tally.address
        state[entries.EDGES], state[entries.EDGE_MASK] = self._edges.ctypes.data, len(self._edges) - 1
        state[entries.MAX_LOCALS] = self.bounds.max_series
        state[entries.NEW_EDGES], state[entries.NEW_EDGES_CAPACITY] = self._new_edges.ctypes.data, len(self._new_edges)
        state[entries.WAITS], state[entries.USER_OF] = ends.waits.ctypes.data, ends.user_of.ctypes.data
        state[entries.UNKNOWN_OF], state[entries.SERVICE_OF] = ends.unknown_of.ctypes.data, ends.service_of.ctypes.data
        state[entries.WINDOW_NS], state[entries.LATE_NS] = window_s * 1_000_000_000, int(late_limit_s * 1e9)
        state[entries.SCRATCH] = self._scratch.ctypes.data

    def _use_ring(self, rows: int) -> None:
        ring = self._reserved[:rows]
        if self._state[entries.RING]:
            entries.move_entries(self._address, int(ring.ctypes.data), rows - 1)
        self._ring = ring
        self._state[entries.RING], self._state[entries.RING_MASK] = ring.ctypes.data, rows - 1

    def _use_hash(self, slots: np.ndarray) -> None:
        if self._state[entries.HASH]:
            entries.move_slots(int(self._hash.ctypes.data), len(self._hash), int(slots.ctypes.data), len(slots) - 1)
        self._hash = slots
        self._state[entries.HASH], self._state[entries.HASH_MASK] = slots.ctypes.data, len(slots) - 1

    def take(self, columns: SpanColumns, now_ns: int) -> None:
        """Counts a batch that arrived at `now_ns` (epoch nanoseconds; a clock that goes back counts as standing)."""
        self.naming.resolve(columns)
        if kernel.take(self._address, columns.addresses[0], self.naming.address, columns.used, now_ns,
                       self._horizon_ms):
            self._name_new_edges()
        else:
            self._take_in_steps(columns, now_ns)

    def _take_in_steps(self, columns: SpanColumns, now_ns: int) -> None:
        """The same with growing tables, and in pieces when there is a lot to expire or to count."""
        self._name_new_edges()
        self.advance(now_ns)
        done = 0
        while done < columns.used:
            n = min(columns.used - done, EXPIRE_AT_ONCE)
            self._make_room(2 * n)
            kernel.arrive_all(self._address, columns.addresses[0] + done * 64, self.naming.address + done * 32, n)
            done += n
            self._name_new_edges()

    def advance(self, now_ns: int) -> None:
        """Lets what waited longer than the horizon expire."""
        now_ms = expiry.tell_time(self._address, now_ns) // 1_000_000
        while self._expire(now_ms - self._horizon_ms) == EXPIRE_AT_ONCE:
            pass
        expiry.release(self._address, now_ms - 2 * self._horizon_ms)

    def _expire(self, before_ms: int) -> int:
        self._make_room(min(self.waiting, EXPIRE_AT_ONCE))
        done = expiry.expire(self._address, before_ms, EXPIRE_AT_ONCE)
        self._name_new_edges()
        return int(done)

    def _make_room(self, more: int) -> None:
        """Room for `more` entries in ring and hash table and for what they may count."""
        self._tally.ensure(8 * more + 1024)
        while not expiry.make_room(self._address, more):
            if len(self._ring) < len(self._reserved):
                self._use_ring(2 * len(self._ring))
            else:
                self._name_new_edges()
                self._tally.ensure(8 * more + 1024)
        if (self.waiting + more) * 2 > len(self._hash):
            # Far more than needed now: every step touches all of a table that is new to the machine.
            needed = 2 * _power_of_two(self.waiting + more)
            self._use_hash(np.zeros(max(needed, min(2 * needed, 2 * len(self._reserved))), np.int64))

    def _name_new_edges(self) -> None:
        used = self._read[entries.NEW_EDGES_USED]
        if used:
            self.naming.name_edges(self._new_edges[:used])
            self._state[entries.NEW_EDGES_USED] = 0

    def harvest(self, series: SeriesTable) -> RollupBatch:
        """What was counted since the last harvest, as deltas in numbers of `series`."""
        local, batch, server = self._tally.harvest()
        self._harvests += 1
        self._last_used[local] = self._harvests
        numbers, server_numbers = self._series_numbers(local, series)
        edges = server_numbers[server.series] >= 0
        batch = replace(batch, series=numbers[batch.series])
        counts = batch.counts.copy()
        counts[edges, 5] = 0.0
        batch = replace(batch, counts=counts)
        server = rows_of(server, edges & (server.counts[:, 4] != 0) | _has_buckets(server))
        return concatenate([batch, replace(server, series=server_numbers[server.series])])

    def _series_numbers(self, local: np.ndarray, series: SeriesTable) -> tuple[np.ndarray, np.ndarray]:
        """The numbers in `series` of local numbers, and those of the server side of paths (-1 for others)."""
        if self._numbered_for is not series.keys:
            self._numbered_for = series.keys
            self._numbers = np.full((2, self.bounds.max_series), -1, np.int32)
        for number in np.unique(local[self._numbers[0, local] < 0]).tolist():
            key = self.naming.keys[number]
            assert key is not None
            self._numbers[0, number] = series.number(key)
            if isinstance(key, EdgeKey):
                self._numbers[1, number] = series.number(replace(key, side=Side.SERVER))
        return self._numbers[0], self._numbers[1]

    @property
    def waiting(self) -> int:
        """How many spans can still be found, paired or not."""
        return int(self._state[entries.HEAD] - self._state[entries.TAIL])

    def discard(self) -> None:
        """Forgets what was counted since the last harvest, and starts the counters anew: it is known elsewhere."""
        self._tally.harvest()
        for word in COUNTERS.values():
            if word != entries.WAITING:
                self._state[word] = 0

    @property
    def invalid(self) -> int:
        """How many spans had no valid trace or span id."""
        return self._read[entries.INVALID]

    @property
    def crowded(self) -> bool:
        """Whether nine tenths of the series that may be are in use: time to `renew`."""
        return bool(self._state[entries.LOCALS] * 10 > self.bounds.max_series * 9)

    def renew(self) -> None:
        """Forgets series that nothing was counted for lately, so that the bound holds only what is alive.
        Call it right after a harvest."""
        work, ends = self._ring[:, entries.E_WORK], self._ring[:, entries.E_ENDS]
        operations = work & 0xFFFFFF
        undecided = (ends >> entries.FLAGS_SHIFT) & entries.KINDLESS != 0
        instances = np.where(undecided, (ends >> entries.END_BITS) & entries.END_MASK, 0)
        recent = np.flatnonzero(self._last_used >= self._harvests - RECENT_HARVESTS)
        keep = np.union1d(recent, np.union1d(operations, instances))
        new_of = self.naming.renew(keep[(keep > 0) & (keep < len(self.naming.keys))])
        known_or_none = np.append(new_of, 0)
        work += known_or_none[np.minimum(operations, len(new_of))] - operations
        ends += (known_or_none[np.minimum(instances, len(new_of))] - instances) << entries.END_BITS
        known = (self._edges[:, 0] != 0) & (new_of[self._edges[:, 1]] > 0)
        pairs = np.stack([self._edges[known, 0], new_of[self._edges[known, 1]]], axis=1)
        self._edges[:] = 0
        insert_all(int(self._edges.ctypes.data), len(self._edges) - 1, pairs)
        self._last_used = np.full(self.bounds.max_series, self._harvests)
        self._numbered_for = None

    def counters(self) -> dict[str, int]:
        """The counters of data quality, by their public names."""
        counted = {name: int(self._state[word]) for name, word in COUNTERS.items()}
        counted["overflow"] = self._overflow()
        return counted

    def _overflow(self) -> int:
        return self.naming.operation_overflow + self.naming.ends.overflow + self._tally.overflow

    def newest_ns(self) -> int:
        """When the newest span that was counted ended; 0 before the first."""
        return int(self._state[entries.NEWEST_NS])

    def stores_seen_to(self) -> list[Service]:
        """Targets that answer with spans of their own, so that their clients wait."""
        ends = self.naming.ends
        return [ends.services[i] for i in np.flatnonzero(ends.waits).tolist()]

    def expect_answers_from(self, services: Iterable[Service]) -> None:
        """Restores what `stores_seen_to` told before a restart."""
        for service in services:
            self.naming.ends.waits[self.naming.ends.number(service)] = 1


def _power_of_two(n: int) -> int:
    return 1 << (n - 1).bit_length()


def _has_buckets(batch: RollupBatch) -> np.ndarray:
    has = np.zeros(len(batch), bool)
    has[batch.hist_row] = True
    return has

