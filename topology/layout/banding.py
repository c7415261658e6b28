"""Which band stands above which: the order that keeps the paths between groups short."""

from __future__ import annotations

import numpy as np

from topology.layout.network import Floats, Ints

REINSERTED_AT_MOST = 64


def band_order(pull: Floats, size: Floats, fixed: int) -> list[int]:
    """An order of the groups that keeps the sum of pull x distance small.

    `pull[a, b]` (symmetric) is how much a and b belong together, `size` how high each band is. The
    first `fixed` groups keep their order among themselves and stay above the others. Groups are
    inserted one by one where they cost least, the most connected first; then, when they are not too
    many, each is taken out and inserted again.
    """
    order = list(range(fixed))
    free = sorted(range(fixed, len(size)), key=lambda group: (-float(pull[group].sum()), group))
    for group in free:
        _insert(order, group, pull, size, fixed)
    for _ in range(2 if len(free) <= REINSERTED_AT_MOST else 0):
        for group in free:
            order.remove(group)
            _insert(order, group, pull, size, fixed)
    return order


def _insert(order: list[int], group: int, pull: Floats, size: Floats, fixed: int) -> None:
    """Puts `group` into `order` where its own paths, and those it pushes apart, cost least."""
    place = np.array(order, dtype=np.int64)
    border = np.concatenate([[0.0], np.cumsum(size[place])])
    own, centre = pull[group, place], border[:-1] + size[place] / 2
    before = np.concatenate([[0.0], np.cumsum(own)])
    moment = np.concatenate([[0.0], np.cumsum(own * centre)])
    own_length = border * (2 * before - before[-1]) - (2 * moment - moment[-1])
    cost = own_length + size[group] * _cut(pull, place)
    order.insert(fixed + int(np.argmin(cost[fixed:])), group)


def _cut(pull: Floats, place: Ints) -> Floats:
    """How much pull passes each border of the bands in this order, the outer borders included."""
    ordered = pull[np.ix_(place, place)]
    opened, closed = np.triu(ordered, 1).sum(axis=1), np.tril(ordered, -1).sum(axis=1)
    return np.concatenate([[0.0], np.cumsum(opened - closed)])
