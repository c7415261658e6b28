"""Health: states, thresholds, the floor of bad events, budgets of young series, and sentences that read well."""

import itertools
import re

import pytest

from topology.health import Events, Evidence, Judgement, Objective, State, judge, worst

OBJECTIVE = Objective()


def evidence(
    short: Events,
    long: Events | None = None,
    day: Events | None = None,
    period: Events | None = None,
    named: tuple[dict[str, str], float] | None = None,
) -> Evidence:
    """What is known; longer spans are as the shorter one unless they are given."""
    long = long or short
    day = day or long
    return Evidence(short, long, day, period or day, lambda: named)


def state(*spans: Events) -> State:
    """The state for these spans under the default objective."""
    return judge(evidence(*spans), OBJECTIVE).state


def test_nothing_seen_is_no_data_and_never_ok():
    """Without calls in the short or the long window there is no judgement and no budget."""
    for seen in (evidence(Events()), evidence(Events(), Events(1000))):
        judged = judge(seen, OBJECTIVE)
        assert (judged.state, judged.budget_left) == (State.NO_DATA, None)


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (0, State.OK),
        (59, State.OK),
        (60, State.AT_RISK),
        (143, State.AT_RISK),
        (144, State.BURNING),
        (9999, State.BURNING),
    ],
)
def test_burn_decides_between_ok_ticket_and_page(failed, expected):
    """6 times the allowed failures is a ticket, 14.4 times a page: 60 and 144 of 10,000 calls at 99.9 %."""
    assert state(Events(10_000, failed)) is expected


def test_both_windows_must_burn():
    """A short peak in a good hour is no alarm, and neither is a bad hour that is over."""
    good, bad = Events(10_000), Events(10_000, 1000)
    assert state(bad, Events(1_000_000, 1000)) is State.OK
    assert state(good, bad) is State.OK
    assert state(bad, bad) is State.BURNING


def test_slow_calls_count_as_bad_against_their_own_share():
    """With 95 % allowed below the threshold, 30 % slow calls are 6 times the budget and 72 % are 14.4 times."""
    assert state(Events(1000, 0, 290)) is State.OK
    assert state(Events(1000, 0, 301)) is State.AT_RISK
    assert state(Events(1000, 0, 721)) is State.BURNING
    assert "slower than 1 s" in judge(evidence(Events(1000, 0, 721)), OBJECTIVE).why_en


def test_two_failures_of_three_calls_are_no_alarm():
    """Below the floor of bad events nothing burns, however bad the share is."""
    assert state(Events(3, 2)) is State.OK
    assert state(Events(3, 3)) is State.BURNING


def test_one_failure_of_a_quiet_service_spends_no_budget():
    """The only call failed: below the floor of bad events in the whole period the colour does not change."""
    assert state(Events(1, 1)) is State.OK
    assert state(Events(2, 2)) is State.OK
    assert state(Events(1, 1), Events(1, 1), Events(1, 1), Events(720, 3)) is State.EXHAUSTED


def test_ten_minutes_of_history_do_not_spend_the_budget_of_a_month():
    """A young series is measured against the traffic of a whole period at its present rate."""
    judged = judge(evidence(Events(1000), Events(1000, 20)), OBJECTIVE)
    assert judged.state is State.OK
    assert judged.budget_left == pytest.approx(1 - 20 / (0.001 * 1000 * 720))


def test_spent_budget_is_exhausted_also_when_it_is_quiet_now():
    """More failures in the period than it may have leave nothing, whatever the last hour was like."""
    assert state(Events(100), Events(1000), Events(24_000), Events(720_000, 721)) is State.EXHAUSTED
    assert state(Events(100), Events(1000), Events(24_000), Events(720_000, 719)) is State.OK


def test_burning_is_louder_than_exhausted():
    """Who has no budget left and burns more is burning."""
    burning = Events(1000, 500)
    assert state(burning, burning, burning, Events(720_000, 100_000)) is State.BURNING


def test_worst_is_the_loudest():
    """Of several states the one that needs a person first is told; no data is louder than ok."""
    assert worst([State.OK, State.BURNING, State.EXHAUSTED]) is State.BURNING
    assert worst([State.EXHAUSTED, State.AT_RISK, State.OK]) is State.EXHAUSTED
    assert worst([State.OK, State.NO_DATA]) is State.NO_DATA
    assert worst([]) is State.NO_DATA


def every_judgement() -> list[Judgement]:
    """Judgements of many kinds of evidence, under three objectives."""
    events = [
        Events(n, failed * n, slow * n)
        for n in (0, 1, 7, 10_000, 3_600_000)
        for failed, slow in ((0, 0), (0.0004, 0), (0.01, 0), (1, 0), (0, 0.31), (0, 1))
    ]
    objectives = (OBJECTIVE, Objective(latency_ms=250, short_s=600, long_s=1800), Objective(short_s=60, long_s=300))
    names = (None, ({"en": "core <b>bank</b>", "zh": "核心"}, 0.97), ({"en": "database", "zh": "数据库"}, 1.0))
    return [
        judge(evidence(short, long, period=period, named=name), objective)
        for short, long, period, name, objective in itertools.product(
            events, events, (None, Events(1e6, 1e5)), names, objectives
        )
    ]


def test_every_state_says_why_in_two_languages():
    """Whatever the figures, both sentences are there, say the state, and have no double or hanging spaces, no
    infinities, no `nan` and no brace that was left."""
    judgements = every_judgement()
    assert {judged.state for judged in judgements} == set(State)
    for text in {text for judged in judgements for text in (judged.why_en, judged.why_zh)}:
        assert text == text.strip()
        assert not re.search(r"  |nan|inf|[{}]|None| [.,;:，；。：]|[，；。：（）] ", text), text
    for judged in judgements:
        assert judged.why_en.endswith(".")
        assert judged.why_zh.endswith("。")


def test_sentence_of_a_burning_service_has_the_numbers():
    """The sentence names the share, the window, the burn, the limit, when the budget is spent, and where it began."""
    names = {"en": "core", "zh": "核心"}
    judged = judge(evidence(Events(1000, 144), Events(10_000, 1440), named=(names, 0.973)), OBJECTIVE)
    assert judged.why_en == (
        "Burning: 14.4 % of calls failed in the last hour, 144x the budgeted rate (above 14.4x); at this pace the "
        "30-day budget is spent in 4 h. 97.3 % of the failures originate in core."
    )
    assert judged.why_zh == (
        "快速消耗：最近 1 小时 14.4 % 的调用失败，为预算速率的 144 倍（高于 14.4 倍）；"
        "按此速度 30 天预算将在 4 小时后用尽。97.3 % 的失败源自 核心。"
    )


def test_sentence_of_a_healthy_service_says_what_is_left():
    """Also ok has its reason: the share, the burn, and the budget that is left."""
    judged = judge(evidence(Events(100_000, 10)), OBJECTIVE)
    assert judged.why_en == (
        "Healthy: 0.01 % of calls failed in the last hour, 0.1x the budgeted rate; 99.9 % of the 30-day budget is left."
    )
