"""What a layout is asked for: cards, paths, groups, and the sizes everything is drawn with."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]
"""Top-left corner of a card in world units; x grows to the right, y downwards."""


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A card to be placed. `layer` is the index of its layer from the left, None where the call depth decides;
    `kind` is a word of `topology.model.Kind`."""

    id: str
    group: str
    layer: int | None = None
    kind: str = "service"


@dataclass(frozen=True, slots=True, order=True)
class Path:
    """Calls from `source` to `target` (ids of boxes); `weight` is their rate, in any unit, never negative."""

    source: str
    target: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Group:
    """A group whose place is configured; `lead` makes it a full-height block at the left instead of a band."""

    id: str
    lead: bool = False


@dataclass(frozen=True, slots=True)
class Sizes:
    """World units of everything drawn; the gap right of a column grows with the paths that pass through it.

    A drawing higher than `screen` is folded until its width by height is near `aspect`.
    """

    width: float = 198
    height: float = 54
    row_gap: float = 16
    column_gap: float = 46
    gap_per_path: float = 2.5
    widest_gap: float = 148
    stack_gap: float = 90
    title: float = 25
    pad: float = 11
    band_gap: float = 11
    aspect: float = 16 / 9
    screen: float = 1080

    @property
    def pitch(self) -> float:
        """From one row to the next."""
        return self.height + self.row_gap

    @property
    def between(self) -> float:
        """From the bottom of a band's last card to the top of the next band's first card."""
        return self.pad + self.band_gap + self.title

    def gap(self, paths: float) -> float:
        """The gap right of a column through which `paths` paths pass."""
        return min(self.widest_gap, self.column_gap + self.gap_per_path * paths)


DEFAULT_SIZES = Sizes()
