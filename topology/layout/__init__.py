"""Where every card of the map stands.

The path of the work: `network` (canonical input), `layering` (columns), `banding` and `folding`
(bands), `grid`, `ordering` with `exchanging` and `refining` (few crossings), `arrangement`. What
comes later goes through `insertion`, on a `canvas` of `parts`. All pure: the same input in any order
gives the same positions.
"""

from topology.layout.arrangement import arrange, place_new
from topology.layout.elements import DEFAULT_SIZES, Box, Group, Path, Point, Sizes

__all__ = ["DEFAULT_SIZES", "Box", "Group", "Path", "Point", "Sizes", "arrange", "place_new"]
