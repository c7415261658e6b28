"""The OAP's topology in some minutes: nodes, and calls between them with the ends that saw them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.skywalking.client import GraphQL, Refused
from collectors.skywalking.identity import USER, Node
from collectors.skywalking.server_time import Stretch
from collectors.skywalking.versions import Abilities
from topology.errors import SourceUnavailable, Why

LAYER = re.compile(r"[A-Z0-9_]+")
"""What a layer is called; nothing else is put into a document."""


@dataclass(frozen=True, slots=True)
class Call:
    """One path of the topology: the ids of its ends, the components at both, and which ends saw it. Seen from both
    it is still one path: what they count is the same calls."""

    source: str
    target: str
    components: tuple[str, ...]
    client: bool
    server: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A service as the OAP lists it."""

    id: str
    name: str
    layers: frozenset[str] = frozenset()
    normal: bool = True


@dataclass(frozen=True, slots=True)
class Topology:
    """Nodes by id, and paths."""

    nodes: Mapping[str, Node]
    calls: Sequence[Call]


def read_services(oap: GraphQL, abilities: Abilities, stretch: Stretch) -> Sequence[Listed]:
    """All services that the OAP lists, in the way of its version."""
    if abilities.knows("listServices") and not abilities.requires("listServices", "layer"):
        return _listed(oap.one("listServices", "{listServices{id name layers normal}}"))
    if abilities.knows("listLayers") and abilities.knows("listServices"):
        return _by_layer(oap)
    document = "query($d:Duration!){getAllServices(duration:$d){id name}}"
    return _listed(oap.one("getAllServices", document, {"d": stretch.duration}))


def read_topology(oap: GraphQL, abilities: Abilities, stretch: Stretch, services: Iterable[Listed]) -> Topology:
    """The topology of all layers in the minutes of the stretch."""
    layers = " layers" if abilities.node_layers else ""
    document = (f"query($d:Duration!){{getGlobalTopology(duration:$d){{nodes{{id name type isReal{layers}}} "
                "calls{source target sourceComponents targetComponents detectPoints}}}")  # fmt: skip
    found = oap.one("getGlobalTopology", document, {"d": stretch.duration}) or {}
    listed = {service.id: service for service in services}
    nodes = {str(raw["id"]): _node(raw, listed.get(str(raw["id"]))) for raw in found.get("nodes") or ()}
    calls = [_call(raw) for raw in found.get("calls") or ()]
    return Topology(nodes, [call for call in calls if call.source in nodes and call.target in nodes])


def _by_layer(oap: GraphQL) -> Sequence[Listed]:
    """9.0 to 9.3 list the services of one layer at a time; a service may be on several."""
    layers = [str(layer) for layer in oap.one("listLayers", "{listLayers}") or () if LAYER.fullmatch(str(layer))]
    aliases = " ".join(f'l{at}:listServices(layer:"{layer}"){{id name layers normal}}'
                       for at, layer in enumerate(layers))  # fmt: skip
    if not aliases:
        return []
    try:
        answers = oap.ask(f"{{{aliases}}}").data.values()
    except Refused as refusal:
        raise SourceUnavailable(f"the OAP refuses to list services by layer: {refusal}", why=Why.REFUSED) from refusal
    return list({service.id: service for answer in answers for service in _listed(answer)}.values())


def _listed(answer: Any) -> list[Listed]:
    return [Listed(str(raw["id"]), str(raw["name"]), frozenset(raw.get("layers") or ()),
                   raw.get("normal", not str(raw["id"]).endswith(".0")) is not False)
            for raw in answer or ()]  # fmt: skip


def _node(raw: Mapping[str, Any], listed: Listed | None) -> Node:
    said = frozenset(raw.get("layers") or ()) | (listed.layers if listed else frozenset())
    real = raw.get("isReal") is not False
    kind = USER if raw.get("type") == USER else str(raw.get("type") or "")
    return Node(str(raw["id"]), str(raw["name"]), kind, real, said, listed is not None)


def _call(raw: Mapping[str, Any]) -> Call:
    components = (*(raw.get("targetComponents") or ()), *(raw.get("sourceComponents") or ()))
    points = {str(point).upper() for point in raw.get("detectPoints") or ()}
    server = bool(points & {"SERVER", "PROXY"})
    return Call(str(raw["source"]), str(raw["target"]), tuple(map(str, components)), "CLIENT" in points, server)
