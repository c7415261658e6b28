"""The engine: every two seconds what was counted becomes the newest picture; every ten it becomes durable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import networkx as nx
import numpy as np
import structlog

from app.changes.book import ChangeBook
from app.engine.answers import Answers
from app.engine.asked import TOLD, Asked
from app.engine.changed import VERSIONS, Changed
from app.engine.evidence import DAY_S, PERIOD_S, Budgets, Judged, events, slow_totals
from app.engine.judging import Judging
from app.engine.naming import Naming
from app.engine.parts import Parts
from app.engine.past import before, long_before, recent
from app.engine.placement import Placement
from app.engine.presence import Presence
from app.engine.promised import Promised
from app.engine.registered import Registered
from app.engine.sampling import Sampling
from app.engine.snapshot import LATE_AFTER_S, NOTED_WINDOW_S, Drawing, Moment, Rules
from app.engine.trace_lines import TraceLines
from app.intakes import Harvests
from app.slo.evaluator import Objectives, Told
from topology.deployments import Deployments
from topology.errors import Overloaded, StoreError
from topology.graph import Window, graph
from topology.members import Members
from topology.ring import Ring, Totals
from topology.rollup import RollupBatch, concatenate, empty
from topology.store.contract import Commit, Example, KeyedRollups

TICK_S = 2.0
COMMIT_EVERY_S = 10.0
EVALUATE_EVERY = 5
"""Every how many ticks objectives are judged when nobody watches."""
NOTE_EVERY_S = 60.0
"""How often states are looked at when nobody watches."""
COMPACT_EVERY_S = 60.0
REFRESH_EVERY_S = 3600.0
ATTRIBUTES, PINNED, STATES = "attributes", "pinned", "states"
PAST_S = 15.0
"""A moment this long ago is answered from what was; anything newer is the live picture."""
_log = structlog.get_logger("synoptic.engine")


class Engine(Answers, Promised, Changed, Naming):
    """Ticks in a thread of its own and answers questions from any other. See `app.views.Views`."""

    def __init__(self, parts: Parts, rules: Rules) -> None:
        self.parts, self.rules = parts, rules
        self.lock = threading.RLock()
        self.ring = Ring(parts.ladder)
        self.asked = Asked(parts, rules.counting, self._new_members)
        self.members = self._new_members()
        self.presence = Presence()
        self.presence.load(parts.store.entities())
        self.placement = Placement(parts.store)
        self.book, self._deployments = ChangeBook(parts.store, parts.mask), Deployments()
        self._sampling = Sampling()
        self.trace_lines = TraceLines(parts.intakes, parts.store, self.drawn_as)
        self.registered = Registered(parts.registry, parts.house)
        self._drawing = Drawing(rules, parts.house, self.presence, self.placement, self.registered)
        self._threshold_us = int(rules.objective.latency_ms * 1000)
        self._budgets = Budgets(parts.store, parts.series, parts.ladder, self._threshold_us)
        self._uncommitted: list[RollupBatch] = []
        self._examples: list[Example] = []
        # Names and most values of attributes come again and again.
        self._mask = lru_cache(maxsize=1 << 12)(parts.mask)
        self._newest: Harvests | None = None
        self._lines_kept: dict[str, bytes] = {}
        self._pictures: dict[int, dict[str, Any]] = {}
        self._judging: Judging | None = None
        self._told: Told | None = None
        self._ends = (None, [])
        self._listeners: list[Callable[[int], None]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._seq = int(parts.clock())
        self._ready = False
        self._committed_s = self._compacted_s = self._refreshed_s = self._noted_s = 0.0
        self.figures = {"tick_seconds": 0.0, "commit_seconds": 0.0, "commit_failures": 0.0}

    def _new_members(self) -> Members:
        return Members(self.parts.house.shown, self.parts.house.user_for, self.asked.names)

    def load(self) -> None:
        """Brings back the last hour, the journal and the budgets; then answers are complete."""
        now_s = self.parts.clock()
        checkpoints = self.parts.store.checkpoints()
        self.parts.house.restore(checkpoints.get(ATTRIBUTES, b"{}"))
        self.asked.recover(checkpoints.get(TOLD, b"{}"))
        self.parts.registry.restore(checkpoints)
        self.placement.restore(checkpoints.get(PINNED, b"[]"))
        self.presence.restore_states(checkpoints.get(STATES, b"{}"))
        self._load_changes(now_s, checkpoints.get(VERSIONS, b"{}"))
        self.parts.logs.restore(checkpoints)
        recovered = self.parts.intakes.recover(checkpoints)
        rows = self._fill_ring(now_s)
        self._budgets.refresh(now_s)
        with self.lock:
            self.members.extend(self.parts.series.keys)
            self.parts.objectives.load(self.parts.series, self.members, now_s, checkpoints, self._new_members)
        self._refreshed_s = self._committed_s = self._compacted_s = now_s
        _log.info("loaded", rows=rows, requests_from_journal=recovered, nodes_known=len(self.presence.seen))
        self.tick()
        self._ready = True

    def _fill_ring(self, now_s: float) -> int:
        """What the store has of the last hour; what lies before may be there in longer windows only."""
        rows = 0
        with self.lock:
            self.ring.advance(now_s)
            for kept in recent(self.parts.store, self.parts.ladder, now_s, self.ring.keep_s):
                numbers = np.array([self.parts.series.number(key) for key in kept.keys], np.int32)
                found = replace(kept.batch, window_s=self.ring.window_s, series=numbers[kept.batch.series])
                self.ring.add(self.asked.restore(found, self.parts.series.keys))
                rows += len(kept.batch)
            self.asked.advance(now_s)
        return rows

    def start(self) -> None:
        """Begins to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the ticks; everything counted is committed."""
        self._stop.set()
        self._thread.join(timeout=30)
        self.parts.objectives.stop()
        self._harvest()
        self._commit()

    def _run(self) -> None:
        next_s = time.monotonic()
        while not self._stop.wait(max(0.0, next_s - time.monotonic())):
            next_s = max(next_s + TICK_S, time.monotonic())
            began_s = time.monotonic()
            try:
                with self.parts.telemetry.tracer.start_as_current_span("tick"):
                    self.tick()
            except Exception:  # noqa: BLE001 - whatever a tick meets, the next one must come
                _log.exception("a tick failed; the next one goes on")
            self.figures["tick_seconds"] = time.monotonic() - began_s

    def tick(self) -> None:
        """One step: harvest, remember, commit when it is time, and tell whoever listens."""
        now_s = self.parts.clock()
        self._harvest()
        self._collect_examples(now_s)
        if now_s - self._committed_s >= COMMIT_EVERY_S:
            self._committed_s = now_s
            self._commit()
            self._keep_house(now_s)
        with self.lock:
            self._seq += 1
            self._pictures.clear()
            self._judging = self._told = None
            seq, listeners = self._seq, list(self._listeners)
            if self._seq % EVALUATE_EVERY == 0:
                self.told()
        if now_s - self._noted_s >= NOTE_EVERY_S:
            self._noted_s = now_s
            self._note_states(now_s)
        for listener in listeners:
            listener(seq)

    def _note_states(self, now_s: float) -> None:
        with self.lock:
            drawn = self._live_graph(NOTED_WINDOW_S, now_s)
            self._drawing.judge(drawn, self.members, self._live_judging(), self._moment(now_s, NOTED_WINDOW_S))

    def _harvest(self) -> None:
        now_s = self.parts.clock()
        if self.asked.must_recall():
            self._commit()
        reloaded = self.parts.house.reload()
        harvest = self.parts.intakes.harvest()
        with self.lock:
            if reloaded:
                self.members = self._new_members()
            self.ring.advance(now_s)
            self.ring.add(harvest.batch)
            changed = self.members.extend(self.parts.series.keys)
            self.presence.note(self.members, harvest.batch, now_s)
            told = self.asked.take(self.parts.series, self.members, self.ring, now_s, may_recall=not self._uncommitted)
            self.presence.note(self.members, told.batch, now_s)
            batch = concatenate([harvest.batch, told.fine(self.ring.window_s)]) if len(told.batch) else harvest.batch
            self._count_for_objectives(batch, now_s, changed or told.changed or reloaded)
            self._sampling.note(harvest.thresholds, self.members, now_s)
            self._uncommitted.append(batch)
            self._newest = harvest
            self._note_versions(harvest.batch)
        if len(batch):
            self._budgets.add(batch)

    def _count_for_objectives(self, batch: RollupBatch, now_s: float, changed: bool) -> None:
        """Whatever objectives meet, calls go on being counted and the map goes on being drawn."""
        try:
            self._count_for(self.parts.objectives, batch, now_s, changed)
        except Exception as error:  # noqa: BLE001 - a fault of judging must not lose what is judged
            _log.exception("objectives could not be counted; counted anew in a minute")
            self.parts.objectives.failed(error, now_s)

    def _count_for(self, objectives: Objectives, batch: RollupBatch, now_s: float, changed: bool) -> None:
        series = self.parts.series
        objectives.follow(self.members, series.keys, changed)
        reloaded = objectives.reload(self.members, series.keys)
        if objectives.bring_up(series, self.members, now_s, self._uncommitted) or reloaded:
            _log.info("objectives counted anew", objectives=len(objectives.ledger.plan.laid))
        objectives.add(batch, series.keys, now_s)

    def told(self) -> Told:
        """What objectives say in this tick; call it with the lock held."""
        if self._told is None:
            objectives, now_s = self.parts.objectives, self.parts.clock()
            try:
                self._told = objectives.evaluate(now_s)
            except Exception as error:  # noqa: BLE001 - the same
                _log.exception("objectives could not be judged; what was found last stays")
                objectives.failed(error, now_s)
                self._told = objectives.told
        return self._told

    def _collect_examples(self, now_s: float) -> None:
        self._examples += self.parts.intakes.examples(now_s, self._mask)

    def _commit(self) -> None:
        """Makes durable what was harvested. When the store refuses, everything is kept and tried again."""
        began_s = time.monotonic()
        with self.lock:
            batches, harvest = self._uncommitted, self._newest
            told = dict(self.asked.checkpoints)
            entities = self.presence.take_changes()
        if harvest is None:
            return
        changes = self.book.take()
        batch = concatenate(batches) if batches else empty(10)
        rollups = KeyedRollups(batch, self.parts.series.keys, self.parts.ladder)
        checkpoints = {**harvest.checkpoints, ATTRIBUTES: self.parts.house.content(),
                       PINNED: self.placement.content(), STATES: self.presence.states_content()}
        checkpoints |= told | self.parts.objectives.checkpoints(self.parts.clock())
        # not few, and mostly the same as ten seconds ago
        parts = self.parts
        lines = {**parts.intakes.lines_contents(), **parts.registry.content(), **parts.logs.checkpoints()}
        checkpoints |= {name: kept for name, kept in lines.items() if kept is not self._lines_kept.get(name)}
        try:
            self.parts.intakes.settle(harvest)
            with self.parts.telemetry.commit_span():
                checkpoints[VERSIONS] = self._deployments.content()
                self.parts.store.commit(Commit(rollups, entities, checkpoints, self._examples, changes))
        except (StoreError, Overloaded) as error:
            self.figures["commit_failures"] += 1
            self.book.give_back()
            self.presence.changed.update(entity.key for entity in entities)
            self.parts.objectives.unsaved()
            _log.error("not committed; tried again in ten seconds", why=str(error))
            return
        with self.lock:
            self._uncommitted = self._uncommitted[len(batches) :]
        self._examples, self._lines_kept = [], lines
        self.parts.intakes.committed(harvest)
        self.figures["commit_seconds"] = time.monotonic() - began_s

    def _renew_series(self, now_s: float) -> None:
        """The bound on series is near: what was quiet for an hour is forgotten here; the store has it."""
        with self.lock, self.parts.intakes.paused():
            self._harvest()
            self._commit()
            if self._uncommitted:
                return
            new_of = self.parts.series.renew(np.union1d(self.ring.numbers(), self.asked.numbers()))
            self.ring.renumber(new_of, len(self.parts.series))
            self.asked.renumber(new_of, len(self.parts.series))
            self.members = self._new_members()
            self.members.extend(self.parts.series.keys)
            self.parts.objectives.renumber(self.members, self.parts.series.keys)
            self.parts.intakes.renew()
        self._budgets.forget()
        self._budgets.refresh(now_s)
        _log.info("series renewed", series=len(self.parts.series))

    def _keep_house(self, now_s: float) -> None:
        if self.parts.intakes.crowded:
            self._renew_series(now_s)
        if now_s - self._compacted_s >= COMPACT_EVERY_S:
            self._compacted_s = now_s
            self.parts.store.compact(now_s)
            self._forget_changes(now_s)
        if now_s - self._refreshed_s >= REFRESH_EVERY_S and not self._uncommitted:
            self._refreshed_s = now_s
            self._budgets.refresh(now_s)

    def subscribe(self, on_tick: Callable[[int], None]) -> Callable[[], None]:
        """Calls `on_tick(seq)` after every tick; returns how to stop."""
        with self.lock:
            self._listeners.append(on_tick)
        return lambda: self._listeners.remove(on_tick)

    def ready(self) -> bool:
        """Whether stored data is loaded, the past of objectives included."""
        return self._ready and self.parts.objectives.loaded

    def snapshot(self, window_s: int = 300, at_s: float | None = None) -> dict[str, Any]:
        """The graph of a window, now or at a moment of the past."""
        over_s = self.over_s(window_s, at_s)
        if over_s is not None:
            return self._past(window_s, over_s)
        now_s = self.parts.clock()
        with self.lock:
            if window_s not in self._pictures:
                self._pictures[window_s] = self._draw(self._live_graph(window_s, now_s), self.members,
                                                      self._live_judging(), self._moment(now_s, window_s))
            return self._pictures[window_s]

    def over_s(self, window_s: int, at_s: float | None) -> float | None:
        """The moment that only the store can tell about; None when it is the live picture that is asked for."""
        now_s = self.parts.clock()
        moment_s = now_s if at_s is None else at_s
        return moment_s if moment_s < now_s - PAST_S or window_s > self.ring.keep_s else None

    def _moment(self, now_s: float, window_s: int) -> Moment:
        intakes = self.parts.intakes
        newest_s = max(intakes.newest_end_s(), self.asked.newest_end_s())
        age_s = round(max(0.0, now_s - newest_s), 1) if newest_s else None
        pushed = intakes.own.newest_end_s() > newest_s - self.ring.keep_s
        late_after_s = LATE_AFTER_S + (0.0 if pushed else min(self.rules.lags_s.values(), default=0.0))
        return Moment(now_s, window_s, age_s, self._seq, live=True, partial=self.asked.partial(now_s - window_s),
                      late_after_s=late_after_s)

    def _draw(self, drawn: nx.DiGraph, members: Members, judging: Judging, moment: Moment) -> dict[str, Any]:
        return self._drawing.snapshot(drawn, members, judging, moment, self.quality(), self.flags(moment.now_s))

    def live_totals(self, window_s: int) -> Totals:
        """The totals of the newest window of this length; call it with the lock held."""
        if window_s in self.ring.spans:
            return self.asked.add_to(self.ring.last(window_s), window_s)
        now_s = self.parts.clock()
        return self.asked.add_to(self.ring.between(now_s - window_s, now_s + 10), window_s)

    def _live_graph(self, window_s: int, now_s: float) -> nx.DiGraph:
        totals = self.live_totals(window_s)
        window = Window(now_s - window_s, window_s)
        unsettled = self.ring.between(now_s - self.rules.settles_after_s, now_s + self.ring.window_s)
        drawn = graph(self.members, self.parts.series.keys, totals, self.parts.ladder, window, unsettled,
                      self.asked.names)
        self._sampling.tell(drawn, window.start_s)
        return drawn

    def _live_judging(self) -> Judging:
        if self._judging is None:
            objective, ladder = self.rules.objective, self.parts.ladder
            short, long = (slow_totals(self.live_totals(s), ladder, self._threshold_us)
                           for s in (objective.short_s, objective.long_s))
            totals = (short, long, self._budgets.over(DAY_S), self._budgets.over(PERIOD_S))
            self._judging = Judging(self.told(), self.failures, *(self._events(self.members, t) for t in totals))
        return self._judging

    @staticmethod
    def _events(members: Members, totals: Totals) -> Judged:
        return events(members, Totals(totals.counts[: len(members.role)], totals.buckets[: len(members.role)]))

    def _past(self, window_s: int, at_s: float) -> dict[str, Any]:
        """A moment that is over, from the store; its budgets are those of the month before it."""
        objective, store, ladder = self.rules.objective, self.parts.store, self.parts.ladder
        members = self._new_members()
        shown = before(store, ladder, at_s, window_s)
        members.extend(shown.keys)
        window = Window(shown.start_s, shown.length_s)
        drawn = graph(members, shown.keys, shown.totals, ladder, window, counting=self.asked.names)
        spans = [before(store, ladder, at_s, span) for span in (objective.short_s, objective.long_s)]
        spans += [long_before(store, ladder, at_s, span) for span in (DAY_S, PERIOD_S)]
        told = self.parts.objectives.at(at_s, self._new_members)
        judging = Judging(told, cache(lambda: self._failures_in(spans[1])),
                          *(self._aligned(members, shown.keys, past.totals, past.keys) for past in spans))
        with self.lock:
            return self._draw(drawn, members, judging, Moment(at_s, shown.length_s, None, self._seq))

    def _aligned(self, members: Members, keys: Sequence[Any], totals: Totals, own_keys: Sequence[Any]) -> Judged:
        """The events of another span in the numbers of the members of the window that is shown."""
        place: Mapping[Any, int] = {key: number for number, key in enumerate(keys)}
        slow = slow_totals(totals, self.parts.ladder, self._threshold_us)
        pairs = [(place[key], row) for row, key in enumerate(own_keys) if key in place]
        aligned = Totals(np.zeros((len(keys), 7)), np.zeros((len(keys), 1)))
        if pairs:
            to, source = np.array(pairs).T
            aligned.counts[to], aligned.buckets[to] = slow.counts[source], slow.buckets[source]
        return events(members, aligned)
