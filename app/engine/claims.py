"""Who counts a call when several sources do: one that sees every span before one that tells sums of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from topology.members import CLIENT_SIDE, INSTANCE, LOG, PART, ROOT_WORK, SERVER_SIDE, WORK, Members
from topology.model import Kind, Service
from topology.readings import MINUTE_S
from topology.rollup import CALLS, RollupBatch

Ends = tuple[Service, Service]
_ANSWERED = (WORK, PART, INSTANCE)


@dataclass
class Claim:
    """What is counted exactly in one minute: the work of services, calls over paths, log lines of services."""

    work: set[Service] = field(default_factory=set)
    paths: set[Ends] = field(default_factory=set)
    lines: set[Service] = field(default_factory=set)

    def covers_path(self, ends: Ends) -> bool:
        """Whether the calls of a path are counted exactly: as such, or because one end is and the other is only known
        by its calls (it sends nothing itself, and may have another name there)."""
        caller, callee = ends
        if ends in self.paths or (caller in self.work and callee.kind is not Kind.SERVICE):
            return True
        return callee in self.work and caller.kind in (Kind.USER, Kind.UNKNOWN)


def claims(batch: RollupBatch, members: Members) -> dict[int, Claim]:
    """By the start of the minute (epoch seconds) what the rows of a batch count. `members` must know its series."""
    found: dict[int, Claim] = {}
    active = batch.counts[:, CALLS] > 0
    minute, series = batch.starts_s[active] // MINUTE_S * MINUTE_S, batch.series[active]
    rows = np.stack([minute, members.role[series], members.owner[series]], axis=1)
    for start_s, role, owner in np.unique(rows, axis=0).tolist():
        claim = found.setdefault(start_s, Claim())
        if role in (WORK, ROOT_WORK):
            claim.work.add(members.nodes[owner])
        elif role == CLIENT_SIDE:
            claim.paths.add(_ends(members, owner))
        elif role == LOG:
            claim.lines.add(members.nodes[owner])
    return found


def unclaimed(batch: RollupBatch, members: Members, claim: Claim | None) -> npt.NDArray[np.bool_]:
    """Which rows of a minute are counted by nobody else."""
    if claim is None:
        return np.ones(len(batch), bool)
    work, lines = (np.array([node in taken for node in members.nodes], bool) for taken in (claim.work, claim.lines))
    paths = np.array([claim.covers_path(_ends(members, owner)) for owner in range(len(members.edges))], bool)
    role, owner = members.role[batch.series], members.owner[batch.series]
    taken = np.zeros(len(batch), bool)
    for roles, claimed in ((_ANSWERED, work), ((CLIENT_SIDE, SERVER_SIDE), paths), ((LOG,), lines)):
        mine = np.isin(role, roles)
        taken[mine] = claimed[owner[mine]]
    return ~taken


def _ends(members: Members, owner: int) -> Ends:
    caller, callee = members.edges[owner]
    return members.nodes[caller], members.nodes[callee]
