"""What seldom changes: which instances and endpoints a service has. Every service is asked about now and then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.skywalking.batches import Batches, Failed, Form, Question
from collectors.skywalking.config import Config
from collectors.skywalking.identity import Node
from collectors.skywalking.server_time import Stretch
from collectors.skywalking.versions import Abilities


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of a service, with where it runs and as what, where its properties tell."""

    name: str
    zone: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation of a service, with its calls a minute when it was last looked for the busiest."""

    name: str
    cpm: float


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a service since it was last asked for: minutes that begin at `read_s`."""

    read_s: int
    instances: Sequence[Instance] = ()
    endpoints: Sequence[Endpoint] = ()


class Inventory:
    """Remembers the instances and the busiest endpoints of every service. For one thread."""

    def __init__(self, config: Config, batches: Batches) -> None:
        self._config, self._batches = config, batches
        self._most_endpoints = min(config.endpoints_per_service, config.endpoints)
        self._known: dict[str, Known] = {}

    def refresh(self, nodes: Sequence[Node], stretch: Stretch, abilities: Abilities) -> None:
        """Asks for what is not known of these services, or was last asked for too long before or after. Nothing found
        is not remembered: an OAP may list a new service before its instances and endpoints."""
        due = [node for node in nodes if not self._is_fresh(node.id, stretch)]
        if not due:
            return
        instances = self._instances(due, stretch, abilities)
        endpoints = self._endpoints(due, stretch, abilities)
        for node, found, busy in zip(due, instances, endpoints, strict=True):
            before = self._known.get(node.id, Known(0))
            self._known[node.id] = Known(
                stretch.end_s,
                before.instances if isinstance(found, Failed) else found,
                before.endpoints if isinstance(busy, Failed) else busy,
            )
        if len(self._known) > 4 * len(nodes) + 1000:
            self._known = {node.id: self._known[node.id] for node in nodes}

    def instances(self, node: Node) -> Sequence[Instance]:
        """The instances of a service."""
        return self._known[node.id].instances if node.id in self._known else ()

    def zone(self, service_id: str, instance: str) -> str:
        """Where an instance runs, "" when that is not known. From any thread."""
        known = self._known.get(service_id)
        return next((each.zone for each in known.instances if each.name == instance), "") if known else ""

    def busiest(self, nodes: Sequence[Node]) -> Sequence[tuple[Node, Endpoint]]:
        """The endpoints that are read: the busiest of every service, and of all of them again the busiest."""
        listed = [(node, endpoint) for node in nodes if node.id in self._known
                  for endpoint in self._known[node.id].endpoints]
        return sorted(listed, key=lambda each: (-each[1].cpm, each[0].id, each[1].name))[: self._config.endpoints]

    def _is_fresh(self, node_id: str, stretch: Stretch) -> bool:
        known = self._known.get(node_id)
        if known is None or not known.instances or (self._most_endpoints and not known.endpoints):
            return False
        return abs(stretch.end_s - known.read_s) < self._config.inventory_s

    def _instances(self, nodes: Sequence[Node], stretch: Stretch, abilities: Abilities) -> list[Any]:
        query = "listInstances" if abilities.knows("listInstances") else "getServiceInstances"
        form = Form("ID!", "ServiceInstance", "{name attributes{name value}}", 5, 22, "$d:Duration!",
                    {"d": stretch.duration})  # fmt: skip
        asked = [Question(f"{query}(duration:$d,serviceId:$it)", node.id) for node in nodes]
        return [_each(answer, self._instance) for answer in self._batches.ask(form, asked)]

    def _instance(self, raw: Mapping[str, Any]) -> Instance:
        said = {str(each.get("name")): str(each.get("value") or "") for each in raw.get("attributes") or ()}
        return Instance(str(raw["name"]), _first(said, self._config.zone_attributes),
                        _first(said, self._config.version_attributes))

    def _endpoints(self, nodes: Sequence[Node], stretch: Stretch, abilities: Abilities) -> list[Any]:
        """The busiest endpoints of every service, by the calls of the stretch."""
        if not self._most_endpoints:
            return [[] for _ in nodes]
        if abilities.knows("execExpression"):
            form = Form("Entity!", "ExpressionResult", "{error results{values{id value}}}", 6, 26, "$d:Duration!",
                        {"d": stretch.duration})  # fmt: skip
            text = f'execExpression(expression:"top_n(endpoint_cpm,{self._most_endpoints},des)",entity:$it,duration:$d)'
            asked = [Question(text, node.entity) for node in nodes]
            return [_ranked(answer) for answer in self._batches.ask(form, asked)]
        form = Form("String!", "SelectedRecord", "{name value}", 3, 42, "$d:Duration!", {"d": stretch.duration})
        text = ('sortMetrics(condition:{name:"endpoint_cpm",parentService:$it,normal:true,scope:Endpoint,'
                f"topN:{self._most_endpoints},order:DES}},duration:$d)")  # fmt: skip
        answers = self._batches.ask(form, [Question(text, node.name) for node in nodes])
        return [_each(answer, lambda raw: Endpoint(str(raw["name"]), float(raw["value"] or 0))) for answer in answers]


def _each(answer: Any, read: Any) -> Any:
    return answer if isinstance(answer, Failed) else [read(raw) for raw in answer or ()]


def _ranked(answer: Any) -> Any:
    """The endpoints of a sorted list."""
    if isinstance(answer, Failed) or not isinstance(answer, Mapping) or answer.get("error"):
        return answer if isinstance(answer, Failed) else Failed(str((answer or {}).get("error") or "no answer"))
    return [Endpoint(str(value["id"]), float(value["value"] or 0))
            for result in answer.get("results") or () for value in result["values"] if value.get("id")]  # fmt: skip


def _first(said: Mapping[str, str], names: Sequence[str]) -> str:
    return next((said[name] for name in names if said.get(name)), "")
