"""Everything that can be configured, with its default. What the keys mean is written in config/synoptic.yaml and
docs/configuration.md; a test keeps the three together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from app.catalogue import Entries
from app.changes.naming import Rule as ChangeRule
from app.kinds import Collector, default_collectors
from app.links import Link
from collectors.config import Address, Duration, Folder, Matching, Name, Range, ReadableFile, Secret, Size
from topology.masking import Rule

MIB = 1 << 20
GIB = 1 << 30
DAY_S = 86400.0

BasePath = Annotated[str, Matching(r"/([A-Za-z0-9._~-]+/)*", "a path that begins and ends with /")]
Origin = Annotated[str, Matching(r"https?://[a-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?",
                                 "an origin such as https://portal.example")]  # fmt: skip
HostName = Annotated[str, Matching(r"\*|[A-Za-z0-9.\-]+|\[?[0-9A-Fa-f:]+\]?", "a host name without port, or *")]
HttpStatus = Annotated[int, Range(100, 599)]
GrpcStatus = Annotated[int, Range(0, 16)]


@dataclass(frozen=True, slots=True)
class Server:
    """The page and the interface for programs."""

    http: Address = Address("127.0.0.1", 8050)
    base_path: BasePath = "/"
    allowed_hosts: tuple[HostName, ...] = ()
    frame_ancestors: tuple[Origin, ...] = ()
    max_viewers: Annotated[int, Range(1, 100_000)] = 5000
    default_language: Literal["en", "zh"] = "en"
    default_theme: Literal["dark", "light"] = "dark"


@dataclass(frozen=True, slots=True)
class Kept:
    """How long counts of each resolution are kept: 10 s, then 1 min, then 1 h."""

    fine_s: Annotated[float, Duration(3600, 7 * DAY_S)] = 3600.0
    minute_s: Annotated[float, Duration(3600, 366 * DAY_S)] = 7 * DAY_S
    hour_s: Annotated[float, Duration(DAY_S, 3660 * DAY_S)] = 400 * DAY_S

    def check(self) -> Iterator[tuple[str, str, str]]:
        """Coarser counts outlive finer ones."""
        if not self.fine_s <= self.minute_s <= self.hour_s:
            yield "", "fine not longer than minute, minute not longer than hour", "another order"


@dataclass(frozen=True, slots=True)
class Data:
    """The durable store."""

    directory: Path = Path("data")
    memory_limit_bytes: Annotated[int, Size(64 * MIB)] = 512 * MIB
    kept: Kept = Kept()


@dataclass(frozen=True, slots=True)
class Journal:
    """The append-only log that makes an acknowledged request survive a crash."""

    sync: Literal["group", "none"] = "group"
    segment_size_bytes: Annotated[int, Size(MIB, GIB)] = 64 * MIB
    max_size_bytes: Annotated[int, Size(64 * MIB)] = 4 * GIB

    def check(self) -> Iterator[tuple[str, str, str]]:
        """The whole holds at least two segments, so that one can be dropped while the other is written."""
        if self.max_size_bytes < 2 * self.segment_size_bytes:
            yield "max_size", "at least twice segment_size", "less"


@dataclass(frozen=True, slots=True)
class Failed:
    """When a call counts as failed although its status is unset (OpenTelemetry semantic conventions)."""

    http_client_4xx: bool = True
    grpc_client: tuple[GrpcStatus, ...] = tuple(range(1, 17))
    grpc_server: tuple[GrpcStatus, ...] = (2, 4, 12, 13, 14, 15)


@dataclass(frozen=True, slots=True)
class Protection:
    """When a call was turned away on purpose: counted beside errors, not among them."""

    http: tuple[HttpStatus, ...] = (429,)
    response_flags: tuple[Name, ...] = ("RL", "UO")
    error_types: tuple[Name, ...] = (
        "io.github.resilience4j.circuitbreaker.CallNotPermittedException",
        "io.github.resilience4j.ratelimiter.RequestNotPermitted",
        "com.alibaba.csp.sentinel.slots.block.flow.FlowException",
        "com.alibaba.csp.sentinel.slots.block.degrade.DegradeException",
        "Polly.CircuitBreaker.BrokenCircuitException",
        "Polly.RateLimiting.RateLimiterRejectedException",
    )


@dataclass(frozen=True, slots=True)
class Pairing:
    """From spans to calls, and the bounds of what is held in memory."""

    horizon_s: Annotated[float, Duration(1, 600)] = 30.0
    late_limit_s: Annotated[float, Duration(60, DAY_S)] = 3600.0
    max_pending_spans: Annotated[int, Range(10_000, 100_000_000)] = 2_000_000
    max_series: Annotated[int, Range(100, 5_000_000)] = 50_000
    max_operations_per_service: Annotated[int, Range(1, 10_000)] = 200
    max_strings: Annotated[int, Range(1000, 50_000_000)] = 1_000_000
    failed: Failed = Failed()
    protection: Protection = Protection()


@dataclass(frozen=True, slots=True)
class Alias:
    """Which service answers at an address that sends no spans of its own. `address` may be a pattern."""

    address: Name
    name: Name
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Examples:
    """Which whole traces are kept, per operation and hour."""

    bytes_per_hour: Annotated[int, Size(0)] = 64 * MIB
    errors: Annotated[int, Range(0, 1000)] = 5
    slowest: Annotated[int, Range(0, 1000)] = 5
    sample: Annotated[int, Range(0, 1000)] = 5


@dataclass(frozen=True, slots=True)
class Latency:
    """The share of calls that is to be answered within the threshold."""

    threshold_s: Annotated[float, Duration(0.001, 120)] = 1.0
    share: Annotated[float, Range(0.5, 0.99999)] = 0.95


@dataclass(frozen=True, slots=True)
class Lines:
    """The share of lines below error that is held against a service of which only logs are known, if it is `judged`."""

    judged: bool = True
    share: Annotated[float, Range(0.5, 0.99999)] = 0.99


@dataclass(frozen=True, slots=True)
class Health:
    """The default objective, and when one is stale or gone. The windows `short_s` and `long_s` and the burns hold only
    for paths and callers that have no objective: all others are judged by the catalogue of windows."""

    availability: Annotated[float, Range(0.5, 0.999999)] = 0.999
    latency: Latency = Latency()
    logs: Lines = Lines()
    short_s: Annotated[float, Duration(60, 3600)] = 300.0
    long_s: Annotated[float, Duration(300, 3600)] = 3600.0
    page_burn: Annotated[float, Range(1, 1000)] = 14.4
    ticket_burn: Annotated[float, Range(1, 1000)] = 6.0
    min_bad_events: Annotated[int, Range(1, 1_000_000)] = 3
    stale_after_s: Annotated[float, Duration(10, DAY_S)] = 60.0
    leave_after_s: Annotated[float, Duration(60, 400 * DAY_S)] = DAY_S

    def check(self) -> Iterator[tuple[str, str, str]]:
        """Windows and factors in order, and no threshold that even a total outage could not reach."""
        if self.short_s >= self.long_s:
            yield "short", "a window shorter than long", "one as long or longer"
        if self.ticket_burn > self.page_burn:
            yield "ticket_burn", f"at most page_burn ({self.page_burn:g})", f"{self.ticket_burn:g}"
        if self.stale_after_s >= self.leave_after_s:
            yield "stale_after", "less than leave_after", "as much or more"
        for key, target in (("availability", self.availability), ("latency.share", self.latency.share)):
            reach = 1 / (1 - target)
            if self.page_burn >= reach:
                outage = f"less than {reach:.4g}, the burn of a total outage at {key} {target:g}"
                yield "page_burn", outage, f"{self.page_burn:g}"


@dataclass(frozen=True, slots=True)
class ServiceClass:
    """What services of a class are held to when they have no objective of their own."""

    availability: Annotated[float, Range(0.5, 0.999999)] = 0.999
    latency: Latency = Latency()


@dataclass(frozen=True, slots=True)
class Critical(ServiceClass):
    """Services without which nothing works."""

    availability: Annotated[float, Range(0.5, 0.999999)] = 0.9999


@dataclass(frozen=True, slots=True)
class Low(ServiceClass):
    """Services that can be missed for a while."""

    availability: Annotated[float, Range(0.5, 0.999999)] = 0.99


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of services that a catalogue entry may name, besides `none`, which promises nothing."""

    critical: Critical = Critical()
    high: ServiceClass = ServiceClass()
    low: Low = Low()


