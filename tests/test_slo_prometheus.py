"""The rules for Prometheus say what our own evaluation says, minute by minute, as the real promtool finds.

What is compared: the set of firing alerts after every minute. Counters are sampled once a minute, at its end; a range
of Prometheus 2.42 holds both of its borders, so `[5m]` holds six samples and the growth of exactly five minutes. Ours
are the sums of the same five minutes. A series that is not scraped serves nobody meanwhile (it is down): where calls go
on unseen Prometheus cannot know their minutes, and no comparison would mean anything.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from promtool import changes, check_rules, fires, needs_promtool, run_rules
from slo_objectives import DAY_S, PAGE, TICKET, objective, rule, workbook_rules
from slo_series import KINDS, TROUBLES, series

from topology.slo import prometheus
from topology.slo.objectives import BurnCondition, Operator, Period
from topology.slo.prometheus import duration, rules_document

FAST = (rule(PAGE, 3600, 300, "0.02"), rule(TICKET, 7200, 1800, "0.01"))
MINUTES, SERIES = 150, 210


def fast(number):
    """The objective of a generated series: a page or a ticket, with and without a floor on bad events."""
    return objective(f"s{number}", rules=FAST[number % 2 :][:1], min_bad_events=3 * (number // 2 % 2))


def made(numbers, minutes, build):
    """Objectives, series and what we say of them."""
    slos, generated = [build(n) for n in numbers], [series(n, minutes, (5, 30, 60)) for n in numbers]
    return slos, generated, fires(slos, generated)[1]


@needs_promtool
def test_alerts_fire_and_reset_in_the_same_minute(tmp_path):
    """Of 210 generated series (steps, ramps, quiet, exact borders, spikes; with restarts, gaps, late beginnings) every
    page and ticket fires and resets in the same minute as in Prometheus."""
    halves = [made(range(begin, SERIES, 2), MINUTES, fast) for begin in (0, 1)]
    assert 3 * len(KINDS) * len(TROUBLES) <= SERIES
    assert min(changes(expected) for _, _, expected in halves) > 100
    folders = [tmp_path / name for name in ("pages", "tickets")]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda half, folder: run_rules(*half, folder), halves, folders))
    assert [(answer.returncode, answer.stderr[:4000]) for answer in answers if answer.returncode] == []
    assert all("SUCCESS" in answer.stdout for answer in answers)


@needs_promtool
@pytest.mark.parametrize("wrong", ["one minute late", "one minute early", "one alert more"])
def test_a_wrong_expectation_is_found(tmp_path, wrong):
    """The comparison can fail: one alert that is expected a minute off, in one of the series, and promtool says so."""
    slos, generated, expected = made(range(4), MINUTES, fast)
    at = next(row for row in range(4) if changes(expected[row : row + 1]))
    expected = expected.copy()
    if wrong == "one alert more":
        expected[at, np.flatnonzero(~expected[at])[0]] = True
    else:
        expected[at] = np.roll(expected[at], 1 if wrong.endswith("late") else -1)
    answer = run_rules(slos, generated, expected, tmp_path)
    assert answer.returncode != 0
    assert "FAILED" in answer.stderr
    assert f'slo="s{at}"' in answer.stderr


@needs_promtool
def test_single_window_conditions_fire_in_the_same_minute(tmp_path):
    """An AlertCondition of OpenSLO, with its operator and alertAfter, fires when the rule with `for` does."""
    kinds = [(Operator.GTE, 300), (Operator.GT, 0), (Operator.LTE, 600), (Operator.LT, 0)]

    def build(number):
        operator, after_s = kinds[number % 4]
        return objective(f"s{number}", conditions=(BurnCondition("c", "sev1", operator, Decimal(6), 1800, after_s),))

    slos, generated, expected = made(range(24), MINUTES, build)
    assert all(changes(expected[operator::4]) > 4 for operator in range(4))
    answer = run_rules(slos, generated, expected, tmp_path)
    assert (answer.returncode, answer.stderr[:4000]) == (0, "")
    assert "SUCCESS" in answer.stdout


@needs_promtool
def test_prometheus_accepts_the_rules(tmp_path):
    """`promtool check rules` accepts what is written, also for names that hold quotes, braces and other scripts."""
    names = ["orders", 'a "quoted" {{ .Value }} \\ name', "支付:orders/availability"]
    slos = [objective(name, rules=workbook_rules(), min_bad_events=3) for name in names]
    slos.append(objective("week", period=Period("3d", 3 * DAY_S), rules=workbook_rules()))
    slos.append(objective("month", period=Period("1M", 30 * DAY_S, rolling=False, start="2026-01-01 00:00:00")))
    (tmp_path / "rules.json").write_text(json.dumps(rules_document(slos)), encoding="utf-8")
    answer = check_rules(tmp_path / "rules.json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "SUCCESS: 66 rules found" in answer.stdout


def test_the_layout_is_sloths():
    """A recording per window, and an alert per pair that asks for long AND short at factor x (1 - target)."""
    group = rules_document([objective(rules=workbook_rules(), min_bad_events=3)])["groups"][0]
    recorded = [entry["record"] for entry in group["rules"] if "record" in entry]
    windows = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"]
    assert recorded[:7] == [f"slo:sli_error:ratio_rate{window}" for window in windows]
    first, *_, last = [entry for entry in group["rules"] if "alert" in entry]
    assert first["labels"] == {"slo": "orders", "service": "orders", "severity": "page", "long": "1h", "short": "5m"}
    assert first["expr"].split("\nand ")[:2] == [
        'max without (window) (slo:sli_error:ratio_rate1h{slo="orders"} >= 0.0144)',
        'max without (window) (slo:sli_error:ratio_rate5m{slo="orders"} >= 0.0144)',
    ]
    assert first["expr"].endswith("[1h])) >= 3)")
    assert ">= 0.001)" in last["expr"]


def test_no_series_is_recorded_twice():
    """A period as long as a window of the rules records that window once."""
    groups = rules_document([objective(period=Period("3d", 3 * DAY_S), rules=workbook_rules())])["groups"]
    names = sorted(entry["record"] for group in groups for entry in group["rules"] if "record" in entry)
    assert [name for name, same in groupby(names) if len(list(same)) > 1] == []
    assert "slo:sli_error:ratio_rate3d" in names


def test_families_are_explained_where_people_look():
    """The table of what `/metrics` exports is the same in the documentation and in the module that reads it."""
    page = (Path(__file__).parent.parent / "docs" / "slo-arithmetic.md").read_text(encoding="utf-8")
    rows = [line for line in (prometheus.__doc__ or "").splitlines() if line.startswith("| `synoptic_slo_")]
    assert len(rows) == 6
    assert [line for line in page.splitlines() if line.startswith("| `synoptic_slo_")] == rows
    assert all(f"`{family}`" in page for family in (prometheus.EVENTS, prometheus.GOOD_EVENTS))


def test_durations_are_written_in_the_largest_unit():
    """Windows of seconds become what Prometheus reads."""
    assert [duration(s) for s in (30, 300, 5400, 21600, 86400, 604800)] == ["30s", "5m", "90m", "6h", "1d", "7d"]


@needs_promtool
@pytest.mark.real
def test_the_whole_table_fires_and_resets_in_the_same_minute(tmp_path):
    """Of six series over four days all four rules of the workbook's table agree at every minute."""
    slos, generated, expected = made(
        range(6), 4 * 1440, lambda n: objective(f"s{n}", rules=workbook_rules(), min_bad_events=3 * (n % 2))
    )
    assert changes(expected) > 60
    answer = run_rules(slos, generated, expected, tmp_path)
    assert (answer.returncode, answer.stderr[:4000]) == (0, "")
