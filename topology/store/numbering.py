"""Numbers of series inside a file: small integers that stand for keys as long as the file lives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from topology.model import SeriesKey
from topology.store.keys import Row, from_row, place_in_file, to_row

_UNKNOWN = -1


class SeriesNumbers:
    """The series of a file. Not thread-safe; a failed transaction calls `forget_places`."""

    def __init__(self, rows: Iterable[tuple[int, str, list[str]]] = ()) -> None:
        self._numbers: dict[Row, int] = {}
        self._keys: dict[int, SeriesKey] = {}
        for number, kind, parts in rows:
            self._keys[number] = from_row(kind, parts)
            # not the row itself: an older program wrote fewer fields
            self._numbers[to_row(self._keys[number])] = number
        self._next = max(self._keys, default=-1) + 1
        self.forget_places()

    def forget_places(self) -> None:
        """Looks every place of the caller's keys up anew."""
        self._source: Sequence[SeriesKey] = ()
        self._of_place = np.empty(0, np.int32)

    def translate(
        self, keys: Sequence[SeriesKey], series: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int32], dict[Row, int]]:
        """(the number of each of `series`, which are places in `keys`; the rows that are new).
        The new ones count only after `add`."""
        self._follow(keys)
        places = np.unique(series)
        unknown = [int(place) for place in places if self._of_place[place] == _UNKNOWN]
        rows = {place: to_row(keys[place]) for place in unknown}
        new = sorted({row for row in rows.values() if row not in self._numbers}, key=place_in_file)
        proposed = {row: self._next + at for at, row in enumerate(new)}
        for place, row in rows.items():
            known = self._numbers.get(row)
            self._of_place[place] = proposed[row] if known is None else known
        return self._of_place[series], proposed

    def _follow(self, keys: Sequence[SeriesKey]) -> None:
        if keys is not self._source:
            self._source, self._of_place = keys, np.empty(0, np.int32)
        grown = np.full(len(keys) - len(self._of_place), _UNKNOWN, np.int32)
        self._of_place = np.concatenate([self._of_place, grown])

    def add(self, proposed: Mapping[Row, int]) -> None:
        """Takes over what `translate` proposed, now that it is durable."""
        for row, number in proposed.items():
            self._numbers[row] = number
            self._keys[number] = from_row(row[0], list(row[1]))
            self._next = max(self._next, number + 1)

    def remove(self, numbers: Iterable[int]) -> None:
        """Forgets series that have no rows any more; their numbers are not given out again."""
        for number in numbers:
            del self._numbers[to_row(self._keys.pop(number))]
        self.forget_places()

    def known(self) -> dict[int, SeriesKey]:
        """The keys by number, as they are now."""
        return dict(self._keys)
