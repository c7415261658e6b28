"""OpenSLO documents: what is valid and what is not, judged by the specification and its Go SDK.

The cases are those of OpenSLO/go-sdk pkg/openslo/v1/{slo,sli,alert_policy,alert_condition,duration_shorthand,
objects}_test.go and of OpenSLO/oslo test/inputs/validate, written anew as tables; where the prose of
OpenSLO/OpenSLO README.md is more lenient than the SDK, the test says so.
"""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.openslo_documents import (
    GONE,
    RATIO,
    THRESHOLD,
    WINDOWS,
    changed,
    noted,
    plain,
    reading,
)
from topology.slo.objectives import BurnRule, Method, Operator, Period, Severity, Threshold
from topology.slo.openslo.documents import House
from topology.slo.openslo.doubts import unreachable


@pytest.mark.parametrize("text", [RATIO, THRESHOLD])
def test_valid_document_has_no_fault(text):
    """go-sdk TestSLO_Validate_Ok: ratio and threshold SLOs with an inline indicator are objectives."""
    found = reading(plain(text))
    assert (noted(found), noted(found, warning=True), len(found.slos)) == ([], [], 1)


def test_target_stays_the_decimal_that_was_written():
    """0.99 is no binary float: what may be bad is exactly 0.01."""
    slo = reading(changed(plain(RATIO), "spec.objectives.0.target", Decimal("0.99"))).slos[0]
    assert (slo.target, slo.allowed, str(slo.target)) == (Decimal("0.99"), Decimal("0.01"), "0.99")


# path, value, rule; or None as rule where the document is valid
SLO_CASES = {
    "apiVersion v0.1": ("apiVersion", "v0.1", "one-of"),
    "kind that is none": ("kind", "Slo", "one-of"),
    "description of 1050": ("spec.description", "A" * 1050, None),
    "description of 1051": ("spec.description", "A" * 1051, "length"),
    "budgetingMethod invalid": ("spec.budgetingMethod", "invalid", "one-of"),
    "budgetingMethod Occurrences": ("spec.budgetingMethod", "Occurrences", None),
    "budgetingMethod RatioTimeslices": ("spec.budgetingMethod", "RatioTimeslices", None),
    "service missing": ("spec.service", GONE, "required"),
    "unknown field": ("spec.markdown", "text", "unknown-field"),
    "timeWindow empty": ("spec.timeWindow", [], "time-window"),
    "two time windows": ("spec.timeWindow", [{"duration": "1w", "isRolling": True}] * 2, "time-window"),
    "duration missing": ("spec.timeWindow.0.duration", GONE, "required"),
    "duration without unit": ("spec.timeWindow.0.duration", "1", "duration"),
    "duration of an unknown unit": ("spec.timeWindow.0.duration", "1invalid", "duration"),
    "duration below zero": ("spec.timeWindow.0.duration", "-1m", "duration"),
    "duration zero, which the specification forbids": ("spec.timeWindow.0.duration", "0w", "duration"),
    "target 0": ("spec.objectives.0.target", 0, None),
    "target 0.9999": ("spec.objectives.0.target", 0.9999, None),
    "target 1": ("spec.objectives.0.target", 1, "range"),
    "target -0.1": ("spec.objectives.0.target", -0.1, "range"),
    "target text": ("spec.objectives.0.target", "0.9", "type"),
    "target true": ("spec.objectives.0.target", True, "type"),
    "target of 13 places": ("spec.objectives.0.target", Decimal("0.9999999999999"), "range"),
    "target not finite": ("spec.objectives.0.target", Decimal("NaN"), "type"),
    "neither target nor targetPercent": ("spec.objectives.0.target", GONE, "exactly-one"),
    "target and targetPercent": ("spec.objectives.0.targetPercent", 10, "exactly-one"),
    "no objectives": ("spec.objectives", [], "required"),
    "timeSliceTarget missing": ("spec.objectives.0.timeSliceTarget", GONE, "required"),
    "timeSliceTarget 1": ("spec.objectives.0.timeSliceTarget", 1, None),
    "timeSliceTarget 0": ("spec.objectives.0.timeSliceTarget", 0, "range"),
    "timeSliceTarget 1.1": ("spec.objectives.0.timeSliceTarget", 1.1, "range"),
    "timeSliceWindow missing": ("spec.objectives.0.timeSliceWindow", GONE, "required"),
    "timeSliceWindow longer than the period": ("spec.objectives.0.timeSliceWindow", "31d", "period"),
    "no indicator": ("spec.indicator", GONE, "exactly-one"),
    "indicator and indicatorRef": ("spec.indicatorRef", "my-sli", "exactly-one"),
    "indicator without a metric": ("spec.indicator.spec", {}, "exactly-one"),
    "name of several words": ("metadata.name", "my service", "name"),
    "name of 64": ("metadata.name", "a" * 64, "name"),
    "name of 63": ("metadata.name", "a" * 63, None),
    "name missing": ("metadata.name", GONE, "required"),
    "spec missing": ("spec", GONE, "required"),
}


