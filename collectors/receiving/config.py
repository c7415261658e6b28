"""What every receiver that listens for gRPC and HTTP can be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from collectors.config import Address, Duration, Secret, Size
from collectors.receiving.tls import Tls

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Listening:
    """An address of null switches that server off.

    `max_body` bounds one request or message; `in_flight` bounds all of them between arrival and answer together, beyond
    it senders are asked to come back after `retry_after`; a sender is cut off when one request takes longer than
    `request_timeout` to arrive or it is silent for `idle_timeout`; `token` is what every sender must show.
    """

    grpc: Address | None = None
    http: Address | None = None
    max_body_bytes: Annotated[int, Size(64 * KIB, GIB)] = 16 * MIB
    in_flight_bytes: Annotated[int, Size(MIB)] = 64 * MIB
    retry_after_s: Annotated[float, Duration(0.1, 300)] = 1.0
    idle_timeout_s: Annotated[float, Duration(1, 3600)] = 120.0
    request_timeout_s: Annotated[float, Duration(1, 3600)] = 60.0
    tls: Tls | None = None
    token: Secret | None = None

    def check(self) -> Iterator[tuple[str, str, str]]:
        """At least one server, and room for the biggest message."""
        if self.grpc is None and self.http is None:
            yield "", "an address for grpc or http", "neither"
        if self.in_flight_bytes < self.max_body_bytes:
            yield "in_flight", "at least max_body", "less"
