"""The sentences that explain a state, in English and Chinese. The words stand here, the arithmetic in `health`."""

from __future__ import annotations

from collections.abc import Mapping

HOUR_S = 3600

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "ok": "Healthy", "at_risk": "At risk", "burning": "Burning", "exhausted": "Budget spent",
        "no_data": "No data: no calls in the last {span}.",
        "failed": "of calls failed", "slow": "of calls were slower than {threshold}",
        "opening": "{state}: {ratio} {bad} in the last {span}, {burn}x the budgeted rate",
        "pace": " (above {limit}x); at this pace the 30-day budget is spent in {left}.",
        "spent": "; nothing is left of the 30-day budget.", "left": "; {left} of the 30-day budget is left.",
        "origin": " {share} of the failures originate in {name}.",
        "hour": "hour", "hours": "{n} h", "minutes": "{n} min", "days": "{d} d", "days_hours": "{d} d {n} h",
    },
    "zh": {
        "ok": "正常", "at_risk": "有风险", "burning": "快速消耗", "exhausted": "预算耗尽",
        "no_data": "无数据：最近 {span}没有调用。",
        "failed": "的调用失败", "slow": "的调用慢于 {threshold}",
        "opening": "{state}：最近 {span} {ratio} {bad}，为预算速率的 {burn} 倍",
        "pace": "（高于 {limit} 倍）；按此速度 30 天预算将在 {left}后用尽。",
        "spent": "；30 天预算已用尽。", "left": "；30 天预算尚余 {left}。",
        "origin": "{share} 的失败源自 {name}。",
        "hour": "1 小时", "hours": "{n} 小时", "minutes": "{n} 分钟", "days": "{d} 天", "days_hours": "{d} 天 {n} 小时",
    },
}


def say(language: str, key: str, **figures: object) -> str:
    """One sentence or word of a language, with its figures put in."""
    return _TEXTS[language][key].format(**figures)


def percent(share: float) -> str:
    """A share with at most one decimal above 1 %, two digits below; never rounded up to a whole it has not reached."""
    value = share * 100
    if value == round(value):
        return f"{value:.0f} %"
    if abs(value) < 1:
        return f"{value:.2g} %"
    shown = round(value, 1)
    return f"{99.9 if shown >= 100 > value else shown:.1f} %"


def times(burn: float) -> str:
    """A burn rate: whole above ten, one decimal below."""
    return f"{burn:.0f}" if burn >= 10 or burn == 0 else f"{burn:.1f}"


def threshold(ms: float) -> str:
    """A latency threshold with its unit."""
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"


def span(language: str, seconds: int) -> str:
    """A window of time in words."""
    if seconds == HOUR_S:
        return say(language, "hour")
    if seconds % HOUR_S == 0:
        return say(language, "hours", n=f"{seconds / HOUR_S:g}")
    return say(language, "minutes", n=f"{seconds / 60:g}")


def until(language: str, hours: float) -> str:
    """How long something lasts: days and hours, hours, or minutes."""
    days, rest = divmod(round(hours), 24)
    if days:
        return say(language, "days_hours", d=days, n=rest) if rest else say(language, "days", d=days)
    return say(language, "hours", n=rest) if hours >= 1 else say(language, "minutes", n=max(1, round(hours * 60)))
