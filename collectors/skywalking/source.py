"""A SkyWalking OAP as a source: it is asked for minutes, for traces and for log lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collectors.contract import Context, Pulled, Reading
from collectors.skywalking.batches import Batches
from collectors.skywalking.client import GraphQL
from collectors.skywalking.config import Config
from collectors.skywalking.counting import Minutes
from collectors.skywalking.identity import Naming, Node
from collectors.skywalking.inventory import Inventory
from collectors.skywalking.latency import Spreader
from collectors.skywalking.metrics import ENDPOINT, INSTANCE, SERVICE, Metrics, entity
from collectors.skywalking.paths import Path, Paths, unsettled
from collectors.skywalking.server_time import MINUTE_S, ServerZone, Stretch
from collectors.skywalking.topology import Topology, read_services, read_topology
from collectors.skywalking.versions import Abilities, detect
from topology.errors import SourceUnavailable
from topology.model import InstanceKey, Kind, OperationKey

LOST = "the OAP tells fewer calls of a minute than before: its store was emptied; what it told before is kept"
REMEMBERED_MINUTES = 2 * 1440


def build(config: Config, name: str, context: Context) -> OapSource:
    """The source of this name; nothing is asked yet."""
    return OapSource(config, name, context)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one stretch is read with."""

    abilities: Abilities
    metrics: Metrics
    stretch: Stretch
    minutes: Minutes


