"""Standings against the slowest way to work them out: every call of a window by itself, in fractions."""

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from slo_ledger import LADDER, LEDGER, MONTH, NOW_S, ORDERS, WEB, Books, Call, call, ratio, slo, work

from topology.health import State
from topology.members import Members
from topology.model import GaugeKey, LogKey
from topology.rollup import SeriesTable
from topology.slo.alerts import Alerts
from topology.slo.evaluation import alerted
from topology.slo.filling import complete, fill
from topology.slo.hours import remember, restore
from topology.slo.ledger import Promises
from topology.slo.objectives import (
    WINDOWS_S,
    Counted,
    Measure,
    Method,
    Missing,
    Operator,
    Part,
    Period,
    Selection,
    Services,
    Threshold,
)
from topology.slo.states import Shown
from topology.store.contract import Commit, KeyedRollups
from topology.store.memory import MemoryStore

DAY_S, HOUR_S = 86_400, 3600
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without shrinking: every example plays days, and a list of calls can be read as it is."""
LATE_S = 3 * HOUR_S
ratios = st.tuples(st.integers(0, 6 * DAY_S), st.integers(1, 50), st.integers(0, 50), st.integers(0, 20 * 60))
traffic = st.lists(ratios, min_size=1, max_size=30)
LATENCY = ratio(Services("orders"), Counted.FASTER_THAN, threshold_us=200_000)
SLOS = (
    slo("answered"),
    slo("quick", LATENCY, "0.9"),
    slo("both", parts=(Part(ratio(Services("orders")), Decimal(2)), Part(ratio(Services("web")), Decimal(1)))),
    slo("slices", method=Method.TIMESLICES, slice_target=Decimal("0.9"), slice_s=60),
    slo("means", method=Method.RATIO_TIMESLICES, slice_s=300),
    slo("strict", method=Method.TIMESLICES, slice_target=Decimal("0.9"), slice_s=300, missing=Missing.BAD),
    slo("month", period=Period("1M", 30 * DAY_S, False, "2026-01-01 00:00:00", ZoneInfo("Asia/Shanghai"))),
)
SLICED = {"slices", "means", "strict"}


def calls_of(told: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, Call]]:
    """(when it came, the call) of (seconds ago, calls, failed of them, seconds late)."""
    found = []
    for number, (ago, n, bad, late) in enumerate(told):
        at_s = NOW_S - ago
        service = ORDERS if number % 3 else WEB
        slow = bad // 2
        found.append((min(NOW_S, at_s + late), call(at_s, work(service), n, min(bad, n),
                                                    us_20000=max(n - slow, 0), us_900000=min(slow, n))))  # fmt: skip
    return sorted(found, key=lambda pair: pair[0])


def lived(calls: Sequence[tuple[int, Call]], slos=SLOS) -> Books:
    """Books that saw the calls as they came."""
    books = Books(Promises(slos), settle_s=0)
    books.at(NOW_S - 7 * DAY_S)
    for came_s, one in calls:
        books.at(came_s).add(one)
    return books.at(NOW_S)


def events(calls, service, from_s: int, to_s: int, quick: bool = False) -> tuple[Fraction, Fraction]:
    """Good and all calls of a service that started in a span."""
    good = total = Fraction(0)
    for _, (at_s, key, n, bad, _, took) in calls:
        if key.service == service and from_s <= at_s // 10 * 10 < to_s:
            total += Fraction(n)
            fast = sum(count for us, count in took.items() if us <= 200_000)
            good += Fraction(fast) if quick else Fraction(n) - Fraction(bad)
    return good, total


def slices(calls, from_s: int, to_s: int, length_s: int) -> list[Fraction | None]:
    """The ratio of every slice that ended in a span, None without calls."""
    ends = range(-(-(from_s + 60) // length_s) * length_s, to_s + 1, length_s)
    parts = [events(calls, ORDERS, end - length_s, end) for end in ends]
    return [good / total if total else None for good, total in parts]


def exact(calls, name: str, from_s: int, to_s: int) -> tuple[Fraction, Fraction]:
    """(good, total) of one of SLOS over a span, by its definition."""
    if name in {"answered", "month", "quick"}:
        return events(calls, ORDERS, from_s, to_s, name == "quick")
    if name == "both":
        one, other = events(calls, ORDERS, from_s, to_s), events(calls, WEB, from_s, to_s)
        total = one[1] + other[1]
        return total - 2 * (one[1] - one[0]) - (other[1] - other[0]), total
    length_s = 60 if name == "slices" else 300
    found = slices(calls, from_s, to_s, length_s)
    known = [share for share in found if share is not None]
    if name == "means":
        return sum(known, Fraction(0)), Fraction(len(known))
    good = Fraction(sum(share >= Fraction(9, 10) for share in known))
    return good, Fraction(len(known))


@settings(max_examples=8, deadline=None, phases=QUICK)
@given(traffic)
def test_every_window_and_budget_is_what_plain_fractions_say(told):
    """For any calls, late or in time, all objectives have over every window and their period exactly the counts, burn
    and budget that adding up single calls in fractions gives."""
    calls = calls_of(told)
    books = lived(calls)
    found = books.ledger.standings()
    end_s = books.ledger.grid.end_s
    for row, name in enumerate(found.plan.names):
        if name == "strict":
            continue
        allowed = Fraction(SLOS[row].allowed)
        for at, window_s in enumerate(found.plan.windows_s):
            good, total = exact(calls, name, books.ledger.grid.border_s(end_s - window_s), end_s)
            assert found.total[at, row] == pytest.approx(float(total))
            assert found.good[at, row] == pytest.approx(float(good))
            if total:
                assert found.burn[at, row] == pytest.approx(float((total - good) / total / allowed), abs=1e-9)
            else:
                assert np.isnan(found.burn[at, row])
        from_s = end_s - 30 * DAY_S if name != "month" else 0
        good, total = exact(calls, name, from_s - from_s % HOUR_S, end_s)
        if name == "month":
            continue
        assert found.period_total[row] == pytest.approx(float(total))
        if total:
            assert found.left[row] == pytest.approx(float(1 - (total - good) / (allowed * total)), abs=1e-9)


@settings(max_examples=12, deadline=None, phases=QUICK)
@given(traffic, st.randoms())
def test_restart_gives_the_same_standings_at_once(told, rng):
    """A ledger filled from the store stands where the one stands that lived through it, whatever came in which
    commit; and so, but for slices of more than three days ago, does one that got the calls in another order."""
    calls = calls_of(told)
    books = lived(calls)
    store = MemoryStore()
    for start in range(0, len(calls), 4):
        store.commit(Commit(KeyedRollups(books.batch([one for _, one in calls[start : start + 4]]), books.table.keys,
                                         LADDER)))  # fmt: skip
    store.compact(NOW_S)
    filled = fill(books.new, store, SeriesTable(), Members(), NOW_S, ahead_s=60)
    shuffled = lived([(NOW_S, one) for _, one in rng.sample(calls, len(calls))])
    expected = books.ledger.standings()
    for other, left_out in ((filled.standings(), {"strict"}), (shuffled.ledger.standings(), SLICED)):
        order = [other.plan.names.index(name) for name in expected.plan.names]
        known = [n for n, name in enumerate(expected.plan.names) if name not in left_out]
        assert np.allclose(other.left[order][known], expected.left[known], equal_nan=True)
        assert np.allclose(other.total[:, order][:, known], expected.total[:, known])
        assert np.allclose(other.burn[:, order][:, known], expected.burn[:, known], equal_nan=True)
        assert np.allclose(other.coverage[order][known], expected.coverage[known])


def test_the_example_of_the_contract():
    """10,000 calls, 100 of them failed, at 0.99: nothing is left of the budget, and every window burns at 1."""
    told = Books(Promises([slo("orders-availability")])).at(NOW_S).add(call(NOW_S - 100, work(ORDERS), 10_000, 100))
    found = told.told("orders-availability")
    assert (found["good"], found["total"], found["ratio"], found["left"]) == (9900, 10_000, 0.99, 0.0)
    assert found["burn"] == dict.fromkeys(WINDOWS_S.values(), 1.0)


@pytest.mark.parametrize(("failed", "state"), [(2, State.OK), (3, State.EXHAUSTED)])
def test_budget_is_exhausted_from_the_floor_on(failed, state):
    """A few failures of ten calls overspend any budget; below the floor of bad events nothing is called exhausted."""
    books = Books(Promises([slo("s", min_bad_events=3, rules=())])).at(NOW_S)
    found = books.add(call(NOW_S, work(ORDERS), 10, failed)).ledger.standings()
    assert found.left[0] < 0
    assert alerted(found, Alerts(), Shown(), NOW_S)[1].state(0) is state


def test_slices_without_data_are_bad_when_that_is_said():
    """`missing: bad` counts every slice since the first one with data; `ignore` leaves them out."""
    slos = [slo(how, method=Method.TIMESLICES, slice_target=Decimal("0.9"), missing=how) for how in Missing]
    books = Books(Promises(slos), settle_s=0).at(NOW_S - HOUR_S)
    for minute in (60, 59, 30):
        books.at(NOW_S - minute * 60).add(call(NOW_S - minute * 60, work(ORDERS), 10, 5 if minute == 30 else 0))
    books.at(NOW_S)
    assert {how: (books.told(how)["good"], books.told(how)["total"]) for how in Missing} == {
        "ignore": (2, 3), "good": (59, 60), "bad": (2, 60)}  # fmt: skip


@pytest.mark.parametrize("slice_s", [60, 300, 1800, HOUR_S])
def test_long_slices_of_busy_services_are_never_without_data(slice_s):
    """An hour that is judged once an hour is known until the next one is, though no slice ends in most five minutes."""
    books = Books(Promises([slo("s", method=Method.RATIO_TIMESLICES, slice_s=slice_s)])).at(NOW_S - 4 * HOUR_S)
    known = []
    for at_s in range(NOW_S - 4 * HOUR_S, NOW_S, 60):
        books.at(at_s).add(call(at_s, work(ORDERS), 10))
        known.append(bool(books.ledger.standings().known[0]))
    assert all(known[slice_s // 60 + 3 :])
    books.at(NOW_S + DAY_S)
    assert not books.ledger.standings().known[0]


def test_slice_is_judged_again_when_late_calls_touch_it():
    """A minute that was good is bad when its failures come an hour later, and counts once."""
    books = Books(Promises([slo("s", method=Method.TIMESLICES, slice_target=Decimal("0.9"))]), settle_s=0)
    books.at(NOW_S - 7200).add(call(NOW_S - 7200, work(ORDERS), 10)).at(NOW_S - 3600)
    assert (books.told("s")["good"], books.told("s")["total"]) == (1, 1)
    books.add(call(NOW_S - 7200, work(ORDERS), 10, 10)).at(NOW_S)
    assert (books.told("s")["good"], books.told("s")["total"]) == (0, 1)


def threshold(measure: Measure, operator: Operator, value: str, weeks: int = 0):
    """An objective over a figure of every minute."""
    return slo("figure", Threshold(Selection(Services("orders")), measure, operator, Decimal(value), weeks), "0.9")


@pytest.mark.parametrize(
    ("measure", "operator", "value", "expected"),
    [
        (Measure.CALLS_PER_S, Operator.GTE, "1", (1, 3)),
        (Measure.CALLS_PER_S, Operator.LT, "1", (2, 3)),
        (Measure.P95_MS, Operator.LTE, "200", (1, 2)),
        (Measure.P50_MS, Operator.LTE, "200", (2, 2)),
        (Measure.SATURATION, Operator.LT, "0.8", (1, 2)),
        (Measure.LOG_ERRORS_PER_S, Operator.LTE, "0.5", (1, 2)),
    ],
)
def test_every_minute_of_a_figure_is_an_event(measure, operator, value, expected):
    """Three minutes: 60 quick calls with quiet logs; 10 calls, one slow, a full pool, many error lines; none of
    orders at all while another service is heard, which is a figure of traffic and of nothing else."""
    promises = Promises([threshold(measure, operator, value)], saturations=frozenset({"db_pool", "cpu"}))
    books = Books(promises, settle_s=0).at(NOW_S)
    pool, cpu, queue = (GaugeKey(ORDERS, "a", "i1", metric) for metric in ("db_pool", "cpu", "queue_depth"))
    error, info = LogKey(ORDERS, "error"), LogKey(ORDERS, "info")

    def gauge(at_s, key, value):
        return at_s, key, 1, 0, 0, {int(value * 1e6): 1}

    first, second, third = NOW_S, NOW_S + 60, NOW_S + 120
    books.add(call(first, work(ORDERS), 60), gauge(first, pool, 0.5), gauge(first, cpu, 0.2), gauge(first, queue, 9),
              call(first, error, 1), call(first, info, 50),
              call(second, work(ORDERS), 10, us_20000=9, us_900000=1), gauge(second, pool, 0.9),
              gauge(second, cpu, 0.1),
              call(second, error, 40), call(second, work(LEDGER), 1), call(third, work(LEDGER), 5))  # fmt: skip
    books.at(second).at(third).at(third + 60)
    assert (books.told("figure")["good"], books.told("figure")["total"]) == expected


def test_figure_is_held_against_the_same_hour_of_earlier_weeks():
    """Half the traffic of the last two weeks at this hour is the floor; without an earlier week nothing is judged."""
    promises = Promises([threshold(Measure.CALLS_PER_S, Operator.GTE, "0.5", weeks=2)])
    books = Books(promises, settle_s=0).at(NOW_S - 15 * DAY_S)
    for week in (2, 1):
        start_s = NOW_S - week * 7 * DAY_S
        books.at(start_s).add(*(call(start_s + minute * 60, work(ORDERS), 120) for minute in range(60)))
    books.at(NOW_S).add(call(NOW_S, work(ORDERS), 61), call(NOW_S + 60, work(ORDERS), 59))
    before = books.told("figure")["total"]
    books.at(NOW_S + 120)
    after = books.told("figure")
    assert (after["total"] - before, after["burn"][300]) == (2, pytest.approx(0.5 / 0.1))


def test_hours_of_slices_are_remembered_beyond_the_minutes():
    """What the store has only as hours cannot be sliced again: a restart takes the slices from what was remembered,
    and those of another definition are not taken."""
    slos = [slo("s", method=Method.TIMESLICES, slice_target=Decimal("0.9"))]
    calls = [(at, call(at, work(ORDERS), 10, 9 if n % 4 == 0 else 0))
             for n, at in enumerate(range(NOW_S - 20 * DAY_S, NOW_S, 7 * HOUR_S + 60))]  # fmt: skip
    books = Books(Promises(slos), settle_s=0).at(NOW_S - 21 * DAY_S)
    store = MemoryStore()
    for came_s, one in calls:
        books.at(came_s).add(one)
        store.commit(Commit(KeyedRollups(books.batch([one]), books.table.keys, LADDER)))
    books.at(NOW_S)
    store.compact(NOW_S)
    expected = books.told("s")
    assert expected["total"] == len(calls)

    def total(promises: Promises, kept: bytes) -> tuple[float, float]:
        again = Books(promises, settle_s=0)
        again.ledger = fill(again.new, store, again.table, again.members, NOW_S, kept, ahead_s=60)
        return again.told("s")["good"], again.told("s")["total"]

    kept = remember(books.ledger)
    assert total(Promises(slos), kept) == (expected["good"], expected["total"])
    assert total(Promises(slos), b"")[1] < len(calls)
    other = replace(slos[0], slice_target=Decimal("0.8"))
    assert total(Promises([other]), kept) == total(Promises([other]), b"")


@pytest.mark.parametrize("ago_s", [600, 1800, 4000, 7000, 30 * HOUR_S])
def test_remembered_hours_are_not_counted_twice(ago_s):
    """What the store still has as minutes is sliced again; it is not taken from what was remembered as well, even
    where the hour began in silence."""
    slices = slo("s", method=Method.TIMESLICES, slice_target=Decimal("0.9"))
    calls = [call(at, work(ORDERS), 10, 9) for at in range(NOW_S - ago_s, NOW_S - ago_s + 300, 60)]
    books = Books(Promises([slices]), settle_s=0).at(NOW_S - 2 * DAY_S).add(*calls).at(NOW_S)
    store = MemoryStore()
    store.commit(Commit(KeyedRollups(books.batch(calls), books.table.keys, LADDER)))
    store.compact(NOW_S)
    again = Books(books.promises, settle_s=0)
    again.ledger = fill(again.new, store, again.table, again.members, NOW_S, remember(books.ledger), ahead_s=60)
    assert (books.told("s")["good"], books.told("s")["total"]) == (0, len(calls))
    assert (again.told("s")["good"], again.told("s")["total"]) == (0, len(calls))


def test_moment_of_the_past_is_judged_as_it_was():
    """Standings of two days ago, from the live ledger and from a ledger filled up to then, are those of that time."""
    rng = random.Random(5)
    calls = calls_of([(rng.randrange(5 * DAY_S), rng.randrange(1, 50), rng.randrange(3), 0) for _ in range(400)])
    at_s = NOW_S - 2 * DAY_S
    then = lived([pair for pair in calls if pair[1][0] < at_s])
    expected = {name: then.ledger.standings(at_s).left[row] for row, name in enumerate(then.ledger.plan.names)}
    books = lived(calls)
    store = MemoryStore()
    store.commit(Commit(KeyedRollups(books.batch([one for _, one in calls]), books.table.keys, LADDER)))
    store.compact(NOW_S)
    filled = fill(books.new, store, SeriesTable(), Members(), at_s)
    for found in (books.ledger.standings(at_s), filled.standings(at_s)):
        told = {name: found.left[row] for row, name in enumerate(found.plan.names) if name != "strict"}
        assert told == pytest.approx({name: expected[name] for name in told}, nan_ok=True)


def test_calendar_month_begins_on_its_zone_s_clock():
    """In Shanghai the month begins eight hours before it does in UTC; what came before is of the old month."""
    zone = ZoneInfo("Asia/Shanghai")
    month = Period("1M", 30 * DAY_S, False, "2026-01-01 00:00:00", zone)
    start_s = 1_798_761_600 - 8 * HOUR_S  # 2027-01-01 in Shanghai
    books = Books(Promises([slo("month", period=month)])).at(start_s + 2 * HOUR_S)
    books.add(call(start_s - 10, work(ORDERS), 100, 50), call(start_s, work(ORDERS), 7, 1))
    assert (books.told("month")["good"], books.told("month")["total"]) == (6, 7)


def test_young_default_budget_is_measured_at_the_present_rate():
    """Twenty failures in the first thousand calls spend little of a month at a thousand calls an hour."""
    default = slo("d", target="0.999", projected=True)
    told = Books(Promises([default])).at(NOW_S).add(call(NOW_S, work(ORDERS), 1000, 20)).told("d")
    assert told["left"] == pytest.approx(1 - 20 / (0.001 * 1000 * 720))
    assert MONTH.length_s == 720 * HOUR_S


def test_no_calls_are_not_known_and_covered_by_nothing():
    """Without data there is no ratio, no budget, no burn and no coverage: nothing is 0 or 1, and no calendar period of
    slices, whose budget is known beforehand, is full."""
    month = Period("1M", 30 * DAY_S, False, "2026-01-01 00:00:00", ZoneInfo("UTC"))
    slices = slo("slices", period=month, method=Method.TIMESLICES, slice_s=60, slice_target=Decimal("0.9"))
    found = Books(Promises([slo("empty"), slices]))
    found.members.extend([])
    found.ledger.take(found.members, [])
    for told in (found.at(NOW_S).told("empty"), found.told("slices")):
        assert np.isnan([told["ratio"], told["left"], *told["burn"].values()]).all()
        assert (told["good"], told["total"], told["coverage"]) == (0, 0, 0)
    assert restore(found.ledger, b"") is None


@settings(max_examples=10, deadline=None, phases=QUICK)
@given(traffic, st.integers(0, 30))
def test_objective_that_comes_later_knows_the_past(told, stored):
    """An objective that is written while the product runs stands at once where it would if it had always been there:
    from what is stored and what is not yet; the others stand as they stood."""
    calls = calls_of(told)
    first, second = SLOS[0], SLOS[1]
    books = lived(calls, [first])
    before = books.told("answered")
    store = MemoryStore()
    store.commit(Commit(KeyedRollups(books.batch([one for _, one in calls[:stored]]), books.table.keys, LADDER)))
    store.compact(NOW_S)
    books.ledger.promise(Promises([first, second]), books.members, books.table.keys)
    complete(books.ledger, store, books.table, NOW_S, [books.batch([one for _, one in calls[stored:]])])
    always = lived(calls, [first, second])
    for name in ("answered", "quick"):
        found, expected = books.told(name), always.told(name)
        assert found.pop("burn") == pytest.approx(expected.pop("burn"), nan_ok=True)
        assert found == pytest.approx(expected, nan_ok=True)
    assert books.told("answered")["total"] == before["total"]
