"""SLO arithmetic against figures that others have published. Every test names its source and states the numbers."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slo_generator import compute
from slo_objectives import DAY_S, MONTH, PAGE, WINDOWS, objective, rule, workbook_rules

from topology.slo.budget import burn, exhausted_in_s, left, ratio, spent
from topology.slo.burn import factor, firing, reachable, rule_table, windows_of
from topology.slo.gliding import firing_over_time, left_over_time, spans
from topology.slo.objectives import Method, Missing, Period, Slo
from topology.slo.slices import budgeted, filled, sliced

QUICK = settings(deadline=None, max_examples=200)
SLOT_S = 10
GOALS = ["0.5", "0.9", "0.99", "0.999", "0.9999"]


def array(*values: float) -> np.ndarray:
    """Floats, one element per SLO."""
    return np.array(values, np.float64)


def outage(share: float, begin_s: int, lasts_s: int, until_s: int) -> tuple[np.ndarray, np.ndarray]:
    """Good and total of steady traffic in slots of 10 s, with a share of failures for a while."""
    total = np.full((until_s // SLOT_S, 1), 10_000.0)
    bad = np.zeros_like(total)
    bad[begin_s // SLOT_S : (begin_s + lasts_s) // SLOT_S] = 10_000 * share
    return total - bad, total


def firing_s(slo: Slo, good: np.ndarray, total: np.ndarray) -> list[tuple[int, int]]:
    """From when to when each alert of the first rule is raised, in seconds."""
    windows = windows_of([slo])
    fires = firing_over_time(rule_table([slo], windows), good, total, windows, SLOT_S)
    return [((begin + 1) * SLOT_S, (end + 1) * SLOT_S) for begin, end in spans(fires[0])]


# SRE workbook, chapter 5, "Alerting on SLOs"


def test_workbook_table_5_8():
    """2 % in 1 h, 5 % in 6 h, 10 % in 1 d and in 3 d of 30 d are burns of 14.4, 6, 3, 1; short windows a twelfth."""
    rules = workbook_rules()
    assert [str(one.factor) for one in rules] == ["14.4", "6", "3", "1"]
    assert [one.long_s / one.short_s for one in rules] == [12, 12, 12, 12]
    assert [float(one.factor) * one.long_s / MONTH.length_s for one in rules] == pytest.approx([0.02, 0.05, 0.1, 0.1])


def test_workbook_fifteen_percent_for_ten_minutes():
    """15 % errors for 10 minutes (fig. 5-6): told after 5 to 6 minutes, over 5 minutes after the end, not an hour.

    By hand: 15 % of x of 3,600 s is 1.44 % at x = 345.6 s, the slot that ends after 350 s. Of the 5 minutes after the
    end, 28.8 s of errors must still be in sight: up to 271.2 s after it, so that it is over at 280 s. The long window
    alone stays until 345.6 s of errors are left in it: 3254.4 s after the end, 54 minutes.
    """
    begin_s, end_s = 7200, 7800
    good, total = outage(0.15, begin_s, 600, 14400)
    assert firing_s(objective(rules=workbook_rules()[:1]), good, total) == [(begin_s + 350, end_s + 280)]
    alone = objective(rules=(rule(PAGE, 3600, 3600, "0.02"),))
    assert firing_s(alone, good, total) == [(begin_s + 350, end_s + 3260)]


def test_workbook_detection_time():
    """Detection takes (1 - SLO) / error ratio x window x burn: 51.84 s of a total outage, 8 min 38 s at 10 %."""
    for share, seconds in ((1.0, 51.84), (0.1, 518.4)):
        good, total = outage(share, 7200, 3600, 14400)
        (begin, _), *_ = firing_s(objective(rules=workbook_rules()[:1]), good, total)
        assert begin - 7200 == -(-seconds // SLOT_S) * SLOT_S


def test_workbook_exhaustion():
    """A burn of 14.4 spends 30 days in 50 hours; of 99.999 % a total outage spends all in 26 s."""
    whole = exhausted_in_s(array(1, 1), array(14.4, 1 / 0.00001), MONTH.length_s, MONTH.length_s)
    assert whole.tolist() == pytest.approx([50 * 3600, 25.92])


def test_workbook_low_traffic():
    """10 calls an hour, one fails: 10 % of the hour, burn 100 (the text's 1,000 is its erratum), 13.9 % of 30 days.

    Seven failures are allowed in 30 days, the eighth is one too many; a floor of bad events keeps one from paging.
    """
    assert burn(array(9), array(10), 0.001)[0] == pytest.approx(100)
    assert spent(array(7199), array(7200), 0.001)[0] == pytest.approx(0.139, abs=5e-4)
    assert np.sign(left(array(7193, 7192), array(7200, 7200), 0.001)).tolist() == [1, -1]
    for floor, pages in ((0, True), (2, False)):
        table = rule_table([objective(rules=workbook_rules()[:1], min_bad_events=floor)], (300, 3600))
        assert firing(table, np.array([[0.0], [9]]), np.array([[1.0], [10]])).tolist() == [pages]


def test_workbook_unreachable():
    """At 90 % a total outage burns 10, that is 1.4 % of the budget an hour, so 14.4 never fires."""
    total_outage = burn(array(0), array(1000), 1 - 0.9)[0]
    assert total_outage * 3600 / MONTH.length_s == pytest.approx(0.014, abs=2e-4)
    assert not reachable(Decimal("14.4"), Decimal("0.9"))


# From here on: Sloth, github.com/slok/sloth


@pytest.mark.parametrize(
    ("days", "shares", "factors"),
    [
        (30, ("0.02", "0.05", "0.1", "0.1"), (14.4, 6, 3, 1)),
        (28, ("0.02", "0.05", "0.1", "0.1"), (13.44, 5.6000000000000005, 2.8000000000000003, 0.9333333333333333)),
        (7, ("0.08", "0.125", "0.2", "0.42"), (13.44, 3.5, 1.4000000000000001, 0.98)),
    ],
)
def test_sloth_factors(days, shares, factors):
    """internal/alert/alert_test.go: the factors of 30, 28 and 7 days, to a float's last digit."""
    longs = [long_s for _, long_s, _ in WINDOWS]
    found = [factor(Decimal(share), days * DAY_S, long_s) for share, long_s in zip(shares, longs, strict=True)]
    assert [float(one) for one in found] == pytest.approx(factors, rel=2e-16)


def test_sloth_daily_budget_curve():
    """internal/http/backend/app/slo_test.go: 99.9 %, days of 99.0 ... 99.6 % in a month of 30 days.

    Left: 66.67, 36.67, 10.0, -13.33, -33.33, -50.0, -63.33 %, then flat while nothing is known (to day 14).
    """
    shares = np.array([0.99, 0.991, 0.992, 0.993, 0.994, 0.995, 0.996, *[np.nan] * 7])
    good = np.nan_to_num(shares * 1000)[:, None]
    total = np.where(np.isnan(shares), 0.0, 1000.0)[:, None]
    slices = sliced(good, total, Method.RATIO_TIMESLICES)
    whole = budgeted(array(7), 30.0, Method.RATIO_TIMESLICES, rolling=False)
    curve = 100 * left_over_time(*slices, array(0.001), 30, whole)[:, 0]
    assert curve.tolist() == pytest.approx([66.67, 36.67, 10, -13.33, -33.33, -50, -63.33, *[-63.33] * 7], abs=5e-3)


# OpenSLO (github.com/OpenSLO/OpenSLO), examples/budgeting-method/README.md: two weeks, 95 %, slices of a minute, 24,000
# calls a day; 99 % succeed, in an attack 1 %

TWO_WEEKS_MIN = 14 * 1440


def attacked(minutes: int, method: Method) -> float:
    """The budget left after an attack of so many minutes at the end of two weeks."""
    share = np.full((TWO_WEEKS_MIN, 1), 0.99)
    share[TWO_WEEKS_MIN - minutes :] = 0.01
    good, total = sliced(share * 1000, np.full_like(share, 1000.0), method, 0.95)
    return float(left(good.sum(axis=0), total.sum(axis=0), float(objective(target="0.95").allowed))[0])


def test_openslo_timeslices():
    """Timeslices: 20,160 slices, and 16 h 48 m (1,008 bad ones) of attack exhaust the budget, to the minute."""
    assert TWO_WEEKS_MIN == 20_160
    assert attacked(16 * 60 + 48, Method.TIMESLICES) == 0.0
    assert attacked(16 * 60 + 47, Method.TIMESLICES) > 0


def test_openslo_ratio_timeslices():
    """RatioTimeslices: after 13 h 43 m ("about 13 hours and 45 minutes") the budget is gone, a minute before not."""
    assert attacked(13 * 60 + 43, Method.RATIO_TIMESLICES) < 0 < attacked(13 * 60 + 42, Method.RATIO_TIMESLICES)


def test_openslo_occurrences():
    """Occurrences: of 336,000 calls 16,800 may fail; an attack of so many, 99 in 100 failing, fails 16,632 of them."""
    calls = array(14 * 24_000)
    assert left(calls - 16_800, calls, 0.05)[0] == 0
    assert spent(calls - 16_632, calls, 0.05)[0] == pytest.approx(0.99)


def test_openslo_treat_low_traffic():
    """One week at 99.95 % allows 5 m 2.4 s of outage."""
    assert 7 * DAY_S * float(objective(target="0.9995").allowed) == pytest.approx(5 * 60 + 2.4)


# Kibana: its published figures


def test_kibana_summary():
    """97 of 100 at 0.95: ratio 0.97, 0.6 consumed, 0.4 left. 10000/10080 is 0.99206349, 158/168 is 0.94047619."""
    good, total = array(97, 10_000, 158), array(100, 10_080, 168)
    assert np.round(ratio(good, total), 8).tolist() == [0.97, 0.99206349, 0.94047619]
    assert spent(good, total, 0.05)[0] == pytest.approx(0.6)
    assert left(good, total, 0.05)[0] == pytest.approx(0.4)


def test_kibana_missing_slices_are_good():
    """7 days of minutes, 5,000 of 10,080 with data, 80 of these bad: 1 - 80/10080 = 0.99206349 with `missing: good`."""
    good, total = filled(array(4920), array(5000), array(5000), 10_080, Missing.GOOD)
    assert np.round(ratio(good, total), 8).tolist() == [0.99206349]


def test_kibana_no_data_and_overspent():
    """No events are no data, not a ratio; consumed may exceed 1. Kibana clamps what is left to zero, we do not."""
    assert np.isnan(ratio(array(0), array(0))[0])
    assert spent(array(90), array(100), 0.05)[0] == pytest.approx(2.0)
    assert left(array(90), array(100), 0.05)[0] == pytest.approx(-1.0)


def test_kibana_calendar_slices_divide_by_the_whole_period():
    """Ten bad minutes in the first hour of January spend 10 of the month's 446.4, not of the hour's (#143980)."""
    whole = budgeted(array(60), 31 * 1440.0, Method.TIMESLICES, rolling=False)
    assert spent(array(50), array(60), 0.01, whole)[0] == pytest.approx(10 / 446.4)


# slo-generator (PyPI), run beside ours

BACKEND = "slo_generator_backend.Counts"


def generated(good: int, bad: int, goal: str, threshold: float = 1.0) -> dict[str, object]:
    """What slo-generator reports of these counts over 30 days."""
    step = {"name": "30d", "window": MONTH.length_s, "burn_rate_threshold": threshold, "alert": True,
            "message_alert": "a", "message_ok": "o"}  # fmt: skip
    spec = {"goal": float(goal), "description": "", "backend": BACKEND, "method": "counted", "exporters": [],
            "service_level_indicator": {"good": good, "bad": bad}, "error_budget_policy": "p"}  # fmt: skip
    config = {"backends": {BACKEND: {}}, "error_budget_policies": {"p": {"steps": [step]}}}
    slo = {"metadata": {"name": "s", "labels": {}}, "spec": spec}
    (report,) = compute.compute(slo, config, timestamp=0.0)
    return report


@QUICK
@given(st.sampled_from([10, 1000, 8000, 10**5, 10**6]), st.floats(0, 1), st.sampled_from(GOALS))
def test_slo_generator_says_the_same(total, share, goal):
    """Ratio, gap, consumed budget and minutes left are equal; burn too, up to its rounding to one decimal.

    Totals divide a million, so that its rounding of the ratio to six decimals takes nothing away.
    """
    bad = round(total * share)
    report, allowed = generated(total - bad, bad, goal), float(objective(target=goal).allowed)
    good, events = array(total - bad), array(total)
    consumed = pytest.approx(report["error_budget_consumed_ratio"], rel=1e-9, abs=1e-7)
    assert report["valid"]
    assert ratio(good, events)[0] == pytest.approx(report["sli_measurement"], abs=1e-12)
    assert 100 * spent(good, events, allowed)[0] == consumed
    minutes = left(good, events, allowed)[0] * allowed * MONTH.length_s / 60
    assert minutes == pytest.approx(report["error_budget_remaining_minutes"], rel=1e-6, abs=1e-6)
    assert burn(good, events, allowed)[0] == pytest.approx(report["error_budget_burn_rate"], abs=0.05 + 1e-6)


@QUICK
@given(st.integers(0, 5000), st.integers(0, 5000), st.sampled_from([1.0, 3.0, 6.0, 14.4]))
def test_slo_generator_alerts_alike(good, bad, threshold):
    """With any counts both alert or neither, unless the burn is within its rounding of the threshold."""
    report, events = generated(good, bad, "0.9", threshold), array(good + bad)
    pace = burn(array(good), events, 1 - 0.9)[0]
    if np.isnan(pace):
        assert not report["valid"]
    elif abs(pace - threshold) > 0.0501:
        assert report["alert"] == (pace >= threshold)


def test_an_evaluation_knows_its_table():
    """The table that all of this goes through holds one row per rule and finds its windows."""
    week = Period("7d", 7 * DAY_S)
    slos = [objective("a", rules=workbook_rules()), objective("b", period=week, rules=workbook_rules(week)[:1])]
    table = rule_table(slos, windows_of(slos))
    assert table.row.tolist() == [0, 0, 0, 0, 1]
    assert table.pages.tolist() == [True, True, False, False, True]
    assert table.limit.tolist() == pytest.approx([0.0144, 0.006, 0.003, 0.001, 0.00336])
