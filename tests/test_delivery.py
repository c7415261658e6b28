"""How often services are deployed and how often that fails, by the definitions that are printed beside the figures."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from topology.changes import Change, ChangeKind, Outcome
from topology.delivery import ONCE_S, Alarm, Delivery, deliveries, failures, once
from topology.model import Service

PAY, CORE = Service("prod", "bank", "pay"), Service("prod", "bank", "core")
HOUR_S, DAY_S = 3600.0, 86_400.0


def deployed(at_s: float, source: str = "gitlab", service: Service | None = PAY, **given: Any) -> Change:
    """A deployment at a time, told by a source."""
    return Change(f"{source}/{at_s}", at_s, given.pop("kind", ChangeKind.DEPLOYMENT), "x", source, service, **given)


def rows(*changes: Change, alarms: tuple[Alarm, ...] = ()) -> list[Delivery]:
    """The figures of the first ten days, an alert counting within an hour."""
    return deliveries(changes, alarms, HOUR_S, (0, 10 * DAY_S))


def test_deployments_are_counted_by_service() -> None:
    """Other kinds, changes of everything and what lies outside the span are not counted."""
    changes = [deployed(1 * DAY_S), deployed(2 * DAY_S), deployed(3 * DAY_S, service=CORE), deployed(11 * DAY_S),
               deployed(4 * DAY_S, kind=ChangeKind.CONFIGURATION), deployed(5 * DAY_S, service=None)]
    assert rows(*changes) == [Delivery(CORE.id, 1, 0, 3 * DAY_S), Delivery(PAY.id, 2, 0, 2 * DAY_S)]


def test_what_several_tell_of_is_one_deployment() -> None:
    """The tool that made it, the one that rolled it out and the data within half an hour are one; a rollback that the
    data alone shows soon after is another, and so is a second one of the same tool."""
    three = [deployed(0), deployed(300, "argocd"), deployed(600, "data")]
    assert [one.uid for one in once(three)] == ["gitlab/0"]
    assert [one.source for one in once([*three, deployed(900, "data")])] == ["gitlab", "data"]
    assert len(once([*three, deployed(900)])) == 2
    assert len(once([deployed(0), deployed(ONCE_S + 1, "data")])) == 2
    assert [one.source for one in once([deployed(10), deployed(0, "data")])] == ["gitlab"]
    assert len(once([deployed(0), deployed(10, service=CORE)])) == 2


def test_a_deployment_failed_when_somebody_says_so() -> None:
    """One of those who tell of it is enough; running, unknown and succeeded are not failed."""
    said = [deployed(n * DAY_S, outcome=outcome) for n, outcome in enumerate(Outcome)]
    assert rows(*said) == [Delivery(PAY.id, 4, 1, 3 * DAY_S)]
    assert rows(deployed(0, outcome=Outcome.SUCCEEDED), deployed(9, "argocd", outcome=Outcome.FAILED))[0].failed == 1


def test_an_alert_soon_after_it_makes_it_a_failure() -> None:
    """Of the same service, within the time, and of the newest deployment before the alert only; twice counts once."""
    two = [deployed(0), deployed(DAY_S), deployed(DAY_S + 2 * ONCE_S)]
    soon = DAY_S + 2 * ONCE_S + 60
    assert failures(once(two), [Alarm(PAY.id, soon), Alarm(PAY.id, soon + 60)], 2 * HOUR_S) == {two[2].uid}
    assert failures(once(two), [Alarm(PAY.id, HOUR_S), Alarm(PAY.id, 3 * HOUR_S)], HOUR_S) == {two[0].uid}
    assert failures(once(two), [Alarm(CORE.id, 60), Alarm(PAY.id, -1)], HOUR_S) == set()


moments = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["gitlab", "argocd", "data"]),
                             st.sampled_from(list(Outcome))), max_size=12)


@settings(max_examples=80, deadline=None)
@given(told=moments, alarms=st.lists(st.integers(0, 40), max_size=4))
def test_figures_hold_together(told: list[tuple[int, str, Outcome]], alarms: list[int]) -> None:
    """Failed ones are never more than all, nothing is counted twice, and the order of telling changes nothing."""
    changes = list({one.uid: one for at, source, outcome in told
                    for one in [deployed(at * 600.0, source, outcome=outcome)]}.values())
    rung = tuple(Alarm(PAY.id, at * 600.0) for at in alarms)
    (found,) = rows(*changes, alarms=rung) or [Delivery(PAY.id, 0, 0, 0)]
    assert 0 <= found.failed <= found.deployments <= len(changes)
    assert found.deployments >= max((sum(one.source == source for one in changes)
                                     for source in ("gitlab", "argocd", "data")), default=0)
    assert rows(*reversed(changes), alarms=rung) == rows(*changes, alarms=rung)
