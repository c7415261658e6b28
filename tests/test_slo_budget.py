"""Budgets, slices and burn rules against an exact second implementation, and by hand."""

from decimal import Decimal
from fractions import Fraction

import exact_slo
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slo_objectives import MONTH, PAGE, TICKET, objective, rule, workbook_rules

from topology.slo.budget import bad_ratio, burn, coverage, exhausted_in_s, left, projected, ratio, spent
from topology.slo.burn import exact_factor, factor, firing, limit, reachable, rule_table, windows_of
from topology.slo.gliding import firing_over_time, left_over_time, raised, spans
from topology.slo.objectives import BurnRule, Method, Missing, Operator
from topology.slo.slices import budgeted, by_slice, composed, filled, sliced, within

QUICK = settings(deadline=None, max_examples=200)
TARGETS = ["0", "0.5", "0.9", "0.95", "0.99", "0.999", "0.9995", "0.9999", "0.99999"]
COUNTS = st.integers(0, 10**12)


@st.composite
def good_and_total(draw, most=10**12):
    """Good events of a total."""
    total = draw(st.integers(0, most))
    return draw(st.integers(0, total)), total


@st.composite
def at_the_border(draw):
    """A target, a factor, and counts at their limit or one event beside it."""
    target = Decimal(draw(st.sampled_from(TARGETS)))
    times = Decimal(draw(st.sampled_from(["1", "3", "6", "14.4", "13.44"])))
    most = limit(times, 1 - target)
    total = draw(st.integers(1, 10**8)) * most.denominator
    bad = min(max(int(total * most) + draw(st.integers(-1, 1)), 0), total)
    return target, times, total - bad, total


def one(*values):
    """One element arrays."""
    return [np.array([value], np.float64) for value in values]


def near(found, exact):
    """A float against an exact number, or NaN against None."""
    return np.isnan(found) if exact is None else found == pytest.approx(float(exact), rel=1e-12, abs=1e-12)


@QUICK
@given(good_and_total(), st.sampled_from(TARGETS))
@example((9900, 10000), "0.99")
def test_ratio_burn_and_budget_are_the_exact_ones(counts, target):
    """Ratio, burn, spent and left equal their fractions; of no events nothing is known; no sign is lost."""
    good, total = one(*counts)
    allowed, exact = float(1 - Decimal(target)), Fraction(target)
    assert near(ratio(good, total)[0], exact_slo.ratio(*counts))
    assert near(burn(good, total, allowed)[0], exact_slo.burn(*counts, exact))
    remaining, found = exact_slo.budget_left(*counts, exact), left(good, total, allowed)[0]
    assert near(found, remaining) or abs(found / float(remaining) - 1) < 1e-12
    if remaining is not None:
        assert np.sign(found) == np.sign(remaining)
        assert spent(good, total, allowed)[0] == pytest.approx(1 - float(remaining), rel=1e-12, abs=1e-12)


@settings(deadline=None, max_examples=600)
@given(at_the_border())
def test_no_rounding_decides_at_the_border(drawn):
    """With bad events at the limit, one more or one less, of up to 10**11, a rule fires when fractions say so."""
    target, times, good, total = drawn
    slo = objective(target=str(target), rules=(BurnRule(PAGE, 3600, 300, times, Decimal(0)),))
    found = firing(rule_table([slo], (300, 3600)), *(np.full((2, 1), float(n)) for n in (good, total)))
    assert found.tolist() == [Fraction(total - good, total) >= Fraction(times) * (1 - Fraction(target))]


@QUICK
@given(good_and_total(10**6), st.integers(0, 10**7), st.sampled_from(TARGETS))
def test_a_budget_for_more_than_came(counts, more, target):
    """With more events expected the budget is larger, in proportion, exactly."""
    good, total, expected = one(*counts, counts[1] + more)
    exact = exact_slo.budget_left(*counts, Fraction(target), counts[1] + more)
    found = left(good, total, float(1 - Decimal(target)), expected)[0]
    assert np.isnan(found) if exact is None else found == pytest.approx(float(exact), rel=1e-9, abs=1e-9)


@QUICK
@given(COUNTS, COUNTS, COUNTS, st.integers(1, 90))
def test_projection_is_the_most_of_three(period, day, hour, days):
    """A young series is measured against its period, its day times days or its hour times hours."""
    found = projected(*one(period, day, hour), days * 86400)[0]
    assert found == pytest.approx(float(exact_slo.projected(period, day, hour, days)), rel=1e-12)


