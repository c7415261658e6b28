"""Equal rules for those who also run Prometheus: recording and alerting rules over what `/metrics` exports.

What `/metrics` exports of every SLO (the label `slo` is its name), and what the rules read:

| family | type | is |
|---|---|---|
| `synoptic_slo_events_total` | counter | events: calls for Occurrences; slices for Timeslices and RatioTimeslices |
| `synoptic_slo_good_events_total` | counter | those that were good; for RatioTimeslices the sum of the slices' ratios |
| `synoptic_slo_ratio` | gauge | good events of all events in the period |
| `synoptic_slo_burn_rate` | gauge | burn by label `window` (`5m`, `1h`) |
| `synoptic_slo_budget_left_ratio` | gauge | share of the period's budget that is left; may be negative |
| `synoptic_slo_objective_ratio` | gauge | the target |

A family has no sample where its figure is not known. Counters only grow: what late data takes back stays counted.

The layout is Sloth's (github.com/slok/sloth): for every window a series `slo:sli_error:ratio_rate5m`, and an alert that
holds while the long and the short window reach factor x (1 - target). Four differences, each so that the rules say
the same as this product: one alert per pair of windows, so that its beginning and end can be compared; `>=` where
Sloth has `>`, the border fires; rules of one SLO are one group, so that an alert sees the windows of its own instant;
the ratio of the period is weighted by events (Sloth takes the mean of 5-minute ratios), every four minutes, and only
for rolling periods. The limit is one literal, not a product, so that Prometheus compares with the same float.

What cannot be equal: `missing: good | bad` of Occurrences (Prometheus counts what came), composites with weights over 1
(a counter of good events cannot fall), and extrapolation: `increase` stretches to the ends of a window what samples
inside it show, which cancels in a ratio but not in the floor on bad events. See docs/slo-arithmetic.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from topology.slo.burn import limit, windows_of
from topology.slo.objectives import BurnCondition, BurnRule, Operator, Slo

EVENTS, GOOD_EVENTS = "synoptic_slo_events_total", "synoptic_slo_good_events_total"
ALERT = "SynopticBudgetBurn"
PERIOD_INTERVAL = "4m"

Rule = dict[str, object]

_SIGNS = {Operator.GTE: ">=", Operator.GT: ">", Operator.LTE: "<=", Operator.LT: "<"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def rules_document(slos: Iterable[Slo]) -> dict[str, object]:
    """The rules of all SLOs as plain values, in the form of a Prometheus rule file."""
    return {"groups": [group for slo in slos for group in _groups(slo)]}


def duration(seconds: int) -> str:
    """A length of time as Prometheus writes it, in the largest unit that divides it: 5m, 1h, 3d."""
    return next(f"{seconds // size}{unit}" for size, unit in _UNITS if seconds % size == 0)


def _groups(slo: Slo) -> list[dict[str, object]]:
    records = [_window_ratio(slo, window) for window in windows_of([slo])]
    alerts = [_alert(slo, rule) for rule in slo.rules] + [_condition(slo, condition) for condition in slo.conditions]
    groups: list[dict[str, object]] = [{"name": f"synoptic-slo-{slo.name}", "rules": records + alerts + _facts(slo)}]
    if slo.period.rolling:
        groups.append(
            {"name": f"synoptic-slo-{slo.name}-period", "interval": PERIOD_INTERVAL, "rules": _period(slo)}
        )
    return groups


def _window_ratio(slo: Slo, window_s: int) -> Rule:
    window = duration(window_s)
    total, good = (f"sum(increase({name}{_of(slo)}[{window}]))" for name in (EVENTS, GOOD_EVENTS))
    return {
        "record": f"slo:sli_error:ratio_rate{window}",
        "expr": f"({total} - {good}) / {total}",
        "labels": {**_labels(slo), "window": window},
    }


def _of(slo: Slo) -> str:
    return f"{{slo={json.dumps(slo.name, ensure_ascii=False)}}}"


def _labels(slo: Slo) -> dict[str, str]:
    return {"slo": slo.name, "service": slo.service}


def _alert(slo: Slo, rule: BurnRule) -> Rule:
    most = _number(limit(rule.factor, slo.allowed))
    long, short = duration(rule.long_s), duration(rule.short_s)
    parts = [_reached(slo, window, ">=", most) for window in (long, short)]
    return {
        "alert": ALERT,
        "expr": "\nand ".join(parts + _floor(slo, long)),
        "labels": _plain({**_labels(slo), "severity": rule.severity.value, "long": long, "short": short}),
        "annotations": _plain({"summary": f"{slo.name} burns its budget at {rule.factor.normalize():f} or more"}),
    }


def _condition(slo: Slo, condition: BurnCondition) -> Rule:
    window, sign = duration(condition.lookback_s), _SIGNS[condition.operator]
    reached = _reached(slo, window, sign, _number(limit(condition.threshold, slo.allowed)))
    floor = _floor(slo, window) if sign in (">=", ">") else []
    return {
        "alert": ALERT,
        "expr": "\nand ".join([reached, *floor]),
        "for": duration(condition.alert_after_s),
        "labels": _plain({**_labels(slo), "severity": condition.severity, "condition": condition.name}),
        "annotations": _plain({"summary": f"{slo.name}: burn {sign} {condition.threshold.normalize():f}"}),
    }


def _reached(slo: Slo, window: str, sign: str, most: str) -> str:
    return f"max without (window) (slo:sli_error:ratio_rate{window}{_of(slo)} {sign} {most})"


def _floor(slo: Slo, window: str) -> list[str]:
    if not slo.min_bad_events:
        return []
    total, good = (f"sum(increase({name}{_of(slo)}[{window}]))" for name in (EVENTS, GOOD_EVENTS))
    return [f"on () ({total} - {good} >= {slo.min_bad_events})"]


def _number(value: object) -> str:
    """The nearest float, in the fewest digits that are read as this float again."""
    return repr(float(value))  # type: ignore[arg-type]


def _facts(slo: Slo) -> list[Rule]:
    facts = {
        "slo:objective:ratio": f"vector({_number(slo.target)})",
        "slo:error_budget:ratio": f"vector({_number(slo.allowed)})",
        "slo:time_period:days": f"vector({_number(slo.period.length_s / 86400)})",
    }
    return [{"record": name, "expr": expression, "labels": _labels(slo)} for name, expression in facts.items()]


def _period(slo: Slo) -> list[Rule]:
    ratio = _window_ratio(slo, slo.period.length_s)
    left = f"1 - max without (window) ({ratio['record']}{_of(slo)}) / {_number(slo.allowed)}"
    remaining: Rule = {"record": "slo:period_error_budget_remaining:ratio", "expr": left, "labels": _labels(slo)}
    return [remaining] if slo.period.length_s in windows_of([slo]) else [ratio, remaining]


def _plain(texts: Mapping[str, str]) -> dict[str, str]:
    """Labels and annotations of an alert are templates: a name that holds braces must come out as it is."""
    return {name: text.replace("{{", '{{ "{{" }}') for name, text in texts.items()}
