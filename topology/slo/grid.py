"""Running totals over time: of every row, how much was counted before each border of time.

What any span counted is then one subtraction. Borders are close together for the newest time and far apart for the
oldest: every 10 s of the last hour, every minute of three days, every hour of the period and a few days, every day of
what is longer. What comes late is added to all borders after it, so that the sums never depend on the order of what
came. All are float64: whole counts are exact up to 2**53.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topology.slo.incidence import Amounts

Floats = npt.NDArray[np.float64]
CELL_S = 10
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
RESIDUE = 1e-6
"""Less than any event or ratio of a slice that matters, more than the rounding error of a running total."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Borders every `step_s`, the newest `borders` of them."""

    step_s: int
    borders: int


def resolutions(longest_period_s: int) -> tuple[Resolution, ...]:
    """The borders for periods of at most this length: hours for a period of 35 days, whole days for longer ones.
    Days reach 32 days further back, so that the budget of each of the last days is known."""
    hours = min(longest_period_s, 35 * DAY_S) // HOUR_S + 3 * 24 + 2
    days = longest_period_s // DAY_S + 34
    return (Resolution(CELL_S, 3 * 60 * 2 + 62), Resolution(MINUTE_S, 3 * 24 * 60 + 62),
            Resolution(HOUR_S, hours), Resolution(DAY_S, days))


