"""Why an objective stands as it does: one sentence with its numbers, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from topology.health import State
from topology.sentences import percent, span, threshold, times, until
from topology.slo.alerts import Alerts
from topology.slo.evaluation import Standings
from topology.slo.objectives import Counted, Measure, Method, Ratio, Slo
from topology.slo.selection import of_lines
from topology.slo.states import Shown

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "ok": "Healthy", "at_risk": "At risk", "burning": "Burning", "exhausted": "Budget spent",
        "no_data": "No data: nothing was counted for {name} in the last {span}.",
        "no_lines": "No data: it is judged by its log lines only, and none came in the last {span}.",
        "default": "the default objective", "default_logs": "judged by its logs only, no calls are seen",
        "name": "{name} ({target})",
        "opening": "{state}: {name}: {ratio} {bad} in the last {span}, {burn}x the budgeted rate",
        "quiet": "{state}: {name}: nothing was counted in the last {span}",
        "limit": " (at or above {limit}x)", "held": " (no longer so, shown until the short window is over)",
        "pace": "; at this pace the {period} budget is spent in {left}.",
        "pace_of": "; at the pace of the last {span} the {period} budget is spent in {left}.",
        "left": "; {left} of the {period} budget is left.",
        "spent": "; nothing is left of the {period} budget.", "over": "; the {period} budget is overspent by {left}.",
        "few": "; the {period} budget is overspent by {left}, but by fewer than the {floor} bad events that count.",
        "origin": " {share} of the failures originate in {name}.",
        "logs": "of log lines were errors", "availability": "of calls failed",
        "latency": "of calls took longer than {threshold}",
        "slices": "of the time was bad", "figure": "of minutes were outside the limit",
        "unpromised": "Nothing is promised for this service.",
    },
    "zh": {
        "ok": "正常", "at_risk": "有风险", "burning": "快速消耗", "exhausted": "预算耗尽",
        "no_data": "无数据：最近 {span}内 {name} 没有任何计数。",
        "no_lines": "无数据：仅按日志评判，最近 {span}内没有日志。",
        "default": "默认目标", "default_logs": "仅按日志评判，未看到调用", "name": "{name}（{target}）",
        "opening": "{state}：{name}：最近 {span} {ratio} {bad}，为预算速率的 {burn} 倍",
        "quiet": "{state}：{name}：最近 {span}没有任何计数",
        "limit": "（达到或高于 {limit} 倍）", "held": "（已不再成立，短窗口结束前保持显示）",
        "pace": "；按此速度 {period}预算将在 {left}后用尽。",
        "pace_of": "；按最近 {span}的速度 {period}预算将在 {left}后用尽。", "left": "；{period}预算尚余 {left}。",
        "spent": "；{period}预算已用尽。", "over": "；{period}预算超支 {left}。",
        "few": "；{period}预算超支 {left}，但不良事件不足 {floor} 次，不计。",
        "origin": "{share} 的失败源自 {name}。",
        "logs": "的日志为错误", "availability": "的调用失败", "latency": "的调用超过 {threshold}",
        "slices": "的时间不达标", "figure": "的分钟超出限值",
        "unpromised": "没有为此服务设定目标。",
    },
}
_UNITS = {"en": {"m": "minute", "h": "hour", "d": "day", "w": "week", "M": "month", "Q": "quarter", "Y": "year"},
          "zh": {"m": " 分钟", "h": " 小时", "d": " 天", "w": " 周", "M": " 个月", "Q": " 个季度", "Y": " 年"}}
_TRAFFIC = {Measure.CALLS_PER_S: "traffic", Measure.SATURATION: "saturation", Measure.LOG_ERRORS_PER_S: "other"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where most failures began (a name in each language), and their share."""

    names: Mapping[str, str]
    share: float


def kind_of(slo: Slo) -> str:
    """What an objective is about: availability, latency, traffic, saturation, logs or other."""
    kinds = {_kind(part.indicator) for part in slo.parts}
    return kinds.pop() if len(kinds) == 1 else "other"


def _kind(indicator: object) -> str:
    if isinstance(indicator, Ratio):
        if indicator.total.counted is Counted.LINES:
            return "logs"
        counted = [source.counted for source in (indicator.good, indicator.bad) if source]
        return "latency" if counted == [Counted.FASTER_THAN] else "availability"
    measure = getattr(indicator, "measure", None)
    return _TRAFFIC.get(measure, "latency") if measure else "other"


def threshold_us(slo: Slo) -> int | None:
    """The latency that calls are held to, where that is what is promised."""
    found = [source.threshold_us for part in slo.parts if isinstance(part.indicator, Ratio)
             for source in (part.indicator.good, part.indicator.bad) if source and source.threshold_us]
    return found[0] if len(found) == 1 else None


