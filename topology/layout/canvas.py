"""What is drawn so far, and whether there is room for one more card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from topology.layout.elements import Point, Sizes
from topology.layout.network import Floats
from topology.layout.parts import Part, around, parts

CLEARANCE = 20.0


class Canvas:
    """All cards that take room, and the parts of the bands.

    `bands` are the cards of each group that is a band; `others` are further cards, which only take
    room: those of full-height blocks, those put somewhere by hand, those that are gone for now.
    """

    def __init__(self, bands: Mapping[str, list[Point]], others: Iterable[Point], sizes: Sizes) -> None:
        self.sizes = sizes
        self.parts = parts(bands, sizes)
        self.stacked = any(a.level_with(b) for a in self.parts for b in self.parts if a.group < b.group)
        cards = [card for own in bands.values() for card in own] + list(others)
        self._cards: Floats = np.array(cards, dtype=np.float64).reshape(-1, 2)

    @property
    def cards(self) -> Floats:
        """The top-left corners of all cards, one a row."""
        return self._cards

    def free(self, card: Point) -> bool:
        """Whether a card here keeps its distance from every other."""
        apart = np.abs(self._cards - card)
        near = (apart[:, 0] < self.sizes.width + CLEARANCE) & (apart[:, 1] < self.sizes.pitch - 0.5)
        return not near.any()

    def free_column(self, x: float) -> bool:
        """Whether no card stands in the way of a new column here."""
        return not (np.abs(self._cards[:, 0] - x) < self.sizes.width + CLEARANCE).any()

    def keeps_apart(self, grown: Part) -> bool:
        """Whether a part of this shape overlaps no other band; bands in one stack reach across its whole width."""
        return not any(grown.meets(other) if self.stacked else grown.level_with(other)
                       for other in self.parts if other.group != grown.group)

    def below(self, x: float) -> Point:
        """The highest free place in column x below all bands."""
        floor = max((part.bottom for part in self.parts), default=0.0)
        y = floor + self.sizes.title + (self.sizes.band_gap if self.parts else 0)
        while not self.free((x, y)):
            y += self.sizes.pitch
        return x, y

    def put(self, card: Point) -> None:
        """Takes the room for a card."""
        self._cards = np.vstack([self._cards, card])

    def put_in_band(self, group: str, card: Point, part: Part | None) -> None:
        """Takes the room for a card of a band: in one of its parts, or in a new one."""
        self.put(card)
        if part is None:
            self.parts.append(around(group, card, self.sizes))
        else:
            self.parts[self.parts.index(part)] = part.with_card(card, self.sizes)
