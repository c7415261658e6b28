"""Which service a node of the OAP's topology is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from topology.model import Kind, Service

GROUP = "::"
USER = "USER"
_KIND_OF_LAYER: Mapping[str, Kind] = MappingProxyType({
    "VIRTUAL_DATABASE": Kind.DATABASE, "VIRTUAL_CACHE": Kind.CACHE, "VIRTUAL_MQ": Kind.QUEUE,
    "VIRTUAL_GATEWAY": Kind.EXTERNAL, "VIRTUAL_GENAI": Kind.EXTERNAL,
})
_KIND_OF_TYPE: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (Kind.CACHE, ("redis", "memcached", "ehcache", "hazelcast", "valkey", "guava", "caffeine", "aerospike")),
    (Kind.QUEUE, ("kafka", "rocketmq", "rabbitmq", "activemq", "pulsar", "artemis", "azureservicebus", "nats")),
    (Kind.DATABASE, ("sql", "oracle", "db2", "mariadb", "h2", "derby", "mongodb", "cassandra", "elasticsearch",
                     "clickhouse", "hbase", "influxdb", "neo4j", "tidb", "solr", "impala", "dameng", "oceanbase")),
)  # fmt: skip
_PROTOCOLS = (
    ("grpc", "grpc"), ("dubbo", "dubbo"), ("thrift", "thrift"), ("sofarpc", "sofarpc"), ("brpc", "brpc"),
    ("motan", "motan"), ("kafka", "kafka"), ("rocketmq", "rocketmq"), ("rabbitmq", "rabbitmq"),
    ("activemq", "activemq"), ("pulsar", "pulsar"),
)  # fmt: skip
_HTTP = ("http", "spring", "tomcat", "jetty", "undertow", "servlet", "feign", "webflux", "vert", "resin", "struts",
         "flask", "django", "fastapi", "requests", "urllib", "aiohttp", "tornado", "sanic", "bottle", "pyramid",
         "nginx", "openresty", "apisix", "kong", "gin", "echo", "fasthttp", "express", "axios", "koa", "aspnet",
         "curl", "guzzle", "swoole", "faraday", "rack", "sinatra", "envoy", "istio")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the OAP's topology. `listed` says that it is one of its services, not only somebody's peer."""

    id: str
    name: str
    type: str = ""
    real: bool = True
    layers: frozenset[str] = frozenset()
    listed: bool = True

    @property
    def peer(self) -> bool:
        """Whether it is only an address that callers name: nobody there has told anything."""
        return self.real and not self.listed and not self.type

    @property
    def kind(self) -> Kind:
        """What it is drawn as."""
        if self.type == USER:
            return Kind.USER
        if self.real:
            return Kind.EXTERNAL if self.peer else Kind.SERVICE
        kinds = [_KIND_OF_LAYER[layer] for layer in sorted(self.layers) if layer in _KIND_OF_LAYER]
        return kinds[0] if kinds else _kind_of_type(self.type)

    @property
    def entity(self) -> dict[str, Any]:
        """How OAP's metrics are asked about it."""
        return {"serviceName": self.name, "normal": self.real}


@dataclass(frozen=True, slots=True)
class Naming:
    """How nodes become services: their environment, and whether a group is a namespace. Names of what tells nothing
    itself are masked: a caller may name anything."""

    environment: str
    group_is_namespace: bool
    mask: Callable[[str], str]

    def service(self, node: Node) -> Service:
        """The service that a node is."""
        kind = node.kind
        if kind is Kind.USER:
            return Service(self.environment, "", "user", Kind.USER)
        if kind is not Kind.SERVICE:
            return Service(self.environment, "", self.mask(node.name), kind)
        return self.named(node.name)

    def named(self, name: str) -> Service:
        """The service that OAP knows by this name."""
        group, _, short = name.partition(GROUP)
        if self.group_is_namespace and group and short:
            return Service(self.environment, group, short)
        return Service(self.environment, "", name)

    def name(self, service: Service) -> str:
        """The name by which OAP knows a service."""
        if self.group_is_namespace and service.namespace:
            return f"{service.namespace}{GROUP}{service.name}"
        return service.name


def protocol(components: Iterable[str], callee: Kind, callee_type: str) -> str:
    """What is spoken on a path, in the words of the other sources: of a store its system, else by the components that
    OAP knows the two ends by; "" where they do not tell."""
    if callee in (Kind.DATABASE, Kind.CACHE, Kind.QUEUE) and callee_type:
        return callee_type.lower()
    names = [component.lower() for component in components]
    for part, word in _PROTOCOLS:
        if any(part in name for name in names):
            return word
    return "http" if any(part in name for name in names for part in _HTTP) else ""


def _kind_of_type(said: str) -> Kind:
    """Before 9.0 a conjectural node tells only the component that its callers use."""
    name = said.lower()
    return next((kind for kind, parts in _KIND_OF_TYPE if any(part in name for part in parts)), Kind.EXTERNAL)