@pytest.mark.parametrize(("path", "value", "rule"), SLO_CASES.values(), ids=SLO_CASES.keys())
def test_slo_is_judged_as_the_sdk_does(path, value, rule):
    """go-sdk slo_test.go: each field has its rule, and the fault names the field."""
    found = reading(changed(plain(RATIO), path, value))
    rules = [broken for _, broken in noted(found)]
    assert rules == ([rule] if rule else [])
    assert len(found.slos) == (0 if rule else 1)
    assert all(path.replace(".0", "[0]").startswith(where) for where, _ in noted(found))


@pytest.mark.parametrize(
    ("labels", "valid"),
    [({"l" * 63: []}, True), ({"net": ["this", "that"]}, True), ({"net": [""]}, True), ({"net_a.b-c": []}, True),
     ({"net_.-this": []}, True), ({"9net": []}, True), ({"nEt": []}, True), ({"l" * 64: []}, False),
     ({"net_": []}, False), ({"net.": []}, False), ({"net-": []}, False), ({"_net": []}, False), ({"-net": []}, False),
     ({".net": []}, False)],
)  # fmt: skip
def test_label_keys(labels, valid):
    """go-sdk objects_test.go getLabelsTestCases."""
    found = noted(reading(changed(plain(RATIO), "metadata.labels", labels)))
    assert [rule for _, rule in found] == ([] if valid else ["key"])


LONGEST = ".".join(["l" * 63] * 3)


@pytest.mark.parametrize(
    ("key", "valid"),
    [("l" * 63, True), (f"{LONGEST}/{'l' * 63}", True), ("net", True), ("9net", True), ("openslo.com/service", True),
     ("domain/service", True), ("domain.this.org/service.foo", True), ("my-org.com/spec.indicator.metricSource", True),
     ("l" * 64, False), ("l" * 254 + "/net", False), ("net_", False), ("-net", False), ("openslo.com/", False),
     ("openslo.com!/service", False), ("-openslo.com/service", False), ("openslo.com./service", False),
     ("openslo..this.com/service", False), ("openslo.-this.com/service", False), ("openslo_this.org/service", False),
     ("synoptic/missing", True), ("synoptic/mising", False)],
)  # fmt: skip
def test_annotation_keys(key, valid):
    """go-sdk objects_test.go getAnnotationsTestCases; under our own prefix only what we know."""
    value = {key: "good"} if key.startswith("synoptic") else {key: ""}
    assert (noted(reading(changed(plain(RATIO), "metadata.annotations", value))) == []) is valid


@pytest.mark.parametrize(("text", "seconds"), [("10m", 600), ("5h", 18_000), ("2d", 172_800), ("1w", 604_800),
                                               ("3M", 7_776_000), ("1Q", 7_776_000), ("1Y", 31_536_000)])  # fmt: skip
def test_lengths_are_those_of_the_sdk(text, seconds):
    """go-sdk TestDurationShorthandDuration; m is minutes and M is months."""
    slo = changed(plain(RATIO), "spec.timeWindow.0.duration", text)
    found = reading(changed(slo, "spec.objectives.0.timeSliceWindow", "1m"))
    periods = [slo.period for slo in found.slos]
    assert periods == ([Period(text, seconds)] if seconds >= 3600 else [])


