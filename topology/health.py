"""Health: how fast an objective's budget burns, as a state and a sentence that explains it.

This is the default objective (availability and a latency share), judged over a short and a long window as the
SRE workbook does (chapter 5: burn rate = bad ratio / allowed ratio, and a state needs both windows). The
budget of a young series is measured against the traffic it would have in the whole period at its present rate,
as max(30 d, 1 d x 30, 1 h x 720), so that ten minutes of history do not decide over a month.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
    originated_in: tuple[str, float] | None = None
    """Where most failures began (a name, and its share), when that is known."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A state with its reasons. `budget_left` may be negative; None without data."""

    state: State
    why_en: str
    why_zh: str
    budget_left: float | None = None


@dataclass(frozen=True, slots=True)
class _Indicator:
    en: str
    zh: str
    ratio: float
    short_burn: float
    long_burn: float
    bad: float
    budget_left: float
    left_h: float | None


def judge(evidence: Evidence, objective: Objective) -> Judgement:
    """The worst of availability and latency, with the sentence of the one that decides."""
    if evidence.short.calls <= 0 or evidence.long.calls <= 0:
        return Judgement(State.NO_DATA, f"No data: no calls in the last {_span_en(objective.short_s)}.",
                         f"无数据：最近{_span_zh(objective.short_s)}没有调用。")
    failed = _indicator(evidence, 1 - objective.availability, "failed", "of calls failed", "的调用失败")
    slow_en = f"of calls were slower than {_millis(objective.latency_ms)}"
    slow = _indicator(evidence, 1 - objective.latency_share, "slow", slow_en, f"的调用慢于 {_millis(objective.latency_ms)}")
    states = [(_state(i, objective), i) for i in (failed, slow)]
    state, indicator = max(states, key=lambda pair: (LOUDNESS[pair[0]], pair[1].long_burn))
    left = min(failed.budget_left, slow.budget_left)
    return Judgement(state, _why_en(state, indicator, evidence, objective), _why_zh(state, indicator, evidence, objective), left)


def _indicator(evidence: Evidence, allowed: float, which: str, en: str, zh: str) -> _Indicator:
    def bad(events: Events) -> float:
        return events.failed if which == "failed" else events.slow

    def burn(events: Events) -> float:
        return bad(events) / events.calls / allowed

    expected = max(evidence.period.calls, evidence.day.calls * 30, evidence.long.calls * PERIOD_H)
    budget = allowed * expected
    left = 1 - bad(evidence.period) / budget
    spent_per_h = bad(evidence.long) / budget
    return _Indicator(en, zh, bad(evidence.long) / evidence.long.calls, burn(evidence.short), burn(evidence.long),
                      bad(evidence.long), left, max(left, 0) / spent_per_h if spent_per_h > 0 else None)


def _state(indicator: _Indicator, objective: Objective) -> State:
    burn = min(indicator.short_burn, indicator.long_burn)
    if indicator.bad >= objective.min_bad_events and burn >= objective.page_burn:
        return State.BURNING
    if indicator.budget_left <= 0:
        return State.EXHAUSTED
    if indicator.bad >= objective.min_bad_events and burn >= objective.ticket_burn:
        return State.AT_RISK
    return State.OK


_WORDS_EN = {State.OK: "Healthy", State.AT_RISK: "At risk", State.BURNING: "Burning", State.EXHAUSTED: "Budget spent"}
_WORDS_ZH = {State.OK: "正常", State.AT_RISK: "有风险", State.BURNING: "快速消耗", State.EXHAUSTED: "预算耗尽"}


def _why_en(state: State, i: _Indicator, evidence: Evidence, objective: Objective) -> str:
    text = (f"{_WORDS_EN[state]}: {_percent(i.ratio)} {i.en} in the last {_span_en(objective.long_s)}, "
            f"{_times(i.long_burn)}x the budgeted rate")
    if state in (State.BURNING, State.AT_RISK) and i.left_h is not None:
        limit = objective.page_burn if state is State.BURNING else objective.ticket_burn
        text += f" (above {limit:g}x); at this pace the 30-day budget is spent in {_hours_en(i.left_h)}."
    elif state is State.EXHAUSTED:
        text += "; nothing is left of the 30-day budget."
    else:
        text += f"; {_percent(i.budget_left)} of the 30-day budget is left."
    if state is not State.OK and evidence.originated_in:
        name, share = evidence.originated_in
        text += f" {_percent(share)} of the failures originate in {name}."
    return text


def _why_zh(state: State, i: _Indicator, evidence: Evidence, objective: Objective) -> str:
    text = (f"{_WORDS_ZH[state]}：最近{_span_zh(objective.long_s)} {_percent(i.ratio)} {i.zh}，"
            f"为预算速率的 {_times(i.long_burn)} 倍")
    if state in (State.BURNING, State.AT_RISK) and i.left_h is not None:
        limit = objective.page_burn if state is State.BURNING else objective.ticket_burn
        text += f"（高于 {limit:g} 倍）；按此速度 30 天预算将在{_hours_zh(i.left_h)}后用尽。"
    elif state is State.EXHAUSTED:
        text += "；30 天预算已用尽。"
    else:
        text += f"；30 天预算尚余 {_percent(i.budget_left)}。"
    if state is not State.OK and evidence.originated_in:
        name, share = evidence.originated_in
        text += f"{_percent(share)} 的失败源自 {name}。"
    return text


def _percent(share: float) -> str:
    value = share * 100
    if value == 0 or value == round(value):
        return f"{value:.0f} %"
    return f"{value:.1f} %" if abs(value) >= 1 else f"{value:.2g} %"


def _times(burn: float) -> str:
    return f"{burn:.0f}" if burn >= 10 else f"{burn:.1f}"


def _millis(ms: float) -> str:
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"


def _span_en(seconds: int) -> str:
    return "hour" if seconds == 3600 else f"{seconds / 3600:g} h" if seconds % 3600 == 0 else f"{seconds / 60:g} min"


def _span_zh(seconds: int) -> str:
    return "一小时" if seconds == 3600 else f" {seconds / 3600:g} 小时" if seconds % 3600 == 0 else f" {seconds / 60:g} 分钟"


def _hours_en(hours: float) -> str:
    days, rest = divmod(round(hours), 24)
    if days:
        return f"{days} d {rest} h" if rest else f"{days} d"
    return f"{rest} h" if hours >= 1 else f"{max(1, round(hours * 60))} min"


def _hours_zh(hours: float) -> str:
    days, rest = divmod(round(hours), 24)
    if days:
        return f" {days} 天 {rest} 小时" if rest else f" {days} 天"
    return f" {rest} 小时" if hours >= 1 else f" {max(1, round(hours * 60))} 分钟"
