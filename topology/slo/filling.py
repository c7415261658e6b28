"""A ledger filled from the store: hours of the long past, minutes of the last days, ten seconds of the last hour.

The same counts give the same standings as if they had come one by one, so a restart changes nothing; and a ledger
filled up to a moment of the past judges that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from topology.members import Members
from topology.model import EdgeKey, GaugeKey, LogKey, OperationKey, SeriesKey
from topology.rollup import RollupBatch, SeriesTable
from topology.slo.grid import CELL_S, DAY_S, HOUR_S, MINUTE_S
from topology.slo.hours import restore
from topology.slo.incidence import since, until
from topology.slo.ledger import NONE_UNFILLED, Ledger, Promises
from topology.slo.objectives import Measure, Method, Missing, Slo, Threshold
from topology.slo.selection import of_lines
from topology.store.contract import Choice, Reading

MINUTES_KEPT_S = 3 * DAY_S + HOUR_S
SLICES_REREAD_S = 7 * DAY_S
"""Slices of so long are worked out again from stored minutes; those of older ones are remembered as hours."""
AHEAD_S = 60
"""How far clocks may be ahead: what is stamped so is stored, and waits for its time."""


def fill(new: Callable[[], Ledger], store: Reading, table: SeriesTable, members: Members, to_s: float,
         remembered: bytes = b"", ahead_s: int = 0, minutes_back_s: int | None = None) -> Ledger:
    """A new ledger with all that the store holds of the time before `to_s`, and of `ahead_s` more, which waits for its
    time. `table` and `members` learn the series.

    `remembered` is what `hours.remember` gave. What is older than `minutes_back_s` (if not said: three days, a week
    where slices are to be worked out) is read in whole hours. All names are learnt first, since one may change whose
    calls others are; then only series that count for an objective are read.
    """
    ledger = new()
    parts = list(_parts(ledger, to_s, ahead_s, minutes_back_s))
    possible = _choice(ledger)
    for key in filter(possible, store.seen(parts[0][0], parts[-1][1])):
        table.number(key)
    members.extend(table.keys)
    ledger.take(members, table.keys)
    for part in parts:
        ledger.advance(min(part[1], to_s) - 1)
        kept = _read(ledger, store, table, part)
        if len(kept):
            ledger.add(kept)
    ledger.advance(to_s)
    restore(ledger, remembered)  # the last part is worked out by now: an hour that still has nothing lacks its minutes
    return ledger


def complete(ledger: Ledger, store: Reading, table: SeriesTable, to_s: float,
             uncommitted: Iterable[RollupBatch]) -> None:
    """Gives new rows of a ledger their past: what the store holds, and what it does not hold yet. Only series that
    count in them are read, so it costs as much as the new objectives do."""
    first, ledger.unfilled_from = ledger.unfilled_from, NONE_UNFILLED

    for part in _parts(ledger, to_s, AHEAD_S, None):
        batch = _read(ledger, store, table, part, first)
        if len(batch):
            ledger.grid.add(since(ledger.incidence.amounts(batch), first))
    for batch in uncommitted:
        if len(batch):
            ledger.grid.add(since(ledger.incidence.amounts(batch), first))


def catch_up(ledger: Ledger, batches: Iterable[RollupBatch]) -> None:
    """Adds what was harvested while a ledger was filled. Rows that know nothing of the past yet are left out: what
    `complete` gives them has it."""
    for batch in batches:
        if len(batch):
            amounts = until(ledger.incidence.amounts(batch), ledger.unfilled_from)
            ledger.grid.add(amounts)
            ledger.derivation.touch(amounts)


def needs_minutes(promises: Promises) -> bool:
    """Whether any objective is worked out from minutes of the past."""
    return any(map(_sliced, promises.slos))


def _parts(ledger: Ledger, to_s: float, ahead_s: int, minutes_back_s: int | None) -> Iterator[tuple[int, int, int]]:
    """(from_s, to_s, window_s), oldest first. They meet at whole hours, so that no window of any tier is in two."""
    fine_s = _hour(to_s - HOUR_S)
    usual_s = SLICES_REREAD_S if needs_minutes(ledger.promises) else MINUTES_KEPT_S
    minutes_s = _hour(to_s - (minutes_back_s or usual_s))
    oldest_s = _hour(to_s - ledger.promises.longest_s - 34 * DAY_S)
    yield oldest_s, minutes_s, HOUR_S
    for start_s in range(minutes_s, fine_s, DAY_S):
        yield start_s, min(start_s + DAY_S, fine_s), MINUTE_S
    yield fine_s, -(-int(np.ceil(to_s)) // CELL_S) * CELL_S + ahead_s, CELL_S


def _sliced(slo: Slo) -> bool:
    """Whether an objective is worked out from minutes."""
    figures = any(isinstance(part.indicator, Threshold) for part in slo.parts)
    return figures or slo.method is not Method.OCCURRENCES or slo.missing is not Missing.IGNORE


def _hour(at_s: float) -> int:
    return int(at_s // HOUR_S) * HOUR_S


def _read(ledger: Ledger, store: Reading, table: SeriesTable, part: tuple[int, int, int],
          first_row: int = 0) -> RollupBatch:
    """What the store holds of a part for the rows from `first_row` on, in the numbers of `table`."""
    from_s, to_s, window_s = part

    def choice(key: SeriesKey) -> bool:
        number = table.numbers.get(key)
        return number is not None and ledger.incidence.concerns(number, first_row)

    kept = store.rollups(from_s, to_s, window_s, ledger.incidence.ladder, choice=choice)
    numbers = np.array([table.numbers[key] for key in kept.keys], np.int32)
    return replace(kept.batch, series=numbers[kept.batch.series]) if len(kept.batch) else kept.batch


def _choice(ledger: Ledger) -> Choice:
    """The series that can count for any objective."""
    measures = {part.indicator.measure for slo in ledger.promises.slos for part in slo.parts
                if isinstance(part.indicator, Threshold)}
    kinds: tuple[type[SeriesKey], ...] = (OperationKey, EdgeKey)
    kinds += (GaugeKey,) if Measure.SATURATION in measures else ()
    patterns = [slo for slos in ledger.promises.defaults.values() for slo in slos]
    lines = Measure.LOG_ERRORS_PER_S in measures or any(map(of_lines, (*ledger.promises.slos, *patterns)))
    kinds += (LogKey,) if lines else ()
    return lambda key: isinstance(key, kinds)
