"""Bringing together what belongs together: a counting sort, since groups are numbered from zero."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topology.machine import JIT, compiled


@compiled(**JIT)
def _place(group, order, starts):  # type: ignore[no-untyped-def]
    for i in range(len(group)):
        starts[group[i] + 1] += 1
    for k in range(1, len(starts)):
        starts[k] += starts[k - 1]
    place = starts[:-1].copy()
    for i in range(len(group)):
        order[place[group[i]]] = i
        place[group[i]] += 1


def grouped(group: npt.NDArray[np.integer], groups: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The elements of each group together, in the order in which they came, and where each group starts (one more than
    there are groups). Says what `np.argsort(group, kind="stable")` says, and takes the same time in whatever order they
    come; that one takes six to thirty times as long unless nearly sorted. Every number must be in [0, groups)."""
    order, starts = np.empty(len(group), np.int64), np.zeros(groups + 1, np.int64)
    _place(group, order, starts)
    return order, starts
