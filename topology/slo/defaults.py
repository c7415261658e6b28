"""The objectives of whoever has none of its own: availability and latency, by class of service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from topology.slo.objectives import BurnRule, Counted, Method, Part, Period, Ratio, Selection, Services, Slo, Source

PERIOD = Period("30d", 30 * 86400)
AVAILABILITY, LATENCY, LINES = "default-availability", "default-latency", "default-logs"
NONE = "none"
"""The class of services that are promised nothing."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What services of a class are held to: the share of calls that do not fail, and the share within a threshold. Of
    which nothing but log lines is known: the share of lines below error; None holds them to nothing."""

    availability: Decimal
    threshold_us: int
    fast: Decimal
    lines: Decimal | None = None


def default_slos(promises: Mapping[str, Promise], rules: Sequence[BurnRule],
                 min_bad_events: int) -> Mapping[str, tuple[Slo, ...]]:  # fmt: skip
    """The default objectives by class of service, none for the class `none`: an availability and a latency pattern
    each and, where a share of lines is promised, one for services that only log. The class "" stands for services
    without one; its pattern fits every service, the others match on `class`. A budget is 30 days long and measured at
    the present rate of traffic, since a new service has no month behind it."""
    made = {word: _patterns(word, promise, tuple(rules), min_bad_events) for word, promise in promises.items()}
    return {**made, NONE: ()}


def _patterns(word: str, promise: Promise, rules: tuple[BurnRule, ...], floor: int) -> tuple[Slo, ...]:
    selection = Selection(Services(match={"class": word} if word else {}))
    total = Source(selection, Counted.CALLS)
    quick = Source(selection, Counted.FASTER_THAN, promise.threshold_us)
    threshold = f"{Decimal(promise.threshold_us) / 1000:f}".rstrip("0").rstrip(".")
    made = (
        _slo(word, AVAILABILITY, "Calls do not fail", Ratio(total, good=Source(selection, Counted.SUCCESSES)),
             promise.availability, rules, floor),
        _slo(word, LATENCY, f"Calls end within {threshold} ms", Ratio(total, good=quick), promise.fast, rules, floor),
    )  # fmt: skip
    if promise.lines is None:
        return made
    lines = Ratio(Source(selection, Counted.LINES), bad=Source(selection, Counted.ERROR_LINES))
    return (*made, _slo(word, LINES, "Log lines are no errors", lines, promise.lines, rules, floor))


def _slo(word: str, name: str, title: str, ratio: Ratio, target: Decimal, rules: tuple[BurnRule, ...],
         floor: int) -> Slo:  # fmt: skip
    return Slo(f"{name}-{word}" if word else name, title, "", (Part(ratio),), target, PERIOD, Method.OCCURRENCES,
               rules=rules, min_bad_events=floor, service_class=word, default=True, projected=True,
               document=_document(name, ratio, target))  # fmt: skip


def _document(name: str, ratio: Ratio, target: Decimal) -> Mapping[str, object]:
    """The objective as somebody would write it."""
    said = {"good": ratio.good, "bad": ratio.bad, "total": ratio.total}
    metric = {"counter": True, **{word: _metric(source) for word, source in said.items() if source}}
    spec = {
        "service": "*",
        "indicator": {"metadata": {"name": name}, "spec": {"ratioMetric": metric}},
        "timeWindow": [{"duration": PERIOD.length, "isRolling": True}],
        "budgetingMethod": str(Method.OCCURRENCES),
        "objectives": [{"target": float(target)}],
    }
    return {"apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": name}, "spec": spec}


def _metric(source: Source) -> Mapping[str, object]:
    spec: dict[str, object] = {"match": dict(source.selection.services.match or {}), "events": str(source.counted)}
    if source.threshold_us is not None:
        spec["threshold_ms"] = source.threshold_us / 1000
    return {"metricSource": {"type": "synoptic", "spec": spec}}