@QUICK
@given(good_and_total(10**6), good_and_total(10**6), st.sampled_from(TARGETS), st.integers(1, 90), st.integers(0, 90))
def test_time_to_exhaustion_is_the_exact_one(whole, newest, target, days, horizon):
    """What is left lasts left x period / burn, and is not told when nothing burns, all is gone or it lasts longer."""
    exact, allowed = Fraction(target), float(1 - Decimal(target))
    remaining, burning = exact_slo.budget_left(*whole, exact), exact_slo.burn(*newest, exact)
    expected = exact_slo.exhausted_in(remaining, burning, days * 86400, horizon * 86400)
    spare, pace = left(*one(*whole), allowed), burn(*one(*newest), allowed)
    found = exhausted_in_s(spare, pace, days * 86400.0, horizon * 86400.0)[0]
    if expected is None or abs(expected - horizon * 86400) > 1e-3:
        assert near(found, expected) or abs(found / float(expected) - 1) < 1e-9


@QUICK
@given(
    st.lists(good_and_total(50), min_size=12, max_size=12),
    st.sampled_from(list(Method)),
    st.sampled_from([1, 3, 4]),
    st.sampled_from(["0.5", "0.9", "0.95", "1"]),
    st.sampled_from(list(Missing)),
)
def test_slices_and_missing_ones_are_counted_exactly(minutes, method, size, target, missing):
    """All three budgeting methods, with what is missing ignored, good or bad."""
    good, total = (np.array([pair[at] for pair in minutes], np.float64) for at in (0, 1))
    size = 1 if method is Method.OCCURRENCES else size
    counted = sliced(by_slice(good, size), by_slice(total, size), method, float(target))
    exact = exact_slo.slices(minutes, size, method.value, Fraction(target))
    assert np.allclose(counted, [[float(pair[at]) for pair in exact] for at in (0, 1)], rtol=1e-12)
    covered = np.count_nonzero(counted[1])
    found = filled(counted[0].sum(), counted[1].sum(), np.float64(covered), len(exact), missing)
    assert np.allclose(found, [float(figure) for figure in exact_slo.with_missing(exact, missing.value)], rtol=1e-12)


@QUICK
@given(st.lists(st.tuples(good_and_total(100), st.sampled_from([1, 2, Fraction(1, 2), 10])), min_size=1, max_size=4),
       st.sampled_from(list(Method)), st.sampled_from(["0.5", "0.9", "1"]))
def test_composites_are_counted_exactly(parts, method, target):
    """Weighted composites under all three methods."""
    counts = [tuple(one(*part)) for part, _ in parts]
    weights = [weight for _, weight in parts]
    found = composed(counts, [float(weight) for weight in weights], method, float(target))
    exact = exact_slo.composite([part for part, _ in parts], weights, method.value, Fraction(target))
    wanted = pytest.approx([float(figure) for figure in exact], rel=1e-12, abs=1e-12)
    assert [float(figure[0]) for figure in found] == wanted


RULES = (rule(PAGE, 3600, 300, "0.02"), rule(TICKET, 21600, 1800, "0.05"), rule(TICKET, 600, 60, "0.001"))


