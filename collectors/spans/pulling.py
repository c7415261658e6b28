"""What is known to be missing of the minutes that were read, told while they are read."""

from __future__ import annotations

MINUTE_US = 60_000_000
MOST_FAULTS = 5


class Missing:
    """`faults` in plain words, each once and few; `minutes` (their starts, epoch seconds) that lack spans."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.minutes: set[int] = set()

    def between(self, from_us: int, to_us: int, why: str = "more traces in a moment than a reply may have") -> None:
        """Something is missing in [from_us, to_us), epoch microseconds."""
        first = from_us // MINUTE_US
        self.minutes.update(60 * minute for minute in range(first, max(-(-to_us // MINUTE_US), first + 1)))
        self.tell(why)

    def tell(self, why: str) -> None:
        """A trouble that does not keep the rest from being read."""
        if why not in self.faults and len(self.faults) < MOST_FAULTS:
            self.faults.append(why)
