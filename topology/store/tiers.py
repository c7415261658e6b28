"""Tiers: how fine counts are kept for how long.

A count lives in exactly one tier, so the sum over the tiers is the sum of everything committed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import lcm

HOUR_S = 3600
DAY_S = 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Tier:
    """Windows of `window_s`, kept for `keep_s`; then they move to the next tier, or out of the last one."""

    window_s: int
    keep_s: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long everything is kept. The examples of one hour are bounded in bytes."""

    tiers: tuple[Tier, ...] = (Tier(10, HOUR_S), Tier(60, 7 * DAY_S), Tier(HOUR_S, 400 * DAY_S))
    examples_s: int = 3 * DAY_S
    example_bytes_per_hour: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        for fine, coarse in pairwise(self.tiers):
            if coarse.window_s % fine.window_s or coarse.window_s <= fine.window_s or coarse.keep_s < fine.keep_s:
                raise ValueError(f"a tier must be a multiple of the finer one and be kept longer: {fine}, {coarse}")

    def tier(self, window_s: int) -> int:
        """The place of the tier with this window; ValueError when there is none."""
        for place, tier in enumerate(self.tiers):
            if tier.window_s == window_s:
                return place
        raise ValueError(f"no tier has windows of {window_s} s")

    @property
    def longest_s(self) -> int:
        """How long anything is kept at all."""
        return self.tiers[-1].keep_s


def move_before(tiers: Sequence[Tier], place: int, now_s: float) -> int:
    """The start below which the windows of a tier move on; it advances in steps of `move_step_s`."""
    edge = int(now_s) - tiers[place].keep_s
    return edge - edge % move_step_s(tiers, place)


def move_step_s(tiers: Sequence[Tier], place: int) -> int:
    """How much time moves together, so that it is sorted together: sixty of the next tier's windows, a day at most."""
    if place + 1 == len(tiers):
        return tiers[place].window_s
    return max(min(60 * tiers[place + 1].window_s, DAY_S), tiers[place + 1].window_s)


def whole_windows(
    tiers: Sequence[Tier], span: tuple[float, float], window_s: int, holds: Callable[[int, int, int], bool]
) -> tuple[int, int, int]:
    """The (from_s, to_s, window_s) that answers a question about `span` without splitting a window of any tier.
    `holds(place, from_s, to_s)` says whether a tier has counts there."""
    while True:
        from_s, to_s = widen(span, window_s)
        finer = [lcm(window_s, tier.window_s) for place, tier in enumerate(tiers)
                 if window_s % tier.window_s and holds(place, *widen((from_s, to_s), tier.window_s))]
        if not finer:
            return from_s, to_s, window_s
        window_s = max(finer)


def widen(span: tuple[float, float], window_s: int) -> tuple[int, int]:
    """The span of whole windows around a span; none around one without length."""
    from_s = int(span[0] // window_s) * window_s
    return from_s, int(-(-span[1] // window_s)) * window_s if span[1] > span[0] else from_s
