"""SLO arithmetic once more, slowly and exactly: plain Python, fractions, one SLO and one minute at a time.

Written from the same sources as `topology/slo` (SRE workbook chapter 5, OpenSLO v1) and from nothing in it. None is
what is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

Count = Fraction | int


def ratio(good: Count, total: Count) -> Fraction | None:
    """Good events of all events."""
    return Fraction(good) / total if total else None


def burn(good: Count, total: Count, target: Fraction) -> Fraction | None:
    """Error ratio over what is allowed."""
    share = ratio(good, total)
    return None if share is None else (1 - share) / (1 - target)


def budget_left(good: Count, total: Count, target: Fraction, expected: Count | None = None) -> Fraction | None:
    """One minus bad events over the bad events that are allowed of the expected ones."""
    whole = total if expected is None else expected
    return 1 - Fraction(total - good) / (whole * (1 - target)) if whole else None


def projected(period: Count, day: Count, hour: Count, days: int) -> Count:
    """The most that the period, the day or the hour promise for a whole period."""
    return max(period, day * days, hour * days * 24)


def exhausted_in(left: Fraction | None, burning: Fraction | None, period: int, horizon: Count) -> Fraction | None:
    """A full budget lasts period / burn; what is left lasts its share of that."""
    if left is None or burning is None or left <= 0 or burning <= 0:
        return None
    seconds = left * period / burning
    return seconds if seconds <= horizon else None


def slices(minutes: Sequence[tuple[int, int]], size: int, method: str, target: Fraction) -> list[tuple[Count, Count]]:
    """(good, total) per slice as the method counts, from (good, total) per minute."""
    if method == "Occurrences":
        return list(minutes)
    found: list[tuple[Count, Count]] = []
    for begin in range(0, len(minutes), size):
        good = sum(pair[0] for pair in minutes[begin : begin + size])
        total = sum(pair[1] for pair in minutes[begin : begin + size])
        share = ratio(good, total)
        if share is None:
            found.append((0, 0))
        else:
            found.append((share, 1) if method == "RatioTimeslices" else (int(share >= target), 1))
    return found


def with_missing(counted: Sequence[tuple[Count, Count]], missing: str) -> tuple[Count, Count]:
    """The sums with every slot without data replaced by one of the mean weight."""
    known = [pair for pair in counted if pair[1]]
    good, total = sum(pair[0] for pair in known), sum(pair[1] for pair in known)
    weight = Fraction(total) / len(known) if known else Fraction(1)
    for pair in counted:
        if not pair[1] and missing != "ignore":
            good, total = good + (weight if missing == "good" else 0), total + weight
    return good, total


def composite(parts: Sequence[tuple[int, int]], weights: Sequence[Fraction], method: str, target: Fraction):
    """(good, total) of one slice (or window) of a composite objective."""
    total = sum(part[1] for part in parts)
    if method == "Occurrences":
        return total - sum(weight * (part[1] - part[0]) for weight, part in zip(weights, parts, strict=True)), total
    if not total:
        return 0, 0
    shares = [ratio(*part) for part in parts]
    if method == "Timeslices":
        return int(all(share is None or share >= target for share in shares)), 1
    lost = sum(weight * (1 - share) for weight, share in zip(weights, shares, strict=True) if share is not None)
    return max(1 - lost, Fraction(0)), 1


def window(minutes: Sequence[tuple[int, int]], at: int, length: int) -> tuple[int, int]:
    """The sums of the newest `length` minutes up to and including minute `at`."""
    newest = minutes[max(at + 1 - length, 0) : at + 1]
    return sum(pair[0] for pair in newest), sum(pair[1] for pair in newest)


def fires(
    minutes: Sequence[tuple[int, int]], at: int, long: int, short: int, factor: Fraction, target: Fraction, floor: int
) -> bool:
    """Long and short window both at the factor or over it, and enough bad events in the long one."""
    burns = [burn(*window(minutes, at, length), target) for length in (long, short)]
    good, total = window(minutes, at, long)
    return all(one is not None and one >= factor for one in burns) and total - good >= floor


@dataclass
class AlertLife:
    """One rule's alert: told at every evaluation whether its condition holds, it keeps a list of what was raised."""

    after_s: int = 0
    condition_since: int | None = None
    raised_since: int | None = None
    peak: float = 0.0
    past: list[tuple[int, int, float]] = field(default_factory=list)

    def tell(self, now_s: int, holds: bool, burning: float) -> None:
        """One evaluation."""
        if not holds:
            if self.raised_since is not None:
                self.past.append((self.raised_since, now_s, self.peak))
            self.condition_since = self.raised_since = None
            return
        if self.condition_since is None:
            self.condition_since = now_s
        if now_s - self.condition_since >= self.after_s:
            if self.raised_since is None:
                self.raised_since, self.peak = now_s, burning
            self.peak = max(self.peak, burning)


@dataclass
class ShownLife:
    """One SLO's state: the loudest that holds or, of the three loud ones, held less than `hold_s` ago."""

    hold_s: int
    last: dict[str, int] = field(default_factory=dict)
    shown: str | None = None
    since: int | None = None

    def tell(self, now_s: int, holding: set[str]) -> None:
        """One evaluation: the conditions that hold."""
        for state in holding:
            self.last[state] = now_s
        loud = ("burning", "exhausted", "at_risk")
        held = {state for state in loud if state in self.last and now_s - self.last[state] < self.hold_s}
        visible = next(s for s in (*loud, "no_data", "ok") if s in holding | held)
        if visible != self.shown:
            self.shown, self.since = visible, now_s