class _Borders:
    """The totals before the newest borders of one resolution, as a ring: border b is at `b % borders`."""

    def __init__(self, resolution: Resolution, rows: int) -> None:
        self.step_s, self.size = resolution.step_s, resolution.borders
        self.before = np.zeros((self.size, rows))
        self.newest = 0
        self._written = np.zeros(self.size, bool)

    @property
    def oldest(self) -> int:
        """The first border whose totals are still known."""
        return self.newest - self.size + 1

    def grow(self, rows: int) -> None:
        """Makes room for more rows, of which all totals so far are zero."""
        larger = np.zeros((self.size, rows))
        # Zeros that nobody wrote take no memory, and must not be copied into some.
        for slot in np.flatnonzero(self._written).tolist():
            larger[slot, : self.before.shape[1]] = self.before[slot]
        self.before = larger

    def advance(self, to_s: int, total: Floats) -> None:
        """Notes the totals as they are before every border up to a moment."""
        newest = to_s // self.step_s
        if not self.newest:  # before the first count all is zero as it is, and takes no memory yet
            self.newest = newest
        for border in range(max(self.newest + 1, newest - self.size + 1), newest + 1):
            self.before[border % self.size] = total
            self._written[border % self.size] = True
        self.newest = max(self.newest, newest)

    def correct(self, starts_s: npt.NDArray[np.int64], places: npt.NDArray[np.int64], rows: npt.NDArray[np.int64],
                values: Floats) -> None:
        """Adds what started at `starts_s` to all borders after it; `rows[places]` are the rows."""
        border = np.maximum(starts_s // self.step_s + 1, self.oldest)
        late = border <= self.newest
        if not late.any():
            return
        first = int(border[late].min())
        borders = self.newest - first + 1
        at = (border[late] - first) * len(rows) + places[late]
        more = np.bincount(at, values[late], minlength=borders * len(rows)).reshape(borders, len(rows))
        slots = np.arange(first, self.newest + 1) % self.size
        self.before[np.ix_(slots, rows)] += np.cumsum(more, axis=0)
        self._written[slots] = True


class Grid:
    """The totals of rows over time. `advance` moves the clock, `add` takes amounts for any time, `before` answers.

    The cell in progress counts as it fills. What is stamped later than that waits for its time. Not thread-safe.
    """

    def __init__(self, resolutions: tuple[Resolution, ...], rows: int = 0) -> None:
        self.room = max(rows, 64)
        self.total: Floats = np.zeros(self.room)
        self.newest_s = 0
        self.first_s: npt.NDArray[np.int64] = np.full(self.room, np.iinfo(np.int64).max)
        self._borders = [_Borders(resolution, self.room) for resolution in resolutions]
        self._early: list[Amounts] = []

    def ensure(self, rows: int) -> None:
        """Room for so many rows; a quarter more than needed, so that growing is rare."""
        if rows <= self.room:
            return
        more = rows + rows // 4 - self.room
        self.room += more
        self.total = np.pad(self.total, (0, more))
        self.first_s = np.pad(self.first_s, (0, more), constant_values=np.iinfo(np.int64).max)
        for borders in self._borders:
            borders.grow(self.room)

    def advance(self, now_s: float) -> None:
        """The cell in progress is the one of `now_s`; time never goes back."""
        cell_s = int(now_s) // CELL_S * CELL_S
        if cell_s <= self.newest_s:
            return
        for borders in self._borders:
            borders.advance(cell_s, self.total)
        self.newest_s = cell_s
        early, self._early = self._early, []
        for amounts in early:
            self.add(amounts)

    def add(self, amounts: Amounts) -> None:
        """Adds amounts; late ones correct the past."""
        early = amounts.starts_s > self.newest_s
        if early.any():
            self._early.append(_of(amounts, early))
            amounts = _of(amounts, ~early)
        if not len(amounts.rows):
            return
        rows, places = _places(amounts.rows, self.room)
        self.total[rows] += np.bincount(places, amounts.values, minlength=len(rows))
        np.minimum.at(self.first_s, amounts.rows, amounts.starts_s)
        for borders in self._borders:
            borders.correct(amounts.starts_s, places, rows, amounts.values)

    def border_s(self, at_s: float) -> int:
        """The border that stands for a moment: the newest one not after it that is kept, or the oldest of all."""
        if at_s >= self.newest_s + CELL_S:
            return self.newest_s + CELL_S
        for borders in self._borders:
            border = int(at_s // borders.step_s)
            if border >= borders.oldest:
                return min(border, borders.newest) * borders.step_s
        return self._borders[-1].oldest * self._borders[-1].step_s

    def before(self, at_s: float) -> Floats:
        """What each row counted before the border that stands for a moment; not to be written to."""
        border_s = self.border_s(at_s)
        if border_s > self.newest_s:
            return self.total
        borders = next(b for b in self._borders if border_s % b.step_s == 0 and border_s // b.step_s >= b.oldest)
        found: Floats = borders.before[border_s // borders.step_s % borders.size]
        return found

    def between(self, from_s: float, to_s: float) -> Floats:
        """What each row counted between two borders, without the dust of rounding."""
        return clean(self.before(to_s) - self.before(from_s))

    @property
    def end_s(self) -> int:
        """The end of the cell in progress."""
        return self.newest_s + CELL_S

    @property
    def minutes_from_s(self) -> int:
        """From when on every minute is known by itself."""
        minutes = next(b for b in self._borders if b.step_s == MINUTE_S)
        return minutes.oldest * MINUTE_S

    def hours(self) -> tuple[int, Floats]:
        """The start of the oldest hour that is kept, and what every row counted in each hour since (hours x rows)."""
        hours = next(b for b in self._borders if b.step_s == HOUR_S)
        borders = [hours.before[border % hours.size] for border in range(hours.oldest, hours.newest + 1)]
        return hours.oldest * HOUR_S, clean(np.diff(np.stack([*borders, self.total]), axis=0))

    @property
    def bytes(self) -> int:
        """The memory that the totals take when all rows and borders are in use."""
        return self.total.nbytes + sum(borders.before.nbytes for borders in self._borders)


def _places(rows: npt.NDArray[np.int64], room: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The different rows, and the place of each entry among them."""
    used = np.zeros(room, bool)
    used[rows] = True
    return np.flatnonzero(used), (np.cumsum(used) - 1)[rows]


def clean(counts: Floats) -> Floats:
    """Counts with what is less than nothing made nothing."""
    return np.where(np.abs(counts) < RESIDUE, 0.0, counts)


def _of(amounts: Amounts, chosen: npt.NDArray[np.bool_]) -> Amounts:
    return Amounts(amounts.starts_s[chosen], amounts.rows[chosen], amounts.values[chosen])
