"""`metricSource: {type: synoptic}`: which calls are meant and what of them is counted."""

from decimal import Decimal

import pytest

from tests.openslo_documents import RATIO, THRESHOLD, changed, noted, plain, reading
from topology.slo.objectives import Counted, Measure, Selection, Services, Threshold
from topology.slo.openslo.synoptic import OF_LINES


def ratio(good, total=None, word="good"):
    """A ratio SLO with these specs, of events that are `word`; the total counts the calls of the same selection."""
    slo = plain(RATIO)
    metric = slo["spec"]["indicator"]["spec"]["ratioMetric"]
    rest = {key: value for key, value in good.items() if key not in ("events", "threshold_ms", "protection")}
    metric[word] = metric.pop("good")
    metric[word]["metricSource"]["spec"] = good
    metric["total"]["metricSource"]["spec"] = total or {**rest, "events": "calls"}
    return slo


def threshold(spec):
    """A threshold SLO with this spec."""
    return changed(plain(THRESHOLD), "spec.indicator.spec.thresholdMetric.metricSource.spec", spec)


WEB = Services("web")
SELECTIONS = {
    "a service": ({"service": "web"}, Selection(WEB)),
    "a service of one namespace and environment": (
        {"service": "web", "namespace": "shop", "environment": "prod"}, Selection(Services("web", "shop", "prod"))),
    "a service by its id": ({"service": "prod/shop/web"}, Selection(Services("prod/shop/web"))),
    "an operation": ({"service": "web", "operation": "POST /x"}, Selection(WEB, "POST /x")),
    "a journey": ({"service": "web", "journey": "POST /x"}, Selection(WEB, "POST /x", journey=True)),
    "a zone": ({"service": "web", "zone": "a"}, Selection(WEB, zone="a")),
    "a path": ({"path": {"from": "web", "to": "db"}}, Selection(WEB, callee=Services("db"))),
    "a path between namespaces": (
        {"path": {"from": {"name": "web", "namespace": "shop"}, "to": "db"}, "zone": "b"},
        Selection(Services("web", "shop"), callee=Services("db"), zone="b")),
    "paths by pattern": (
        {"path": {"from": {"match": {"domain": "pay*"}}, "to": "db"}},
        Selection(Services(match={"domain": "pay*"}), callee=Services("db"))),
    "all of a class": ({"match": {"class": "critical"}}, Selection(Services(match={"class": "critical"}))),
    "everything": ({"match": {}}, Selection(Services(match={}))),
    "an operation wherever it is": (
        {"match": {"kind": "service"}, "operation": "GET /"}, Selection(Services(match={"kind": "service"}), "GET /")),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "selection"), SELECTIONS.values(), ids=SELECTIONS.keys())
def test_selection_is_what_was_written(spec, selection):
    """Each way to say which calls are meant ends in one selection, for counts and for measures."""
    found = reading(ratio({**spec, "events": "successes"}))
    assert noted(found) == []
    indicator = found.slos[0].parts[0].indicator
    assert (indicator.good.selection, indicator.total.selection) == (selection, selection)
    measured = reading(threshold({**spec, "measure": "p95_ms"}))
    assert measured.slos[0].parts[0].indicator.selection == selection


SPEC = "spec.indicator.spec.ratioMetric.good.metricSource.spec"
FAULTS = {
    "nothing": ({"events": "successes"}, "", "exactly-one"),
    "a service and a path": ({"service": "a", "path": {"from": "a", "to": "b"}}, "", "exactly-one"),
    "a service and a match": ({"service": "a", "match": {}}, "", "exactly-one"),
    "an operation and a journey": ({"service": "a", "operation": "x", "journey": "y"}, "", "exactly-one"),
    "an operation of a path": ({"path": {"from": "a", "to": "b"}, "operation": "x"}, ".operation", "selection"),
    "a namespace beside a match": ({"match": {}, "namespace": "x"}, ".namespace", "selection"),
    "a path without its end": ({"path": {"from": "a"}}, ".path.to", "required"),
    "a path end of nothing": ({"path": {"from": {"namespace": "x"}, "to": "b"}}, ".path.from", "exactly-one"),
    "a fact nobody knows": ({"match": {"colour": "red"}}, ".match.colour", "unknown-field"),
    "a service that is a number": ({"service": 7}, ".service", "type"),
    "an empty service": ({"service": " "}, ".service", "type"),
    "a typing error": ({"service": "a", "opreation": "x"}, ".opreation", "unknown-field"),
}


