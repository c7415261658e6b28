"""The words of the domain: services, what is counted about them, and where a count came from.

Keys are frozen and hashable. A name is never glued text: two services differ when any of
environment, namespace, name or kind differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import quote, unquote


class Kind(StrEnum):
    """What a node is; decides its silhouette and how its work is counted."""

    SERVICE = "service"
    DATABASE = "database"
    CACHE = "cache"
    QUEUE = "queue"
    EXTERNAL = "external"
    USER = "user"
    UNKNOWN = "unknown"


UNNAMED = "unknown_service"
"""What the name of a service begins with that was given none (OpenTelemetry's resource conventions)."""
BY = "@"


def unnamed(name: str, sender: str) -> str:
    """The name under which a service without a name is told from others of that kind: by whatever names its sender.
    Without a sender all of them are one."""
    return f"{name}{BY}{sender}" if sender else name


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """One node of the map. Virtual nodes (databases, users...) are services of another kind."""

    environment: str
    namespace: str
    name: str
    kind: Kind = Kind.SERVICE

    @property
    def id(self) -> str:
        """A stable, URL-safe, reversible identity: `environment/namespace/name`, with a
        `~kind` segment for everything that is not a plain service."""
        return _identity(self)

    @property
    def label(self) -> str:
        """The name as it was sent: that of a service without a name goes without the sender, see `unnamed`."""
        return self.name.partition(BY)[0] if self.name.startswith(UNNAMED) else self.name

    @classmethod
    def from_id(cls, text: str) -> Service:
        """The service whose `id` is `text`; ValueError for anything else."""
        return _identified(text)


@lru_cache(maxsize=1 << 17)
def _identity(service: Service) -> str:
    parts = [service.environment, service.namespace, service.name]
    if service.kind is not Kind.SERVICE:
        parts.append("~" + service.kind)
    return "/".join(quote(part, safe="~:@!$'()*+,;=") for part in parts)


@lru_cache(maxsize=1 << 17)
def _identified(text: str) -> Service:
    parts = [unquote(part) for part in text.split("/")]
    if len(parts) == 4 and parts[3].startswith("~"):
        return Service(parts[0], parts[1], parts[2], Kind(parts[3][1:]))
    if len(parts) != 3:
        raise ValueError(f"not a service id: {text!r}")
    return Service(parts[0], parts[1], parts[2])


class Side(StrEnum):
    """Which end of a call was timed."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True, order=True)
class OperationKey:
    """The inbound work of one operation of a service in one zone.

    `root` marks work nobody called over the wire (a batch job): it stands for the node's
    work only while the node has no inbound calls. `part` marks calls that another row of the service counts already,
    because its source tells the service as a whole (operation "") and some operations besides: it is listed, never
    added.
    """

    service: Service
    zone: str
    operation: str
    root: bool = False
    source: str = "otlp"
    part: bool = False


@dataclass(frozen=True, slots=True, order=True)
class EdgeKey:
    """Calls from `caller` to `callee` between two zones over one protocol, timed at one side.

    The calls of a path are counted once, in its CLIENT series; the SERVER series holds only
    the latencies seen by the callee.
    """

    caller: Service
    caller_zone: str
    callee: Service
    callee_zone: str
    protocol: str
    side: Side = Side.CLIENT
    source: str = "otlp"


@dataclass(frozen=True, slots=True, order=True)
class InstanceKey:
    """The inbound work of one instance (`service.instance.id`), with its version."""

    service: Service
    zone: str
    instance: str
    version: str = ""
    source: str = "otlp"


@dataclass(frozen=True, slots=True, order=True)
class LogKey:
    """Log lines of a service at one level (trace, debug, info, warn, error, fatal); lines are `calls`. Those of which
    it is known in which `operation` they were written are counted under it, all others under "": never under both."""

    service: Service
    level: str
    source: str = "otlp"
    operation: str = ""


@dataclass(frozen=True, slots=True, order=True)
class GaugeKey:
    """Samples of a saturation metric of an instance; the sum of the values, in millionths, is `total`."""

    service: Service
    zone: str
    instance: str
    metric: str
    source: str = "otlp"


SeriesKey = OperationKey | EdgeKey | InstanceKey | LogKey | GaugeKey


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where figures came from: which collector, whether it counts exactly, whether it saw everything."""

    source: str
    exact: bool = True
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Entity:
    """A service or path that was ever seen: `key` is a Service id or an edge id."""

    key: str
    first_seen_s: float
    last_seen_s: float


@dataclass(frozen=True, slots=True)
class Resource:
    """Who sent a span: the service, and where and as what it runs."""

    service: Service
    zone: str = ""
    instance: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """Everything a client span says about what it calls; empty strings and port 0 where it says nothing."""

    service: str = ""
    address: str = ""
    database: str = ""
    database_namespace: str = ""
    messaging: str = ""
    destination: str = ""
    port: int = 0