SOME_MINUTES = [(0, 0), (1, 1), (0, 1), (100, 100), (98, 100), (9856, 10000), (9940, 10000)]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(SOME_MINUTES), min_size=1, max_size=100),
    st.sampled_from(["0.9", "0.99", "0.999"]),
    st.sampled_from([0, 1, 3]),
)
def test_every_minute_fires_as_the_exact_rules_say(minutes, target, floor):
    """Every rule at every minute of a series, and the budget left of the newest hour at each of them."""
    slo = objective(target=target, rules=RULES, min_bad_events=floor)
    good, total = (np.array([[pair[at]] for pair in minutes], np.float64) for at in (0, 1))
    table = rule_table([slo], windows_of([slo]))
    found = firing_over_time(table, good, total, windows_of([slo]))
    remaining = left_over_time(good, total, np.array([float(slo.allowed)]), 60)[:, 0]
    for at in range(len(minutes)):
        pairs = [(r.long_s // 60, r.short_s // 60, Fraction(r.factor)) for r in RULES]
        exact = [exact_slo.fires(minutes, at, *pair, Fraction(target), floor) for pair in pairs]
        assert found[:, at].tolist() == exact
        assert near(remaining[at], exact_slo.budget_left(*exact_slo.window(minutes, at, 60), Fraction(target)))


def test_factors_are_exact():
    """Factors are fractions until they are told: 10 % of 28 days in 3 days is 14/15, 2 % of 30 days in 1 h is 14.4."""
    assert exact_factor(Decimal("0.1"), 28 * 86400, 3 * 86400) == Fraction(14, 15)
    assert factor(Decimal("0.02"), MONTH.length_s, 3600) == Decimal("14.4")
    endless = limit(factor(Decimal("0.1"), 28 * 86400, 3 * 86400), Decimal("0.001"))
    assert bad_ratio(*one(14986, 15000))[0] >= float(endless) > bad_ratio(*one(14987, 15000))[0]


def test_a_rule_that_can_never_fire_is_known():
    """At 90 % a total outage burns ten times: 14.4 is out of reach, and so it is up to 93.05 %; 10 is just within."""
    assert [reachable(Decimal("14.4"), Decimal(target)) for target in ("0.9", "0.9305", "0.9306", "0.99")] == [
        False, False, True, True,
    ]  # fmt: skip
    assert reachable(Decimal(10), Decimal("0.9"))
    assert not firing(rule_table([objective(target="0.9", rules=workbook_rules()[:1])], (300, 3600)),
                      np.zeros((2, 1)), np.full((2, 1), 1000.0)).any()  # fmt: skip


def test_dust_of_weights_is_no_event():
    """What rounding leaves of sampling weights that went in and out is no data, and not a ratio of one."""
    total = np.array([0.1 * 3 + 1e6 - 1e6 - 0.3])
    assert total[0] != 0
    assert np.isnan([ratio(np.zeros(1), total)[0], burn(np.zeros(1), total, 0.001)[0]]).all()


def test_a_threshold_metric_counts_minutes():
    """Each known value is one event, good when it holds against the limit, where lte and gte hold, lt and gt not."""
    value = np.array([np.nan, 199.0, 200.0, 201.0])
    counted = {operator: within(value, operator, 200.0) for operator in Operator}
    assert {operator.value: good.tolist() for operator, (good, _) in counted.items()} == {
        "lte": [0, 1, 1, 0], "gte": [0, 0, 1, 1], "lt": [0, 1, 0, 0], "gt": [0, 0, 0, 1],
    }  # fmt: skip
    assert all(total.tolist() == [0, 1, 1, 1] for _, total in counted.values())


def test_coverage_is_a_share_of_slots():
    """Half a day of a day is a half; more than all is all; of no slots nothing is covered."""
    assert coverage(np.array([720.0, 1441.0, 0.0]), np.array([1440.0, 1440.0, 0.0])).tolist() == [0.5, 1.0, 0.0]


def test_a_calendar_period_of_slices_has_its_budget_from_the_first_day():
    """Slices to come count for a calendar month; a rolling window and events are measured against what came."""
    came = np.array([100.0])
    calendar, rolling = ({way: budgeted(came, 43200.0, way, turns)[0] for way in Method} for turns in (False, True))
    assert calendar == {Method.OCCURRENCES: 100, Method.TIMESLICES: 43200, Method.RATIO_TIMESLICES: 43200}
    assert rolling == dict.fromkeys(Method, 100)


def test_alerts_of_the_past_are_counted_by_severity():
    """Two page rules that overlap are one page; a page after a pause is another.

    By hand: 20 of 1,000 fail in minutes 5 to 9 and 40 to 44. Factor 8.64, limit 0.864 %: three such minutes of five,
    so from minute 7, and until minute 9 has left the short window of one. Factor 4.32, limit 0.432 %: two of the first
    seven minutes, so from minute 6; three of ten later, so from minute 42; the short window is two minutes.
    """
    slo = objective(rules=(rule(PAGE, 300, 60, "0.001"), rule(PAGE, 600, 120, "0.001")))
    minutes = np.array([0] * 5 + [20] * 5 + [0] * 30 + [20] * 5 + [0] * 15, np.float64)[:, None]
    total = np.full(minutes.shape, 1000.0)
    windows = windows_of([slo])
    table = rule_table([slo], windows)
    fires = firing_over_time(table, total - minutes, total, windows)
    assert [list(spans(row)) for row in fires] == [[(7, 10), (42, 45)], [(6, 11), (42, 46)]]
    assert (raised(table, fires, 0, "page"), raised(table, fires, 0, "ticket")) == (2, 0)