@pytest.mark.parametrize(("spec", "path", "rule"), FAULTS.values(), ids=FAULTS.keys())
def test_selection_at_fault_is_named(spec, path, rule):
    """What cannot be one selection of calls is refused where it stands."""
    total = {"service": "a", "events": "calls"}
    assert noted(reading(ratio({"events": "successes", **spec}, total))) == [(SPEC + path, rule)]


@pytest.mark.parametrize("word", [word for word in Counted if word not in OF_LINES])
def test_every_kind_of_event_is_counted(word):
    """calls, successes, failures and faster_than; the last with its threshold in whole microseconds."""
    more = {"threshold_ms": Decimal("0.25")} if word == "faster_than" else {}
    source = reading(ratio({"service": "web", "events": str(word), **more})).slos[0].parts[0].indicator.good
    assert (source.counted, source.threshold_us) == (word, 250 if more else None)


LINES = {"service": "web", "events": "lines"}


def test_error_lines_are_bad_events_of_all_lines():
    """A service's lines are events too; of its calls they are no part, and single operations have none."""
    found = reading(ratio({**LINES, "events": "error_lines"}, LINES, word="bad")).slos[0].parts[0].indicator
    assert (found.total.counted, found.bad.counted, found.good) == (Counted.LINES, Counted.ERROR_LINES, None)
    assert noted(reading(ratio({**LINES, "events": "error_lines"}, {**LINES, "events": "calls"}, word="bad"))) == [
        (SPEC.replace("good", "total") + ".events", "total")]
    one = {**LINES, "operation": "GET /"}
    assert (SPEC.replace("good", "bad") + ".events", "events") in noted(
        reading(ratio({**one, "events": "error_lines"}, one, word="bad")))


@pytest.mark.parametrize(
    ("spec", "path", "rule"),
    [
        ({"events": "errors"}, ".events", "one-of"),
        ({}, ".events", "required"),
        ({"events": "faster_than"}, ".threshold_ms", "required"),
        ({"events": "faster_than", "threshold_ms": 0}, ".threshold_ms", "threshold"),
        ({"events": "faster_than", "threshold_ms": 120_001}, ".threshold_ms", "threshold"),
        ({"events": "faster_than", "threshold_ms": Decimal("0.0005")}, ".threshold_ms", "threshold"),
        ({"events": "faster_than", "threshold_ms": "300ms"}, ".threshold_ms", "type"),
        ({"events": "successes", "threshold_ms": 300}, ".threshold_ms", "threshold"),
        ({"events": "successes", "protection": "beside"}, ".protection", "one-of"),
        ({"events": "faster_than", "threshold_ms": 1, "protection": "failures"}, ".protection", "protection"),
    ],
)
def test_events_at_fault_are_named(spec, path, rule):
    """A threshold goes with faster_than and nothing else; protection with failures and successes."""
    assert noted(reading(ratio({"service": "web", **spec}))) == [(SPEC + path, rule)]


@pytest.mark.parametrize(("word", "fails"), [("failures", True), ("apart", False), (None, False)])
def test_calls_turned_away_are_failures_by_choice(word, fails):
    """By default they are counted apart."""
    spec = {"service": "web", "events": "successes", **({"protection": word} if word else {})}
    assert reading(ratio(spec)).slos[0].parts[0].indicator.good.protection_fails is fails


