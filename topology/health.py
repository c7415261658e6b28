"""Health: how fast an objective's budget burns, as a state and a sentence that explains it.

This is the default objective (availability and a latency share), judged over a short and a long window as the
SRE workbook does (chapter 5: burn rate = bad ratio / allowed ratio, and a state needs both windows). The
budget of a young series is measured against the traffic it would have in the whole period at its present rate,
as max(30 d, 1 d x 30, 1 h x 720), so that ten minutes of history do not decide over a month.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from topology.sentences import percent, say, span, threshold, times, until

PERIOD_H = 720


class State(StrEnum):
    """The five states, from the quietest to the loudest."""

    OK = "ok"
    NO_DATA = "no_data"
    AT_RISK = "at_risk"
    EXHAUSTED = "exhausted"
    BURNING = "burning"


LOUDNESS = {state: number for number, state in enumerate(State)}


def worst(states: list[State]) -> State:
    """The loudest of several states; no_data when there are none."""
    return max(states, key=LOUDNESS.__getitem__, default=State.NO_DATA)


@dataclass(frozen=True, slots=True)
class Objective:
    """The default objective and the burn that counts as a page or a ticket."""

    availability: float = 0.999
    latency_ms: float = 1000.0
    latency_share: float = 0.95
    short_s: int = 300
    long_s: int = 3600
    page_burn: float = 14.4
    ticket_burn: float = 6.0
    min_bad_events: int = 3


@dataclass(frozen=True, slots=True)
class Events:
    """Calls in a window, and how many of them were bad: failed, or slower than the threshold."""

    calls: float = 0.0
    failed: float = 0.0
    slow: float = 0.0

    def __add__(self, other: Events) -> Events:
        return Events(self.calls + other.calls, self.failed + other.failed, self.slow + other.slow)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a node: its events in the short and long window, the last day and the whole period."""

    short: Events
    long: Events
    day: Events
    period: Events
    originated_in: Callable[[], tuple[Mapping[str, str], float] | None] = lambda: None
    """Finds where most failures began (a name in each language, and its share), when that is known. Asked for when the
    sentence of one in trouble is read."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A state with its reasons. `budget_left` may be negative; None without data."""

    state: State
    budget_left: float | None
    _why: Callable[[str], str]

    @property
    def why_en(self) -> str:
        """The sentence in English."""
        return self._why("en")

    @property
    def why_zh(self) -> str:
        """The sentence in Chinese."""
        return self._why("zh")


@dataclass(frozen=True, slots=True)
class _Indicator:
    bad_is: str
    ratio: float
    short_burn: float
    long_burn: float
    bad: float
    period_bad: float
    budget_left: float
    left_h: float | None


def judge(evidence: Evidence, objective: Objective) -> Judgement:
    """The worst of availability and latency, with the sentence of the one that decides."""
    if evidence.short.calls <= 0 or evidence.long.calls <= 0:
        return Judgement(State.NO_DATA, None, lambda language: _no_data(language, objective))
    failed = _indicator(evidence, 1 - objective.availability, "failed")
    slow = _indicator(evidence, 1 - objective.latency_share, "slow")
    states = [(_state(i, objective), i) for i in (failed, slow)]
    state, indicator = max(states, key=lambda pair: (LOUDNESS[pair[0]], pair[1].long_burn))
    # The sentence is made when it is read: most judgements of a tick are only looked at for their state.
    return Judgement(state, min(failed.budget_left, slow.budget_left),
                     lambda language: _why(language, state, indicator, evidence, objective))


def _indicator(evidence: Evidence, allowed: float, bad_is: str) -> _Indicator:
    def bad(events: Events) -> float:
        return events.failed if bad_is == "failed" else events.slow

    def burn(events: Events) -> float:
        return bad(events) / events.calls / allowed

    expected = max(evidence.period.calls, evidence.day.calls * 30, evidence.long.calls * PERIOD_H)
    budget = allowed * expected
    left = 1 - bad(evidence.period) / budget
    spent_per_h = bad(evidence.long) / budget
    left_h = max(left, 0) / spent_per_h if spent_per_h > 0 else None
    return _Indicator(bad_is, bad(evidence.long) / evidence.long.calls, burn(evidence.short), burn(evidence.long),
                      bad(evidence.long), bad(evidence.period), left, left_h)


def _state(indicator: _Indicator, objective: Objective) -> State:
    # 1 - 0.999 is not quite 0.001: a burn of exactly the limit must reach it.
    burn = min(indicator.short_burn, indicator.long_burn) * (1 + 1e-9)
    if indicator.bad >= objective.min_bad_events and burn >= objective.page_burn:
        return State.BURNING
    if indicator.period_bad >= objective.min_bad_events and indicator.budget_left <= 0:
        return State.EXHAUSTED
    if indicator.bad >= objective.min_bad_events and burn >= objective.ticket_burn:
        return State.AT_RISK
    return State.OK


def _no_data(language: str, objective: Objective) -> str:
    return say(language, "no_data", span=span(language, objective.short_s))


def _why(language: str, state: State, i: _Indicator, evidence: Evidence, objective: Objective) -> str:
    bad = say(language, i.bad_is, threshold=threshold(objective.latency_ms))
    text = say(language, "opening", state=say(language, state), ratio=percent(i.ratio), bad=bad,
               span=span(language, objective.long_s), burn=times(i.long_burn))
    if state in (State.BURNING, State.AT_RISK) and i.left_h is not None:
        limit = objective.page_burn if state is State.BURNING else objective.ticket_burn
        text += say(language, "pace", limit=f"{limit:g}", left=until(language, i.left_h))
    elif state is State.EXHAUSTED:
        text += say(language, "spent")
    else:
        text += say(language, "left", left=percent(i.budget_left))
    origin = evidence.originated_in() if state is not State.OK else None
    if origin is not None:
        names, share = origin
        text += say(language, "origin", share=percent(share), name=names[language])
    return text
