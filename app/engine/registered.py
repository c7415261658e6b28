"""What is registered, laid over a graph: zones that spans do not tell, who is silent, who is not registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import networkx as nx

from app.engine.moments import rfc3339
from app.house import House
from app.registry import Facts, Registries
from topology.model import Kind, Service
from topology.registry import Instance
from topology.speaking import Match
from topology.standing import Comparison, Speaking, Standing, compared, tellings

Json = dict[str, Any]
NOTHING: Mapping[str, Any] = {"registered": None, "registration": None}
"""What a node says of registries that know nothing of it."""


@dataclass(frozen=True)
class _Placed:
    """Which registered instances belong to which node of a graph, and the services that belong to none."""

    key: tuple[int, int, frozenset[str]]
    of_node: Mapping[str, tuple[Instance, ...]]
    unseen: Mapping[Service, tuple[Instance, ...]]


@dataclass(frozen=True)
class _Compared:
    """A comparison that holds as long as the same instances are registered and speak, and silence tells as much."""

    registered: tuple[Instance, ...]
    speaking: tuple[tuple[str, str], ...]
    tells: tuple[bool, ...]
    told: Comparison


class Registered:
    """Holds graphs against the registry. Call it with the engine's lock held."""

    def __init__(self, registries: Registries, house: House) -> None:
        self.registries, self._house = registries, house
        self._placed = self._live = _Placed((0, 0, frozenset()), {}, {})
        self._compared: dict[str, _Compared] = {}

    def lay_over(self, graph: nx.DiGraph, now_s: float, live: bool) -> None:
        """Gives every node `registered` and `registration`, and speaking instances the zone of their registered one.

        What is registered is known of now only: of another moment a graph is told zones and nothing else.
        """
        placed, old = self._place(graph), self.registries.old(now_s)
        self._live = placed if live else self._live
        for node, data in graph.nodes(data=True):
            instances = placed.of_node.get(node, ())
            data |= NOTHING
            if instances:
                told = self._compare(node, instances, data)
                self._tell_zones(data, told)
                if live:
                    data |= _said(instances, told, old)

    def never_heard(self, graph: nx.DiGraph) -> Sequence[Service]:
        """The registered services that are to be drawn and that no node of a graph is."""
        return [*self._place(graph).unseen] if self.registries.show_silent else []

    def tell(self, found: Json, heard: Sequence[Speaking], now_s: float, live: bool) -> Json:
        """A node's details with `registered` beside every instance, `registered_only` and the age of what is known; of
        another moment than now nothing is known. `heard` speak, too, without answering calls."""
        instances = self._live.of_node.get(found["id"], ()) if live else ()
        if not instances:
            return {**found, "instances": [{**row, **_UNTOLD} for row in found["instances"]], "registered_only": [],
                    "registry": []}
        speaking = [Speaking(row["instance"], row["zone"]) for row in found["instances"]]
        told = compared(instances, speaking + [one for one in heard if one not in speaking], _observed(found))
        rows = [{**row, "zone": zone, **_told_of(match, instances)} for row, zone, match
                in zip(found["instances"], told.zones_of_speaking, told.matches, strict=False)]
        rest = [_row(one, standing) for one, standing in zip(instances, told.standings, strict=True)
                if standing is not Standing.SPEAKS]
        return {**found, "instances": rows, "registered_only": rest,
                "registry": self.ages(now_s, {one.source for one in instances})}

    def instances(self) -> Mapping[Service, Sequence[Instance]]:
        """What is registered, by the service of the map that it is, and of those that never spoke."""
        return {**self._live.unseen, **{Service.from_id(node): told for node, told in self._live.of_node.items()}}

    def ages(self, now_s: float, sources: Iterable[str] | None = None) -> list[Json]:
        """When each registry told something last, and whether that is old."""
        ages_s = self.registries.ages_s(now_s)
        return [{"source": source, "at": rfc3339(now_s - ages_s[source]), "age_s": round(ages_s[source], 1),
                 "old": ages_s[source] > self.registries.old_after_s}
                for source in sorted(ages_s if sources is None else ages_s.keys() & set(sources))]

    def overview(self, now_s: float) -> Json:
        """What all registries know: their age, and every service with its instances by zone; `node` is the one of the
        map that it is, None for a service that never spoke."""
        placed = self._live
        known = [(node, Service.from_id(node), instances) for node, instances in placed.of_node.items()]
        rows = [self._service(service, instances, node) for node, service, instances in known]
        rows += [self._service(service, instances, None) for service, instances in placed.unseen.items()]
        rows.sort(key=lambda row: (row["node"] or "", row["id"]))
        return {"registries": self.ages(now_s), "services": rows}

    def _service(self, service: Service, instances: Sequence[Instance], node: str | None) -> Json:
        said = self._house.describe(service)
        return {"id": service.id, "node": node, "title": {"en": said.title_en, "zh": said.title_zh},
                "zones": _zones(compared(instances, (), 0.0)), "sources": sorted({one.source for one in instances})}

    def _place(self, graph: nx.DiGraph) -> _Placed:
        facts, entries = self.registries.facts(), self._house.entries
        key = (facts.number, id(entries), frozenset(graph))
        if key != self._placed.key:
            self._placed = self._placed_anew(key, facts, graph)
            self._compared = {node: one for node, one in self._compared.items() if node in key[2]}
        return self._placed

    def _placed_anew(self, key: tuple[int, int, frozenset[str]], facts: Facts, graph: nx.DiGraph) -> _Placed:
        """A registered service is the node of the same name, or else the only service of that name and environment,
        whatever its namespace. What several registries have at the same host and port is one instance."""
        named: dict[tuple[str, str], list[str]] = {}
        for node, data in graph.nodes(data=True):
            if data["service"].kind is Kind.SERVICE:
                named.setdefault((data["service"].environment, data["service"].name), []).append(node)
        of_node: dict[str, tuple[Instance, ...]] = {}
        unseen: dict[Service, tuple[Instance, ...]] = {}
        for service, instances in facts.instances.items():
            shown = self._house.shown(service)
            if shown is None:
                continue
            same = [shown.id] if shown.id in graph else named.get((shown.environment, shown.name), [])
            if len(same) == 1:
                of_node[same[0]] = of_node.get(same[0], ()) + instances
            else:
                unseen[shown] = unseen.get(shown, ()) + instances
        return _Placed(key, {node: _once(told) for node, told in of_node.items()},
                       {service: _once(told) for service, told in unseen.items()})

    def _compare(self, node: str, instances: tuple[Instance, ...], data: Mapping[str, Any]) -> Comparison:
        said, calls = data.get("speaking", ()), _observed(data)
        known, tells = self._compared.get(node), tellings(instances, calls)
        if known is None or (known.registered, known.speaking, known.tells) != (instances, said, tells):
            told = compared(instances, [Speaking(name, zone) for zone, name in said], calls)
            known = self._compared[node] = _Compared(instances, said, tells, told)
        return known.told

    @staticmethod
    def _tell_zones(data: dict[str, Any], told: Comparison) -> None:
        """Moves speaking instances without a zone to the one of the registry."""
        silent = [(zone, name) for zone, name in data.get("speaking", ())]
        moved = [zone for (own, _), zone in zip(silent, told.zones_of_speaking, strict=True) if zone and not own]
        if moved:
            counts = dict(data["instances_by_zone"])
            for zone in moved:
                counts[zone], counts[""] = counts.get(zone, 0) + 1, counts[""] - 1
            data["instances_by_zone"] = {zone: count for zone, count in sorted(counts.items()) if count}
        known = {zone for zone in told.zones_of_speaking if zone}
        if known - set(data["zones"]):
            data["zones"] = sorted(known | set(data["zones"]))


