"""What can be read and will hardly do what was meant: periods without rules, burns that no outage reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from topology.slo.burn import reachable
from topology.slo.objectives import BurnRule, Period, Slo, Threshold
from topology.slo.openslo.place import Place
from topology.slo.openslo.target import Target
from topology.slo.windows import Windows

HOUR_S = 3600
LONGEST_S = 10 * 365 * 86400
"""A period is counted by the day and its whole length is held in memory: 30 KB for ten years of one row."""
_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


@dataclass(frozen=True, slots=True)
class House:
    """What holds for every objective: the catalogue of windows, the floor on bad events, how long counts are kept."""

    windows: Windows
    min_bad_events: int = 0
    kept_s: float = float("inf")


def doubt(spec: Place, slos: Sequence[Slo], targets: Sequence[Target], house: House) -> None:
    """Notes the doubts about the objectives of one document, and a period that is too short or too long for any."""
    window, period = spec.at("timeWindow").at(0).at("duration"), slos[0].period
    if period.length_s < HOUR_S:
        window.fault("period", "a period of at least 1h (m is minutes, M is months)")
        return
    if period.length_s > LONGEST_S:
        window.fault("period", "a period of at most 10Y")
        return
    if house.windows.pairs:
        _period(window, period, house.windows)
    if period.length_s > house.kept_s:
        window.warn("kept", f"a period no longer than counts are kept ({span(int(house.kept_s))}, data.kept.hour)")
    for slo, target in zip(slos, targets, strict=False):
        if target.slice_s > period.length_s:
            target.place.at("timeSliceWindow").fault("period", "a slice that is not longer than the time window")
        for rule in slo.rules:
            _reach(target.written, rule, slo.target)
    if len(slos) > 1 and any(isinstance(part.indicator, Threshold) for part in slos[0].parts):
        # the prose allows one objective here, the SDK does not look
        spec.at("objectives").warn("threshold", "one objective for a thresholdMetric", f"{len(slos)}, all of them read")


def _period(place: Place, period: Period, windows: Windows) -> None:
    if period.length_s not in windows.pairs:
        known = ", ".join(windows.texts[length] for length in sorted(windows.texts))
        base = windows.texts[windows.base_s(period.length_s)]
        place.warn("windows", f"a period of the catalogue of burn windows ({known})",
                   f"{period.length}, for which the budget shares of {base} are taken")  # fmt: skip
    left_out = [pair for pair in windows.pairs[windows.base_s(period.length_s)] if pair.long_s >= period.length_s]
    if left_out:
        words = ", ".join(f"{span(pair.long_s)}/{span(pair.short_s)}" for pair in left_out)
        place.warn("windows", "a period longer than every long window",
                   f"{period.length}, which leaves out the rules {words}")  # fmt: skip


def _reach(place: Place, rule: BurnRule, target: Decimal) -> None:
    words = unreachable(rule, target)
    if words:
        place.warn("unreachable", *words)


def unreachable(rule: BurnRule, target: Decimal) -> tuple[str, str] | None:
    """What was expected and found when no outage burns more than the rule asks for; None when one does. The largest
    burn is 1 / (1 - target): every event is bad (SRE workbook, chapter 5)."""
    if reachable(rule.factor, target):
        return None
    name = f"{rule.severity} rule {span(rule.long_s)}/{span(rule.short_s)}"
    return (
        f"a target at which the {name} can fire: it needs a burn of {short(rule.factor)}",
        f"{target}, at which even a total outage burns only {short(1 / (1 - target))}",
    )


def span(seconds: int) -> str:
    """A length of time as the catalogue writes it."""
    unit, length = next((unit, length) for unit, length in _UNITS if seconds % length == 0 or unit == "m")
    return f"{seconds // length}{unit}"


def short(number: Decimal) -> str:
    """A number without trailing zeros, in three decimals at most."""
    return f"{number.quantize(Decimal('0.001')).normalize():f}"
