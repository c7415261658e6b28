"""Generated minutes of good and bad events, with the troubles a real series has, for SLO tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Series:
    """Events of every minute, and how a Prometheus would have seen them: samples 0..minutes, one a minute.

    Sample k is taken at minute k and holds what came in the minutes before it. `scraped[k]` says whether it was taken.
    Before the samples in `restarts` the counters began anew at zero. `base` is what they stood at in the beginning.
    """

    kind: str
    total: Counts
    bad: Counts
    scraped: npt.NDArray[np.bool_]
    restarts: tuple[int, ...] = ()
    base: int = 0

    def samples(self, events: Counts) -> list[int | None]:
        """What Prometheus reads of a counter of `events`, None where it could not."""
        value, values = self.base, [self.base]
        for minute, count in enumerate(events.tolist()):
            value = (0 if minute + 1 in self.restarts else value) + count
            values.append(value)
        return [value if seen else None for value, seen in zip(values, self.scraped.tolist(), strict=True)]


def steps(random: np.random.Generator, minutes: int) -> tuple[Counts, Counts]:
    """Steady traffic with one or more stretches of a constant share of failures."""
    total = random.poisson(random.choice([30, 200, 5000]), minutes)
    share = np.zeros(minutes)
    for _ in range(random.integers(1, 4)):
        begin = random.integers(0, minutes)
        share[begin : begin + random.integers(2, minutes // 3)] = random.choice([0.004, 0.01, 0.0144, 0.05, 0.15, 1.0])
    return total, random.binomial(total, share)


def ramps(random: np.random.Generator, minutes: int) -> tuple[Counts, Counts]:
    """Failures that rise slowly and fall again, while the traffic rises or falls."""
    total = random.poisson(np.linspace(*random.integers(50, 3000, 2), minutes))
    peak = random.integers(minutes // 4, 3 * minutes // 4)
    share = np.interp(np.arange(minutes), [0, peak, minutes], [0, random.choice([0.01, 0.03, 0.1]), 0])
    return total, random.binomial(total, share)


def quiet(random: np.random.Generator, minutes: int) -> tuple[Counts, Counts]:
    """A handful of calls an hour, many minutes without any, now and then a failure or some in a row."""
    total = random.poisson(random.choice([0.05, 0.2, 0.7]), minutes)
    share = np.where(np.arange(minutes) // random.integers(20, 90) % 3 == 0, random.choice([0.05, 0.3, 1.0]), 0.0)
    return total, random.binomial(total, share)


def borders(random: np.random.Generator, minutes: int) -> tuple[Counts, Counts]:
    """Exactly at a limit of 0.0144 or 0.006 for hours, at times one event less: ratios are equal to the limit."""
    total = np.full(minutes, 10_000)
    bad = np.full(minutes, random.choice([144, 60]))
    bad[: random.integers(0, 90)] = 0
    bad[random.integers(minutes // 2, minutes)] -= 1
    return total, bad


def spikes(random: np.random.Generator, minutes: int) -> tuple[Counts, Counts]:
    """Single minutes in which nearly everything fails."""
    total = random.poisson(random.choice([3, 100, 1000]), minutes)
    share = np.where(random.random(minutes) < 0.02, 0.9, 0.0)
    return total, random.binomial(total, share)


KINDS: tuple[Callable[[np.random.Generator, int], tuple[Counts, Counts]], ...] = (steps, ramps, quiet, borders, spikes)
EXTRAPOLATED = ("old", "down")
TROUBLES = ("none", "restart", "restart at a border", "down", "down and restarted", "young", "old")


def series(number: int, minutes: int, windows: tuple[int, ...]) -> Series:
    """The series of a number: kinds and troubles take turns, everything else is drawn from the number."""
    random = np.random.default_rng(number)
    kind = KINDS[number % len(KINDS)]
    trouble = TROUBLES[number // len(KINDS) % len(TROUBLES)]
    total, bad = kind(random, minutes)
    scraped = np.ones(minutes + 1, np.bool_)
    begin, length = int(random.integers(20, minutes - 60)), int(random.integers(2, 50))
    if trouble.startswith("down"):  # nothing is served and nothing is scraped
        total[begin : begin + length] = bad[begin : begin + length] = 0
        scraped[begin + 1 : begin + length] = False
    if trouble == "young":  # nobody served, nobody scraped before it
        total[:begin] = bad[:begin] = 0
        scraped[:begin] = False
    restarts = {
        "restart": (begin,),
        "restart at a border": tuple(begin + window for window in windows if begin + window < minutes),
        "down and restarted": (begin + length,),
    }
    base = int(random.integers(10**6, 10**7)) if trouble in EXTRAPOLATED else 0
    if kind is borders and base:  # what Prometheus adds by extrapolation is rounded: exactly at a limit that decides
        bad = np.where(bad > 0, bad + 1, bad)
    return Series(f"{kind.__name__}, {trouble}", total, bad, scraped, restarts.get(trouble, ()), base)
