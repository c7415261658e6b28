"""Services of several sources that look the same, and the rule of the catalogue that would draw them as one."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.house import House
from topology.alike import Known, Pair, suggestions
from topology.members import Members
from topology.model import EdgeKey, InstanceKey, Kind, SeriesKey, Service
from topology.registry import Instance
from topology.speaking import endpoints

Json = dict[str, Any]


class _Gathered:
    """What is known of services, thing by thing."""

    def __init__(self) -> None:
        self.sources: dict[Service, set[str]] = defaultdict(set)
        self.callers: dict[Service, set[Service]] = defaultdict(set)
        self.callees: dict[Service, set[Service]] = defaultdict(set)
        self.addresses: dict[Service, set[str]] = defaultdict(set)

    def take(self, key: SeriesKey, members: Members) -> None:
        """Learns from one series who knows a service, where it is and whom it calls."""
        if isinstance(key, EdgeKey):
            self._path(key, members.display(key.caller), members.display(key.callee))
        else:
            shown = members.display(key.service)
            if shown is not None:
                self.sources[shown].add(key.source)
                if isinstance(key, InstanceKey):
                    self.addresses[shown] |= endpoints(key.instance)

    def _path(self, key: EdgeKey, caller: Service | None, callee: Service | None) -> None:
        if caller is None or callee is None or caller == callee:
            return
        self.callees[caller].add(callee)
        self.callers[callee].add(caller)
        for end in (caller, callee):
            self.sources[end].add(key.source)

    def register(self, service: Service, instances: Sequence[Instance]) -> None:
        """Learns what registries know of a service."""
        self.sources[service].update(one.source for one in instances)
        self.addresses[service].update(f"{one.host}:{one.port}" for one in instances)

    def known(self) -> list[Known]:
        """Everything, service by service."""
        return [Known(service, frozenset(sources), frozenset(self.callers[service]), frozenset(self.callees[service]),
                      frozenset(self.addresses[service]))
                for service, sources in self.sources.items() if service.kind is Kind.SERVICE]


def alike(keys: Sequence[SeriesKey], members: Members, registered: Mapping[Service, Sequence[Instance]], house: House,
          counting: Collection[str]) -> list[Json]:
    """The suggestions: both services, the reasons, and the rule. Where one of the two is known by more than sources
    that are `counting` themselves, its name is the one that stays."""
    gathered = _Gathered()
    for key in keys:
        gathered.take(key, members)
    for service, instances in registered.items():
        gathered.register(service, instances)
    sources = gathered.sources

    def place(service: Service) -> tuple[bool, int, bool, Service]:
        calls = bool(gathered.callers[service] or gathered.callees[service])
        return sources[service] <= set(counting), -len(sources[service]), not calls, service

    return [_said(pair, sources, house, *sorted((pair.one, pair.other), key=place))
            for pair in suggestions(gathered.known(), house.shown)]


def _said(pair: Pair, sources: Mapping[Service, Collection[str]], house: House, stays: Service, goes: Service) -> Json:
    return {
        "into": _end(stays, sources[stays], house), "from": _end(goes, sources[goes], house), "rule": rule(goes, stays),
        "reasons": [{"why": one.why, "shared": one.shared, "example": one.example} for one in pair.reasons],
    }  # fmt: skip


def _end(service: Service, sources: Collection[str], house: House) -> Json:
    said = house.describe(service)
    return {"id": service.id, "title": {"en": said.title_en, "zh": said.title_zh}, "sources": sorted(sources)}


def rule(goes: Service, stays: Service) -> str:
    """An entry for `catalogue.merge`, as YAML, that draws one service as the other."""
    said = {"match": re.sub(r"([*?\[])", r"[\1]", goes.name), "namespace": goes.namespace, "into": stays.name}
    if goes.namespace != stays.namespace:
        said["into_namespace"] = stays.namespace
    return "- {" + ", ".join(f"{key}: {json.dumps(text, ensure_ascii=False)}" for key, text in said.items()) + "}"
