"""The objectives in force, kept in step with the engine: counted at every harvest, judged at every tick."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import structlog

from app.house import House
from app.slo.definitions import Definitions
from topology.errors import MalformedInput
from topology.health import State
from topology.histogram import Ladder
from topology.members import Members
from topology.model import SeriesKey, Service
from topology.rollup import RollupBatch, SeriesTable
from topology.slo.alerts import Alerts
from topology.slo.evaluation import Standings, alerted
from topology.slo.explaining import Origin, unpromised, why
from topology.slo.filling import AHEAD_S, complete, fill, needs_minutes
from topology.slo.hours import remember
from topology.slo.ledger import NONE_UNFILLED, Ledger, Promises
from topology.slo.objectives import Slo
from topology.slo.remembered import from_bytes, to_bytes
from topology.slo.selection import Concrete
from topology.slo.states import Shown
from topology.store.contract import Store

ALERTS, SLICES = "slo-alerts", "slo-slices"
SLICES_EVERY_S = 3600
SIX_HOURS_S = 6 * 3600
_log = structlog.get_logger("synoptic.slo")


@dataclass(frozen=True)
class Told:
    """Everything that was found at one moment; never changed afterwards. `ledger` is what it was found in, and goes on
    counting."""

    ledger: Ledger
    found: Standings
    alerts: Alerts
    shown: Shown
    beyond: frozenset[str] = frozenset()
    """What only objectives beyond the bound are about: it is judged by the default of `topology.health`."""

    @cached_property
    def of(self) -> Mapping[str, list[int]]:
        """The rows of the objectives about each node (by id) and path (by id)."""
        rows: dict[str, list[int]] = {}
        for row, one in enumerate(self.found.plan.concretes):
            for about in (*one.nodes, *one.paths):
                rows.setdefault(about, []).append(row)
        return rows

    @cached_property
    def row(self) -> Mapping[str, int]:
        """The row of each objective, by name."""
        return {name: row for row, name in enumerate(self.found.plan.names)}

    @cached_property
    def _loudness(self) -> tuple[list[int], list[float], list[float]]:
        long = self.found.burn[self.found.plan.long_at, np.arange(len(self.found.plan.laid))]
        return self.shown.code.tolist(), np.nan_to_num(long, nan=-1.0).tolist(), self.found.left.tolist()

    def verdict(self, about: str) -> Verdict | None:
        """What the objectives of a node or path say together: the loudest of them, that with the higher burn where two
        are as loud. None when none is about it."""
        rows = self.of.get(about)
        if not rows:
            return None
        code, burn, left = self._loudness
        worst = max(rows, key=lambda row: (code[row], burn[row]))
        return Verdict(self, worst, min((left[row] for row in rows if left[row] == left[row]), default=None))

    def why(self, row: int, language: str, origin: Origin | None = None) -> str:
        """The sentence of one objective."""
        return why(self.found, self.alerts, self.shown, row, language, origin)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a node or path with its reasons: that of its worst objective. `budget_left` is the least that any
    of its objectives has left."""

    told: Told
    row: int
    budget_left: float | None

    @property
    def state(self) -> State:
        """The state that is shown."""
        return self.told.shown.state(self.row)

    @property
    def slo(self) -> str:
        """The name of the objective that decides, "default" for one that nobody wrote."""
        slo = self.told.found.plan.slos[self.row]
        return "default" if slo.default else slo.name

    def why(self, language: str, origin: Origin | None = None) -> str:
        """The sentence of the objective that decides."""
        return self.told.why(self.row, language, origin)


def no_verdict(language: str) -> str:
    """What is said of a node that no objective is about."""
    return unpromised(language)


class Objectives:
    """Counts for objectives and judges them. `ledger` and all methods but `told` belong to the engine's thread, which
    holds its lock; `told` is what was found last, for anybody."""

    def __init__(self, definitions: Definitions, house: House, store: Store, ladder: Ladder,
                 saturations: Iterable[str] = (), max_slos: int = 5000, settle_s: float = 50.0) -> None:
        self.definitions = definitions
        self._house, self._store, self._ladder = house, store, ladder
        self._saturations, self._max_slos, self._settle_s = frozenset(saturations), max_slos, settle_s
        self.lock = threading.Lock()
        self.ledger = self._new()
        self.told = Told(self.ledger, self.ledger.standings(0), Alerts(), Shown())
        self.stale = False
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

    def load(self, table: SeriesTable, members: Members, now_s: float, checkpoints: Mapping[str, bytes]) -> None:
        """Brings back counts, alerts and states as they were."""
        self._slices = checkpoints.get(SLICES, b"")
        alerts, shown = Alerts(), Shown()
        try:
            if ALERTS in checkpoints:
                alerts, shown = from_bytes(checkpoints[ALERTS])
        except MalformedInput as error:
            _log.error("alerts begin anew", why=str(error))
        self.told = Told(self.ledger, self.told.found, alerts, shown)
        self.refill(table, members, now_s, ())

    def refill(self, table: SeriesTable, members: Members, now_s: float, uncommitted: Sequence[RollupBatch]) -> None:
        """Counts everything anew from the store and what is not in it yet: at the start, with other objectives, and
        where a name that was learnt late changes whose calls earlier ones were."""
        with self.lock:
            self._slices = remember(self.ledger) or self._slices
            self.ledger = self._filled(table, members, now_s, AHEAD_S)
            self.ledger.take(members, table.keys)
            for batch in uncommitted:
                self.ledger.add(batch)
            self.stale = False

    def reload(self, members: Members, keys: Sequence[SeriesKey]) -> bool:
        """Looks at the documents; True when other objectives are in force."""
        if not self.definitions.reload():
            return False
        promises, old = self._promises(), self.ledger.promises
        with self.lock:
            self.stale = self.stale or promises.longest_s > old.longest_s or needs_minutes(promises)
            if not self.stale:
                self.ledger.promise(promises, members, keys)
        return True

    def bring_up(self, table: SeriesTable, members: Members, now_s: float,
                 uncommitted: Sequence[RollupBatch]) -> bool:
        """Counts the past of whatever has none yet; True when there was something. Call it before `add`."""
        if self.stale:
            self.refill(table, members, now_s, uncommitted)
            return True
        if self.ledger.unfilled_from == NONE_UNFILLED:
            return False
        with self.lock:
            self.ledger.advance(now_s)
            complete(self.ledger, self._store, table, now_s, uncommitted)
        return True

    def _filled(self, table: SeriesTable, members: Members, to_s: float, ahead_s: int = 0,
                minutes_back_s: int | None = None) -> Ledger:
        try:
            return fill(self._new, self._store, table, members, to_s, self._slices, ahead_s, minutes_back_s)
        except MalformedInput as error:
            _log.error("slices older than a week are lost", why=str(error))
            return fill(self._new, self._store, table, members, to_s, b"", ahead_s, minutes_back_s)

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

    def add(self, batch: RollupBatch, now_s: float) -> None:
        """Counts a harvest."""
        with self.lock:
            self.ledger.advance(now_s)
            self.ledger.add(batch)

    def evaluate(self, now_s: float) -> Told:
        """Judges all objectives now, raises and ends alerts."""
        with self.lock:
            self.ledger.advance(now_s)
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
            known = at_s - SIX_HOURS_S >= self.ledger.grid.minutes_from_s
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
