"""The OAP's own time: it writes and reads minutes in the zone of its machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

MINUTE_S = 60
MOST_POINTS = 500
"""OAP refuses a duration with more (CORE/query/DurationUtils.java)."""
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole minutes [start_s, start_s + 60 * minutes) of one day of the server, and how the OAP is asked for them."""

    start_s: int
    minutes: int
    start: str
    end: str

    @property
    def duration(self) -> dict[str, str]:
        """The value of a GraphQL `Duration`, both ends included."""
        return {"start": self.start, "end": self.end, "step": "MINUTE"}

    @property
    def end_s(self) -> int:
        """When the last minute has ended."""
        return self.start_s + self.minutes * MINUTE_S


def offset(text: str) -> timezone:
    """The zone of an OAP's `+HHMM`, half hours and all; ValueError for anything else."""
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    away = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-away if found[1] == "-" else away)


class ServerZone:
    """Which zone the OAP's machine was in when. Told by name, or learnt from how far it says it is from UTC."""

    def __init__(self, name: str | None = None) -> None:
        self._named: tzinfo | None = ZoneInfo(name) if name else None
        self._seen: list[tuple[float, timezone]] = []

    def learn(self, at_s: float, text: str) -> None:
        """Takes what `getTimeInfo` says at this time. A change of the clocks is put at the half hour before it was
        seen: zones change at whole or half hours."""
        zone = offset(text)
        if not self._seen:
            self._seen.append((float("-inf"), zone))
        elif self._seen[-1][1] != zone:
            self._seen.append((at_s // 1800 * 1800, zone))
            del self._seen[:-8]

    def at(self, time_s: float) -> tzinfo:
        """The zone in force at a time (UTC epoch seconds)."""
        if self._named is not None:
            return self._named
        told = [zone for since, zone in self._seen if since <= time_s]
        return told[-1] if told else (self._seen[0][1] if self._seen else UTC)

    def local(self, time_s: float) -> datetime:
        """A time on the server's clock."""
        return datetime.fromtimestamp(time_s, self.at(time_s))

    def written(self, time_s: float, form: str = "%Y-%m-%d %H%M") -> str:
        """A time as the OAP wants it written."""
        return self.local(time_s).strftime(form)

    def stretches(self, from_s: int, to_s: int) -> Sequence[Stretch]:
        """The minutes that begin in [from_s, to_s), cut at the server's midnights and changes of its clocks, and into
        lengths that OAP takes, in order. With JDBC storage 9.6 and 10.1 find nothing across midnight."""
        found: list[Stretch] = []
        first = -(-from_s // MINUTE_S) * MINUTE_S
        start, minutes = first, 0
        for minute_s in range(first, to_s, MINUTE_S):
            if minutes == MOST_POINTS or (minutes and not self._follows(minute_s)):
                found.append(self._stretch(start, minutes))
                start, minutes = minute_s, 0
            minutes += 1
        return [*found, self._stretch(start, minutes)] if minutes else found

    def days(self, from_s: float, to_s: float) -> Sequence[tuple[float, float]]:
        """The time [from_s, to_s) cut at the server's midnights, in order."""
        cuts = [from_s]
        while True:
            tomorrow = self.local(cuts[-1]).date() + timedelta(days=1)
            midnight = datetime.combine(tomorrow, datetime.min.time(), self.at(cuts[-1])).timestamp()
            if midnight >= to_s:
                return [*zip(cuts, [*cuts[1:], to_s], strict=True)]
            cuts.append(midnight)

    def box(self, from_s: float, to_s: float) -> dict[str, str]:
        """A GraphQL `Duration` of the seconds [from_s, to_s)."""
        last = max(from_s, to_s - 1)
        form = "%Y-%m-%d %H%M%S"
        return {"start": self.written(from_s, form), "end": self.written(last, form), "step": "SECOND"}

    def _follows(self, minute_s: int) -> bool:
        """Whether a minute belongs to the same day and the same distance from UTC as the one before."""
        before, now = self.local(minute_s - MINUTE_S), self.local(minute_s)
        return before.date() == now.date() and before.utcoffset() == now.utcoffset()

    def _stretch(self, start_s: int, minutes: int) -> Stretch:
        last = start_s + (minutes - 1) * MINUTE_S
        return Stretch(start_s, minutes, self.written(start_s), self.written(last))
