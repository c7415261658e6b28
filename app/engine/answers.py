"""Questions about one thing: its neighbours, its charts, its traces and lines; and about the product itself."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from app.engine.asked import Asked
from app.engine.history import Columns, instances, operations, with_lines
from app.engine.likeness import alike
from app.engine.log_answers import LogAnswers
from app.engine.moments import rfc3339
from app.engine.parts import Parts
from app.engine.past import HOUR_S, before
from app.engine.placement import Placement
from app.engine.presence import Presence, ends_of, is_id
from app.engine.registered import Registered
from app.examples import rows_of
from app.intake import OTLP
from topology.graph import whole
from topology.members import (
    CLIENT_SIDE,
    ERROR_LEVELS,
    GAUGE,
    INSTANCE,
    LOG,
    PART,
    ROOT_WORK,
    SERVER_SIDE,
    WORK,
    Members,
)
from topology.model import GaugeKey, LogKey, SeriesKey, Service
from topology.readings import MINUTE_S
from topology.ring import Ring, Totals
from topology.rollup import CALLS, RollupBatch
from topology.standing import Speaking
from topology.store.contract import Example, ExampleQuery, ExampleSummary

Part = tuple[RollupBatch, Sequence[SeriesKey]]
"""Rows of rollups, and the keys that their numbers stand for."""
EXAMPLES_S = 3 * 86400.0
LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")


class Answers(LogAnswers, ABC):
    """The part of the engine that reads; what it reads from is the engine's."""

    parts: Parts
    lock: threading.RLock
    ring: Ring
    asked: Asked
    members: Members
    presence: Presence
    placement: Placement
    registered: Registered
    _pictures: dict[int, dict[str, Any]]

    @abstractmethod
    def snapshot(self, window_s: int = 300, at_s: float | None = None) -> dict[str, Any]:
        """The graph of a window, now or at a moment of the past."""

    @abstractmethod
    def live_totals(self, window_s: int) -> Totals:
        """The totals of the newest window of this length; call it with the lock held."""

    @abstractmethod
    def over_s(self, window_s: int, at_s: float | None) -> float | None:
        """When the window ended that the store has to answer for; None for the live picture."""

    @abstractmethod
    def _new_members(self) -> Members:
        """Members that know no series yet."""

    def service(self, node_id: str, window_s: int = 300, at_s: float | None = None) -> dict[str, Any] | None:
        """One node with callers, callees, operations and instances; None when unknown."""
        picture = self.snapshot(window_s, at_s)
        node = next((n for n in picture["nodes"] if n["id"] == node_id), None)
        if node is None:
            return None
        callers = [e for e in picture["edges"] if e["target"] == node_id]
        callees = [e for e in picture["edges"] if e["source"] == node_id]
        with self.lock:
            members, keys, totals = self.members, self.parts.series.keys, self.live_totals(window_s)
            over_s = self.over_s(window_s, at_s)
            if over_s is not None:
                past = before(self.parts.store, self.parts.ladder, over_s, window_s)
                totals, keys, window_s = past.totals, list(past.keys), past.length_s
                members = self._new_members()
                members.extend(keys)
            rows = _series_of(members, node_id, len(totals.counts), (WORK, ROOT_WORK, INSTANCE, PART, GAUGE, LOG))
            rows = rows[totals.counts[rows, CALLS] > 0]
            roles = members.role[rows]
            work = _listed(rows, roles, keys)
            args = (keys, totals, self.parts.ladder, window_s)
            listed = operations(work.tolist(), *args)
            found = {**node, "callers": callers, "callees": callees,
                     **with_lines(listed, rows[roles == LOG].tolist(), *args),
                     "instances": instances(rows[roles == INSTANCE].tolist(), *args)}
            gauges = [keys[row] for row in rows[roles == GAUGE].tolist()]
            heard = [Speaking(key.instance, key.zone) for key in gauges if isinstance(key, GaugeKey)]
            return self.registered.tell(found, heard, self.parts.clock(), over_s is None)

    def alike(self) -> list[dict[str, Any]]:
        """Services that look the same under different names; see `app.views.Views`."""
        self.snapshot()
        with self.lock:
            return alike(self.parts.series.keys, self.members, self.registered.instances(), self.parts.house,
                         self.asked.names)

    def registry(self) -> dict[str, Any]:
        """Everything that is registered, and the age of what is known; see `app.views.Views`."""
        self.snapshot()
        with self.lock:
            return self.registered.overview(self.parts.clock())

    def series(self, of: str, signals: Sequence[str], from_s: float, to_s: float,
               step_s: int) -> dict[str, Any] | None:
        """Columns for charts of a node or path; None when it is unknown."""
        if not is_id(of):
            return None
        columns = Columns(from_s, to_s, step_s, self.parts.ladder)
        known = of in self.presence.seen
        for batch, keys in self._rollups(of, columns.start_s, to_s, step_s):
            members = self._new_members()
            members.extend(keys)
            rows = _series_of(members, of, len(keys))
            known = known or len(rows) > 0
            self._lay(columns, batch, members, of, rows)
        return columns.answer(signals) if known else None

    def _lay(self, columns: Columns, batch: RollupBatch, members: Members, of: str,
             rows: npt.NDArray[np.int64]) -> None:
        mine = np.zeros(len(members.role), bool)
        mine[rows] = True
        role = members.role
        has_work = bool((mine & (role == WORK)).any())
        counted = mine & (role == (WORK if has_work else ROOT_WORK) if ends_of(of) is None else role == CLIENT_SIDE)
        timed = mine & ((role == CLIENT_SIDE) | (role == SERVER_SIDE)) if ends_of(of) else counted
        if ends_of(of) is None and Service.from_id(of).kind != "service":
            counted = mine & (role == CLIENT_SIDE)
            client = bool(np.isin(batch.series[batch.hist_row], np.flatnonzero(counted)).any())
            timed = counted if client else mine & (role == SERVER_SIDE)
        columns.add(batch, counted[batch.series], timed[batch.series])
        columns.add_gauges(batch, (mine & (role == GAUGE))[batch.series])

    def _rollups(self, of: str, from_s: float, to_s: float,
                 step_s: int) -> list[Part]:
        """What is known of a node or path: the recent part from the ring, the rest from the store."""
        with self.lock:
            recent_s = self._recent_s(from_s)
            rows = _series_of(self.members, of, len(self.members.role))
            parts = self._recent(recent_s, to_s, rows.astype(np.int32))
        if from_s < recent_s:
            kept = self.parts.store.rollups(from_s, min(recent_s, to_s), min(step_s, 3600), self.parts.ladder,
                                            choice=_about(self.members, of))
            parts.append((kept.batch, kept.keys))
        return parts

    def _recent(self, from_s: float, to_s: float, series: npt.NDArray[np.int32]) -> list[Part]:
        """What is in memory of some series; call it with the lock held."""
        keys = list(self.parts.series.keys)
        found = [self.ring.rows(from_s, to_s + 10, series), *self.asked.rows(from_s, to_s + 10, series)]
        return [(batch, keys) for batch in found]

    def _recent_s(self, from_s: float) -> float:
        """From when on the ring answers. Not within an hour: the store may have that only as a whole."""
        oldest_s = self.ring.oldest_s
        return from_s if from_s >= oldest_s else float(-(-oldest_s // HOUR_S) * HOUR_S)

    def traces(self, service: str | None = None, min_ms: float | None = None, errors: bool = False,
               from_s: float | None = None, to_s: float | None = None, limit: int = 20) -> list[dict[str, Any]]:
        """Kept example traces, newest first, without their spans."""
        now_s = self.parts.clock()
        from_s = now_s - EXAMPLES_S if from_s is None else from_s
        to_s = now_s + 60 if to_s is None else to_s
        query = ExampleQuery(from_s, to_s, service, None, min_ms or 0.0, errors, limit)
        return [self._summary(found) for found in self.parts.store.examples(query)]

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """One kept trace with its spans, or None."""
        found = self.parts.store.example(trace_id)
        return None if found is None else {**self._summary(found), "spans": rows_of(found)}

    def _summary(self, found: Example | ExampleSummary) -> dict[str, Any]:
        title = self.title_of(Service.from_id(found.service_id))
        return {"trace_id": found.trace_id, "service": found.service_id, "service_title": title,
                "operation": found.operation, "start": rfc3339(found.start_s), "at": rfc3339(found.start_s),
                "duration_ms": round(found.duration_ms, 3), "failed": found.failed, "span_count": found.span_count}

    def log_counts(self, service: str | None, from_s: float, to_s: float, step_s: int) -> dict[str, Any]:
        """Log lines by level and window as columns."""
        columns = {level: Columns(from_s, to_s, step_s, self.parts.ladder) for level in LEVELS}
        ids = self._ids(service)
        start_s = columns[LEVELS[0]].start_s
        for batch, keys in self._log_rollups(start_s, to_s, step_s):
            for level in LEVELS:
                chosen = np.array([_is_line(key, level, ids) for key in keys])
                rows = chosen[batch.series] if len(keys) else np.zeros(len(batch), bool)
                columns[level].add(batch, rows, rows)
        times = columns["info"].answer(())["times"]
        levels = {level: [n or 0 for n in column.answer(("calls",))["calls"]] for level, column in columns.items()}
        return {"times": times, "levels": levels}

    def error_lines(self, from_s: float, to_s: float) -> dict[str, int | float]:
        """The error lines of every node, by its id, in whole minutes."""
        first_s, found = int(from_s) // MINUTE_S * MINUTE_S, dict[str, float]()
        for batch, keys in self._log_rollups(first_s, to_s, MINUTE_S):
            inside = (batch.starts_s >= first_s) & (batch.starts_s < to_s)
            sums = np.bincount(batch.series[inside], batch.counts[inside, CALLS], minlength=len(keys))
            for row in np.flatnonzero(sums).tolist():
                key = keys[row]
                if isinstance(key, LogKey) and key.level in ERROR_LEVELS:
                    node = self.drawn_as(key.service).id
                    found[node] = found.get(node, 0.0) + float(sums[row])
        return {node: whole(lines) for node, lines in found.items()}

    def _log_rollups(self, from_s: float, to_s: float,
                     step_s: int) -> list[Part]:
        with self.lock:
            recent_s = self._recent_s(from_s)
            rows = np.flatnonzero(self.members.role == LOG).astype(np.int32)
            parts = self._recent(recent_s, to_s, rows)
        if from_s < recent_s:
            kept = self.parts.store.rollups(from_s, min(recent_s, to_s), min(step_s, 3600), self.parts.ladder,
                                            choice=lambda key: isinstance(key, LogKey), histograms=False)
            parts.append((kept.batch, kept.keys))
        return parts

    def sources(self) -> list[dict[str, Any]]:
        """Every collector with its state, rate, lag, last error and counters."""
        rows = self.parts.sources()
        intakes = self.parts.intakes
        for row in rows:
            intake = intakes.own if row["kind"] == OTLP else intakes.of(row["name"]) if row["name"] in intakes else None
            newest_s = intake.newest_end_s() if intake else 0.0
            if row.get("lag_s") is None and newest_s:
                row["lag_s"] = round(max(0.0, self.parts.clock() - newest_s), 1)
        return rows

    def quality(self) -> dict[str, int]:
        """The counters of what was lost, merged, refused and is waiting."""
        return {**self.parts.intakes.quality(), **self.asked.quality(), "series": len(self.parts.series)}

    def save_positions(self, positions: Mapping[str, tuple[float, float]]) -> None:
        """Pins nodes where a person put them; KeyError naming one that nothing was ever heard of."""
        with self.lock:
            self.placement.pin(positions, self.presence.seen)
            self._pictures.clear()

    def relayout(self) -> None:
        """Arranges everything anew at the next look."""
        self.placement.again()
        with self.lock:
            self._pictures.clear()


def _series_of(members: Members, of: str, n: int, roles: Sequence[int] = ()) -> npt.NDArray[np.int64]:
    """The numbers of the series that tell about a node (its own, or the paths it is an end of) or a path."""
    role, owner = members.role[:n], members.owner[:n]
    ends = ends_of(of)
    edge_roles = (role == CLIENT_SIDE) | (role == SERVER_SIDE)
    if ends:
        wanted = tuple(end.id for end in ends)
        numbers = [i for i, pair in enumerate(members.edges) if tuple(members.nodes[end].id for end in pair) == wanted]
        return np.flatnonzero(edge_roles & np.isin(owner, numbers))
    numbers = [i for i, node in enumerate(members.nodes) if node.id == of]
    own = np.isin(owner, numbers) & ~edge_roles
    if roles:
        return np.flatnonzero(own & np.isin(role, roles))
    borrowed = _borrowed(members, numbers)
    return np.flatnonzero(own | (edge_roles & np.isin(owner, borrowed)))


def _listed(rows: npt.NDArray[np.int64], roles: npt.NDArray[np.int8],
            keys: Sequence[SeriesKey]) -> npt.NDArray[np.int64]:
    """The series of a node that its operations are listed by. What a source tells of the service as a whole is listed
    only where it tells of no operation."""
    if not (roles == WORK).any():
        return rows[np.isin(roles, (ROOT_WORK, PART))]
    named = np.array([bool(getattr(keys[row], "operation", "")) for row in rows.tolist()], bool)
    listed = ((roles == WORK) & named) | (roles == PART)
    return rows[listed] if listed.any() else rows[roles == WORK]


def _borrowed(members: Members, numbers: Sequence[int]) -> list[int]:
    found = []
    for edge, (caller, callee) in enumerate(members.edges):
        kind = {number: members.nodes[number].kind for number in numbers}
        if (callee in kind and kind[callee] != "service") or (caller in kind and kind[caller] in ("user", "unknown")):
            found.append(edge)
    return found


def _about(members: Members, of: str):  # type: ignore[no-untyped-def]
    wanted = {end.id for end in ends_of(of) or (Service.from_id(of),)}

    def choice(key: SeriesKey) -> bool:
        """Whether a series is of what is asked about, or of the users who call it."""
        services = (key.caller, key.callee) if hasattr(key, "caller") else (key.service,)  # type: ignore[union-attr]
        shown = (members.display(service) for service in services)
        users = [members.user_for(services[-1])] if len(services) == 2 else []
        return any(node is not None and node.id in wanted for node in [*shown, *users])

    return choice


def _is_line(key: SeriesKey, level: str, services: Collection[str] | None) -> bool:
    return isinstance(key, LogKey) and key.level == level and (services is None or key.service.id in services)