def _once(instances: Sequence[Instance]) -> tuple[Instance, ...]:
    return tuple({(one.host, one.port): one for one in reversed(instances)}.values())[::-1]


def _observed(data: Mapping[str, Any]) -> float:
    """How many calls were seen: of those that sampling stands for, only its share."""
    return float(data["calls"] * (data["sampled"] or 1.0))


def _said(instances: Sequence[Instance], told: Comparison, old: frozenset[str]) -> Json:
    is_old = any(one.source in old for one in instances)
    return {"registered": _zones(told),
            "registration": {"silent": told.silent, "unregistered": told.unregistered, "old": is_old}}


def _zones(told: Comparison) -> Json:
    return {zone: asdict(count) for zone, count in told.zones.items()}


_UNTOLD: Mapping[str, Any] = {"registered": None, "registered_by": None, "healthy": None, "enabled": None,
                              "weight": None}


def _told_of(match: Match, instances: Sequence[Instance]) -> Json:
    """Of a speaking instance: registered (true), certainly not (false), or not to be told from its name (null)."""
    if match.registered is None:
        return {**_UNTOLD, "registered": False if match.comparable else None}
    one = instances[match.registered]
    return {"registered": True, "registered_by": match.rule, "healthy": one.healthy, "enabled": one.enabled,
            "weight": one.weight}


def _row(one: Instance, standing: Standing) -> Json:
    return {"host": one.host, "port": one.port, "zone": one.zone, "cluster": one.cluster, "version": one.version,
            "healthy": one.healthy, "enabled": one.enabled, "weight": one.weight, "standing": standing,
            "source": one.source}
