"""The keys of a collector of kind `otlp`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated

from collectors.config import Address, Range, ReadableFile, Secret, Size

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of the server; with `client_ca_file`, senders must show a certificate signed by it."""

    certificate_file: ReadableFile | None = None
    key_file: ReadableFile | None = None
    client_ca_file: ReadableFile | None = None

    def check(self) -> Iterator[tuple[str, str, str]]:
        """A certificate and its key come together, and a client authority needs both."""
        if (self.certificate_file is None) != (self.key_file is None):
            yield "", "certificate_file and key_file together", "only one of them"
        elif self.client_ca_file and not self.certificate_file:
            yield "client_ca_file", "certificate_file and key_file beside it", "neither"


@dataclass(frozen=True, slots=True)
class Logs:
    """How many of the newest error lines are kept in memory."""

    newest_lines: Annotated[int, Range(0, 1_000_000)] = 1000


@dataclass(frozen=True, slots=True)
class Config:
    """Where to listen, for whom, and how much to take at once. An address of null switches that server off."""

    grpc: Address | None = Address("127.0.0.1", 4317)
    http: Address | None = Address("127.0.0.1", 4318)
    max_request_bytes: Annotated[int, Size(MIB, 1024 * MIB)] = 64 * MIB
    in_flight_bytes: Annotated[int, Size(MIB)] = 256 * MIB
    tls: Tls = Tls()
    token: Secret | None = None
    logs: Logs = Logs()
    metrics: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def check(self) -> Iterator[tuple[str, str, str]]:
        """At least one server, and room for the biggest request."""
        if self.grpc is None and self.http is None:
            yield "", "an address for grpc or http", "neither"
        if self.in_flight_bytes < self.max_request_bytes:
            yield "in_flight", "at least max_request", "less"
