"""The life of alerts and of the states that are shown, against a plain second telling of it, and over a restart."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from exact_slo import AlertLife, ShownLife
from hypothesis import given, settings
from hypothesis import strategies as st
from slo_objectives import objective, workbook_rules

from topology.errors import MalformedInput
from topology.health import LOUDNESS, State
from topology.slo import alerts as alerts_module
from topology.slo.alerts import Alert, Alerts, advance, open_alerts, suppressed
from topology.slo.burn import rule_table, windows_of
from topology.slo.objectives import BurnCondition, Operator
from topology.slo.remembered import from_bytes, to_bytes
from topology.slo.states import HOLD_S, STATES, Shown, conditions, hold_s, show

AFTER_S = (0, 0, 120, 600)
SLOS = [
    objective(name, conditions=tuple(
        BurnCondition(f"c{n}", "page" if n == 0 else "ticket", Operator.GTE, Decimal(2), 3600, after_s)
        for n, after_s in enumerate(AFTER_S)
    )) for name in ("a", "b")
]  # fmt: skip
RULES = rule_table(SLOS, windows_of(SLOS))
EVALUATIONS = st.lists(st.tuples(st.integers(1, 200), st.lists(st.booleans(), min_size=8, max_size=8)), max_size=40)


def told(evaluations, restart_every=0):
    """Our alerts, and the plain ones, after the same evaluations; with a restart after every so many of them."""
    ours, plain, now_s = Alerts(), [AlertLife(int(after_s)) for after_s in RULES.after_s], 1000
    for number, (step_s, holds) in enumerate(evaluations):
        now_s += step_s
        burn = np.array([now_s * (at + 1) % 97 for at in range(8)], np.float64)
        ours = advance(ours, now_s, RULES, np.array(holds), burn)
        for life, holding, burning in zip(plain, holds, burn.tolist(), strict=True):
            life.tell(now_s, holding, burning)
        if restart_every and number % restart_every == 0:
            ours, _ = from_bytes(to_bytes(ours, Shown()))
    return ours, plain


def figures(ours):
    """Open and past alerts as plain figures."""
    past = {key: [] for key in RULES.keys}
    for alert in (alert for ended in ours.history.values() for alert in ended):
        past[alert.key].append((alert.since_s, alert.until_s, alert.peak_burn))
    return {alert.key: (alert.since_s, alert.peak_burn) for alert in open_alerts(ours)}, past


@settings(deadline=None, max_examples=150)
@given(EVALUATIONS, st.integers(0, 3))
def test_alerts_are_raised_and_ended_as_told(evaluations, restart_every):
    """Since, until and peak of every alert, with `for`, are those of the plain telling, restarts or not."""
    ours, plain = told(evaluations, restart_every)
    open_now, past = figures(ours)
    assert open_now == {
        key: (life.raised_since, life.peak)
        for key, life in zip(RULES.keys, plain, strict=True) if life.raised_since is not None
    }  # fmt: skip
    assert past == {key: life.past for key, life in zip(RULES.keys, plain, strict=True)}


def holding(*places):
    """Conditions of the eight rules."""
    return np.isin(np.arange(8), places)


def burning(figure=20.0):
    """Burns of the eight rules."""
    return np.full(8, figure)


def test_a_ticket_is_suppressed_while_its_own_slo_pages():
    """Suppressed is shown, not lost: the ticket keeps its beginning, and is no longer suppressed when the page ends."""
    both = advance(Alerts(), 100, RULES, holding(0, 1, 5), burning())
    assert [(alert.key.slo, alert.key.name, alert.suppressed) for alert in open_alerts(both)] == [
        ("a", "c0", False), ("a", "c1", True), ("b", "c1", False),
    ]  # fmt: skip
    assert np.flatnonzero(suppressed(RULES, both.raised)).tolist() == [1]
    after = advance(both, 200, RULES, holding(1, 5), burning())
    assert [(alert.key.name, alert.suppressed, alert.since_s) for alert in open_alerts(after)] == [
        ("c1", False, 100), ("c1", False, 100),
    ]  # fmt: skip


def test_history_keeps_what_was_told():
    """Late data that takes the reason away ends an alert now; that it was raised, and how high it burned, stays."""
    raised = advance(Alerts(), 100, RULES, holding(0), burning(30.0))
    corrected = advance(raised, 160, RULES, holding(), burning(0.5))
    assert corrected.history == {"a": (Alert(RULES.keys[0], 100, 160, 30.0),)}
    assert advance(corrected, 220, RULES, holding(), burning(0.0)).history is corrected.history


def test_history_is_bounded():
    """Of an SLO the newest hundred are kept, and of SLOs those whose last alert ended last."""
    ours = Alerts()
    for turn in range(alerts_module.KEPT_PER_SLO + 5):
        ours = advance(ours, 20 * turn, RULES, holding(0), burning())
        ours = advance(ours, 20 * turn + 10, RULES, holding(), burning())
    assert [alert.since_s for alert in ours.history["a"]] == [20.0 * turn for turn in range(5, 105)]


def test_history_of_slos_is_bounded(monkeypatch):
    """When SLOs come and go, those whose last alert is oldest are forgotten."""
    monkeypatch.setattr(alerts_module, "KEPT_SLOS", 3)
    ours = Alerts()
    for number in range(5):
        slos = [replace(SLOS[0], name=f"s{number}")]
        table = rule_table(slos, windows_of(slos))
        ours = advance(ours, 10 * number, table, np.array([True, False, False, False]), np.ones(4))
    assert list(ours.history) == ["s1", "s2", "s3"]


def test_rules_that_change_keep_what_stays_and_end_what_goes():
    """New definitions carry alerts over by SLO and rule; the alert of a rule that is gone ends, and is remembered."""
    ours = advance(Alerts(), 100, RULES, holding(0, 5), burning())
    fewer = rule_table(SLOS[1:], windows_of(SLOS))
    ours = advance(ours, 160, fewer, np.array([False, True, False, False]), np.full(4, 9.0))
    assert [(alert.key.slo, alert.since_s, alert.peak_burn) for alert in open_alerts(ours)] == [("b", 100, 20.0)]
    assert [(alert.since_s, alert.until_s) for alert in ours.history["a"]] == [(100, 160)]


LEVELS = sorted(LOUDNESS, key=LOUDNESS.__getitem__)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.integers(1, 200), st.sets(st.sampled_from(LEVELS[1:]))), max_size=40), st.integers(0, 3))
def test_states_are_shown_as_told(evaluations, restart_every):
    """What is shown, and since when, is that of the plain telling, restarts or not; louder at once, quieter later."""
    ours, plain, now_s, names = Shown(), ShownLife(300), 1000, ("x",)
    for number, (step_s, states) in enumerate(evaluations):
        now_s += step_s
        states |= {State.OK}
        ours = show(ours, now_s, names, np.array([[state in states for state in STATES]]), np.array([300.0]))
        plain.tell(now_s, {state.value for state in states})
        assert (ours.state(0).value, ours.since_s[0]) == (plain.shown, plain.since)
        assert LOUDNESS[ours.state(0)] >= max(LOUDNESS[state] for state in states)
        assert ours.held[0] == (ours.state(0) not in states)
        if restart_every and number % restart_every == 0:
            _, ours = from_bytes(to_bytes(Alerts(), ours))


def test_a_colour_does_not_flicker():
    """A ratio that crosses its limit at every evaluation shows one colour until a short window after the last time."""
    slos = [objective("a", rules=workbook_rules())]
    shown, seen = Shown(), []
    for step in range(100):
        burns = step % 2 == 0 and step < 50
        holds = np.array([[state is State.OK or (state is State.BURNING and burns) for state in STATES]])
        shown = show(shown, 10.0 * step, ("a",), holds, hold_s(slos))
        seen.append(shown.state(0))
    assert hold_s(slos).tolist() == [300]
    assert seen == [State.BURNING] * 78 + [State.OK] * 22
    assert hold_s([objective("b")]).tolist() == [HOLD_S]


def test_conditions_by_what_is_open_left_and_known():
    """A page is burning, nothing left is exhausted, another alert is at risk, nothing known is no data."""
    raised = holding(0, 6)
    found = conditions(RULES, raised, np.array([0.4, 0.0]), np.array([True, False]))
    names = [{state.value for state, here in zip(STATES, row, strict=True) if here} for row in found]
    assert names == [{"ok", "burning"}, {"ok", "no_data", "at_risk", "exhausted"}]
    few = conditions(RULES, raised, np.array([0.0, -1.0]), np.array([True, True]), np.array([True, False]))
    assert few[:, STATES.index(State.EXHAUSTED)].tolist() == [True, False]
    assert [state.value for state in STATES] == ["ok", "no_data", "at_risk", "exhausted", "burning"]


NO_MEMORY = [
    b"", b"\xff", b"[]", b"{}", b'{"version":2}',
    b'{"version":1,"open":[[1]],"history":[],"shown":[]}',
    b'{"version":1,"open":[],"history":[],"shown":[["a","red",1,{},false]]}',
]  # fmt: skip


@pytest.mark.parametrize("data", NO_MEMORY)
def test_what_is_no_memory_is_refused(data):
    """Bytes that were not written by us are malformed input, whatever they are."""
    with pytest.raises(MalformedInput):
        from_bytes(data)


def test_a_name_of_any_script_is_remembered():
    """Names come back as they were, and nothing that is not known becomes a number."""
    slos = [replace(SLOS[0], name='支付 "a"')]
    table = rule_table(slos, windows_of(slos))
    ours = advance(Alerts(), 100, table, np.array([True, False, True, False]), np.array([np.nan, 1, 1, 1]))
    ours, _ = from_bytes(to_bytes(ours, Shown()))
    assert [(alert.key, alert.since_s) for alert in open_alerts(ours)] == [(table.keys[0], 100)]
    assert np.isnan(ours.peak_burn[0])
    assert ours.pending_s.tolist() == [100, 100]
