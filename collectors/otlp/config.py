"""What the OTLP receiver can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from collectors.config import Address, Name, Range, Size
from collectors.receiving.config import GIB, KIB, MIB, Listening


@dataclass(frozen=True, slots=True)
class Reading:
    """How a metric is read as one figure of an instance.

    Points with the same values of the `per` attributes (a pool, a processor) are added up, leaving out those whose
    attributes are not as `where` says or are as `without` says; several alternatives are written `a|b`. The sum is
    multiplied by `scale`, divided by the metric `limit` with the same `per` values where one is named, and the
    figures of all pools or processors become one by `across`. `saturation` says that the result is a share from
    0 to 1 of what there is, and not an absolute figure.
    """

    signal: Name
    saturation: bool = True
    scale: Annotated[float, Range(0)] = 1.0
    limit: str = ""
    per: tuple[Name, ...] = ()
    where: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    without: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    across: Literal["max", "mean", "sum"] = "max"


def default_metrics() -> Mapping[str, Reading]:
    """The metrics that are kept unless the configuration lists others."""
    idle = MappingProxyType({"cpu.mode": "idle|iowait", "state": "idle|iowait", "system.cpu.state": "idle|iowait"})
    used = MappingProxyType({"state": "used", "db.client.connection.state": "used"})
    memory_used = MappingProxyType({"state": "used", "system.memory.state": "used"})
    heap = MappingProxyType({"jvm.memory.type": "heap"})
    pools = ("db.client.connection.pool.name", "pool.name")
    return MappingProxyType({
        "process.cpu.utilization": Reading("cpu"),
        "jvm.cpu.recent_utilization": Reading("cpu"),
        "process.cpu.usage": Reading("cpu"),
        "container.cpu.utilization": Reading("cpu"),
        "k8s.container.cpu_limit_utilization": Reading("cpu"),
        "system.cpu.utilization": Reading(
            "system_cpu", per=("cpu.logical_number", "cpu"), without=idle, across="mean"
        ),
        "process.memory.utilization": Reading("memory", scale=0.01),
        "k8s.container.memory_limit_utilization": Reading("memory"),
        "jvm.memory.used": Reading("memory", limit="jvm.memory.limit", where=heap, across="max"),
        "system.memory.utilization": Reading("system_memory", where=memory_used),
        "db.client.connection.count": Reading("db_pool", limit="db.client.connection.max", per=pools, where=used),
        "db.client.connections.usage": Reading("db_pool", limit="db.client.connections.max", per=pools, where=used),
        "hikaricp.connections.active": Reading("db_pool", limit="hikaricp.connections.max", per=("pool",)),
        "executor.active": Reading("thread_pool", limit="executor.pool.max", per=("name",)),
        "tomcat.threads.busy": Reading("thread_pool", limit="tomcat.threads.config.max", per=("name",)),
        "nodejs.eventloop.utilization": Reading("event_loop"),
        "db.client.connection.pending_requests": Reading("db_pool_waiting", saturation=False, across="sum"),
        "hikaricp.connections.pending": Reading("db_pool_waiting", saturation=False, across="sum"),
        "executor.queued": Reading("queue_depth", saturation=False, per=("name",)),
        "dotnet.thread_pool.queue.length": Reading("queue_depth", saturation=False),
    })


@dataclass(frozen=True, slots=True)
class Config(Listening):
    """OTLP over gRPC and HTTP, see `Listening`.

    `max_body` bounds a request as sent and after decompression; `grpc_messages` is how many messages gRPC reads at
    once; `token` is a bearer token; a resource's zone is the first of `zone_attributes` it has. What several receivers
    take in is read alike, so the keys `COMMON` are the same for all.
    """

    COMMON: ClassVar[tuple[str, ...]] = ("zone_attributes", "metrics")
    grpc: Address | None = Address("127.0.0.1", 4317)
    http: Address | None = Address("127.0.0.1", 4318)
    max_body_bytes: Annotated[int, Size(64 * KIB, GIB)] = 64 * MIB
    in_flight_bytes: Annotated[int, Size(MIB)] = 256 * MIB
    grpc_messages: Annotated[int, Range(1, 256)] = 8
    zone_attributes: tuple[Name, ...] = ("cloud.availability_zone",)
    metrics: Mapping[str, Reading] = field(default_factory=default_metrics)

    def endpoints(self) -> tuple[str, str]:
        """The gRPC and the HTTP endpoint as a sender on this machine writes them; where one is off, the other."""
        scheme = "http" if self.tls is None else "https"
        grpc, http = (f"{scheme}://{_reachable(address)}" if address else "" for address in (self.grpc, self.http))
        return grpc or http, http or grpc

    def check(self) -> Iterator[tuple[str, str, str]]:
        """See Listening; and a request that comes compressed is held twice for a moment, which has to fit."""
        yield from Listening.check(self)
        if self.max_body_bytes <= self.in_flight_bytes < 2 * self.max_body_bytes:
            yield "in_flight", "at least twice max_body", "less"


def _reachable(address: Address) -> Address:
    """Who listens at every address of the machine is found at its own."""
    with suppress(ValueError):
        if ip_address(address.host).is_unspecified:
            return Address("localhost", address.port)
    return address