def test_good_events_are_a_part_of_the_total():
    """Another total, or one of other calls, could make more good events than there are events."""
    total = "spec.indicator.spec.ratioMetric.total.metricSource.spec"
    good = {"service": "web", "events": "faster_than", "threshold_ms": 300}
    assert noted(reading(ratio(good, {"service": "web", "events": "successes"}))) == [(f"{total}.events", "total")]
    assert noted(reading(ratio(good, {"service": "app", "events": "calls"}))) == [(SPEC, "same-selection")]


def test_good_events_that_fail_are_doubted():
    """`good: failures` is read, and said to be unusual: `bad` was probably meant."""
    found = reading(ratio({"service": "web", "events": "failures"}))
    assert (noted(found), noted(found, warning=True)) == ([], [(f"{SPEC}.events", "events")])


@pytest.mark.parametrize("measure", list(Measure))
def test_every_measure_can_be_held_against_a_limit(measure):
    """The limit may be one of earlier weeks, but for percentiles."""
    weeks = 0 if measure.endswith("_ms") else 4
    spec = {"service": "web", "measure": str(measure)} | ({"relative": {"weeks": weeks}} if weeks else {})
    indicator = reading(threshold(spec)).slos[0].parts[0].indicator
    assert isinstance(indicator, Threshold)
    assert (indicator.measure, indicator.weeks) == (measure, weeks)


MEASURED = "spec.indicator.spec.thresholdMetric.metricSource.spec"


@pytest.mark.parametrize(
    ("spec", "path", "rule"),
    [
        ({"service": "web", "measure": "cpu"}, ".measure", "one-of"),
        ({"service": "web"}, ".measure", "required"),
        ({"service": "web", "operation": "x", "measure": "saturation"}, ".measure", "measure"),
        ({"path": {"from": "a", "to": "b"}, "measure": "log_errors_per_s"}, ".measure", "measure"),
        ({"service": "web", "measure": "calls_per_s", "relative": {"weeks": 0}}, ".relative.weeks", "range"),
        ({"service": "web", "measure": "calls_per_s", "relative": {"weeks": 53}}, ".relative.weeks", "range"),
        ({"service": "web", "measure": "calls_per_s", "relative": {"days": 7}}, ".relative.days", "unknown-field"),
        ({"service": "web", "measure": "p95_ms", "relative": {"weeks": 4}}, ".relative", "relative"),
        ({"service": "web", "measure": "p95_ms", "events": "calls"}, ".events", "unknown-field"),
    ],
)
def test_measures_at_fault_are_named(spec, path, rule):
    """Saturation and log lines belong to services; the weeks to compare with are few, and none for percentiles."""
    assert (MEASURED + path, rule) in noted(reading(threshold(spec)))


@pytest.mark.parametrize(
    ("measure", "limit", "rule"),
    [("p95_ms", 0, "threshold"), ("p95_ms", Decimal("0.0001"), "threshold"), ("p95_ms", 80, None),
     ("calls_per_s", -1, "range"), ("calls_per_s", 0, None), ("saturation", Decimal("0.8"), None)],
)  # fmt: skip
def test_limit_fits_its_measure(measure, limit, rule):
    """A percentile's limit is a latency that can be counted by; nothing is ever below zero."""
    slo = changed(threshold({"service": "web", "measure": measure}), "spec.objectives.0.value", limit)
    assert noted(reading(slo)) == ([("spec.objectives[0].value", rule)] if rule else [])


def test_field_that_is_like_no_other_gets_the_list_and_no_wrong_hint():
    """`events` in a threshold metric is no slip of the finger for `environment`: what is known there is listed."""
    notes = [note for note in reading(threshold({"service": "web", "events": "calls"})).findings if not note.warning]
    assert [note.rule for note in notes] == ["unknown-field", "required"]
    assert notes[0].expected.startswith("one of environment, journey, match, measure")
    slip = reading(threshold({"service": "web", "measur": "calls_per_s"})).findings
    assert "did you mean measure?" in slip[0].expected
