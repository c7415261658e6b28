"""The boxes around the cards of a band: one, or several where the band goes on elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from topology.layout.elements import Point, Sizes


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
        return self.holding(around(self.group, card, sizes))

    def holding(self, other: Part) -> Part:
        """The part grown so that it holds another one."""
        return replace(self, left=min(self.left, other.left), top=min(self.top, other.top),
                       right=max(self.right, other.right), bottom=max(self.bottom, other.bottom))

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
    """The parts of all groups (`cards` by group): a group is divided where another one stands between its cards.

    Parts of different groups never overlap, as long as no card lies within another group's rows.
    """
    alone = {group: [around(group, card, sizes) for card in sorted(own, key=_reading_order)]
             for group, own in sorted(cards.items())}
    found = []
    for group, own in alone.items():
        others = [card for name, theirs in alone.items() if name != group for card in theirs]
        found.extend(_joined(own, others))
    while pair := _first_meeting(found):
        taller = sorted(pair, key=lambda one: one.part.top - one.part.bottom)
        for one, other in (taller, taller[::-1]):
            divided = _joined(one.cards, [other.part])
            if len(divided) > 1:
                found[found.index(one): found.index(one) + 1] = divided
                break
        else:
            break
    return [one.part for one in found]


@dataclass(frozen=True, slots=True)
class _Joined:
    part: Part
    cards: tuple[Part, ...]


def _reading_order(card: Point) -> Point:
    return card[1], card[0]


def _joined(cards: Iterable[Part], others: Sequence[Part]) -> list[_Joined]:
    """Cards of one group in as few parts as can be without touching the others."""
    edges = np.array([(one.left, one.top, one.right, one.bottom) for one in others]).reshape(-1, 4)
    found: list[_Joined] = []
    for card in cards:
        for i, one in enumerate(found):
            whole = one.part.holding(card)
            if not ((edges[:, 0] < whole.right) & (edges[:, 2] > whole.left)
                    & (edges[:, 1] < whole.bottom) & (edges[:, 3] > whole.top)).any():
                found[i] = _Joined(whole, (*one.cards, card))
                break
        else:
            found.append(_Joined(card, (card,)))
    return found


def _first_meeting(found: Sequence[_Joined]) -> tuple[_Joined, _Joined] | None:
    return next(((a, b) for i, a in enumerate(found) for b in found[i + 1:]
                 if a.part.group != b.part.group and a.part.meets(b.part)), None)
