"""Durations in the shorthand of OpenSLO, and the time a budget is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from topology.slo.objectives import Period
from topology.slo.openslo.place import Place

UNITS_S: Mapping[str, int] = {
    "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "M": 30 * 86400, "Q": 90 * 86400, "Y": 365 * 86400,
}  # fmt: skip
"""Lengths as the SDK of OpenSLO has them; a calendar period follows the calendar instead."""
WORDS = "a duration: a whole number and m, h, d, w, M, Q or Y (m is minutes, M is months)"
DEFAULT = Period("30d", 30 * 86400)
_SHORTHAND = re.compile(r"(\d{1,6})([mhdwMQY])", re.ASCII)
_START = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Duration:
    """A duration as it is written, and in seconds."""

    text: str
    seconds: int


def duration_of(text: str) -> Duration | None:
    """The duration of a text such as 30d; None for anything else."""
    found = _SHORTHAND.fullmatch(text)
    return Duration(text, int(found[1]) * UNITS_S[found[2]]) if found else None


def read_duration(place: Place, zero: bool = False) -> Duration | None:
    """A duration that is not zero, unless `zero`; None where none is."""
    if place.absent:
        return None
    found = duration_of(place.value) if isinstance(place.value, str) else None
    if found is None or (found.seconds == 0 and not zero):
        place.fault("duration", WORDS)
        return None
    return found


def read_slice(place: Place) -> Duration | None:
    """The length of a time slice: a duration, or a bare number of minutes, which the SDK refuses."""
    if isinstance(place.value, int) and not isinstance(place.value, bool) and 0 < place.value < 10**6:
        place.warn("duration", f"a duration such as {place.value}m", f"{place.value}, read as minutes")
        return Duration(f"{place.value}m", place.value * 60)
    return read_duration(place)


def read_period(place: Place) -> Period | None:
    """The only time window of an SLO; without one, 30 days, with a warning."""
    if place.absent:
        # optional in the specification's prose, exactly one in its SDK
        place.warn("time-window", "one time window", "none; 30d rolling is taken")
        return DEFAULT
    windows = place.items()
    if isinstance(place.value, list) and len(windows) != 1:
        place.fault("time-window", "exactly one time window", str(len(windows)))
    return _window(windows[0]) if len(windows) == 1 else None


def _window(place: Place) -> Period | None:
    if not place.fields(("duration", "isRolling", "calendar"), required=("duration",)):
        return None
    length = read_duration(place.at("duration"))
    calendar = place.at("calendar")
    rolling = place.at("isRolling").truth(default=calendar.absent)
    if rolling and not calendar.absent:
        calendar.fault("calendar", "no calendar beside isRolling: true")
    elif not rolling and calendar.absent:
        calendar.fault("calendar", "a calendar with startTime and timeZone, since isRolling is false")
    elif rolling and length:
        return Period(length.text, length.seconds)
    elif not rolling:
        return _calendar(calendar, length)
    return None


def _calendar(place: Place, length: Duration | None) -> Period | None:
    if not place.fields(("startTime", "timeZone"), required=("startTime", "timeZone")):
        return None
    start, zone = _start(place.at("startTime")), _zone(place.at("timeZone"))
    if length is None or not start or zone is None:
        return None
    return Period(length.text, length.seconds, False, start, zone)


def _start(place: Place) -> str:
    text = place.value
    if place.absent:
        return ""
    try:
        if not isinstance(text, str) or _START.fullmatch(text) is None:
            raise ValueError(text)
        return datetime.fromisoformat(text).isoformat(sep=" ")
    except ValueError:
        place.fault("start-time", "a time as YYYY-MM-DD HH:MM:SS, without a zone")
        return ""


def _zone(place: Place) -> ZoneInfo | None:
    if place.absent:
        return None
    try:
        if not isinstance(place.value, str) or not re.fullmatch(r"[A-Za-z][\w+\-/]*", place.value, re.ASCII):
            raise ValueError(place.value)
        return ZoneInfo(place.value)
    except (ValueError, OSError, KeyError):  # OSError: the name of a folder of zones
        place.fault("time-zone", "the name of a time zone such as Asia/Shanghai")
        return None
