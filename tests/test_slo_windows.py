"""The catalogue of burn windows: its shares, the factors that follow from them, and what is wrong with a catalogue."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from app.slo.documents import read_file
from tests.openslo_documents import plain
from topology.slo.openslo.place import spelled
from topology.slo.windows import read_windows

DAY_S = 86_400
CATALOGUE = Path(__file__).parent.parent / "config" / "slo-windows.yaml"


@pytest.fixture(scope="module")
def windows():
    """The catalogue that comes along."""
    found, findings = read_windows(read_file(CATALOGUE).documents[0])
    assert findings == []
    return found


def written(rules):
    """Rules as (severity, long, short, factor, share of the budget)."""
    return [(str(r.severity), r.long_s, r.short_s, r.factor, r.budget_share) for r in rules]


@pytest.mark.parametrize(("period_s", "pairs"), [(DAY_S, [3600]), (2 * 3600, []), (3 * DAY_S, [3600, 21_600])])
def test_no_rule_calls_for_somebody_while_the_budget_allows_it(windows, period_s, pairs):
    """A short period has only the rules whose burn is above what its budget allows: less wakes nobody."""
    assert [rule.long_s for rule in windows.rules(period_s)] == pairs


def test_thirty_days_are_table_5_8_of_the_workbook(windows):
    """SRE workbook, table 5-8: 14.4 over 1 h spends 2 %, 6 over 6 h spends 5 %, 1 over 3 d spends 10 %; with the
    ticket of 3 over 1 d. Sloth's google-30d.yaml has the same."""
    assert written(windows.rules(30 * DAY_S)) == [
        ("page", 3600, 300, Decimal("14.4"), Decimal("0.02")),
        ("page", 21_600, 1800, Decimal(6), Decimal("0.05")),
        ("ticket", 86_400, 7200, Decimal(3), Decimal("0.1")),
        ("ticket", 259_200, 21_600, Decimal(1), Decimal("0.1")),
    ]


@pytest.mark.parametrize(
    ("days", "factors"),
    [
        (28, [13.44, 5.6000000000000005, 2.8000000000000003, 0.9333333333333333]),
        (7, [13.44, 3.5, 1.4000000000000001, 0.98]),
    ],
)
def test_factors_are_those_of_sloth(windows, days, factors):
    """slok/sloth internal/alert/alert_test.go, to the last digit of a float."""
    assert [float(rule.factor) for rule in windows.rules(days * DAY_S)] == pytest.approx(factors, rel=1e-15)


def test_short_window_is_a_twelfth_of_the_long_one(windows):
    """As the workbook says below the table."""
    assert all(rule.long_s == 12 * rule.short_s for days in (7, 28, 30) for rule in windows.rules(days * DAY_S))


@pytest.mark.parametrize("days", [7, 8, 14, 28, 30, 42, 90, 365])
def test_factor_is_share_times_period_by_window(windows, days):
    """Whatever the period, a long window at the factor spends exactly the share: the figure has 28 digits."""
    for rule in windows.rules(days * DAY_S):
        exact = Fraction(rule.budget_share) * days * DAY_S / rule.long_s
        assert abs(Fraction(rule.factor) - exact) <= exact * Fraction(1, 10**27)


@pytest.mark.parametrize(("days", "base"), [(1, 7), (7, 7), (14, 7), (28, 28), (29, 28), (42, 30), (365, 30)])
def test_period_outside_the_catalogue_takes_the_shares_of_the_longest_that_is_not_longer(windows, days, base):
    """42 days, for which Sloth gives up, take those of 30; what is shorter than all takes the shortest."""
    assert windows.base_s(days * DAY_S) == base * DAY_S


FAULTS = {
    "no mapping": ("[1]", "the document", "type"),
    "no periods": ("{}", "periods", "required"),
    "an empty one": ("periods: {}", "periods", "type"),
    "a period that is none": ("periods: {month: {rules: []}}", "periods.month", "duration"),
    "no rules": ("periods: {30d: {}}", "periods.30d.rules", "required"),
    "an unknown severity": (
        "periods: {30d: {rules: [{severity: call, long: 1h, short: 5m, budget_percent: 2}]}}",
        "periods.30d.rules[0].severity", "one-of"),
    "a window that is not kept": (
        "periods: {30d: {rules: [{severity: page, long: 4h, short: 5m, budget_percent: 2}]}}",
        "periods.30d.rules[0].long", "one-of"),
    "windows in the wrong order": (
        "periods: {30d: {rules: [{severity: page, long: 5m, short: 1h, budget_percent: 2}]}}",
        "periods.30d.rules[0]", "order"),
    "a long window as long as the period": (
        "periods: {1d: {rules: [{severity: page, long: 1d, short: 1h, budget_percent: 2}]}}",
        "periods.1d.rules[0]", "order"),
    "a share beyond the whole": (
        "periods: {30d: {rules: [{severity: page, long: 1h, short: 5m, budget_percent: 101}]}}",
        "periods.30d.rules[0].budget_percent", "range"),
    "a typing error": (
        "periods: {30d: {rules: [{severity: page, long: 1h, short: 5m, budget: 2, budget_percent: 2}]}}",
        "periods.30d.rules[0].budget", "unknown-field"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "path", "rule"), FAULTS.values(), ids=FAULTS.keys())
def test_fault_in_a_catalogue_is_named(text, path, rule):
    """A catalogue of one's own is checked like every other file."""
    _, findings = read_windows(plain(text))
    assert [(spelled(finding.path), finding.rule) for finding in findings] == [(path, rule)]
