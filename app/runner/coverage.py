"""Which minutes of a source are read for good, and which are to be read next. Pure.

The newest minutes are read again and again while they may still change: a minute is read for good when it leaves that
overlap, provided that it was not read last when it was new. What an outage left out is a gap, read newest first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

from collectors.config import Pace
from topology.errors import MalformedInput

MINUTE_S = 60
CHUNK_S = 900
"""How much of the past is read at once."""


class Span(NamedTuple):
    """Whole minutes: [from_s, to_s), UTC epoch seconds."""

    from_s: int
    to_s: int

    @property
    def minutes(self) -> int:
        """How many minutes it is long."""
        return (self.to_s - self.from_s) // MINUTE_S


def newest(now_s: float, pace: Pace) -> Span:
    """The minutes that are over and settled and may still change."""
    to_s = int((now_s - pace.settle_s) // MINUTE_S) * MINUTE_S
    return Span(to_s - max(MINUTE_S, int(pace.overlap_s) // MINUTE_S * MINUTE_S), to_s)


@dataclass(frozen=True)
class Coverage:
    """`final`: what is read for good, ascending and apart; `live`: what the last pull of the newest minutes read."""

    final: tuple[Span, ...] = ()
    live: Span | None = None

    def after_live(self, span: Span) -> Coverage:
        """The newest minutes were read. Those that left the overlap are read for good if they had lain in it for half
        its length when they were read last; where more time has passed than that, the rest is a gap."""
        if self.live is None:
            return Coverage(self.final, span)
        if span.from_s < self.live.from_s or span.to_s < self.live.to_s:
            return self  # the clock went back: what is read for good stays so
        half_s = self.live.minutes // 2 * MINUTE_S
        return Coverage(_with(self.final, Span(self.live.from_s, min(span.from_s, self.live.from_s + half_s))), span)

    def after_past(self, span: Span) -> Coverage:
        """A piece of the past was read."""
        return Coverage(_with(self.final, span), self.live)

    def gap(self, now_s: float, pace: Pace) -> Span | None:
        """The newest piece of the past that is to be read next; None when there is none within `pace.catch_up_s`."""
        if self.live is None:
            return None
        oldest_s = _oldest_s(now_s, pace)
        to_s = self.live.from_s
        for known in reversed(self.final):
            if known.to_s < to_s:
                break
            to_s = min(to_s, known.from_s)
        from_s = max([oldest_s, *(known.to_s for known in self.final if known.to_s < to_s)])
        return Span(max(from_s, to_s - CHUNK_S), to_s) if from_s < to_s else None

    def missing_s(self, now_s: float, pace: Pace) -> int:
        """How much of the past is still to be read, in seconds."""
        if self.live is None:
            return 0
        oldest_s = _oldest_s(now_s, pace)
        known = sum(max(0, min(span.to_s, self.live.from_s) - max(span.from_s, oldest_s)) for span in self.final)
        return max(0, self.live.from_s - oldest_s - known)

    def content(self, now_s: float) -> bytes:
        """The coverage as it is stored; what is older than anything that is caught up with is left out."""
        kept = [span for span in self.final if span.to_s > now_s - 8 * 86400]
        return json.dumps({"final": kept, "live": self.live}).encode()

    @classmethod
    def read(cls, content: bytes | None) -> Coverage:
        """What `content` gave; nothing for None. MalformedInput for anything else."""
        if content is None:
            return cls()
        try:
            found = json.loads(content)
            live = Span(*found["live"]) if found["live"] else None
            return cls(tuple(Span(*span) for span in found["final"]), live)
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedInput(f"no coverage: {error}") from error


def _oldest_s(now_s: float, pace: Pace) -> int:
    return -(-int(now_s - pace.catch_up_s) // MINUTE_S) * MINUTE_S


def _with(spans: tuple[Span, ...], added: Span) -> tuple[Span, ...]:
    """The spans with one more, those that touch as one."""
    if added.from_s >= added.to_s:
        return spans
    apart = [span for span in spans if span.to_s < added.from_s or span.from_s > added.to_s]
    touching = [span for span in spans if span not in apart]
    joined = Span(min([added.from_s, *(s.from_s for s in touching)]), max([added.to_s, *(s.to_s for s in touching)]))
    return tuple(sorted([*apart, joined]))