def test_one_minute_is_no_month():
    """The specification's own example writes `duration: 1m` for a month: too short for a period, and the fault
    says what m means."""
    found = reading(changed(plain(RATIO), "spec.timeWindow.0.duration", "1m"))
    assert noted(found) == [("spec.timeWindow[0].duration", "period")]
    assert "M is months" in found.faults[0].expected


CALENDAR = {"startTime": "2022-01-01 12:00:00", "timeZone": "America/New_York"}


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        ({"duration": "1w", "isRolling": False, "calendar": CALENDAR}, None),
        ({"duration": "1w", "calendar": CALENDAR}, None),
        ({"duration": "1w", "isRolling": True, "calendar": CALENDAR}, "calendar"),
        ({"duration": "1w", "isRolling": False}, "calendar"),
        ({"duration": "1w", "calendar": {**CALENDAR, "startTime": "2022-13-01 12:00:00"}}, "start-time"),
        ({"duration": "1w", "calendar": {**CALENDAR, "startTime": "2022-01-01 12:00:00+01:00"}}, "start-time"),
        ({"duration": "1w", "calendar": {**CALENDAR, "timeZone": "America/Nowhere"}}, "time-zone"),
        ({"duration": "1w", "calendar": {**CALENDAR, "timeZone": "America"}}, "time-zone"),
        ({"duration": "1w", "calendar": {**CALENDAR, "timeZone": "../etc/passwd"}}, "time-zone"),
        ({"duration": "1w", "calendar": {"timeZone": "Asia/Shanghai"}}, "required"),
    ],
)
def test_calendar_goes_with_a_window_that_does_not_roll(window, rule):
    """go-sdk TestSLO_Validate_Spec_TimeWindows; a window without isRolling follows its calendar, as the prose says."""
    found = reading(changed(plain(RATIO), "spec.timeWindow", [window]))
    assert [broken for _, broken in noted(found)] == ([rule] if rule else [])
    if not rule:
        expected = Period("1w", 604_800, False, "2022-01-01 12:00:00", ZoneInfo("America/New_York"))
        assert found.slos[0].period == expected


OURS = {"metricSource": {"type": "synoptic", "spec": {"service": "web", "events": "successes"}}}
ALL = {"metricSource": {"type": "synoptic", "spec": {"service": "web", "events": "calls"}}}
FOREIGN = {"metricSource": {"type": "Prometheus", "spec": {"query": "sum(rate(x))"}}}


@pytest.mark.parametrize(
    ("metric", "rules"),
    [
        ({}, ["exactly-one"]),
        ({"raw": FOREIGN, "total": FOREIGN}, ["exactly-one"]),
        ({"raw": FOREIGN, "rawType": "success", "bad": FOREIGN, "good": FOREIGN}, ["exactly-one", "exactly-one"]),
        ({"raw": FOREIGN, "rawType": "success", "good": FOREIGN}, ["exactly-one"]),
        ({"good": FOREIGN, "bad": FOREIGN, "total": FOREIGN}, ["exactly-one"]),
        ({"total": FOREIGN}, ["exactly-one"]),
        ({"raw": FOREIGN, "rawType": "invalid"}, ["one-of"]),
        ({"raw": FOREIGN}, ["required"]),
        ({"raw": FOREIGN, "rawType": "failure"}, []),
        ({"raw": OURS, "rawType": "success"}, ["raw"]),
        ({"good": {}, "total": ALL}, ["required"]),
        ({"good": {"metricSource": {"type": "Prometheus", "spec": {}}}, "total": ALL}, ["type"]),
        ({"good": {"metricSource": {"metricSourceRef": "my datadog", "spec": {"q": 1}}}, "total": ALL}, ["name"]),
        ({"good": {"metricSource": {"metricSourceRef": "nowhere", "spec": {"q": 1}}}, "total": ALL}, ["reference"]),
        ({"good": {"metricSource": {"spec": {"q": 1}}}, "total": ALL}, ["required"]),
        ({"good": OURS, "total": ALL}, []),
        ({"bad": OURS, "total": ALL}, []),
    ],
)
def test_ratio_metric_is_judged_as_the_sdk_does(metric, rules):
    """go-sdk runSLIRatioMetricTests and runSLIMetricSpecTests."""
    found = reading(changed(plain(RATIO), "spec.indicator.spec.ratioMetric", metric))
    assert [rule for _, rule in noted(found)] == rules


