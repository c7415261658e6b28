"""Objectives as tests need them: a name, a target, and rules of the SRE workbook's table scaled to a period."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from topology.slo.burn import factor
from topology.slo.objectives import (
    BurnRule,
    Counted,
    Part,
    Period,
    Ratio,
    Selection,
    Services,
    Severity,
    Slo,
    Source,
)

DAY_S = 86400
MONTH = Period("30d", 30 * DAY_S)
PAGE, TICKET = Severity.PAGE, Severity.TICKET


def rule(severity: Severity, long_s: int, short_s: int, budget_share: str, period: Period = MONTH) -> BurnRule:
    """A rule that fires when one long window spends a share of the period's budget."""
    share = Decimal(budget_share)
    return BurnRule(severity, long_s, short_s, factor(share, period.length_s, long_s), share)


WINDOWS = ((PAGE, 3600, 300), (PAGE, 21600, 1800), (TICKET, 86400, 7200), (TICKET, 259200, 21600))
SHARES = ("0.02", "0.05", "0.1", "0.1")


def workbook_rules(period: Period = MONTH, shares: tuple[str, ...] = SHARES) -> tuple[BurnRule, ...]:
    """The four pairs of windows of table 5-8."""
    return tuple(rule(*window, share, period) for window, share in zip(WINDOWS, shares, strict=True))


def objective(name: str = "orders", target: str = "0.999", **changes: Any) -> Slo:
    """The availability of a service over 30 days."""
    calls = Selection(Services("orders"))
    ratio = Ratio(Source(calls, Counted.CALLS), good=Source(calls, Counted.SUCCESSES))
    given: dict[str, Any] = {"title": name, "service": "orders", "period": MONTH, "parts": (Part(ratio),), **changes}
    return Slo(name=name, target=Decimal(target), **given)
