"""The past of objectives, counted in a thread of its own beside what is in force: nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import structlog

from topology.errors import Overloaded, StoreError
from topology.histogram import Ladder
from topology.members import Members
from topology.model import SeriesKey
from topology.rollup import RollupBatch, SeriesTable
from topology.slo.filling import catch_up
from topology.slo.ledger import Ledger
from topology.store.contract import Choice, KeyedRollups, Reading, Store, everything

Count = Callable[[Reading, SeriesTable, Members], Ledger]
_log = structlog.get_logger("synoptic.slo")


class Stopped(Exception):
    """Nobody wants the rest."""


class Refill:
    """Counts what the store holds at this moment. `add` remembers what is harvested from now on, beginning with what
    was harvested and is not stored yet; `into` gives the ledger with all of it."""

    def __init__(self, store: Store, count: Count, members: Members, harvested: Iterable[KeyedRollups]) -> None:
        self._count, self._members, self._table = count, members, SeriesTable()
        self._harvested = list(harvested)
        self._stop = threading.Event()
        self._opened = ExitStack()
        self._reading = _Stoppable(self._opened.enter_context(store.frozen()), self._stop)
        self._ledger: Ledger | None = None
        self._thread = threading.Thread(target=self._run, name="objectives", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._opened:
                self._ledger = self._count(self._reading, self._table, self._members)
        except Stopped:
            return
        except (StoreError, Overloaded) as error:
            _log.error("the past of objectives could not be read; tried again in a minute", why=str(error))
        except Exception:  # noqa: BLE001 - whatever it meets, the product goes on
            _log.exception("the past of objectives could not be counted; tried again in a minute")

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after so many seconds at most."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Ends it unfinished; returns when it no longer reads."""
        self._stop.set()
        self._thread.join()

    def add(self, harvested: KeyedRollups) -> None:
        """Remembers a harvest that the store did not have at the beginning."""
        self._harvested.append(harvested)

    def into(self, table: SeriesTable, members: Members, now_s: float) -> Ledger | None:
        """The ledger in the numbers of `table`, which learns what is stored, with all that was harvested meanwhile,
        but for rows that know nothing of the past yet; None when it failed. It must have ended."""
        ledger = self._ledger
        if ledger is None:
            return None
        for key in self._table.keys:
            table.number(key)
        batches = [_renumbered(one, table) for one in self._harvested]
        members.extend(table.keys)
        ledger.advance(now_s)
        ledger.renumber(members, table.keys)
        ledger.take(members, table.keys)
        catch_up(ledger, batches)
        return ledger


def _renumbered(kept: KeyedRollups, table: SeriesTable) -> RollupBatch:
    if kept.keys is table.keys:
        return kept.batch
    used, places = np.unique(kept.batch.series, return_inverse=True)
    numbers = np.array([table.number(kept.keys[series]) for series in used.tolist()], np.int32)
    return replace(kept.batch, series=numbers[places.reshape(-1)]) if len(used) else kept.batch


class _Stoppable:
    """Reads until it is told to stop."""

    def __init__(self, reading: Reading, stop: threading.Event) -> None:
        self._reading, self._stop = reading, stop

    def rollups(self, from_s: float, to_s: float, window_s: int, ladder: Ladder, choice: Choice = everything,
                histograms: bool = True) -> KeyedRollups:
        """What the store has; Stopped once nobody wants it."""
        self._go_on()
        return self._reading.rollups(from_s, to_s, window_s, ladder, choice, histograms)

    def seen(self, from_s: float, to_s: float) -> Sequence[SeriesKey]:
        """What the store has; Stopped once nobody wants it."""
        self._go_on()
        return self._reading.seen(from_s, to_s)

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Stopped
