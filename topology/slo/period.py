"""The time a budget is for: the newest so many days, or months and quarters of a calendar in a zone of the world."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta

from topology.slo.objectives import Period

_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_DAYS = {"d": 1, "w": 7}
_SECONDS = {"m": 60, "h": 3600}
_LENGTH = re.compile(r"([0-9]+)([mhdwMQY])")


def period_bounds(period: Period, at_s: float) -> tuple[float, float]:
    """From when to when the period lasts that holds `at_s`: epoch seconds, the end not included.

    Rolling: the newest `length_s`. Calendar: steps from `start` on the clock of `zone`, into the past as well. A day
    lasts 23 or 25 hours where the clock is changed; months, quarters and years begin on the day of `start`, on the last
    day of a month that has no such day. A local time that the clock skips is read an hour later, one that it shows
    twice is the first. Minutes and hours are lengths, not places of a clock.
    """
    if period.rolling:
        return at_s - period.length_s, at_s
    count = _estimate(period, at_s)
    while _border_s(period, count) > at_s:
        count -= 1
    while _border_s(period, count + 1) <= at_s:
        count += 1
    return _border_s(period, count), _border_s(period, count + 1)


def _estimate(period: Period, at_s: float) -> int:
    return int((at_s - _border_s(period, 0)) // max(period.length_s, 1))


def _border_s(period: Period, count: int) -> float:
    """The start of the period `count` after the first."""
    found = _LENGTH.fullmatch(period.length)
    if not found:
        raise ValueError(f"{period.length!r} is no length of time: a whole number and one of m h d w M Q Y")
    step, unit = int(found[1]) * count, found[2]
    zone = period.zone or UTC
    start = datetime.fromisoformat(period.start).replace(tzinfo=zone)
    if unit in _SECONDS:
        return start.timestamp() + step * _SECONDS[unit]
    first = start.date()
    day = first + timedelta(step * _DAYS[unit]) if unit in _DAYS else _months_on(first, step * _MONTHS[unit])
    return datetime.combine(day, start.time(), zone).timestamp()


def _months_on(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
