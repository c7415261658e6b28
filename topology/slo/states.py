"""The state an SLO shows, from the conditions that hold: the loudest one, held long enough not to flicker.

burning: a page is open. exhausted: nothing is left of the budget, and not by fewer
bad events than the SLO's floor. at_risk: another alert is open. no_data: nothing is
known of the newest minutes. ok: none of these. The order of loudness is that of `topology.health.State`.

A louder state is shown at once. A state among burning, exhausted and at_risk is shown on for `hold_s`, the shortest
short window of the SLO's rules, after its condition was last seen to hold, so a ratio that crosses its limit at every
evaluation gives one colour and not two. It is not held over a short window without bad events: nothing flickers there,
and late data may have taken the trouble back. Only what is shown is held: alerts begin and end at their own instants
(`topology.slo.alerts`), as they do in Prometheus. no_data and ok are not held: no_data means that a whole short window
was empty, so it cannot flicker faster than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from topology.health import LOUDNESS, State
from topology.slo.burn import RuleTable
from topology.slo.objectives import Slo

STATES = tuple(State)
HOLD_S = 300
_HELD = np.array([state in (State.AT_RISK, State.EXHAUSTED, State.BURNING) for state in STATES])


@dataclass(frozen=True, eq=False)
class Shown:
    """What every SLO shows: `code` is a place in `STATES`. `last_s` is SLOs x states: when each condition last held."""

    names: tuple[str, ...] = ()
    code: npt.NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    since_s: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    last_s: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, len(STATES))))
    held: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    """Whether what is shown holds no longer, and is only held."""

    def state(self, row: int) -> State:
        """The state of one SLO."""
        return STATES[int(self.code[row])]


def hold_s(slos: Sequence[Slo]) -> npt.NDArray[np.float64]:
    """How long each SLO's loud states are held: its shortest short window."""
    return np.array([min((rule.short_s for rule in slo.rules), default=HOLD_S) for slo in slos], np.float64)


def conditions(
    rules: RuleTable,
    raised: npt.NDArray[np.bool_],
    left: npt.NDArray[np.float64],
    known: npt.NDArray[np.bool_],
    enough: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.bool_]:
    """SLOs x states: which conditions hold. `raised` is per rule; `left` (the budget) and `known` are per SLO.

    `enough` says whether the period's bad events reach the SLO's floor (`Slo.min_bad_events`): one failure of a service
    with ten calls spends no budget.
    """
    found = np.zeros((len(left), len(STATES)), np.bool_)
    found[:, LOUDNESS[State.OK]] = True
    found[:, LOUDNESS[State.NO_DATA]] = ~known
    found[:, LOUDNESS[State.EXHAUSTED]] = (left <= 0) if enough is None else (left <= 0) & enough
    found[rules.row[raised & ~rules.pages], LOUDNESS[State.AT_RISK]] = True
    found[rules.row[raised & rules.pages], LOUDNESS[State.BURNING]] = True
    return found


def show(
    shown: Shown, now_s: float, names: tuple[str, ...], holds: npt.NDArray[np.bool_], hold_s: npt.NDArray[np.float64]
) -> Shown:
    """What is shown after an evaluation. Other SLOs than before are carried over by name."""
    shown = _for_names(shown, names)
    last = np.where(holds, now_s, shown.last_s)
    visible = holds | (_HELD & (now_s - last < hold_s[:, None]))
    code = _loudest(visible)
    changed = code != shown.code
    return Shown(
        names=names,
        code=code,
        since_s=np.where(changed | np.isnan(shown.since_s), now_s, shown.since_s),
        last_s=last,
        held=code != _loudest(holds),
    )


def _loudest(holds: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    code: npt.NDArray[np.int8] = (len(STATES) - 1 - np.argmax(holds[:, ::-1], axis=1)).astype(np.int8)
    return code


def _for_names(shown: Shown, names: tuple[str, ...]) -> Shown:
    if shown.names is names or shown.names == names:
        return shown
    at = {name: place for place, name in enumerate(shown.names)}
    carried = np.array([at.get(name, -1) for name in names], np.int64)
    return Shown(
        names=names,
        code=np.append(shown.code, np.int8(-1))[carried],
        since_s=np.append(shown.since_s, np.nan)[carried],
        last_s=np.concatenate([shown.last_s, np.full((1, len(STATES)), -np.inf)])[carried],
        held=np.append(shown.held, False)[carried],
    )
