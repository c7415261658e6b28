"""The ledger of objectives: rollups go in, standings come out. One is kept in step with the live counts; another is
filled from the store for a moment of the past. Both count in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from topology.histogram import Ladder
from topology.members import GAUGE, ROOT_WORK, Members, only_logging
from topology.model import GaugeKey, SeriesKey
from topology.rollup import RollupBatch
from topology.slo.derived import Derivation
from topology.slo.evaluation import Floats, Standings, coverage_of, standings
from topology.slo.grid import DAY_S, MINUTE_S, Grid, resolutions
from topology.slo.incidence import Incidence, Rows
from topology.slo.objectives import Slo
from topology.slo.plan import PairRows, Plan, lay_out
from topology.slo.selection import Concrete, Facts, Known, spread

MAX_SLOS = 5000
FORGOTTEN_S = 10 * DAY_S
NONE_UNFILLED = 1 << 62


@dataclass(frozen=True)
class Promises:
    """What is to be judged: the objectives that were written, the defaults by class of service, and what a house says
    of its services. `saturations` are the metrics that are shares of what there is. Beyond `max_slos` objectives are
    listed and not evaluated."""

    slos: Sequence[Slo] = ()
    defaults: Mapping[str, tuple[Slo, ...]] = field(default_factory=dict)
    facts: Facts = lambda _service: {}
    saturations: frozenset[str] = frozenset()
    max_slos: int = MAX_SLOS

    @property
    def longest_s(self) -> int:
        """The longest period of all."""
        written = [*self.slos, *(slo for patterns in self.defaults.values() for slo in patterns)]
        return max((slo.period.length_s for slo in written), default=30 * 86400)


class Ledger:
    """Counts for objectives. `take` follows the series, `add` the rollups, `advance` the clock. Not thread-safe."""

    def __init__(self, promises: Promises, ladder: Ladder, settle_s: float = 50.0) -> None:
        self.promises, self.rows = promises, Rows()
        self.incidence = Incidence(self.rows, ladder)
        self.grid = Grid(resolutions(promises.longest_s))
        self.overflow: tuple[Concrete, ...] = ()
        self._kept: dict[object, PairRows] = {}
        self.plan: Plan = lay_out((), self.rows, self._kept)
        self.derivation = Derivation(self.plan, self.rows, 0, settle_s)
        self.unfilled_from = NONE_UNFILLED
        self._known: tuple[int, ...] = ()
        self._taken: npt.NDArray[np.int8] | None = None
        self._memory: dict[object, Concrete] = {}
        self._covered: tuple[int, Plan, Floats] | None = None

    def take(self, members: Members, keys: Sequence[SeriesKey]) -> bool:
        """Takes in new series, nodes and paths. False when earlier series count in new rows, from `unfilled_from` on,
        which know nothing of the past yet: see `filling.complete`."""
        if members.role is self._taken:  # another array whenever there are new series
            return True
        counts = np.bincount(members.role, minlength=8)
        sizes = (len(members.nodes), len(members.edges), int(counts[GAUGE]), int(counts[ROOT_WORK]),
                 int(only_logging(members).sum()))
        sound = True
        if sizes != self._known:
            sound = self._lay_out(members, keys)
            self._known = sizes
        if sound:
            self.incidence.extend(members, keys)
        else:
            self.incidence.rebuild(members, keys)
        self.grid.ensure(len(self.rows))
        self._taken = members.role
        return sound

    def promise(self, promises: Promises, members: Members, keys: Sequence[SeriesKey]) -> bool:
        """Other objectives from now on; False as `take` says. Their periods must not be longer than those before."""
        self.promises, self._memory, self._known, self._taken = promises, {}, (), None
        return self.take(members, keys)

    def _lay_out(self, members: Members, keys: Sequence[SeriesKey]) -> bool:
        before, counted = len(self.rows), self.incidence.counted
        known = _known(members, keys, self.promises, self._memory)
        found = spread(self.promises.slos, self.promises.defaults, known)
        most = self.promises.max_slos
        self.overflow = tuple(found[most:])
        self.plan = lay_out(found[:most], self.rows, self._kept)
        old = self.derivation
        self.derivation = Derivation(self.plan, self.rows, old.closed_s, old.settle_s)
        self.derivation.inherit(old)
        sound = not self.rows.about_since(before) & counted
        if not sound:
            self.unfilled_from = min(self.unfilled_from, before)
        return sound

    def alone(self, slo: Slo) -> Plan | None:
        """The plan of one of the objectives by itself, or of one that counts the same (with another target); None when
        none has its name."""
        found = next((one for one in self.plan.concretes if one.slo.name == slo.name), None)
        return None if found is None else lay_out((replace(found, slo=slo),), self.rows, self._kept)

    def renumber(self, members: Members, keys: Sequence[SeriesKey]) -> None:
        """The series have other numbers; what they count in is the same."""
        self.incidence.rebuild(members, keys)

    def advance(self, now_s: float) -> None:
        """Moves the clock on, and judges the minutes and slices that are over: a day at most at once, so that no minute
        is forgotten before it is judged."""
        if not self.derivation.closed_s:
            self.derivation.closed_s = int(now_s - self.derivation.settle_s) // MINUTE_S * MINUTE_S
        while now_s - max(self.derivation.closed_s, now_s - FORGOTTEN_S) > DAY_S:
            self._advance(max(self.derivation.closed_s, now_s - FORGOTTEN_S) + DAY_S)
        self._advance(now_s)

    def _advance(self, now_s: float) -> None:
        self.grid.advance(now_s)
        self.derivation.bring_up(self.grid, now_s)

    def add(self, batch: RollupBatch) -> None:
        """Adds rollups of series that were taken in; late ones correct the past."""
        if not len(batch):
            return
        amounts = self.incidence.amounts(batch)
        self.grid.add(amounts)
        self.derivation.touch(amounts)

    def standings(self, at_s: float | None = None) -> Standings:
        """What all objectives stand at: now, with the cell in progress, or at a moment that the grid still knows."""
        live = at_s is None
        at_s = self.grid.end_s if at_s is None else at_s
        found = self._coverage() if live else None
        return standings(self.grid, self.plan, at_s, self.derivation.closed_s, found)

    def _coverage(self) -> Floats:
        minute = self.grid.newest_s // MINUTE_S
        if self._covered is None or self._covered[0] != minute or self._covered[1] is not self.plan:
            self._covered = (minute, self.plan, coverage_of(self.grid, self.plan, self.grid.end_s))
        return self._covered[2]


def _known(members: Members, keys: Sequence[SeriesKey], promises: Promises, memory: dict[object, Concrete]) -> Known:
    metrics: dict[str, list[str]] = {}
    for number in np.flatnonzero(members.role == GAUGE).tolist():
        key = keys[number]
        mine = metrics.setdefault(members.nodes[members.owner[number]].id, [])
        if isinstance(key, GaugeKey) and key.metric in promises.saturations and key.metric not in mine:
            mine.append(key.metric)
    paths = [(members.nodes[caller], members.nodes[callee]) for caller, callee in members.edges]
    roots = {members.nodes[owner].id for owner in np.unique(members.owner[members.role == ROOT_WORK]).tolist()}
    found = {node: sorted(names) for node, names in metrics.items()}
    logging = {members.nodes[number].id for number in np.flatnonzero(only_logging(members)).tolist()}
    return Known(members.nodes, paths, promises.facts, found, frozenset(roots), frozenset(logging), memory)
