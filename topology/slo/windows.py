"""The catalogue of burn windows: which pairs of windows raise an alert, and at which burn, for an SLO's period.

A rule is written as the share of the budget that one long window may spend; its factor follows from the period
(Google SRE workbook, chapter 5, "Alerting on SLOs": factor = share x period / long window).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from topology.slo.objectives import WINDOWS_S, BurnRule, Severity
from topology.slo.openslo.period import duration_of
from topology.slo.openslo.place import Finding, Place

LEAST_FACTOR = Decimal("0.9")
"""The lowest factor that is published (Sloth's for 28 days) is 14/15."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two windows, and the share of the budget that the long one may spend before somebody is told."""

    severity: Severity
    long_s: int
    short_s: int
    share: Decimal


@dataclass(frozen=True, slots=True)
class Windows:
    """The catalogue: pairs by the length of the period in seconds, with the text of that length."""

    pairs: Mapping[int, tuple[Pair, ...]] = field(default_factory=dict)
    texts: Mapping[int, str] = field(default_factory=dict)

    def base_s(self, period_s: int) -> int:
        """The period whose shares hold for another: the longest that is not longer, or else the shortest."""
        return max((known for known in self.pairs if known <= period_s), default=min(self.pairs))

    def rules(self, period_s: int) -> tuple[BurnRule, ...]:
        """The rules for a period of this length, in the order of the catalogue. A pair whose long window is as long
        as the period makes no rule, nor one that would call for somebody while less burns than the budget allows."""
        pairs = self.pairs[self.base_s(period_s)] if self.pairs else ()
        made = (
            BurnRule(pair.severity, pair.long_s, pair.short_s, pair.share * period_s / pair.long_s, pair.share)
            for pair in pairs if pair.long_s < period_s
        )
        return tuple(rule for rule in made if rule.factor >= LEAST_FACTOR)


def read_windows(value: object) -> tuple[Windows, list[Finding]]:
    """The catalogue in plain values, `{periods: {30d: [{severity, long, short, budget_percent}, ...]}}`, and every
    fault in it; `source` beside the rules is for people."""
    findings: list[Finding] = []
    place = Place(value, (), 0, findings)
    periods = place.at("periods")
    if not place.fields(("periods",), required=("periods",)) or periods.absent:
        return Windows(), findings
    if not isinstance(periods.value, dict) or not periods.value:
        periods.fault("type", "a mapping from periods to their rules")
        return Windows(), findings
    pairs: dict[int, tuple[Pair, ...]] = {}
    texts: dict[int, str] = {}
    for key in periods.value:
        length = duration_of(str(key))
        if length is None or length.seconds == 0:
            periods.at(key).fault("duration", "a period such as 30d", repr(str(key)))
            continue
        texts[length.seconds], pairs[length.seconds] = length.text, _pairs(periods.at(key), length.seconds)
    return Windows(pairs, texts), findings


def _pairs(place: Place, period_s: int) -> tuple[Pair, ...]:
    if not place.fields(("source", "rules"), required=("rules",)) or place.at("rules").absent:
        return ()
    read = [_pair(rule, period_s) for rule in place.at("rules").items()]
    return tuple(pair for pair in read if pair)


def _pair(place: Place, period_s: int) -> Pair | None:
    keys = ("severity", "long", "short", "budget_percent")
    if not place.fields(keys, required=keys):
        return None
    severity = place.at("severity").one_of(list(Severity))
    long, short = place.at("long").one_of(list(WINDOWS_S)), place.at("short").one_of(list(WINDOWS_S))
    percent = place.at("budget_percent").number()
    if percent is not None and not 0 < percent <= 100:
        place.at("budget_percent").fault("range", "a percentage above 0, up to 100")
        return None
    if not (severity and long and short) or percent is None:
        return None
    if WINDOWS_S[short] >= WINDOWS_S[long] or WINDOWS_S[long] >= period_s:
        place.fault("order", "short below long, and long below the period", f"{short} and {long}")
        return None
    return Pair(Severity(severity), WINDOWS_S[long], WINDOWS_S[short], percent.scaleb(-2))
