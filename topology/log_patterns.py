"""What is known of patterns of log lines: how often each came in which minute, when first and when last.

Bounded: the patterns that were quiet for longest are forgotten; minutes older than two hours are added up to half
hours, and half hours are forgotten after a day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

MOST_PATTERNS = 2000
MINUTE_S, HALF_HOUR_S = 60, 1800
MINUTES_FOR_S, KNOWN_FOR_S = 2 * 3600, 86_400
NEW_FOR_S = 3600.0
"""A pattern is new for so long after it was first seen."""
LEARNING_S = 600.0
"""Of a service that was never heard before, everything is new: for so long nothing is called so."""
Since = Callable[[str], float | None]
"""Since when a service (its id) is known, by whatever tells of it; None for one that is not."""


@dataclass(slots=True)
class Pattern:
    """One pattern: whose it is (a service's id), its words with what varies taken out, and lines by the start of their
    minute or half hour."""

    id: str
    service: str
    template: str
    level: str
    first_s: float
    last_s: float
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, time_s: float, lines: int = 1) -> None:
        """Counts lines of one time."""
        minute = int(time_s) // MINUTE_S * MINUTE_S
        self.counts[minute] = self.counts.get(minute, 0) + lines
        self.first_s, self.last_s = min(self.first_s, time_s), max(self.last_s, time_s)
        self._fold()

    def _fold(self) -> None:
        """What is old is kept in less detail, and what is very old not at all."""
        if len(self.counts) <= MINUTES_FOR_S // MINUTE_S:
            return
        folded: dict[int, int] = {}
        for start, lines in self.counts.items():
            if start > self.last_s - KNOWN_FOR_S:
                old = start <= self.last_s - MINUTES_FOR_S
                at = start // HALF_HOUR_S * HALF_HOUR_S if old else start
                folded[at] = folded.get(at, 0) + lines
        self.counts = folded

    def between(self, from_s: float, to_s: float) -> int:
        """The lines with a time in [from_s, to_s), by whole minutes."""
        first = int(from_s) // MINUTE_S * MINUTE_S
        return sum(lines for start, lines in self.counts.items() if first <= start < to_s)


class PatternTable:
    """The patterns of all services. Not thread-safe."""

    def __init__(self) -> None:
        self._patterns: dict[str, Pattern] = {}
        self._heard_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._patterns)

    def get(self, pattern: str) -> Pattern | None:
        """The pattern of that id."""
        return self._patterns.get(pattern)

    def put(self, pattern: Pattern) -> None:
        """Takes in a pattern, or moves it to those that spoke last."""
        self._patterns.pop(pattern.id, None)
        self._patterns[pattern.id] = pattern
        self._heard_s[pattern.service] = min(pattern.first_s, self._heard_s.get(pattern.service, pattern.first_s))

    def forget(self) -> Iterator[Pattern]:
        """Forgets the patterns beyond the bound, those first that were quiet for longest."""
        while len(self._patterns) > MOST_PATTERNS:
            yield self._patterns.pop(next(iter(self._patterns)))

    def all(self) -> Sequence[Pattern]:
        """Every pattern; those that spoke last come last."""
        return [*self._patterns.values()]

    def is_new(self, pattern: Pattern, to_s: float, since: Since = lambda _service: None) -> bool:
        """Whether a pattern was first seen in the hour before `to_s`, of a service that was known for a while then: it
        may never have had an error line before."""
        known_s, heard_s = since(pattern.service), self._heard_s[pattern.service]
        heard_s = heard_s if known_s is None else min(known_s, heard_s)
        return to_s - NEW_FOR_S <= pattern.first_s < to_s and pattern.first_s >= heard_s + LEARNING_S

    def read(self, services: Collection[str] | None, from_s: float, to_s: float) -> Counter[str]:
        """How many lines of each service, with a time in [from_s, to_s), the counts of its patterns are of."""
        read: Counter[str] = Counter()
        for pattern in self._patterns.values():
            if services is None or pattern.service in services:
                read[pattern.service] += pattern.between(from_s, to_s)
        return read

    def said(self, services: Collection[str] | None, from_s: float, to_s: float,
             since: Since = lambda _service: None) -> list[tuple[Pattern, int]]:
        """(pattern, lines) of some services, or of all (None), that had lines in [from_s, to_s): new ones first, then
        by lines."""
        found = [(pattern, pattern.between(from_s, to_s)) for pattern in self._patterns.values()
                 if services is None or pattern.service in services]
        spoke = [(pattern, lines) for pattern, lines in found if lines]
        return sorted(spoke, key=lambda one: (not self.is_new(one[0], to_s, since), -one[1], one[0].id))
