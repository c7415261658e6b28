"""From figures to rows by the minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from collectors.contract import Reading, Row
from collectors.skywalking.latency import Buckets, Spreader
from collectors.skywalking.metrics import Figures, Floats
from collectors.skywalking.server_time import MINUTE_S, Stretch
from topology.model import OperationKey, SeriesKey

US_PER_MS = 1000.0


class Minutes:
    """The rows of the minutes of one stretch. A series is said once a minute: who says it first is believed, because
    the same calls may be seen on several layers."""

    def __init__(self, stretch: Stretch, spreader: Spreader) -> None:
        self.stretch = stretch
        self._failed: dict[str, int] = {}
        self._spread = spreader.spread
        self._rows: list[dict[SeriesKey, Row]] = [{} for _ in range(stretch.minutes)]
        self._withheld = np.zeros(stretch.minutes, bool)

    def count(self, keys: Sequence[SeriesKey], figures: Figures) -> None:
        """Adds the calls of things with their latencies: one series each, from the figures' rows. What could not be
        read is missing and said."""
        for row, key in enumerate(keys):
            self.add(key, figures, row, figures.calls[row], figures.errors[row])
        self.fail(figures.failed)

    def add(self, key: SeriesKey, timed: Figures, row: int, calls: Floats, errors: Floats) -> None:
        """Adds these calls and errors by the minute, with latencies like those of a row of `timed`."""
        for minute in np.flatnonzero(~np.isnan(calls)).tolist():
            n = round(float(calls[minute]))
            total_us, buckets = self._timed(timed, row, minute, n)
            counts = (float(n), float(errors[minute]), 0.0, 0.0, total_us, 0.0, float(n))
            self._rows[minute].setdefault(key, Row(key, counts, buckets))

    def add_latency(self, key: SeriesKey, timed: Figures, row: int) -> None:
        """Adds only the latencies of a row: what the other end of calls that are counted elsewhere saw."""
        for minute in np.flatnonzero(~np.isnan(timed.calls[row])).tolist():
            total_us, buckets = self._timed(timed, row, minute, round(float(timed.calls[row, minute])))
            if buckets:
                # a sum of nothing would mean that nothing was timed
                counts = (0.0, 0.0, 0.0, 0.0, max(total_us, 1.0), 0.0, 0.0)
                self._rows[minute].setdefault(key, Row(key, counts, buckets))

    def _timed(self, timed: Figures, row: int, minute: int, calls: int) -> tuple[float, Buckets]:
        mean = float(timed.mean_ms[row, minute])
        ranks = timed.percentiles_ms[row, minute]
        known = None if np.isnan(ranks).any() else tuple(ranks.tolist())
        buckets = self._spread(calls, None if np.isnan(mean) else mean, known)
        return (0.0 if np.isnan(mean) else calls * mean * US_PER_MS), buckets

    def withhold(self, calls: Floats) -> None:
        """Remembers that calls to somebody are not told yet: what was told of them before stays."""
        self._withheld |= ~np.isnan(calls)

    def fail(self, failed: Mapping[int, str]) -> None:
        """Remembers that some series could not be read."""
        for reason in failed.values():
            self._failed[reason] = self._failed.get(reason, 0) + 1

    def faults(self) -> list[str]:
        """Why some series could not be read, each reason with how many there were."""
        return [f"{reason} ({n} figures)" for reason, n in self._failed.items()]

    def work(self) -> list[float]:
        """All calls that services say they answered, by the minute."""
        return [sum(row.counts[0] for key, row in rows.items() if isinstance(key, OperationKey) and not key.part)
                for rows in self._rows]

    def readings(self, partial: Sequence[bool]) -> list[Reading]:
        """What is said of every minute; `partial` are those that are known not to be whole."""
        whole = not self._failed
        return [Reading(self.stretch.start_s + at * MINUTE_S, [*rows.values()], whole and not partial[at],
                        bool(self._withheld[at])) for at, rows in enumerate(self._rows)]
