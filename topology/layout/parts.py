"""The boxes around the cards of a band: one, or several where the band goes on elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from topology.layout.elements import Point, Sizes
from topology.layout.network import Floats


@dataclass(frozen=True, slots=True)
class Part:
    """A box around neighbouring cards of one group, with room for its title."""

    group: str
    left: float
    top: float
    right: float
    bottom: float

    def with_card(self, card: Point, sizes: Sizes) -> Part:
        """The part grown so that it holds one more card."""
        one = around(self.group, card, sizes)
        return replace(self, left=min(self.left, one.left), top=min(self.top, one.top),
                       right=max(self.right, one.right), bottom=max(self.bottom, one.bottom))

    def level_with(self, other: Part) -> bool:
        """Whether the two stand side by side, at least in part."""
        return self.top < other.bottom and other.top < self.bottom

    def meets(self, other: Part) -> bool:
        """Whether the two overlap."""
        return self.level_with(other) and self.left < other.right and other.left < self.right


def around(group: str, card: Point, sizes: Sizes) -> Part:
    """The part that holds a single card."""
    x, y = card
    return Part(group, x - sizes.pad, y - sizes.title, x + sizes.width + sizes.pad, y + sizes.height + sizes.pad)


def parts(cards: Mapping[str, Sequence[Point]], sizes: Sizes) -> list[Part]:
    """The parts of all groups (`cards` by group): a group is divided where a card of another group stands between."""
    everywhere = [(group, card) for group, own in sorted(cards.items()) for card in own]
    corners = np.array([card for _, card in everywhere], dtype=np.float64).reshape(-1, 2)
    of_group = np.array([group for group, _ in everywhere])
    found = []
    for group, own in sorted(cards.items()):
        others = corners[of_group != group]
        found.extend(_divided(group, sorted(own, key=lambda card: (card[1], card[0])), others, sizes))
    return found


def _divided(group: str, own: Iterable[Point], others: Floats, sizes: Sizes) -> list[Part]:
    found: list[Part] = []
    for card in own:
        for i, part in enumerate(found):
            grown = part.with_card(card, sizes)
            if not _touches(grown, others, sizes):
                found[i] = grown
                break
        else:
            found.append(around(group, card, sizes))
    return found


def _touches(part: Part, cards: Floats, sizes: Sizes) -> bool:
    """Whether a card of another group, with the room around it, reaches into the part."""
    x, y = cards[:, 0], cards[:, 1]
    beside = (x - sizes.pad < part.right) & (x + sizes.width + sizes.pad > part.left)
    level = (y - sizes.title < part.bottom) & (y + sizes.height + sizes.pad > part.top)
    return bool((beside & level).any())
