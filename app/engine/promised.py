"""Questions about objectives, as `app.views.Views` has them."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np

from app.engine.asked import Asked
from app.engine.impact import Failures
from app.engine.parts import Parts
from app.engine.past import Past, before
from app.slo import past
from app.slo.answers import Entries, alerts, beyond, details, faults
from app.slo.evaluator import Told
from topology.graph import Window, graph
from topology.members import Members
from topology.model import Service
from topology.slo.explaining import Origin, kind_of, threshold_us
from topology.slo.grid import HOUR_S
from topology.slo.objectives import Slo
from topology.slo.plan import Plan
from topology.slo.selection import Concrete

Json = dict[str, Any]
ORIGINS = 3
NOTES = {
    "hours": "alerts older than three days are counted by the hour",
    "stored": "counted from what was stored ten seconds ago",
    "bounds": "the threshold is no bound of the histograms: counted up to the next lower bound, at most 10 % below",
}


class Promised(ABC):
    """The part of the engine that tells of objectives."""

    parts: Parts
    lock: threading.RLock
    asked: Asked
    _ends: tuple[object, list[np.ndarray]]
    _failed: tuple[object, Failures | None] = (None, None)

    @abstractmethod
    def told(self) -> Told:
        """What objectives say in this tick; call it with the lock held."""

    @abstractmethod
    def _new_members(self) -> Members:
        """Members that know no series yet."""

    @abstractmethod
    def _live_graph(self, window_s: int, now_s: float) -> nx.DiGraph:
        """The graph of the newest window of this length; call it with the lock held."""

    def failures(self) -> Failures:
        """Where the failures of the last hour began, found once a tick."""
        with self.lock:
            told, (asked, found) = self.told(), self._failed
            if found is None or asked is not told:
                found = Failures(self._live_graph(HOUR_S, self.parts.clock()), self._title)
                self._failed = (told, found)
            return found

    def _origin_of(self, about: str) -> Origin | None:
        return self.failures().origin_of(about)

    def _failures_in(self, shown: Past) -> Failures:
        """Where the failures of a stretch of the past began."""
        members = self._new_members()
        members.extend(shown.keys)
        window = Window(shown.start_s, shown.length_s)
        drawn = graph(members, shown.keys, shown.totals, self.parts.ladder, window, counting=self.asked.names)
        return Failures(drawn, self._title)

    def slos(self) -> list[Json]:
        """How every objective stands now."""
        with self.lock:
            told = self.told()
            entries, over = self._entries(told), told.ledger.overflow
        return entries.all() + beyond(over, entries)

    def _entries(self, told: Told) -> Entries:
        """Entries of what was told; call it with the lock held."""
        ledger, plan = told.ledger, told.found.plan
        asked = (ledger.grid.end_s // HOUR_S, plan)
        if self._ends[0] != asked:
            self._ends = (asked, past.day_ends(ledger, plan))
        sums = self.parts.objectives.counters.read(ledger, plan)
        strips = past.strips(told.found, self._ends[1])
        return Entries(told, self.parts.house, strips, (sums[0], sums[1]), self._origin_of)

    def slo(self, name: str) -> Json | None:
        """One objective with its document, rules and alerts."""
        with self.lock:
            told = self.told()
            row, entries = told.row.get(name), self._entries(told)
        if row is not None:
            return {**entries.entry(row), **details(told.found.plan.slos[row], told)}
        over = [one for one in told.ledger.overflow if one.slo.name == name]
        return {**beyond(over, entries)[0], **details(over[0].slo, told)} if over else None

    def slo_history(self, name: str, from_s: float, to_s: float, step_s: int) -> Json | None:
        """An objective over time."""
        with self.lock:
            ledger, plan = self.told().ledger, self._alone(name)
            return None if plan is None else past.history(ledger, plan, (from_s, to_s), step_s)

    def slo_spenders(self, name: str, limit: int = 10) -> list[Json] | None:
        """The intervals that spent most of an objective's budget, with where failures began."""
        with self.lock:
            ledger, plan = self.told().ledger, self._alone(name)
            if plan is None:
                return None
            found = past.spenders(ledger, plan, limit)
        return [{"from": one.from_s, "to": one.to_s, "bad": one.bad, "total": one.total, "share": one.share,
                 "origins": self._origins(plan.concretes[0], one)} for one in found]

    def _origins(self, of: Concrete, spender: past.Spender) -> list[Json]:
        """Where the failures of an interval began; nothing where no failure is promised against."""
        about = of.nodes[0] if of.nodes else of.paths[0].partition(">")[2] if of.paths else ""
        if kind_of(of.slo) != "availability" or not about:
            return []
        shown = before(self.parts.store, self.parts.ladder, spender.to_s, spender.to_s - spender.from_s)
        failures = self._failures_in(shown)
        return [{"id": node, "title": failures.name_of(node), "share": round(share, 4)}
                for node, share in failures.origins(about, ORIGINS)]

    def _title(self, service: Service) -> dict[str, str]:
        said = self.parts.house.describe(service)
        return {"en": said.title_en, "zh": said.title_zh}

    def slo_what_if(self, name: str, target: str | None, threshold_ms: float | None) -> Json | None:
        """What the last 30 days would have given; ValueError for a target or threshold that is none."""
        with self.lock:
            slo, ledger = self._slo(name), self.told().ledger
            if slo is None:
                return None
            changed = past.with_threshold(past.with_target(slo, target), threshold_ms)
            same = changed.parts == slo.parts
            plan = ledger.alone(changed) if same else None
            found = past.would_have(ledger, plan) if plan else None
        if found is None:
            found = self._counted_anew(changed)
        limit_us = threshold_us(changed)
        exact = limit_us is None or self.parts.objectives.exact(limit_us)
        notes = ["hours", *["stored"] * (not same), *["bounds"] * (not exact)]
        return {"target": f"{changed.target:f}", "threshold_ms": limit_us / 1000 if limit_us else None, **found,
                "exact": exact, "note": "; ".join(NOTES[note] for note in notes), "notes": notes}

    def _counted_anew(self, changed: Slo) -> Json:
        """With another threshold: from the stored histograms of what the objective is about."""
        ledger = self.parts.objectives.what_if(replace(changed, name="what-if"), self._new_members, self.parts.clock())
        return past.would_have(ledger, ledger.plan)

    def alerts(self, open_only: bool = True, from_s: float | None = None, to_s: float | None = None) -> list[Json]:
        """Burn alerts, newest first."""
        with self.lock:
            told = self.told()
        return alerts(told, open_only, from_s, to_s)

    def slo_faults(self) -> list[Json]:
        """What is wrong in the documents."""
        return faults(self.parts.objectives)

    def _slo(self, name: str) -> Slo | None:
        told = self.told()
        row = told.row.get(name)
        return None if row is None else told.found.plan.slos[row]

    def _alone(self, name: str) -> Plan | None:
        slo = self._slo(name)
        return None if slo is None else self.told().ledger.alone(slo)

