"""What the receiver of SkyWalking segments can be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from collectors.config import Address, Duration, Name, Secret, Size
from collectors.receiving.tls import Tls

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30



@dataclass(frozen=True, slots=True)
class Config:
    """SkyWalking's protocol v3 over gRPC and HTTP. An address of null switches that server off.

    `max_body` bounds one message; `in_flight` bounds all messages between arrival and answer together, beyond it
    senders are asked to come back after `retry_after`; over HTTP a sender is cut off when one request takes longer than
    `request_timeout` to arrive, or between two requests it is silent for `idle_timeout`; `token` is what every sender
    must show in the header `Authentication`. An agent sends a segment when all of it has ended, so a span waits
    `spans_apart` longer for its other end than one that is sent by itself (`pairing.horizon`). The group of a name
    `group::name` becomes the namespace with `namespace_from_group`. An instance's zone and version are the first of
    `zone_attributes` and `version_attributes` among the properties that it reported.
    """

    grpc: Address | None = Address("127.0.0.1", 11800)
    http: Address | None = Address("127.0.0.1", 12800)
    max_body_bytes: Annotated[int, Size(64 * KIB, GIB)] = 16 * MIB
    in_flight_bytes: Annotated[int, Size(MIB)] = 64 * MIB
    retry_after_s: Annotated[float, Duration(0.1, 300)] = 1.0
    idle_timeout_s: Annotated[float, Duration(1, 3600)] = 120.0
    request_timeout_s: Annotated[float, Duration(1, 3600)] = 60.0
    spans_apart_s: Annotated[float, Duration(0, 600)] = 30.0
    tls: Tls | None = None
    token: Secret | None = None
    namespace_from_group: bool = True
    zone_attributes: tuple[Name, ...] = ("zone", "availability_zone", "cloud.availability_zone")
    version_attributes: tuple[Name, ...] = ("version", "service.version")

    def check(self) -> Iterator[tuple[str, str, str]]:
        """At least one server, and room for the biggest message."""
        if self.grpc is None and self.http is None:
            yield "", "an address for grpc or http", "neither"
        if self.in_flight_bytes < self.max_body_bytes:
            yield "in_flight", "at least max_body", "less"
