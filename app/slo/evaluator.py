"""The objectives in force, kept in step with the engine: counted at every harvest, judged at every tick."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import structlog

from app.house import House
from app.slo.counters import Counters
from app.slo.definitions import Definitions
from app.slo.refilling import Refill
from app.slo.told import Told, Verdict, loading, no_verdict
from topology.errors import MalformedInput, Overloaded, StoreError
from topology.histogram import Ladder
from topology.members import Members
from topology.model import SeriesKey, Service
from topology.rollup import RollupBatch, SeriesTable
from topology.slo.alerts import Alerts
from topology.slo.evaluation import alerted
from topology.slo.filling import AHEAD_S, complete, fill, needs_minutes
from topology.slo.hours import remember
from topology.slo.ledger import NONE_UNFILLED, Ledger, Promises
from topology.slo.objectives import Slo
from topology.slo.remembered import from_bytes, to_bytes
from topology.slo.selection import Concrete
from topology.slo.states import Shown
from topology.store.contract import KeyedRollups, Reading, Store

ALERTS, SLICES = "slo-alerts", "slo-slices"
SLICES_EVERY_S = 3600
SIX_HOURS_S = 6 * 3600
START_S = 5.0
"""How long the start waits for the past."""
PATIENCE_S = 0.2
"""How long a tick waits for what is counted anew: most is counted in less."""
AGAIN_S = 60.0
_log = structlog.get_logger("synoptic.slo")


class Objectives:
    """Counts for objectives and judges them. `ledger` and all methods but `told` belong to the engine's thread, which
    holds its lock; `told` is what was found last, for anybody. `loaded`: the past is counted."""

    def __init__(self, definitions: Definitions, house: House, store: Store, ladder: Ladder,
                 saturations: Iterable[str] = (), max_slos: int = 5000, settle_s: float = 50.0) -> None:
        self.definitions = definitions
        self._house, self._store, self._ladder = house, store, ladder
        self._saturations, self._max_slos, self._settle_s = frozenset(saturations), max_slos, settle_s
        self.lock = threading.Lock()
        self.ledger = self._new()
        self.told = Told(self.ledger, self.ledger.standings(0), Alerts(), Shown())
        self.counters = Counters()
        self.stale = self.loaded = False
        self.patience_s, self.start_s = PATIENCE_S, START_S
        self._new_members: Callable[[], Members] = Members
        self._kept = self.told
        self._refill: Refill | None = None
        self._again_s: float = 0.0
        self.failure = ""
        self._noted: tuple[object, ...] = ()
        self._sliced_s = 0.0
        self._slices = b""

    def _new(self) -> Ledger:
        return Ledger(self._promises(), self._ladder, self._settle_s)

    def _promises(self) -> Promises:
        found = self.definitions
        return Promises(found.slos, found.defaults, self._facts, self._saturations, self._max_slos)

    def _facts(self, service: Service) -> Mapping[str, str]:
        said = self._house.describe(service)
        return {"title": said.title_en, "domain": said.domain, "layer": said.layer or "", "zone": said.zone or "",
                "owner": said.owner or "", "class": said.class_ or ""}

    def load(self, table: SeriesTable, members: Members, now_s: float, checkpoints: Mapping[str, bytes],
             new_members: Callable[[], Members]) -> None:
        """Brings back alerts, states and counts. Until all is counted, which a large past delays, nothing is known."""
        self._new_members = new_members
        self._slices = checkpoints.get(SLICES, b"")
        alerts, shown = Alerts(), Shown()
        try:
            if ALERTS in checkpoints:
                alerts, shown = from_bytes(checkpoints[ALERTS])
        except MalformedInput as error:
            _log.error("alerts begin anew", why=str(error))
        self._kept = Told(self.ledger, self.told.found, alerts, shown)
        self.stale = True
        self._begin(table, now_s, ())
        if self._refill and self._refill.wait(self.start_s):
            self._take_over(table, members, now_s)
        else:
            _log.info("the past of objectives is being counted; until then they show no data")

    def _begin(self, table: SeriesTable, now_s: float, uncommitted: Sequence[RollupBatch]) -> None:
        """Begins to count everything anew beside what is in force: the store, and what is not in it yet."""
        if self.loaded:
            with self.lock:
                self._slices = remember(self.ledger) or self._slices
        self.stale = False
        try:
            self._refill = Refill(self._store, lambda reading, own, members: self._filled(
                own, members, now_s, AHEAD_S, store=reading), self._new_members(),
                [KeyedRollups(batch, table.keys, self._ladder) for batch in uncommitted])
        except (StoreError, Overloaded) as error:
            _log.error("the past of objectives could not be read; tried again in a minute", why=str(error))
            self._fail(now_s)

    def failed(self, error: Exception, now_s: float) -> None:
        """Notes that counting or judging met what it must not meet; everything is counted anew in a minute."""
        self.failure = f"{type(error).__name__}: {error}"
        self._fail(now_s)

    def _fail(self, now_s: float) -> None:
        self.stale, self._again_s = True, now_s + AGAIN_S

    def _take_over(self, table: SeriesTable, members: Members, now_s: float) -> bool:
        """Puts in force what was counted beside."""
        refill, self._refill = self._refill, None
        assert refill is not None
        with self.lock:
            ledger = refill.into(table, members, now_s)
            if ledger is None:
                self._fail(now_s)
                return False
            current = self._promises()
            if self.ledger.promises == current != ledger.promises:  # they came meanwhile, and were put in force at once
                ledger.promise(current, members, table.keys)
            self.ledger, self.failure = ledger, ""
            self.counters.read(ledger, ledger.plan)
        if not self.loaded:
            self.loaded, self.told = True, replace(self._kept, ledger=ledger)
        return True

    def reload(self, members: Members, keys: Sequence[SeriesKey]) -> bool:
        """Looks at the documents; True when other objectives are in force, or will be when they are counted."""
        if not self.definitions.reload():
            return False
        promises, old = self._promises(), self.ledger.promises
        with self.lock:
            at_once = not self.stale and promises.longest_s <= old.longest_s and not needs_minutes(promises)
            if at_once:
                self.ledger.promise(promises, members, keys)
            self.stale = not at_once
        return True

    def bring_up(self, table: SeriesTable, members: Members, now_s: float,
                 uncommitted: Sequence[RollupBatch]) -> bool:
        """Counts the past of whatever has none yet; True when there was something. Call it before `add`.

        With other periods or slices, and where a name that was learnt late changes whose calls earlier ones were,
        everything is counted anew, beside what is in force and without waiting longer than `patience_s`."""
        if self._refill is None and self.stale and now_s >= self._again_s:
            self._begin(table, now_s, uncommitted)
            if self._refill is not None:
                self._refill.wait(self.patience_s)
        swapped = self._refill is not None and self._refill.wait(0) and self._take_over(table, members, now_s)
        if self._refill is not None or self.stale or self.ledger.unfilled_from == NONE_UNFILLED:
            return swapped
        try:
            with self.lock:
                self.ledger.advance(now_s)
                self.counters.read(self.ledger, self.ledger.plan)
                complete(self.ledger, self._store, table, now_s, uncommitted)
                self.counters.leave_out(self.ledger, self.ledger.plan)
        except (StoreError, Overloaded) as error:
            _log.error("the past of an objective could not be read; tried again in a minute", why=str(error))
            self._fail(now_s)
        return True

    def stop(self) -> None:
        """Ends what is being counted, and begins nothing any more."""
        self._again_s = np.inf
        if self._refill is not None:
            self._refill.stop()

    def _filled(self, table: SeriesTable, members: Members, to_s: float, ahead_s: int = 0,
                minutes_back_s: int | None = None, store: Reading | None = None) -> Ledger:
        reading = store or self._store
        try:
            return fill(self._new, reading, table, members, to_s, self._slices, ahead_s, minutes_back_s)
        except MalformedInput as error:
            _log.error("slices older than a week are lost", why=str(error))
            return fill(self._new, reading, table, members, to_s, b"", ahead_s, minutes_back_s)

    def follow(self, members: Members, keys: Sequence[SeriesKey], changed: bool) -> None:
        """Takes in new series; `changed` says that earlier ones belong elsewhere now."""
        with self.lock:
            if changed:
                self.ledger.renumber(members, keys)
            self.ledger.take(members, keys)
            self.stale = self.stale or changed

    def renumber(self, members: Members, keys: Sequence[SeriesKey]) -> None:
        """The series have other numbers; what they count in stays."""
        with self.lock:
            self.ledger.renumber(members, keys)

    def add(self, batch: RollupBatch, keys: Sequence[SeriesKey], now_s: float) -> None:
        """Counts a harvest."""
        if self._refill is not None:
            self._refill.add(KeyedRollups(batch, keys, self._ladder))
        with self.lock:
            self.ledger.advance(now_s)
            if self.loaded:
                self.ledger.add(batch)

    def evaluate(self, now_s: float) -> Told:
        """Judges all objectives now, raises and ends alerts. While anything has no past yet, what was found last stays:
        half a past would raise false alerts, and end true ones."""
        with self.lock:
            self.ledger.advance(now_s)
            if not self.loaded:
                self.told = loading(self.ledger, self._kept.alerts)
                return self.told
            if self._refill is not None and self.ledger.unfilled_from != NONE_UNFILLED:
                return self.told
            found = self.ledger.standings()
        alerts, shown = alerted(found, self.told.alerts, self.told.shown, now_s)
        self.told = Told(self.ledger, found, alerts, shown, _about(self.ledger.overflow))
        return self.told

    def at(self, at_s: float, new_members: Callable[[], Members]) -> Told:
        """All objectives as they stood at a moment of the past, by what is known of it now. States are those that an
        evaluation at that moment alone gives: without what was held, and without waiting for an alert. Windows of a day
        and more begin at whole hours."""
        with self.lock:
            ledger = self.ledger
            known = self.loaded and at_s - SIX_HOURS_S >= self.ledger.grid.minutes_from_s
            found = self.ledger.standings(at_s) if known else None
        if found is None:
            ledger = self._filled(SeriesTable(), new_members(), at_s, minutes_back_s=SIX_HOURS_S + 3600)
            found = ledger.standings(at_s)
        return Told(ledger, found, *alerted(found, Alerts(), Shown(), at_s), self.told.beyond)

    def what_if(self, slo: Slo, new_members: Callable[[], Members], now_s: float) -> Ledger:
        """A ledger of its own for one objective with another threshold, counted from what is stored."""
        def new() -> Ledger:
            return Ledger(Promises([slo], {}, self._facts, self._saturations, 1), self._ladder, self._settle_s)

        return fill(new, self._store, SeriesTable(), new_members(), now_s)

    def exact(self, threshold_us: int) -> bool:
        """Whether calls are counted exactly by a threshold: it is a bound of the histograms."""
        return threshold_us in self._ladder.bounds_us

    def unsaved(self) -> None:
        """What `checkpoints` gave last was not stored."""
        self._noted, self._sliced_s = (), 0.0

    def checkpoints(self, now_s: float) -> dict[str, bytes]:
        """What is to be stored with the next commit: only what has changed."""
        changed: dict[str, bytes] = {}
        if not self.loaded:
            return changed
        with self.lock:
            if now_s - self._sliced_s >= SLICES_EVERY_S:
                self._sliced_s, self._slices = now_s, remember(self.ledger) or self._slices
                changed[SLICES] = self._slices
        alerts, shown = self.told.alerts, self.told.shown
        noted = (alerts.keys, _bytes(alerts.pending_s), _bytes(alerts.since_s), alerts.history, _bytes(shown.code))
        if noted != self._noted:
            self._noted = noted
            changed[ALERTS] = to_bytes(alerts, shown)
        return changed


def _about(concretes: Iterable[Concrete]) -> frozenset[str]:
    return frozenset(about for one in concretes for about in (*one.nodes, *one.paths))


def _bytes(column: npt.NDArray[np.generic]) -> bytes:
    return column.tobytes()


__all__ = ["Objectives", "Told", "Verdict", "no_verdict"]
