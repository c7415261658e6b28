"""Objectives laid out for evaluation: which rows of the grid each one reads, and which are worked out from others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topology.slo.burn import RuleTable, rule_table, windows_of
from topology.slo.incidence import NOTHING_ROW, Rows
from topology.slo.objectives import WINDOWS_S, Measure, Method, Missing, Period, Severity, Slo, Threshold
from topology.slo.selection import Concrete, Figure, Pair, Term, What
from topology.slo.states import hold_s

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MINUTE_S = 60
SETTLED_S = 120
"""When what belongs to a slice has come at the latest, counted from its end, and a minute to judge it in."""
HEARD = What.WORK, ""
"""The subject of the row that counts everything: what was not heard of while anything was is zero, not unknown."""


class PairRows(NamedTuple):
    """Where the good events of all events are counted, by inbound and by root work."""

    good: int
    total: int
    root_good: int = NOTHING_ROW
    root_total: int = NOTHING_ROW


@dataclass(frozen=True, slots=True)
class MinuteFigure:
    """A threshold metric: `out` counts every minute as an event, `pairs` are the (amount, number) it is worked out
    from, the worst of which counts. `name` is the same after a restart, and another for another definition."""

    name: str
    threshold: Threshold
    pairs: tuple[PairRows, ...]
    out: PairRows


@dataclass(frozen=True, slots=True)
class Sliced:
    """Slices of `slice_s` as events in `out`, worked out from the counts of the parts. `name` as above."""

    name: str
    slice_s: int
    method: Method
    slice_target: float | None
    parts: tuple[PairRows, ...]
    weights: tuple[float, ...]
    out: PairRows


@dataclass(frozen=True, slots=True)
class Laid:
    """Where one objective is counted: the parts that are summed, and where its slots with data are counted (row 0 when
    nobody asks)."""

    parts: tuple[PairRows, ...]
    weights: tuple[float, ...]
    covered: int = NOTHING_ROW
    slot_s: int = MINUTE_S


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that `evaluation.evaluate` reads, as arrays over objectives (or over parts, ordered by objective)."""

    concretes: tuple[Concrete, ...]
    windows_s: tuple[int, ...]
    laid: tuple[Laid, ...]
    figures: tuple[MinuteFigure, ...]
    slices: tuple[Sliced, ...]
    rules: RuleTable

    @cached_property
    def slos(self) -> tuple[Slo, ...]:
        """The objectives themselves."""
        return tuple(one.slo for one in self.concretes)

    @cached_property
    def parts(self) -> Ints:
        """parts x 4: the rows of every part."""
        return np.array([part for laid in self.laid for part in laid.parts], np.int64).reshape(-1, 4)

    @cached_property
    def first_part(self) -> Ints:
        """The first part of each objective."""
        many = [len(laid.parts) for laid in self.laid]
        return np.cumsum([0, *many])[:-1].astype(np.int64)

    @cached_property
    def weights(self) -> Floats:
        """The weight of every part."""
        return np.array([weight for laid in self.laid for weight in laid.weights], np.float64)

    @cached_property
    def weighted(self) -> bool:
        """Whether any objective has more than one part, or a weight."""
        return len(self.parts) != len(self.laid) or bool((self.weights != 1).any())

    @cached_property
    def allowed(self) -> Floats:
        """The share of events that may be bad."""
        return np.array([float(slo.allowed) for slo in self.slos], np.float64)

    @cached_property
    def least_bad(self) -> Floats:
        """How many bad events of a period are enough to say that its budget is spent."""
        return np.array([slo.min_bad_events for slo in self.slos], np.float64)

    @cached_property
    def period_s(self) -> Floats:
        """The length of each period."""
        return np.array([slo.period.length_s for slo in self.slos], np.float64)

    @cached_property
    def periods(self) -> dict[Period, Ints]:
        """The different periods, and whose they are."""
        found: dict[Period, list[int]] = {}
        for number, slo in enumerate(self.slos):
            found.setdefault(slo.period, []).append(number)
        return {period: np.array(numbers, np.int64) for period, numbers in found.items()}

    @cached_property
    def projected(self) -> Ints:
        """The objectives whose young budget is measured against a whole period's traffic."""
        return np.flatnonzero([slo.projected for slo in self.slos])

    @cached_property
    def filled(self) -> list[tuple[Missing, Ints]]:
        """The objectives for which time without data counts, by how."""
        return [(how, np.array([n for n, slo in enumerate(self.slos) if slo.missing is how], np.int64))
                for how in (Missing.GOOD, Missing.BAD) if any(slo.missing is how for slo in self.slos)]

    @cached_property
    def covered(self) -> Ints:
        """The row that counts the slots with data of each objective."""
        return np.array([laid.covered for laid in self.laid], np.int64)

    @cached_property
    def slot_s(self) -> Ints:
        """The length of a slot of each objective."""
        return np.array([laid.slot_s for laid in self.laid], np.int64)

    @cached_property
    def short_at(self) -> Ints:
        """The shortest window that a rule of each objective looks at; five minutes without rules."""
        shortest = np.full(len(self.laid), len(self.windows_s), np.int64)
        np.minimum.at(shortest, self.rules.row, self.rules.short_at)
        return np.where(shortest == len(self.windows_s), self.windows_s.index(WINDOWS_S["5m"]), shortest)

    @cached_property
    def known_at(self) -> Ints:
        """The shortest window in which an objective that has data shows some: of slices the newest may have ended
        nearly a slice ago, and is judged `SETTLED_S` later."""
        spans = np.array(self.windows_s)[:, None]
        needed = np.where(self.slot_s > MINUTE_S, self.slot_s + SETTLED_S, 0)
        needed = np.maximum(spans[self.short_at, 0], np.minimum(needed, spans.max()))
        found: Ints = np.argmin(np.where(spans >= needed, spans, np.iinfo(np.int64).max), axis=0)
        return found

    @cached_property
    def long_at(self) -> Ints:
        """The long window of the loudest rule of each objective."""
        return np.array([self.windows_s.index(long_window_s(slo)) for slo in self.slos], np.int64)

    @cached_property
    def rolling(self) -> npt.NDArray[np.bool_]:
        """Which periods roll."""
        return np.array([slo.period.rolling for slo in self.slos], bool)

    @cached_property
    def calendar_slices(self) -> Ints:
        """The objectives whose budget is all slices of a calendar period."""
        return np.flatnonzero([not slo.period.rolling and slo.method is not Method.OCCURRENCES for slo in self.slos])

    @cached_property
    def slo_of_part(self) -> Ints:
        """Whose each part is."""
        return np.repeat(np.arange(len(self.laid)), [len(laid.parts) for laid in self.laid])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the objectives."""
        return tuple(slo.name for slo in self.slos)

    @cached_property
    def hold_s(self) -> Floats:
        """How long a loud state of each objective is held."""
        return hold_s(self.slos)

    @cached_property
    def watched(self) -> Ints:
        """The rows from which others are worked out."""
        pairs = [pair for figure in self.figures for pair in figure.pairs]
        pairs += [pair for sliced in self.slices for pair in sliced.parts]
        return np.unique(np.array(pairs, np.int64))


def lay_out(concretes: Sequence[Concrete], rows: Rows, kept: dict[object, PairRows]) -> Plan:
    """The plan of these objectives; rows that are worked out are kept in `kept`, for the next plan to have them too."""
    layer = _Layer(rows, kept)
    laid = tuple(layer.objective(one) for one in concretes)
    slos = [one.slo for one in concretes]
    windows = tuple(sorted({*WINDOWS_S.values(), *windows_of(slos)}))
    return Plan(tuple(concretes), windows, laid, tuple(layer.figures.values()), tuple(layer.slices.values()),
                rule_table(slos, windows))


class _Layer:
    def __init__(self, rows: Rows, kept: dict[object, PairRows]) -> None:
        self._rows, self._kept = rows, kept
        self.figures: dict[PairRows, MinuteFigure] = {}
        self.slices: dict[PairRows, Sliced] = {}

    def objective(self, one: Concrete) -> Laid:
        """The rows that are counted for one objective."""
        slo = one.slo
        parts = tuple(self._part(part, f"{slo.name}/{number}") for number, part in enumerate(one.parts))
        weights = tuple(float(part.weight) for part in slo.parts)
        if slo.method is Method.OCCURRENCES:
            covered = self._sliced(slo, MINUTE_S, parts, weights) if slo.missing is not Missing.IGNORE else None
            return Laid(parts, weights, covered.total if covered else NOTHING_ROW)
        slice_s = max(-(-slo.slice_s // MINUTE_S), 1) * MINUTE_S
        out = self._sliced(slo, slice_s, parts, weights)
        return Laid((out,), (1.0,), out.total, slice_s)

    def _part(self, part: Pair | Figure, name: str) -> PairRows:
        if isinstance(part, Pair):
            return PairRows(*(self._rows.number(line) for line in (part.good, part.total, part.root_good,
                                                                  part.root_total)))
        if part.threshold.measure in (Measure.CALLS_PER_S, Measure.LOG_ERRORS_PER_S):
            self._rows.number((Term(*HEARD),))
        pairs = tuple(self._part(pair, name) for pair in part.pairs)
        threshold = part.threshold
        out = self._out(("minutes", threshold.measure, threshold.operator, threshold.value, threshold.weeks, pairs))
        self.figures.setdefault(out, MinuteFigure(_name(name, threshold), threshold, pairs, out))
        return out

    def _sliced(self, slo: Slo, slice_s: int, parts: tuple[PairRows, ...], weights: tuple[float, ...]) -> PairRows:
        method = slo.method if slo.method is not Method.OCCURRENCES else Method.RATIO_TIMESLICES
        target = None if slo.slice_target is None else float(slo.slice_target)
        out = self._out(("slices", slice_s, method, target, parts, weights))
        name = _name(slo.name, slice_s, method, target, slo.parts)
        self.slices.setdefault(out, Sliced(name, slice_s, method, target, parts, weights, out))
        return out

    def _out(self, key: object) -> PairRows:
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = PairRows(self._rows.fresh(), self._rows.fresh())
        return found


def _name(slo: str, *definition: object) -> str:
    """The name of an objective with a digest of what it says."""
    return f"{slo} {hashlib.blake2b(repr(definition).encode(), digest_size=8).hexdigest()}"


def long_window_s(slo: Slo) -> int:
    """The long window of the loudest rule: what is said about pace is about this one. An hour without rules."""
    pages = [rule.long_s for rule in slo.rules if rule.severity is Severity.PAGE]
    return min(pages or [rule.long_s for rule in slo.rules] or [WINDOWS_S["1h"]])
