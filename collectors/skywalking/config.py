"""What the SkyWalking collector can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated
from zoneinfo import ZoneInfo

from collectors.config import Duration, Name, Pace, Range, Secret
from collectors.reaching import Tls, Url
from topology.changes import ChangeKind

KINDS = ", ".join(ChangeKind)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an OAP is asked. At most `requests_per_s`, `at_once` of them at a time; `complexity` is the OAP's own
    bound of a query (SW_QUERY_MAX_QUERY_COMPLEXITY). What belongs to the map is always read; instances and endpoints
    are left out of a pull that would take more than `requests_per_pull`."""

    requests_per_s: Annotated[float, Range(0.1, 1000)] = 20.0
    at_once: Annotated[int, Range(1, 16)] = 2
    requests_per_pull: Annotated[int, Range(10, 10_000)] = 120
    complexity: Annotated[int, Range(100, 1_000_000)] = 3000
    timeout_s: Annotated[float, Duration(0.1, 300)] = 15.0


def default_events() -> Mapping[str, str]:
    """Which events are which kind of change, by their name in small letters."""
    named = {
        ChangeKind.DEPLOYMENT: ("deploy", "deployment", "upgrade", "release", "rollout", "rollback"),
        ChangeKind.CONFIGURATION: ("configuration", "config", "configchange"),
        ChangeKind.SCALING: ("scale", "scaling", "scalingreplicaset"),
        ChangeKind.RESTART: ("start", "restart", "reboot", "shutdown", "killing"),
    }
    return MappingProxyType({name: str(kind) for kind, names in named.items() for name in names})


@dataclass(frozen=True, slots=True)
class Config:
    """One OAP server (or several behind one address), asked over GraphQL at `url`.

    OAP itself knows no users; `username` with `password`, `token` (a bearer token) and `headers` are for a gateway in
    front of it. OAP's times are those of its own zone: it says how far it is from UTC now, and `zone` says the zone's
    name, which is right across a change of the clocks as well. The group of a name `group::name` becomes the
    namespace with `namespace_from_group`. An instance's zone and version are the first of `zone_attributes` and
    `version_attributes` among its properties. What seldom changes (instances, endpoints, layers) is read every
    `inventory`, and what is not known of a service yet with every pull; of a service at most `endpoints_per_service`
    endpoints, of all `endpoints`, the busiest. An address that a caller names is believed to be no service of one's
    own when OAP did not learn otherwise within `address_learning`.
    """

    url: Url = "http://127.0.0.1:12800/graphql"
    username: Name | None = None
    password: Secret | None = None
    token: Secret | None = None
    headers: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))
    tls: Tls | None = None
    zone: Name | None = None
    namespace_from_group: bool = True
    zone_attributes: tuple[Name, ...] = ("zone", "availability_zone", "cloud.availability_zone")
    version_attributes: tuple[Name, ...] = ("version", "service.version")
    inventory_s: Annotated[float, Duration(10, 86400)] = 300.0
    endpoints_per_service: Annotated[int, Range(0, 100)] = 10
    endpoints: Annotated[int, Range(0, 100_000)] = 1000
    address_learning_s: Annotated[float, Duration(0, 3600)] = 60.0
    alarms: bool = True
    events: Mapping[str, str] = field(default_factory=default_events)
    limits: Limits = Limits()
    pace: Pace = Pace()

    def check(self) -> Iterator[tuple[str, str, str]]:
        """Names that mean something, one way to log in, and an overlap in which what was held back is told."""
        if (self.username is None) != (self.password is None):
            yield "username", "a username together with its password", "only one of them"
        if self.username is not None and self.token is not None:
            yield "token", "a token or a username", "both"
        if self.pace.overlap_s < self.address_learning_s + self.pace.interval_s + 60:
            yield "address_learning", "at least pace.interval and a minute less than pace.overlap", "more"
        for name, kind in self.events.items():
            if kind not in set(ChangeKind):
                yield f"events.{name}", f"one of {KINDS}", kind
        if self.zone is not None and not _is_zone(self.zone):
            yield "zone", "a time zone such as Asia/Kolkata", self.zone


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return False
    return True