def test_foreign_metrics_are_listed_and_not_evaluated():
    """An SLO over another metric source is no fault; it is kept apart, with a warning that names the source."""
    found = reading(changed(plain(RATIO), "spec.indicator.spec.ratioMetric", {"good": FOREIGN, "total": FOREIGN}))
    assert (noted(found), found.slos, [slo.name for slo in found.foreign]) == ([], (), ["web-availability"])
    assert found.foreign[0].parts == ()
    assert noted(found, warning=True) == [("spec.indicator.spec.ratioMetric.total.metricSource.type", "foreign")]


def test_type_is_taken_from_the_data_source():
    """`type` may be left out beside a reference to a DataSource, as the specification says."""
    source = {"apiVersion": "openslo/v1", "kind": "DataSource", "metadata": {"name": "here"},
              "spec": {"type": "synoptic", "connectionDetails": {"any": ["thing"]}}}  # fmt: skip
    slo = plain(RATIO)
    for key in ("good", "total"):
        spec = slo["spec"]["indicator"]["spec"]["ratioMetric"][key]["metricSource"]
        spec["metricSourceRef"] = "here"
        del spec["type"]
    found = reading(slo, source)
    assert (noted(found), len(found.slos)) == ([], 1)


# what prose and examples of the specification have, and the SDK refuses
LENIENT = {
    "op beside a ratio metric": (RATIO, "spec.objectives.0.op", "gt", "ratio"),
    "value beside a ratio metric": (RATIO, "spec.objectives.0.value", 1, "ratio"),
    "no time window": (RATIO, "spec.timeWindow", GONE, "time-window"),
    "a time slice in minutes": (RATIO, "spec.objectives.0.timeSliceWindow", 5, "duration"),
    "a long display name": (RATIO, "metadata.displayName", "x" * 64, "length"),
    "several objectives for a threshold metric": (
        THRESHOLD, "spec.objectives", [{"op": "gte", "value": 1, "target": 0.99}] * 2, "threshold"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "path", "value", "rule"), LENIENT.values(), ids=LENIENT.keys())
def test_where_prose_and_sdk_disagree_a_warning_is_given(text, path, value, rule):
    """What either of them allows is read, and said."""
    found = reading(changed(plain(text), path, value))
    assert noted(found) == []
    assert rule in [said for _, said in noted(found, warning=True)]
    assert found.slos


def test_threshold_metric_needs_operator_and_value():
    """go-sdk: "empty operator and value for threshold SLO"; an operator that is none is named."""
    bare = changed(changed(plain(THRESHOLD), "spec.objectives.0.op", GONE), "spec.objectives.0.value", GONE)
    assert noted(reading(bare)) == [("spec.objectives[0].op", "required"), ("spec.objectives[0].value", "required")]
    wrong = reading(changed(plain(THRESHOLD), "spec.objectives.0.op", "lessThan"))
    assert noted(wrong) == [("spec.objectives[0].op", "one-of")]


def test_threshold_takes_operator_and_value_of_its_objective():
    """The limit is exact, and every operator is known."""
    for operator in Operator:
        slo = reading(changed(plain(THRESHOLD), "spec.objectives.0.op", str(operator))).slos[0]
        indicator = slo.parts[0].indicator
        assert isinstance(indicator, Threshold)
        assert (indicator.operator, indicator.value) == (operator, Decimal(10))


def test_unreachable_threshold_is_a_warning_that_names_rule_and_largest_burn():
    """At a target of 90 % a total outage burns 10 times, so a rule at 14.4 never fires (SRE workbook, chapter 5)."""
    found = reading(changed(plain(RATIO), "spec.objectives.0.target", Decimal("0.9")))
    [note] = [note for note in found.findings if note.warning]
    assert (note.rule, note.path) == ("unreachable", ("spec", "objectives", 0, "target"))
    assert note.expected == "a target at which the page rule 1h/5m can fire: it needs a burn of 14.4"
    assert note.found == "0.9, at which even a total outage burns only 10"
    assert noted(reading(changed(plain(RATIO), "spec.objectives.0.target", Decimal("0.9306"))), warning=True) == []


