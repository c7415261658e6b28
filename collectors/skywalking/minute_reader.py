"""Everything that an OAP tells of the minutes of one stretch, as rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collectors.contract import Context
from collectors.skywalking.batches import Batches
from collectors.skywalking.client import GraphQL
from collectors.skywalking.config import Config
from collectors.skywalking.counting import Minutes
from collectors.skywalking.hierarchy import Hierarchy, read_hierarchy
from collectors.skywalking.identity import Naming, Node
from collectors.skywalking.inventory import Inventory
from collectors.skywalking.latency import Spreader
from collectors.skywalking.metrics import ENDPOINT, INSTANCE, SERVICE, Entity, Family, Metrics, entity
from collectors.skywalking.paths import Addresses, Path, Paths
from collectors.skywalking.server_time import Stretch
from collectors.skywalking.topology import Listed, Topology, read_services, read_topology
from collectors.skywalking.versions import Abilities
from topology.model import InstanceKey, Kind, OperationKey, SeriesKey, Service

BESIDES = 6
"""Requests of a pull that are not about minutes: for the version, the clock, events and alarms."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The topology of a stretch with the services that its nodes are drawn as. `leading` are those nodes that tell of
    instances and endpoints: of the same thing on several layers only the uppermost that is there."""

    topology: Topology
    nodes: Sequence[Node]
    leading: Sequence[Node]
    service_of: Callable[[Node], Service]
    place_of: Callable[[str], int]


class MinuteReader:
    """Reads stretches of minutes, and remembers what helps with the next. For one thread."""

    def __init__(self, config: Config, source: str, context: Context, oap: GraphQL, naming: Naming) -> None:
        self.inventory = Inventory(config, batches := Batches(oap, config.limits))
        self.held_back = self.left_out = 0
        self._config, self._source, self._clock, self._mask = config, source, context.clock, context.mask
        self._oap, self._batches, self._naming = oap, batches, naming
        self._spreader = Spreader(context.ladder)
        self._hierarchy, self._hierarchy_s = Hierarchy(), float("-inf")
        self._addresses = Addresses(config.address_learning_s, config.pace.overlap_s - config.pace.interval_s)

    def read(self, stretch: Stretch, abilities: Abilities) -> Minutes:
        """The rows of the stretch: paths, services, and what fits of instances and endpoints. SourceUnavailable when
        the OAP does not answer."""
        before = self._oap.counters()["requests"]
        minutes, metrics = Minutes(stretch, self._spreader), Metrics(self._batches, abilities)
        services = read_services(self._oap, abilities, stretch)
        drawn = self._drawn(read_topology(self._oap, abilities, stretch, services), services, abilities)
        self._count_paths(drawn, Paths(metrics, abilities, self._source), minutes)
        self._count_services(drawn, metrics, abilities, minutes)
        self.inventory.refresh(drawn.leading, stretch, abilities)
        spent = int(self._oap.counters()["requests"] - before) + BESIDES
        self._count_parts(drawn, metrics, abilities, minutes, self._config.limits.requests_per_pull - spent)
        return minutes

    def close(self) -> None:
        """Ends the threads that ask."""
        self._batches.close()

    def _drawn(self, topology: Topology, services: Sequence[Listed], abilities: Abilities) -> _Drawn:
        if self._clock() - self._hierarchy_s >= self._config.inventory_s:
            self._hierarchy = read_hierarchy(self._oap, self._batches, abilities, services)
            self._hierarchy_s = self._clock()
        hierarchy = self._hierarchy
        known = {each.id: Node(each.id, each.name, "", each.normal, each.layers) for each in services} | {
            **topology.nodes}
        nodes = sorted((node for node in topology.nodes.values() if node.kind is Kind.SERVICE),
                       key=lambda node: (hierarchy.place(node.id), node.id))  # fmt: skip
        first = {hierarchy.leader(node.id): node for node in reversed(nodes)}
        return _Drawn(topology, nodes, [*first.values()],
                      lambda node: self._naming.service(known.get(hierarchy.leader(node.id), node)), hierarchy.place)

    def _count_paths(self, drawn: _Drawn, reader: Paths, minutes: Minutes) -> None:
        paths = self._paths(drawn)
        sides = reader.read(paths, minutes.stretch)
        doubtful = self._addresses.doubtful(paths, sides, minutes.stretch, self._clock())
        self.held_back = len(doubtful)
        reader.count(paths, sides, minutes, doubtful)

    def _paths(self, drawn: _Drawn) -> Sequence[Path]:
        """The paths between different services, those of the uppermost layers first."""
        found = []
        for call in drawn.topology.calls:
            source, target = drawn.topology.nodes[call.source], drawn.topology.nodes[call.target]
            caller, callee = drawn.service_of(source), drawn.service_of(target)
            if caller != callee:
                found.append(Path(call, source, target, caller, callee))
        return sorted(found, key=lambda path: drawn.place_of(path.source.id) + drawn.place_of(path.target.id))

    def _count_services(self, drawn: _Drawn, metrics: Metrics, abilities: Abilities, minutes: Minutes) -> None:
        things = [entity("Service", abilities, **node.entity) for node in drawn.nodes]
        keys = [OperationKey(drawn.service_of(node), "", "", source=self._source) for node in drawn.nodes]
        minutes.count(keys, metrics.read(SERVICE, things, minutes.stretch))

    def _count_parts(self, drawn: _Drawn, metrics: Metrics, abilities: Abilities, minutes: Minutes,
                     requests: int) -> None:
        """Instances, then endpoints, as long as they fit into so many requests."""
        self.left_out = 0
        for family, (things, keys) in ((INSTANCE, self._instances(drawn, abilities)),
                                       (ENDPOINT, self._endpoints(drawn, abilities))):  # fmt: skip
            needed = metrics.requests(family, len(things))
            if needed <= requests:
                requests -= needed
                minutes.count(keys, metrics.read(family, things, minutes.stretch))
            else:
                self.left_out += len(things)

    def _instances(self, drawn: _Drawn, abilities: Abilities) -> tuple[Sequence[Entity], Sequence[SeriesKey]]:
        found = [(node, each) for node in drawn.leading for each in self.inventory.instances(node)]
        things = [_thing(INSTANCE, abilities, node, serviceInstanceName=each.name) for node, each in found]
        keys = [InstanceKey(drawn.service_of(node), each.zone, each.name, each.version, self._source)
                for node, each in found]  # fmt: skip
        return things, keys

    def _endpoints(self, drawn: _Drawn, abilities: Abilities) -> tuple[Sequence[Entity], Sequence[SeriesKey]]:
        found = self.inventory.busiest(drawn.leading)
        things = [_thing(ENDPOINT, abilities, node, endpointName=each.name) for node, each in found]
        keys = [OperationKey(drawn.service_of(node), "", self._mask(each.name), source=self._source, part=True)
                for node, each in found]  # fmt: skip
        return things, keys


def _thing(family: Family, abilities: Abilities, node: Node, **said: str) -> Entity:
    return entity(family.scope, abilities, **said, **node.entity)
