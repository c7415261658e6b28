"""Which series count in which lines: a batch of rollups becomes amounts to be added to lines, in a few array steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from topology.histogram import Ladder
from topology.machine import JIT, compiled
from topology.members import CLIENT_SIDE, GAUGE, HIDDEN, LOG, PART, ROOT_WORK, SERVER_SIDE, WORK, Members, edge_id
from topology.model import EdgeKey, GaugeKey, Kind, LogKey, OperationKey, SeriesKey
from topology.rollup import COUNTS, RollupBatch
from topology.slo.selection import Line, Term, What

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
NOTHING_ROW = 0


@dataclass(frozen=True, eq=False)
class Amounts:
    """`values` to be added to `rows` for the windows that start at `starts_s`."""

    starts_s: Ints
    rows: Ints
    values: Floats


def since(amounts: Amounts, row: int) -> Amounts:
    """Those of a row or any later one."""
    chosen = amounts.rows >= row
    return Amounts(amounts.starts_s[chosen], amounts.rows[chosen], amounts.values[chosen])


def until(amounts: Amounts, row: int) -> Amounts:
    """Those of the rows before a row."""
    chosen = amounts.rows < row
    return Amounts(amounts.starts_s[chosen], amounts.rows[chosen], amounts.values[chosen])


class Rows:
    """Numbers for lines. Row 0 is the line without terms: it counts nothing."""

    def __init__(self) -> None:
        self._numbers: dict[Line, int] = {(): NOTHING_ROW}
        self._count = 1
        self.terms: dict[tuple[What, str], list[tuple[int, Term]]] = {}

    def number(self, line: Line) -> int:
        """The row of a line, given out at first sight."""
        found = self._numbers.get(line)
        if found is None:
            found = self._numbers[line] = self.fresh()
            for term in line:
                self.terms.setdefault((term.what, term.subject), []).append((found, term))
        return found

    def fresh(self) -> int:
        """A row that no series counts in: for what is worked out from other rows."""
        self._count += 1
        return self._count - 1

    def about_since(self, row: int) -> set[tuple[What, str]]:
        """What the rows from this one on are about."""
        return {about for about, found in self.terms.items() if found[-1][0] >= row}

    def __len__(self) -> int:
        return self._count


@dataclass
class Incidence:
    """The part of every series 0..n-1 in the rows: series s has the entries `first[s]` to `first[s + 1]`."""

    rows: Rows
    ladder: Ladder
    _first: list[int] = field(default_factory=lambda: [0])
    _entries: list[tuple[int, int, float]] = field(default_factory=list)
    _thresholds: dict[int, int] = field(default_factory=dict)
    _arrays: tuple[Ints, Ints, Ints, Floats] | None = None
    counted: set[tuple[What, str]] = field(default_factory=set)
    """What the series that were taken in are about."""

    def extend(self, members: Members, keys: Sequence[SeriesKey]) -> None:
        """Takes in the series that are new; `members` must know them."""
        for number in range(len(self._first) - 1, len(members.role)):
            self._entries += self._of(members, number, keys[number])
            self._first.append(len(self._entries))
            self._arrays = None

    def rebuild(self, members: Members, keys: Sequence[SeriesKey]) -> None:
        """Takes in all series again: their numbers, what they belong to, or the lines are others."""
        self._first, self._entries, self._thresholds, self._arrays, self.counted = [0], [], {}, None, set()
        self.extend(members, keys)

    def _of(self, members: Members, number: int, key: SeriesKey) -> Iterator[tuple[int, int, float]]:
        role = int(members.role[number])
        for what, subject in _facets(members, number, key):
            self.counted.add((what, subject))
            for row, term in self.rows.terms.get((what, subject), ()):
                if _detail(key, term) and term.zone in (None, _zone(key)) and _counts(role, key, term):
                    yield row, self._column(term), term.factor

    def _column(self, term: Term) -> int:
        if not term.within_us:
            return term.column
        return len(COUNTS) + self._thresholds.setdefault(term.within_us, len(self._thresholds))

    def concerns(self, number: int, row: int) -> bool:
        """Whether a series that was taken in counts in a row or any later one."""
        mine = self._entries[self._first[number] : self._first[number + 1]]
        return any(entry[0] >= row for entry in mine)

    def amounts(self, batch: RollupBatch) -> Amounts:
        """What a batch adds to the rows. Its series must have been taken in."""
        first, row, column, factor = self._listed()
        many = first[batch.series + 1] - first[batch.series]
        at = np.repeat(np.arange(len(batch)), many)
        entry = np.arange(len(at)) - np.repeat(np.cumsum(many) - many, many) + first[batch.series][at]
        values = self._values(batch)[at, column[entry]] * factor[entry]
        some = values != 0
        return Amounts(batch.starts_s[at[some]], row[entry[some]], values[some])

    def _values(self, batch: RollupBatch) -> Floats:
        within = [self._within(batch, threshold_us) for threshold_us in self._thresholds]
        return np.column_stack([batch.counts, *within])

    def _within(self, batch: RollupBatch, threshold_us: int) -> Floats:
        below = int(np.searchsorted(self.ladder.bounds_us, threshold_us, side="right"))
        found: Floats = _sum_below(batch.hist_row, batch.hist_bucket, batch.hist_n, below, len(batch))
        return found

    def _listed(self) -> tuple[Ints, Ints, Ints, Floats]:
        if self._arrays is None:
            columns = list(zip(*self._entries, strict=True)) or [(), (), ()]
            self._arrays = (np.array(self._first, np.int64), np.array(columns[0], np.int64),
                            np.array(columns[1], np.int64), np.array(columns[2], np.float64))
        return self._arrays


@compiled(**JIT)
def _sum_below(row: npt.NDArray[np.int32], bucket: npt.NDArray[np.int16], n: Floats, below: int, rows: int) -> Floats:
    """For each row the sum of its cells in the buckets before `below`."""
    found = np.zeros(rows)
    for cell in range(len(row)):
        if bucket[cell] < below:
            found[row[cell]] += n[cell]
    return found


def compile_kernels() -> None:
    """Compiles what counting needs (a moment, once a machine), so that no harvest waits for it."""
    _sum_below(np.zeros(1, np.int32), np.zeros(1, np.int16), np.ones(1), 1, 1)


def _facets(members: Members, number: int, key: SeriesKey) -> Iterator[tuple[What, str]]:
    role, owner = int(members.role[number]), int(members.owner[number])
    if role == HIDDEN:
        return
    if isinstance(key, EdgeKey):
        yield from _path_facets(members, owner)
    elif isinstance(key, OperationKey):
        yield {WORK: What.WORK, ROOT_WORK: What.ROOT, PART: What.WORK}[role], members.nodes[owner].id
        yield What.WORK, ""
    elif role == LOG:
        yield What.LINES, members.nodes[owner].id
    elif role == GAUGE:
        yield What.GAUGE, members.nodes[owner].id


def _path_facets(members: Members, owner: int) -> Iterator[tuple[What, str]]:
    caller, callee = (members.nodes[end] for end in members.edges[owner])
    yield What.PATH, edge_id(caller, callee)
    if callee.kind is not Kind.SERVICE:
        yield What.CALLED, callee.id
    if caller.kind in (Kind.USER, Kind.UNKNOWN):
        yield What.CALLING, caller.id


def _detail(key: SeriesKey, term: Term) -> bool:
    if term.detail is None:
        return not (isinstance(key, OperationKey) and key.part)
    known = {OperationKey: "operation", LogKey: "level", GaugeKey: "metric"}.get(type(key))
    return known is not None and getattr(key, known) == term.detail


def _zone(key: SeriesKey) -> str:
    return key.callee_zone if isinstance(key, EdgeKey) else getattr(key, "zone", "")


def _counts(role: int, key: SeriesKey, term: Term) -> bool:
    """The calls of a path are counted at the client's side; they are timed there where the caller is a service, and
    else at the server's, the only one there is."""
    if role not in (CLIENT_SIDE, SERVER_SIDE) or not isinstance(key, EdgeKey):
        return True
    timed_at = CLIENT_SIDE if key.caller.kind is Kind.SERVICE else SERVER_SIDE
    return role == (timed_at if term.within_us else CLIENT_SIDE)