class OapSource:
    """One OAP. `pull` is for one thread at a time; searches may come from others meanwhile."""

    def __init__(self, config: Config, name: str, context: Context) -> None:
        self._config, self._name, self._context = config, name, context
        self._naming = Naming(context.environment, config.namespace_from_group, context.mask)
        self._oap = GraphQL(config)
        self._batches = Batches(self._oap, config.limits)
        self._inventory = Inventory(config, self._batches)
        self._spreader = Spreader(context.ladder)
        self._zone = ServerZone(config.zone)
        self._abilities: Abilities | None = None
        self._detected_s = float("-inf")
        self._settled: dict[str, float] = {}
        self._told: dict[int, float] = {}
        self._held = 0
        self._left_out = 0

    def pull(self, from_s: int, to_s: int) -> Pulled:
        """A reading for every minute that begins in [from_s, to_s); SourceUnavailable when the OAP does not answer."""
        abilities = self._detect()
        self._learn_zone()
        readings: list[Reading] = []
        faults: list[str] = []
        for stretch in self._zone.stretches(from_s, to_s):
            minutes = Minutes(stretch, self._spreader)
            self._count(_Asked(abilities, Metrics(self._batches, abilities), stretch, minutes))
            partial = self._emptied(minutes)
            readings += minutes.readings(partial)
            faults += [f"{reason} ({n} times)" for reason, n in minutes.faults.items()] + [LOST] * any(partial)
        return Pulled(readings, faults=[*dict.fromkeys(faults)])

    def counters(self) -> Mapping[str, float]:
        """Requests made, refused and failed, bytes read; addresses held back until it is known whose they are; things
        left out because a pull would have taken too many requests."""
        return {**self._oap.counters(), "addresses_held_back": self._held, "left_out": self._left_out}

    def close(self) -> None:
        """Ends the connections."""
        self._batches.close()
        self._oap.close()

    def _detect(self) -> Abilities:
        """What the OAP can be asked; looked at again now and then, because it may be another version after a while."""
        now = self._context.clock()
        if self._abilities is None or now - self._detected_s >= self._config.inventory_s:
            self._abilities, self._detected_s = detect(self._oap), now
        return self._abilities

    def _learn_zone(self) -> None:
        told = self._oap.one("getTimeInfo", "{getTimeInfo{timezone currentTimestamp}}") or {}
        try:
            self._zone.learn(self._context.clock(), str(told.get("timezone") or ""))
        except ValueError as unread:
            raise SourceUnavailable(f"the OAP says a time zone that is none: {unread}") from unread

    def _count(self, asked: _Asked) -> None:
        """Everything of one stretch: paths, services, and what fits of instances and endpoints."""
        before = self._oap.counters()["requests"]
        services = read_services(self._oap, asked.abilities, asked.stretch)
        topology = read_topology(self._oap, asked.abilities, asked.stretch, services)
        self._count_paths(asked, topology)
        nodes = [node for node in topology.nodes.values() if node.kind is Kind.SERVICE]
        self._count_services(asked, nodes)
        self._inventory.refresh(nodes, asked.stretch, asked.abilities)
        spent = int(self._oap.counters()["requests"] - before)
        self._count_parts(asked, nodes, self._config.limits.requests_per_pull - spent)

    def _count_paths(self, asked: _Asked, topology: Topology) -> None:
        paths = self._paths(topology)
        reader = Paths(asked.metrics, asked.abilities, self._name)
        sides = reader.read(paths, asked.stretch)
        now = self._context.clock()
        held = unsettled(paths, sides, asked.stretch, now - self._config.address_learning_s, self._settled)
        self._settled.update({path.target.id: now for path in paths if path.target.peer and path.target.id not in held})
        self._settled = {peer: seen for peer, seen in self._settled.items() if now - seen < 3600}
        self._held = len(held)
        reader.count(paths, sides, asked.minutes, held)

    def _paths(self, topology: Topology) -> Sequence[Path]:
        found = []
        for call in topology.calls:
            source, target = topology.nodes[call.source], topology.nodes[call.target]
            caller, callee = self._naming.service(source), self._naming.service(target)
            if caller != callee:
                found.append(Path(call, source, target, caller, callee))
        return found

    def _count_services(self, asked: _Asked, nodes: Sequence[Node]) -> None:
        things = [entity("Service", asked.abilities, **node.entity) for node in nodes]
        figures = asked.metrics.read(SERVICE, things, asked.stretch)
        keys = [OperationKey(self._naming.service(node), "", "", source=self._name) for node in nodes]
        asked.minutes.count(keys, figures)
        asked.minutes.fail(figures.failed)

    def _count_parts(self, asked: _Asked, nodes: Sequence[Node], requests: int) -> None:
        """Instances, then endpoints, as long as they fit into so many requests."""
        self._left_out = 0
        instances = [(node, instance) for node in nodes for instance in self._inventory.instances(node)]
        endpoints = self._inventory.busiest(nodes)
        if asked.metrics.requests(INSTANCE, len(instances)) <= requests:
            requests -= asked.metrics.requests(INSTANCE, len(instances))
            things = [entity("ServiceInstance", asked.abilities, serviceInstanceName=instance.name, **node.entity)
                      for node, instance in instances]  # fmt: skip
            figures = asked.metrics.read(INSTANCE, things, asked.stretch)
            asked.minutes.count([InstanceKey(self._naming.service(node), instance.zone, instance.name,
                                             instance.version, self._name) for node, instance in instances], figures)
            asked.minutes.fail(figures.failed)
        else:
            self._left_out += len(instances)
        if asked.metrics.requests(ENDPOINT, len(endpoints)) <= requests:
            things = [entity("Endpoint", asked.abilities, endpointName=endpoint.name, **node.entity)
                      for node, endpoint in endpoints]  # fmt: skip
            figures = asked.metrics.read(ENDPOINT, things, asked.stretch)
            mask = self._context.mask
            asked.minutes.count([OperationKey(self._naming.service(node), "", mask(endpoint.name), source=self._name,
                                              part=True) for node, endpoint in endpoints], figures)
            asked.minutes.fail(figures.failed)
        else:
            self._left_out += len(endpoints)

    def _emptied(self, minutes: Minutes) -> list[bool]:
        """Of which minutes the OAP tells less than before: counts of a minute only grow while its store is whole."""
        work = minutes.work()
        partial = []
        for at, calls in enumerate(work):
            start_s = minutes.stretch.start_s + at * MINUTE_S
            partial.append(calls < self._told.get(start_s, 0.0))
            self._told[start_s] = max(calls, self._told.get(start_s, 0.0))
        for start_s in sorted(self._told)[:-REMEMBERED_MINUTES]:
            del self._told[start_s]
        return partial
