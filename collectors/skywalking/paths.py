"""Calls between services: one path however many ends saw it."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from collectors.skywalking.counting import Minutes
from collectors.skywalking.identity import Node, protocol
from collectors.skywalking.metrics import CLIENT, SERVER, Entity, Figures, Floats, Metrics, Shape, entity, failing
from collectors.skywalking.server_time import MINUTE_S, Stretch
from collectors.skywalking.topology import Call
from collectors.skywalking.versions import Abilities
from topology.model import EdgeKey, Service, Side

HALF_A_CALL = 0.5
"""Shares are told in ten-thousandths: less than this is no failure that the other end did not see."""


REMEMBERED_S = 3600.0


@dataclass(frozen=True, slots=True)
class Path:
    """A path to be read: its ends as they are drawn, and how the OAP saw it."""

    call: Call
    source: Node
    target: Node
    caller: Service
    callee: Service

    def key(self, side: Side, source: str) -> EdgeKey:
        """The series of this path at one side."""
        spoken = protocol(self.call.components, self.callee.kind, self.target.type)
        if not spoken and self.source.type:
            spoken = protocol((), self.caller.kind, self.source.type)
        return EdgeKey(self.caller, "", self.callee, "", spoken, side, source)

    def entity(self, abilities: Abilities) -> Entity:
        """How OAP's metrics are asked about it."""
        return entity("ServiceRelation", abilities, serviceName=self.source.name, normal=self.source.real,
                      destServiceName=self.target.name, destNormal=self.target.real)


@dataclass(frozen=True, eq=False)
class Sides:
    """What both ends of some paths say, a row a path; NaN where an end says nothing."""

    client: Figures
    server: Figures


class Paths:
    """Reads paths and counts each once."""

    def __init__(self, metrics: Metrics, abilities: Abilities, source: str) -> None:
        self._metrics, self._abilities, self._source = metrics, abilities, source

    def read(self, paths: Sequence[Path], stretch: Stretch) -> Sides:
        """The figures of both ends of the paths."""
        things = [path.entity(self._abilities) for path in paths]
        at_server = [at for at, path in enumerate(paths) if path.call.server]
        server = _laid(self._metrics.read(SERVER, [things[at] for at in at_server], stretch), at_server, len(paths))
        heard = np.asarray((~np.isnan(server.calls)).any(axis=1), bool)
        # of a path that its callee counted the caller's count is needed only where more failed there
        alone = [at for at, path in enumerate(paths) if path.call.client and not heard[at]]
        both = [at for at, path in enumerate(paths) if path.call.client and heard[at]]
        client = _laid(self._metrics.read(CLIENT, [things[at] for at in alone], stretch), alone, len(paths))
        shape = self._metrics.shape(CLIENT, [things[at] for at in both], stretch)
        self._lay_shape(client, shape, both, things, server, stretch)
        return Sides(client, server)

    def count(self, paths: Sequence[Path], sides: Sides, minutes: Minutes, held: Set[str]) -> None:
        """Adds every path once, except those to addresses that are `held` back. It is counted by its callee, except in
        minutes of which only its caller tells, or in which its caller saw failures that the callee did not, such as
        connections refused."""
        client, server = sides.client, sides.server
        for row, path in enumerate(paths):
            if path.target.id in held:
                minutes.withhold(client.calls[row])
            if path.target.id in held or row in client.failed or row in server.failed:
                continue
            calls, errors = client.calls[row], client.errors[row]
            unheard = np.isnan(server.calls[row]) | ((calls > server.calls[row]) & (errors > server.errors[row]))
            counted = np.where(unheard, calls, server.calls[row])
            minutes.add(path.key(Side.CLIENT, self._source), client, row, counted,
                        np.where(unheard, errors, server.errors[row]))
            minutes.add_latency(path.key(Side.SERVER, self._source), server, row)
        minutes.fail({**client.failed, **server.failed})

    def _lay_shape(self, client: Figures, shape: Shape, rows: Sequence[int], things: Sequence[Entity],
                   server: Figures, stretch: Stretch) -> None:
        """Lays what the callers of counted paths say beside it, with their calls where they saw more fail."""
        for at, row in enumerate(rows):
            client.mean_ms[row], client.percentiles_ms[row] = shape.mean_ms[at], shape.percentiles_ms[at]
        client.failed.update({rows[at]: reason for at, reason in shape.failed.items()})
        share = failing(shape.sla)
        more = share * np.nan_to_num(server.calls[rows], nan=1.0) - np.nan_to_num(server.errors[rows])
        silent = ~np.isnan(shape.sla) & np.isnan(server.calls[rows])
        worse = np.flatnonzero(((more >= HALF_A_CALL) | silent).any(axis=1)).tolist()
        asked = [things[rows[at]] for at in worse]
        calls, failed = self._metrics.calls(CLIENT, asked, stretch)
        for which, at in enumerate(worse):
            client.calls[rows[at]] = calls[which]
            client.errors[rows[at]] = np.rint(calls[which] * share[at])
        client.failed.update({rows[worse[at]]: reason for at, reason in failed.items()})


def _laid(figures: Figures, rows: Sequence[int], of: int) -> Figures:
    """The figures of some rows among all."""
    def wide(part: Floats) -> Floats:
        full = np.full((of, *part.shape[1:]), np.nan)
        full[rows] = part
        return full

    failed = {rows[at]: reason for at, reason in figures.failed.items()}
    return Figures(wide(figures.calls), wide(figures.errors), wide(figures.mean_ms), wide(figures.percentiles_ms),
                   failed)


class Addresses:
    """Which addresses that callers name are believed to be no service of one's own. For one thread.

    A service whose agent is new is known to its callers by its address only, until the OAP has learnt whose that is:
    until then (one or two of its persistence periods) its topology shows the address as if it were somebody else's, and
    then never again, also not of the past. So an address is believed when the OAP has shown it for `learning_s`.
    Minutes that ended so long ago that they would not be read again by then have to be believed at once.
    """

    def __init__(self, learning_s: float, read_again_s: float) -> None:
        self._learning_s, self._old_s = learning_s, max(learning_s, read_again_s - learning_s)
        self._seen: dict[str, tuple[float, float]] = {}

    def doubtful(self, paths: Sequence[Path], sides: Sides, stretch: Stretch, now_s: float) -> frozenset[str]:
        """The ids of the addresses that may yet turn out to be services of one's own."""
        ends = stretch.start_s + MINUTE_S * (1 + np.arange(stretch.minutes))
        young: set[str] = set()
        old: set[str] = set()
        for row, path in enumerate(paths):
            if path.target.peer:
                first, _ = self._seen.get(path.target.id, (now_s, now_s))
                self._seen[path.target.id] = first, now_s
                called = ~np.isnan(sides.client.calls[row])
                believed = now_s - first >= self._learning_s or (called & (ends <= now_s - self._old_s)).any()
                (old if believed else young).add(path.target.id)
        self._seen = {peer: seen for peer, seen in self._seen.items() if now_s - seen[1] < REMEMBERED_S}
        return frozenset(young - old)
