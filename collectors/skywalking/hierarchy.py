"""The same thing on several layers: a service that its agent, its mesh and its cluster all tell of is one service.

OAP relates services of different layers by name (`getServiceHierarchy`, from 10.0). What is related is drawn as one and
told by its uppermost layer; the others speak only for minutes of which that one says nothing. Two services of one layer
are never the same: where a relation would make them so, all of its services stay apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from collectors.skywalking.batches import Batches, Failed, Form, Question
from collectors.skywalking.client import GraphQL, Refused
from collectors.skywalking.topology import LAYER, Listed
from collectors.skywalking.versions import Abilities

UNDEFINED = "UNDEFINED"
_FIRST = ("GENERAL", "MESH")
_FORM = Form("ID!", "ServiceHierarchy", "{relations{upperService{id layer} lowerService{id layer}}}", 8, 26)

Member = tuple[str, str]
"""A service on a layer: its id and the layer."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Which service stands for which: `leader_of` and the place in its group (0 for the leader), by id."""

    leader_of: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    place_of: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def leader(self, service_id: str) -> str:
        """The service that stands for this one; itself when it is alone."""
        return self.leader_of.get(service_id, service_id)

    def place(self, service_id: str) -> int:
        """How far below its leader a service comes; 0 when it leads or is alone."""
        return self.place_of.get(service_id, 0)


def read_hierarchy(oap: GraphQL, batches: Batches, abilities: Abilities, services: Iterable[Listed]) -> Hierarchy:
    """The groups of the services that the OAP lists. Versions before 10.0 know of none."""
    if not abilities.knows("getServiceHierarchy"):
        return Hierarchy()
    asked = [(service.id, layer) for service in services for layer in sorted(service.layers)
             if layer != UNDEFINED and LAYER.fullmatch(layer)]  # fmt: skip
    answers = batches.ask(_FORM, [Question(f'getServiceHierarchy(serviceId:$it,layer:"{layer}")', service)
                                  for service, layer in asked])  # fmt: skip
    related = [pair for answer in answers if not isinstance(answer, Failed) for pair in _relations(answer)]
    return grouped(related, _levels(oap, abilities))


def grouped(related: Iterable[tuple[Member, Member]], levels: Mapping[str, int]) -> Hierarchy:
    """The groups of related services: upper and lower, each on its layer; `levels` say how high a layer is."""
    groups: dict[str, set[Member]] = {}
    for upper, lower in related:
        joined = groups.get(upper[0], {upper}) | groups.get(lower[0], {lower}) | {upper, lower}
        groups.update({member: joined for member, _ in joined})
    leader_of, place_of = {}, {}
    for group in {id(each): each for each in groups.values()}.values():
        if _is_one_thing(group):
            for place, member in enumerate(_in_order(group, levels)):
                leader_of[member], place_of[member] = _in_order(group, levels)[0], place
    return Hierarchy(leader_of, place_of)


def _is_one_thing(group: set[Member]) -> bool:
    """Whether no layer has two services of the group."""
    return len({layer for _, layer in group}) == len(group)


def _in_order(group: set[Member], levels: Mapping[str, int]) -> Sequence[str]:
    """The services from the uppermost layer down, each once."""
    def rank(member: Member) -> tuple[int, int, str, str]:
        service, layer = member
        return -levels.get(layer, 0), _FIRST.index(layer) if layer in _FIRST else len(_FIRST), layer, service

    return list(dict.fromkeys(service for service, _ in sorted(group, key=rank)))


def _relations(answer: Any) -> Iterable[tuple[Member, Member]]:
    for relation in (answer or {}).get("relations") or ():
        upper, lower = relation["upperService"], relation["lowerService"]
        yield (str(upper["id"]), str(upper["layer"])), (str(lower["id"]), str(lower["layer"]))


def _levels(oap: GraphQL, abilities: Abilities) -> Mapping[str, int]:
    if not abilities.knows("listLayerLevels"):
        return {}
    try:
        told = oap.ask("{listLayerLevels{layer level}}").data.get("listLayerLevels") or ()
    except Refused:
        return {}
    return {str(each["layer"]): int(each["level"]) for each in told}
