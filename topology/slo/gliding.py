"""Every minute of the past judged as if it were now: what the last 30 days would have given, and the curves of a page.

Columns are slots x SLOs, a slot being a minute or a slice. Windows end with the slot they are asked for, which is
included, and hold what there is where the past is shorter than they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from topology.slo.budget import Array, left
from topology.slo.burn import RuleTable, firing

Holds = npt.NDArray[np.bool_]


def prefix(column: Array) -> Array:
    """Running sums with a zero before them: the sum of rows [a, b) is prefix[b] - prefix[a], exact below 2**53."""
    return np.concatenate([np.zeros((1, *column.shape[1:])), np.cumsum(column, axis=0)])


def window_sums(running: Array, slots: int) -> Array:
    """At every slot the sum of the newest `slots` of a column, from its `prefix`: one row shorter than that."""
    ends = np.arange(1, len(running))
    found: Array = running[ends] - running[np.maximum(ends - slots, 0)]
    return found


def over_windows(column: Array, windows_s: Sequence[int], slot_s: int = 60) -> Array:
    """Windows x SLOs x slots: what `firing` and `burns` take, for every slot at once."""
    running = prefix(column)
    return np.stack([window_sums(running, window // slot_s).T for window in windows_s])


def firing_over_time(rules: RuleTable, good: Array, total: Array, windows_s: Sequence[int], slot_s: int = 60) -> Holds:
    """Rules x slots: whether each rule's alert is raised at the end of each slot, `after_s` included."""
    holds = firing(rules, over_windows(good, windows_s, slot_s), over_windows(total, windows_s, slot_s))
    return held(holds, rules.after_s // slot_s)


def held(holds: Holds, after_slots: Array) -> Holds:
    """Where a condition has held for so many slots and holds still, as `for` does in a Prometheus rule."""
    slots = np.arange(holds.shape[-1])
    broken = np.maximum.accumulate(np.where(holds, -1, slots), axis=-1)
    found: Holds = holds & (slots - broken - 1 >= np.reshape(after_slots, (-1, 1)))
    return found


def left_over_time(good: Array, total: Array, allowed: Array, slots: int, expected: Array | None = None) -> Array:
    """Slots x SLOs: the budget left at the end of each slot of a period of so many slots; see `budget.left`."""
    return left(window_sums(prefix(good), slots), window_sums(prefix(total), slots), allowed, expected)


def spans(holds: Holds) -> Iterator[tuple[int, int]]:
    """From which slot to before which slot one row held, oldest first."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def raised(rules: RuleTable, fires: Holds, row: int, severity: str) -> int:
    """How often an SLO went from no alert of a severity to at least one."""
    chosen = [at for at, key in enumerate(rules.keys) if rules.row[at] == row and key.severity == severity]
    any_of_them: Holds = np.logical_or.reduce(fires[chosen], axis=0)
    return len(list(spans(any_of_them)))