def target_text(slo: Slo) -> str:
    """The target as an exact percentage: 99.9 %."""
    return f"{(slo.target * 100).normalize():f} %"


def why(found: Standings, alerts: Alerts, shown: Shown, row: int, language: str, origin: Origin | None = None) -> str:
    """The sentence of one objective. Figures are those of the long window of the alert that decides, or of the one
    that would be first to page. `origin` is told where failures are what is counted."""
    said, slo, state = _TEXTS[language], found.plan.slos[row], shown.state(row)
    name = _name(said, slo)
    if state is State.NO_DATA:
        short_s = found.plan.windows_s[int(found.plan.known_at[row])]
        quiet = said["no_lines" if slo.default and of_lines(slo) else "no_data"]
        return quiet.format(name=name, span=_span(language, short_s))
    window, limit = _deciding(found, alerts, row, state)
    text = _opening(said, language, found, row, window, said[str(state)], name)
    if limit is not None and not shown.held[row]:
        text += said["limit"].format(limit=f"{limit:g}")
    text += said["held"] if shown.held[row] else ""
    text += _budget(said, language, found, row, state, window)
    if state is not State.OK and origin is not None and kind_of(slo) == "availability":
        text += said["origin"].format(share=percent(origin.share), name=origin.names[language])
    return text


def _name(said: Mapping[str, str], slo: Slo) -> str:
    if not slo.default:
        return said["name"].format(name=slo.name, target=target_text(slo))
    return said["default_logs" if of_lines(slo) else "default"]


def unpromised(language: str) -> str:
    """What is said of a service that nothing is promised for."""
    return _TEXTS[language]["unpromised"]


def _deciding(found: Standings, alerts: Alerts, row: int, state: State) -> tuple[int, float | None]:
    """The window that is spoken of, and the burn that it had to reach."""
    rules = found.plan.rules
    wanted = {State.BURNING: True, State.AT_RISK: False}.get(state)
    if wanted is not None and len(rules):
        mine = np.flatnonzero((rules.row == row) & (rules.pages == wanted) & alerts.raised)
        if len(mine):
            first = int(mine[0])
            return int(rules.long_at[first]), round(float(rules.limit[first] / rules.allowed[first]), 4)
    return int(found.plan.long_at[row]), None


def _opening(said: Mapping[str, str], language: str, found: Standings, row: int, window: int, state: str,
             name: str) -> str:
    total, good = float(found.total[window, row]), float(found.good[window, row])
    over = _span(language, found.plan.windows_s[window])
    if total <= 0:
        return said["quiet"].format(state=state, name=name, span=over)
    slo = found.plan.slos[row]
    return said["opening"].format(state=state, name=name, ratio=percent(max(total - good, 0.0) / total), span=over,
                                  bad=_bad(said, slo), burn=times(float(found.burn[window, row])))


def _bad(said: Mapping[str, str], slo: Slo) -> str:
    if slo.method is not Method.OCCURRENCES:
        return said["slices"]
    kind, limit_us = kind_of(slo), threshold_us(slo)
    if kind == "latency" and limit_us:
        return said["latency"].format(threshold=threshold(limit_us / 1000))
    return said[kind if kind in ("availability", "logs") else "figure"]


def _budget(said: Mapping[str, str], language: str, found: Standings, row: int, state: State, window: int) -> str:
    left, period = float(found.left[row]), _period(language, found.plan.slos[row].period.length)
    if np.isnan(left):
        return "." if language == "en" else "。"
    seconds = float(found.exhausted_in_s[row])
    if state in (State.BURNING, State.AT_RISK) and not np.isnan(seconds):
        paced = int(found.plan.long_at[row])  # the time to exhaustion is told at the pace of this window
        span_words = _span(language, found.plan.windows_s[paced])
        pace = said["pace" if paced == window else "pace_of"]
        return pace.format(period=period, left=until(language, seconds / 3600), span=span_words)
    if left < -5e-4:
        few = state is State.OK
        floor = found.plan.slos[row].min_bad_events
        return said["few" if few else "over"].format(period=period, left=percent(-left), floor=floor)
    key = "spent" if left <= 0 else "left"
    return said[key].format(period=period, left=percent(left))


def _period(language: str, length: str) -> str:
    unit = _UNITS[language][length[-1]]
    return f"{length[:-1]}-{unit}" if language == "en" else f"{length[:-1]}{unit}"


def _span(language: str, seconds: int) -> str:
    if seconds % 86400 == 0 and seconds > 86400:
        return until(language, seconds / 3600)
    return span(language, seconds)

