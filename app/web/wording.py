"""Figures and times as a person reads them: three significant digits at most, a unit always, a dash for unknown.

The browser has a twin of this module, `assets/map/words.mjs`.
"""

from __future__ import annotations

from datetime import datetime

from app.web import viewer
from app.web.language import Messages
from app.web.moments import seconds

UNKNOWN = "\u2013"
SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Wording:
    """Messages and figures in the language and time zone of the request."""

    def __init__(self, say: Messages) -> None:
        self.say = say

    def __call__(self, key: str, *values: object) -> str:
        """The message of `key`."""
        return self.say(key, *values)

    def because(self, why: str | None, reason: str) -> str:
        """Why a source does not answer: what kind of reason it is, and the reason in the words it has."""
        return self("why." + (why or "other"), reason)

    def rate(self, per_s: float | None) -> str:
        """Calls a second: `2.6 k/s`."""
        return UNKNOWN if per_s is None else amount(per_s) + self("unit.per_s")

    def percent(self, ratio: float | None) -> str:
        """A ratio from 0 to 1: `0.42 %`."""
        if ratio is None:
            return UNKNOWN
        if ratio == 0:
            return "0 %"
        if ratio < 0.0001:
            return "< 0.01 %"
        points = ratio * 100
        return f"{points:.{0 if points >= 99.95 else 1 if points >= 1 else 2}f} %"

    def share(self, ratio: float | None) -> str:
        """A share in whole per cent."""
        if ratio is None:
            return UNKNOWN
        return "< 1 %" if 0 < ratio < 0.005 else f"{round(ratio * 100)} %"

    def millis(self, value_ms: float | None) -> str:
        """A latency: `84 ms`, `1.84 s`, `2.1 min`."""
        if value_ms is None:
            return UNKNOWN
        if value_ms >= 59_950:
            return f"{value_ms / 60_000:.1f} {self('unit.min')}"
        if value_ms >= 999.5:
            return f"{value_ms / 1000:.{1 if value_ms >= 9995 else 2}f} {self('unit.s')}"
        return f"{value_ms:.1f} {self('unit.ms')}" if 0 < value_ms < 9.95 else f"{round(value_ms)} {self('unit.ms')}"

    def duration(self, span_s: float | None) -> str:
        """A span of time in its two largest units: `18 h 27 min`."""
        if span_s is None:
            return UNKNOWN
        if span_s < 1:
            return f"0 {self('unit.s')}"
        place = next(i for i, (unit, _) in enumerate(SPANS) if span_s >= unit)
        unit, word = SPANS[place]
        whole, rest = divmod(int(span_s), unit)
        text = f"{whole} {self('unit.' + word)}"
        if place > 1 or rest < SPANS[place + 1][0]:
            return text
        return f"{text} {rest // SPANS[place + 1][0]} {self('unit.' + SPANS[place + 1][1])}"

    def clock(self, rfc3339: str | None) -> str:
        """hh:mm:ss of a moment in the viewer's zone."""
        return UNKNOWN if not rfc3339 else f"{local(seconds(rfc3339)):%H:%M:%S}"

    def day_and_clock(self, rfc3339: str | None) -> str:
        """Date and time of a moment in the viewer's zone."""
        return UNKNOWN if not rfc3339 else f"{local(seconds(rfc3339)):%Y-%m-%d %H:%M:%S}"

    def day_and_minute(self, rfc3339: str | None) -> str:
        """Date and time without seconds, in the viewer's zone."""
        return UNKNOWN if not rfc3339 else f"{local(seconds(rfc3339)):%Y-%m-%d %H:%M}"

    def ago(self, rfc3339: str | None, now_s: float) -> str:
        """How long a moment is past."""
        return UNKNOWN if not rfc3339 else self("panel.ago", self.duration(max(0.0, now_s - seconds(rfc3339))))


def amount(value: float) -> str:
    """A number without a unit, short."""
    if value >= 999_500:
        return f"{value / 1e6:.1f} M"
    if value >= 1e4:
        return f"{round(value / 1e3)} k"
    if value >= 999.5:
        return f"{value / 1e3:.1f} k"
    if value >= 9.95 or value == 0:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 0.1 else "< 0.1"


def local(epoch_s: float) -> datetime:
    """A moment in the viewer's zone."""
    return datetime.fromtimestamp(epoch_s, viewer.zone.get())


def zone_name(epoch_s: float) -> str:
    """The viewer's zone as `UTC+8`."""
    offset = local(epoch_s).utcoffset()
    minutes = int(offset.total_seconds() // 60) if offset else 0
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else chr(0x2212)}{hours}" + (f":{rest:02d}" if rest else "")
