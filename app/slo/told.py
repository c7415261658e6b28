"""What objectives say at one moment: of each, and of every node and path that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from topology.health import State
from topology.slo.alerts import Alerts
from topology.slo.evaluation import Standings
from topology.slo.explaining import Origin, kind_of, unpromised, why
from topology.slo.ledger import Ledger
from topology.slo.states import STATES, Shown

LOADING = {"en": "The past is being counted; figures come soon.", "zh": "正在统计历史数据，稍后显示结果。"}


@dataclass(frozen=True)
class Told:
    """Everything that was found at one moment; never changed afterwards. `ledger` is what it was found in, and goes on
    counting."""

    ledger: Ledger
    found: Standings
    alerts: Alerts
    shown: Shown
    beyond: frozenset[str] = frozenset()
    """What only objectives beyond the bound are about: it is judged by the default of `topology.health`."""
    loading: bool = False
    """Whether the past is still being counted: nothing is known yet, and `alerts` are those of before."""

    @cached_property
    def of(self) -> Mapping[str, list[int]]:
        """The rows of the objectives about each node (by id) and path (by id)."""
        rows: dict[str, list[int]] = {}
        for row, one in enumerate(self.found.plan.concretes):
            for about in (*one.nodes, *one.paths):
                rows.setdefault(about, []).append(row)
        return rows

    @cached_property
    def row(self) -> Mapping[str, int]:
        """The row of each objective, by name."""
        return {name: row for row, name in enumerate(self.found.plan.names)}

    @cached_property
    def _loudness(self) -> tuple[list[int], list[float], list[float]]:
        long = self.found.burn[self.found.plan.long_at, np.arange(len(self.found.plan.laid))]
        left = np.nan_to_num(self.found.left, nan=np.inf)
        return self.shown.code.tolist(), left.tolist(), np.nan_to_num(long, nan=-1.0).tolist()

    def verdict(self, about: str) -> Verdict | None:
        """What the objectives of a node or path say together: the loudest of them, that with less budget left where two
        are as loud. None when none is about it."""
        rows = self.of.get(about)
        if not rows:
            return None
        code, left, burn = self._loudness
        worst = max(rows, key=lambda row: (code[row], -left[row], burn[row]))
        return Verdict(self, worst, left[worst] if left[worst] < np.inf else None)

    def why(self, row: int, language: str, origin: Origin | None = None) -> str:
        """The sentence of one objective."""
        if self.loading:
            return LOADING[language]
        return why(self.found, self.alerts, self.shown, row, language, origin)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a node or path with its reasons: that of its worst objective, and the budget that this one has left,
    so that bar, colour and sentence speak of the same promise; None when it is not known."""

    told: Told
    row: int
    budget_left: float | None

    @property
    def state(self) -> State:
        """The state that is shown."""
        return self.told.shown.state(self.row)

    @property
    def slo(self) -> str:
        """The name of the objective that decides, "default" for one that nobody wrote."""
        slo = self.told.found.plan.slos[self.row]
        return "default" if slo.default else slo.name

    @property
    def kind(self) -> str:
        """What the objective that decides is about: availability, latency, traffic, saturation, logs or other."""
        return kind_of(self.told.found.plan.slos[self.row])

    def why(self, language: str, origin: Origin | None = None) -> str:
        """The sentence of the objective that decides."""
        return self.told.why(self.row, language, origin)


def loading(found: Ledger, alerts: Alerts) -> Told:
    """What is told while the past is being counted: every objective, and nothing of any."""
    standings = found.standings()
    names, n = standings.plan.names, len(standings.plan.laid)
    shown = Shown(names, np.full(n, STATES.index(State.NO_DATA), np.int8), np.full(n, np.nan),
                  np.full((n, len(STATES)), -np.inf), np.zeros(n, bool))  # fmt: skip
    return Told(found, standings, alerts, shown, loading=True)


def no_verdict(language: str) -> str:
    """What is said of a node that no objective is about."""
    return unpromised(language)
