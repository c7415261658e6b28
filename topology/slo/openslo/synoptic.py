"""`metricSource: {type: synoptic}`: which of our own calls are meant, and what of them is counted or measured."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from topology.slo.objectives import Counted, Measure, Selection, Services, Source
from topology.slo.openslo.place import Place

SELECTING = ("service", "namespace", "environment", "operation", "journey", "path", "match", "zone")
FACTS = ("name", "namespace", "environment", "kind", "domain", "layer", "zone", "owner", "class", "title")
APART, FAILURES = "apart", "failures"
LEAST_MS, MOST_MS = Decimal("0.001"), Decimal(120_000)
MOST_WEEKS = 52
OF_SERVICES_ONLY = (Measure.SATURATION, Measure.LOG_ERRORS_PER_S)
OF_LINES = (Counted.LINES, Counted.ERROR_LINES)
PERCENTILES = (Measure.P50_MS, Measure.P95_MS, Measure.P99_MS)


@dataclass(frozen=True, slots=True)
class Measured:
    """A threshold metric without its limit, which the objective gives."""

    selection: Selection
    measure: Measure
    weeks: int = 0


def read_source(place: Place) -> Source | None:
    """What is counted; None when anything is at fault."""
    before = len(place.findings)
    if not place.fields((*SELECTING, "events", "threshold_ms", "protection"), required=("events",)):
        return None
    selection = _selection(place)
    counted = place.at("events").one_of(list(Counted))
    threshold_us = _threshold_us(place.at("threshold_ms"), counted)
    protection = _protection(place.at("protection"), counted)
    if selection and counted in OF_LINES and (selection.operation or selection.callee or selection.zone):
        place.at("events").fault("events", f"events that operations, paths and zones have, not {counted}")
    if selection is None or counted is None or any(not note.warning for note in place.findings[before:]):
        return None
    return Source(selection, Counted(counted), threshold_us, protection)


def read_measure(place: Place) -> Measured | None:
    """What is measured minute by minute; None when anything is at fault."""
    before = len(place.findings)
    if not place.fields((*SELECTING, "measure", "relative"), required=("measure",)):
        return None
    selection = _selection(place)
    measure = place.at("measure").one_of(list(Measure))
    weeks = _weeks(place.at("relative"))
    if selection and measure in OF_SERVICES_ONLY and (selection.operation or selection.callee):
        place.at("measure").fault("measure", f"a measure that operations and paths have, not {measure}")
    if measure in PERCENTILES and weeks:
        place.at("relative").fault("relative", f"no relative beside {measure}, whose limit is in milliseconds")
    if selection is None or measure is None or any(not note.warning for note in place.findings[before:]):
        return None
    return Measured(selection, Measure(measure), weeks)


def _threshold_us(place: Place, counted: str | None) -> int | None:
    if counted != Counted.FASTER_THAN:
        if counted and not place.absent:
            place.fault("threshold", f"no threshold_ms beside events: {counted}")
        return None
    if place.absent:
        place.fault("required", "a number of milliseconds, since events is faster_than")
        return None
    number = place.number()
    if number is None:
        return None
    return _whole_us(place, number)


def _whole_us(place: Place, milliseconds: Decimal) -> int | None:
    if not LEAST_MS <= milliseconds <= MOST_MS or milliseconds * 1000 != int(milliseconds * 1000):
        place.fault("threshold", f"milliseconds from {LEAST_MS} to {MOST_MS}, in whole microseconds")
        return None
    return int(milliseconds * 1000)


def check_limit(place: Place, measured: Measured, limit: Decimal) -> None:
    """Notes a limit that its measure cannot have. One against earlier weeks is a factor of what was then."""
    if measured.measure in PERCENTILES:
        _whole_us(place, limit)
    elif limit < 0:
        place.fault("range", "a number that is not below 0")


def _protection(place: Place, counted: str | None) -> bool:
    word = place.one_of((APART, FAILURES))
    if word and counted in (Counted.CALLS, Counted.FASTER_THAN, *OF_LINES):
        place.fault("protection", f"no protection beside events: {counted}, which does not tell failed calls apart")
    return word == FAILURES


def _weeks(place: Place) -> int:
    if place.absent or not place.fields(("weeks",), required=("weeks",)):
        return 0
    weeks = place.at("weeks")
    if weeks.absent:
        return 0
    if isinstance(weeks.value, bool) or not isinstance(weeks.value, int) or not 1 <= weeks.value <= MOST_WEEKS:
        weeks.fault("range", f"a whole number of weeks from 1 to {MOST_WEEKS}")
        return 0
    return weeks.value


def _selection(place: Place) -> Selection | None:
    kind = place.exactly_one("service", "path", "match")
    operation, journey = place.at("operation"), place.at("journey")
    if kind == "path":
        for extra in (operation, journey):
            if not extra.absent:
                extra.fault("selection", "no operation or journey beside path")
    if not operation.absent and not journey.absent:
        place.fault("exactly-one", "operation or journey", "both")
    if kind != "service":
        for extra in (place.at("namespace"), place.at("environment")):
            if kind and not extra.absent:
                extra.fault("selection", f"no {extra.path[-1]} beside {kind}: it narrows a service")
    zone, word = place.at("zone").text() or None, operation.text() or journey.text() or None
    if kind == "path":
        return _path(place.at("path"), zone)
    services = _match(place.at("match")) if kind == "match" else _named(place, "service")
    return Selection(services, word, journey=not journey.absent, zone=zone) if kind and services else None


def _path(place: Place, zone: str | None) -> Selection | None:
    if not place.fields(("from", "to"), required=("from", "to")):
        return None
    ends = [_end(place.at(key)) for key in ("from", "to")]
    return Selection(ends[0], callee=ends[1], zone=zone) if ends[0] and ends[1] else None


def _end(place: Place) -> Services | None:
    if place.absent:
        return None
    if isinstance(place.value, str):
        name = place.text()
        return Services(name) if name else None
    if not place.fields(("name", "namespace", "environment", "match")):
        return None
    kind = place.exactly_one("name", "match")
    if kind == "match":
        return _match(place.at("match"))
    return _named(place, "name") if kind else None


def _named(place: Place, key: str) -> Services | None:
    name, namespace, environment = (place.at(word).text() for word in (key, "namespace", "environment"))
    return Services(name, namespace or None, environment or None) if name else None


def _match(place: Place) -> Services | None:
    if not place.fields(FACTS) or not isinstance(place.value, dict):
        return None
    found = {key: place.at(key).text() for key in FACTS if not place.at(key).absent}
    return Services(match=found) if all(found.values()) else None
