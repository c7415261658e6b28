"""What an OAP can be asked: by what it says of itself (introspection), else by its version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from collectors.skywalking.client import GraphQL, Refused

_VERSION = re.compile(r"(\d+)\.(\d+)")
_QUERIES = '{version q:__type(name:"Query"){fields{name args{name type{kind}}}}}'
_NODE = '{n:__type(name:"Node"){fields{name}}}'
_SINCE: Mapping[str, tuple[int, int]] = MappingProxyType({
    "queryEvents": (8, 4), "listLayers": (9, 0), "listServices": (9, 4), "listInstances": (9, 0),
    "execExpression": (9, 5), "getServiceHierarchy": (10, 0), "listLayerLevels": (10, 0),
    "queryTraces": (10, 3), "hasQueryTracesV2Support": (10, 3),
})
_ALWAYS = ("getTimeInfo", "getGlobalTopology", "getAllServices", "getServiceInstances", "readMetricsValues",
           "readLabeledMetricsValues", "queryBasicTraces", "queryTrace", "queryLogs", "getAlarm")


class Percentiles(Enum):
    """How percentiles are asked for: as labels of an expression, named differently, or by a query of their own."""

    P = "{p='50,75,90,95,99'}"
    UNDERSCORE = "{_='0,1,2,3,4'}"
    LABEL = "{label='0,1,2,3,4'}"
    VALUES = ""


@dataclass(frozen=True, slots=True)
class Abilities:
    """The queries of an OAP, with the arguments that must be given; whether nodes tell their layers."""

    version: str
    queries: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    node_layers: bool = False

    def knows(self, query: str) -> bool:
        """Whether it has this query."""
        return query in self.queries

    def requires(self, query: str, argument: str) -> bool:
        """Whether this query cannot be asked without this argument."""
        return argument in self.queries.get(query, ())

    @property
    def percentiles(self) -> Percentiles:
        """How percentiles are asked for."""
        if not self.knows("execExpression"):
            return Percentiles.VALUES
        if self.knows("getServiceHierarchy"):
            return Percentiles.P
        return Percentiles.LABEL if numbered(self.version) == (9, 5) else Percentiles.UNDERSCORE


def numbered(version: str) -> tuple[int, int]:
    """The first two numbers of a version, whatever is built around them; (0, 0) when there are none."""
    found = _VERSION.search(version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def detect(oap: GraphQL) -> Abilities:
    """What this OAP can be asked. Never fails because of a version that is not known: what it does not tell is
    taken from its version, and without one it is asked as the oldest. SourceUnavailable when it does not answer."""
    try:
        told = oap.ask(_QUERIES).data
    except Refused:
        return by_version(_version(oap))
    fields = (told.get("q") or {}).get("fields") or ()
    version = str(told.get("version") or "")
    if not fields:
        return by_version(version)
    return Abilities(version, {str(each["name"]): _required(each.get("args") or ()) for each in fields}, _layers(oap))


def by_version(version: str) -> Abilities:
    """What an OAP of this version has, for one that does not tell."""
    number = numbered(version)
    known = {name: frozenset[str]() for name in (*_ALWAYS, *(n for n, since in _SINCE.items() if number >= since))}
    return Abilities(version, known, number >= (10, 0))


def _required(arguments: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(str(each["name"]) for each in arguments if (each.get("type") or {}).get("kind") == "NON_NULL")


def _layers(oap: GraphQL) -> bool:
    """One `__type` a request: graphql-java takes more for an attack."""
    try:
        fields = (oap.ask(_NODE).data.get("n") or {}).get("fields") or ()
    except Refused:
        return False
    return any(each.get("name") == "layers" for each in fields)


def _version(oap: GraphQL) -> str:
    try:
        return str(oap.ask("{version}").data.get("version") or "")
    except Refused:
        return ""