def test_burn_that_only_a_total_outage_reaches_is_in_reach():
    """At 90 % a total outage burns exactly ten times, at which a rule at 10 fires: only beyond that none ever does."""
    for factor, never in (("10", False), ("10.001", True)):
        rule = BurnRule(Severity.PAGE, 3600, 300, Decimal(factor), Decimal("0.02"))
        assert (unreachable(rule, Decimal("0.9")) is not None) == never


@pytest.mark.parametrize(("written", "rules"), [("10Y", ["kept"]), ("11Y", ["period"]), ("400000Y", ["period"])])
def test_longest_period_is_ten_years(written, rules):
    """A slip of the finger must not ask for the memory of a thousand years: then nothing would be counted at all."""
    found = reading(changed(plain(RATIO), "spec.timeWindow.0.duration", written), house=House(WINDOWS, 0, 400 * 86400))
    assert [note.rule for note in found.findings if note.rule in ("kept", "period")] == rules
    assert len(found.slos) == (rules == ["kept"])


def test_period_outside_the_catalogue_and_beyond_what_is_kept_is_said():
    """The shares of the nearest period are scaled, and nobody is told that a year is counted when a month is kept."""
    slo = changed(plain(RATIO), "spec.timeWindow.0.duration", "42d")
    found = reading(slo, house=House(WINDOWS, 0, 86_400))
    assert noted(found, warning=True) == [("spec.timeWindow[0].duration", "windows"),
                                          ("spec.timeWindow[0].duration", "kept")]  # fmt: skip


def test_texts_in_chinese_stand_in_annotations():
    """An objective may say its title and its description in Chinese as well; without, it has one language."""
    own = {"synoptic/title-zh": "订单可用", "synoptic/description-zh": "订单不失败。"}
    (slo,), (bare,) = reading(changed(plain(RATIO), "metadata.annotations", own)).slos, reading(plain(RATIO)).slos
    assert (slo.title_zh, slo.description_zh) == ("订单可用", "订单不失败。")
    assert (bare.title_zh, bare.description_zh) == ("", "")


def test_annotations_say_what_openslo_has_no_word_for():
    """Time without data, the floor on bad events and the class are ours, under a prefix of our own."""
    own = {"synoptic/missing": "bad", "synoptic/min-bad-events": "7", "synoptic/class": "critical"}
    found = reading(changed(plain(RATIO), "metadata.annotations", own))
    assert noted(found) == []
    assert (found.slos[0].missing, found.slos[0].min_bad_events, found.slos[0].service_class) == ("bad", 7, "critical")


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [("synoptic/missing", "maybe", "one-of"), ("synoptic/min-bad-events", "few", "range"),
     ("synoptic/min-bad-events", "-1", "range"), ("synoptic/min-bad-events", 3, "type"),
     ("synoptic/class", "Critical", "one-of")],
)  # fmt: skip
def test_annotations_of_ours_are_checked(key, value, rule):
    """A typing error in an annotation is no silent default."""
    found = reading(changed(plain(RATIO), "metadata.annotations", {key: value}))
    assert noted(found) == [(f"metadata.annotations.{key}", rule)]


def test_method_and_slices_are_taken_over():
    """Slices keep their length and what makes one good; other methods have none of that."""
    sliced = reading(changed(plain(RATIO), "spec.objectives.0.timeSliceWindow", "5m")).slos[0]
    assert (sliced.method, sliced.slice_s, sliced.slice_target) == (Method.TIMESLICES, 300, Decimal("0.95"))
    mean = reading(changed(plain(RATIO), "spec.budgetingMethod", "RatioTimeslices")).slos[0]
    assert (mean.method, mean.slice_s, mean.slice_target) == (Method.RATIO_TIMESLICES, 60, None)