@dataclass(frozen=True, slots=True)
class Objectives:
    """Service level objectives of one's own, and what holds for those without any."""

    directory: Folder = Path("config/slos")
    windows: ReadableFile | None = None
    max_slos: Annotated[int, Range(1, 100_000)] = 5000
    classes: Classes = Classes()


@dataclass(frozen=True, slots=True)
class Changes:
    """Who may tell of changes, which services they are about, and when one counts as failed."""

    token: Secret | None = None
    per_minute: Annotated[int, Range(1, 100_000)] = 600
    failed_within_s: Annotated[float, Duration(60, 7 * DAY_S)] = 3600.0
    services: tuple[ChangeRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """What is made of what registries tell."""

    old_after_s: Annotated[float, Duration(10, DAY_S)] = 300.0
    show_silent: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """How the map is divided into bands."""

    group_by: Literal["domain", "layer", "zone"] = "domain"


@dataclass(frozen=True, slots=True)
class Masking:
    """Rules beside the built-in ones (cards, resident identity numbers, mobile numbers, e-mail, secrets)."""

    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What the product says about itself to itself."""

    self_traces: bool = False


@dataclass(frozen=True, slots=True)
class Logging:
    """The program's own log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration, checked and frozen."""

    environment: Name = "default"
    demo: bool = False
    server: Server = Server()
    data: Data = Data()
    journal: Journal = Journal()
    collectors: Mapping[str, Collector] = field(default_factory=lambda: MappingProxyType(default_collectors()))
    pairing: Pairing = Pairing()
    aliases: tuple[Alias, ...] = ()
    examples: Examples = Examples()
    health: Health = Health()
    slo: Objectives = Objectives()
    changes: Changes = Changes()
    registry: Registration = Registration()
    layout: Layout = Layout()
    catalogue: Entries = Entries()
    masking: Masking = Masking()
    links: tuple[Link, ...] = ()
    telemetry: Telemetry = Telemetry()
    logging: Logging = Logging()

    def clashes(self) -> Iterator[tuple[str, str, str]]:
        """Every (key, expected, found) of two listeners at one address, and of two collectors that differ in what is
        one for all of their kind."""
        taken: dict[Address, str] = {}
        for key, address in self.listening():
            if address.port and address in taken:
                yield key, f"an address that {taken[address]} does not have", str(address)
            taken.setdefault(address, key)
        yield from self._differing()

    def _differing(self) -> Iterator[tuple[str, str, str]]:
        first: dict[str, tuple[str, Any]] = {}
        for name, collector in self.collectors.items():
            if collector.enabled:
                told, config = first.setdefault(collector.kind, (name, collector.config))
                for key in getattr(config, "COMMON", ()):
                    if getattr(config, key) != getattr(collector.config, key):
                        yield f"collectors.{name}.{key}", f"the same as collectors.{told} has", "something else"

    def listening(self) -> Iterator[tuple[str, Address]]:
        """Every (key, address) at which the product listens."""
        yield "server.http", self.server.http
        for name, collector in self.collectors.items():
            for key, value in _addresses(collector):
                yield f"collectors.{name}.{key}", value


def _addresses(collector: Collector) -> list[tuple[str, Address]]:
    config: Any = collector.config
    if not collector.enabled:
        return []
    pairs = [(part.name, getattr(config, part.name)) for part in dataclasses.fields(config)]
    return [(name, value) for name, value in pairs if isinstance(value, Address)]
