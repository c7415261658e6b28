"""Bucket bounds as small numbers that outlive any one ladder.

A histogram is stored by upper bound, not by place in the ladder: the ladder changes with the configured
thresholds, what was counted does not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from topology.histogram import Ladder

ABOVE_ALL = 0
"""Stands for the bucket above the highest bound; no real bound is 0."""


class Bounds:
    """Numbers of upper bounds (microseconds), given out once and for all."""

    def __init__(self, numbers: Mapping[int, int] | None = None) -> None:
        self._numbers = dict(numbers or {})

    def __len__(self) -> int:
        return len(self._numbers)

    def missing(self, ladder: Ladder) -> dict[int, int]:
        """The bounds of a ladder that have no number yet, with the numbers they would get."""
        new = [bound for bound in _uppers(ladder) if bound not in self._numbers]
        return {bound: len(self._numbers) + place for place, bound in enumerate(new)}

    def add(self, numbers: Mapping[int, int]) -> None:
        """Takes over what `missing` proposed."""
        self._numbers.update(numbers)

    def of_buckets(self, ladder: Ladder, proposed: Mapping[int, int] | None = None) -> npt.NDArray[np.int16]:
        """The number of each bucket of a ladder; `proposed` are numbers not yet added."""
        numbers = self._numbers | dict(proposed or {})
        return np.array([numbers[bound] for bound in _uppers(ladder)], np.int16)

    def to_buckets(self, ladder: Ladder) -> npt.NDArray[np.int16]:
        """The bucket of a ladder for each number: the one around the bound, if it is not one of its own."""
        uppers = np.zeros(len(self._numbers), np.int64)
        uppers[list(self._numbers.values())] = list(self._numbers)
        return np.where(uppers == ABOVE_ALL, ladder.buckets - 1, ladder.bucket(uppers)).astype(np.int16)


def _uppers(ladder: Ladder) -> list[int]:
    return [*ladder.bounds_us.tolist(), ABOVE_ALL]
