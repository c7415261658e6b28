"""Burn-rate alerts: when somebody must be told, for many SLOs and rules at once.

SRE workbook, chapter 5: a rule fires while the budget burns at its factor or more in a long AND in a short window.
Table 5-8 for 99.9 % over 30 days; the factor of another period spends the same share of its budget:
factor = budget share x period / long window. A floor on bad events (not on calls: a floor on calls would silence the
total outage of a quiet service) keeps one failure in ten calls an hour from waking anybody.

The border counts: burn == factor fires. Compared are bad / total and `limit` = factor x (1 - target), exact until it is
rounded once to a float; why no rounding decides is said in `topology.slo.budget`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from topology.slo.budget import NOTHING, Array, bad_ratio
from topology.slo.objectives import BurnCondition, BurnRule, Operator, Severity, Slo

OPERATORS = (Operator.GTE, Operator.GT, Operator.LTE, Operator.LT)
_COMPARE = (np.greater_equal, np.greater, np.less_equal, np.less)


def exact_factor(budget_share: Decimal | Fraction, period_s: int, long_s: int) -> Fraction:
    """The burn at which one long window spends `budget_share` of a period: 2 % of 30 d in 1 h is 14.4."""
    return Fraction(budget_share) * period_s / long_s


def factor(budget_share: Decimal, period_s: int, long_s: int) -> Decimal:
    """The same as a decimal of 28 digits, for `BurnRule.factor`: exact where the factor has an end."""
    exact = exact_factor(budget_share, period_s, long_s)
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def limit(factor: Decimal, allowed: Decimal) -> Fraction:
    """The share of bad events at which a rule fires, exactly."""
    return Fraction(factor) * Fraction(allowed)


def reachable(factor: Decimal, target: Decimal) -> bool:
    """Whether a total outage reaches the factor: factor x (1 - target) <= 1. 14.4 cannot fire at 93 % or less."""
    return limit(factor, 1 - target) <= 1


class RuleKey(NamedTuple):
    """What makes an alert the same one from one evaluation to the next, and after a restart."""

    slo: str
    severity: str
    long_s: int
    short_s: int
    name: str = ""
    """The name of an OpenSLO AlertCondition; empty for a rule of the catalogue."""


@dataclass(frozen=True, eq=False)
class RuleTable:
    """The rules of many SLOs, flat: one element per rule. `row` is the SLO's place, `long_at` and `short_at` are places
    of windows in the arrays given to `firing`."""

    keys: tuple[RuleKey, ...]
    row: npt.NDArray[np.int64]
    long_at: npt.NDArray[np.int64]
    short_at: npt.NDArray[np.int64]
    limit: Array
    allowed: Array
    least_bad: Array
    after_s: Array
    short_s: Array
    operator: npt.NDArray[np.int8]
    pages: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def operators(self) -> tuple[int, ...]:
        """The operators that occur, as places in `OPERATORS`."""
        return tuple(np.unique(self.operator).tolist())


def windows_of(slos: Sequence[Slo]) -> tuple[int, ...]:
    """Every window that a rule or condition looks at, in seconds, shortest first."""
    rules = {id(slo.rules): slo.rules for slo in slos}.values()
    conditions = {id(slo.conditions): slo.conditions for slo in slos}.values()
    windows = {s for several in rules for rule in several for s in (rule.long_s, rule.short_s)}
    return tuple(sorted(windows | {condition.lookback_s for several in conditions for condition in several}))


def rule_table(slos: Sequence[Slo], windows_s: Sequence[int]) -> RuleTable:
    """All rules and conditions of `slos` over `windows_s`, which must hold every window of `windows_of(slos)`."""
    at = {window: place for place, window in enumerate(windows_s)}
    known: dict[object, _Figures] = {}
    # Most objectives share their rules and a few targets: exact figures are worked out once for all of these.
    found = [known.get(_shared(slo)) or known.setdefault(_shared(slo), _figures_of(slo, at)) for slo in slos]
    columns = np.concatenate([figures.columns for figures in found], axis=1) if found else np.empty((len(_COLUMNS), 0))
    figures = dict(zip(_COLUMNS, columns, strict=True))
    row = np.repeat(np.arange(len(found)), [len(figures.keys) for figures in found])
    return RuleTable(
        keys=tuple(RuleKey(slo.name, *key) for slo, figures in zip(slos, found, strict=True) for key in figures.keys),
        row=row.astype(np.int64), long_at=figures["long_at"].astype(np.int64),
        short_at=figures["short_at"].astype(np.int64), limit=figures["limit"], allowed=figures["allowed"],
        least_bad=figures["least_bad"], after_s=figures["after_s"], short_s=figures["short_s"],
        operator=figures["operator"].astype(np.int8), pages=figures["pages"].astype(np.bool_),
    )  # fmt: skip


_COLUMNS = ("long_at", "short_at", "limit", "allowed", "least_bad", "after_s", "short_s", "operator", "pages")


class _Figures(NamedTuple):
    """The rules of an SLO: their keys without its name, and `_COLUMNS` x rules."""

    keys: tuple[tuple[Any, ...], ...]
    columns: Array


def _shared(slo: Slo) -> tuple[object, ...]:
    return id(slo.rules), id(slo.conditions), slo.target, slo.min_bad_events


def _figures_of(slo: Slo, at: Mapping[int, int]) -> _Figures:
    rules: tuple[BurnRule | BurnCondition, ...] = (*slo.rules, *slo.conditions)
    keys = [_key(slo, rule) for rule in rules]
    rows = [(at[key.long_s], at[key.short_s], float(limit(_threshold(rule), slo.allowed)), float(slo.allowed),
             _floor(slo, rule), getattr(rule, "alert_after_s", 0), key.short_s, OPERATORS.index(_operator(rule)),
             key.severity == Severity.PAGE) for key, rule in zip(keys, rules, strict=True)]  # fmt: skip
    columns = np.array(rows, np.float64).reshape(-1, len(_COLUMNS)).T
    return _Figures(tuple(tuple(key[1:]) for key in keys), columns)


def _key(slo: Slo, rule: BurnRule | BurnCondition) -> RuleKey:
    if isinstance(rule, BurnRule):
        return RuleKey(slo.name, rule.severity.value, rule.long_s, rule.short_s)
    return RuleKey(slo.name, rule.severity, rule.lookback_s, rule.lookback_s, rule.name)


def _threshold(rule: BurnRule | BurnCondition) -> Decimal:
    return rule.factor if isinstance(rule, BurnRule) else rule.threshold


def _operator(rule: BurnRule | BurnCondition) -> Operator:
    return Operator.GTE if isinstance(rule, BurnRule) else rule.operator


def _floor(slo: Slo, rule: BurnRule | BurnCondition) -> int:
    # A condition that watches for too little burn would never fire with a floor on bad events.
    return slo.min_bad_events if _operator(rule) in (Operator.GTE, Operator.GT) else 0


def firing(rules: RuleTable, good: Array, total: Array) -> npt.NDArray[np.bool_]:
    """Which rules' conditions hold: one element per rule.

    `good` and `total` are windows x SLOs, or windows x SLOs x instants for rules x instants. A window without events
    holds nothing. `after_s` is not looked at here: see `topology.slo.alerts`.
    """
    shares = bad_ratio(good, total)
    long, short = shares[rules.long_at, rules.row], shares[rules.short_at, rules.row]
    limit, operator = _beside(rules.limit, long), _beside(rules.operator, long)
    holds = np.zeros(long.shape, np.bool_)
    for code in rules.operators:
        compare = _COMPARE[code]
        holds |= (operator == code) & compare(long, limit) & compare(short, limit)
    bad = (total - good)[rules.long_at, rules.row]
    return holds & (bad >= _beside(rules.least_bad, bad) - NOTHING)


def burns(rules: RuleTable, good: Array, total: Array) -> Array:
    """The burn of every rule: the lower of its two windows, so what decides; NaN where one has no events."""
    shares = bad_ratio(good, total)
    lower = np.minimum(shares[rules.long_at, rules.row], shares[rules.short_at, rules.row])
    found: Array = lower / _beside(rules.allowed, lower)
    return found


def _beside(values: npt.NDArray[Any], wide: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One value per rule, for every instant of that rule."""
    return values.reshape(-1, *(1,) * (wide.ndim - 1))
