"""What the receiver of SkyWalking segments can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from collectors.config import Address, Duration, Name
from collectors.receiving.config import Listening


@dataclass(frozen=True, slots=True)
class Config(Listening):
    """SkyWalking's protocol v3 over gRPC and HTTP, see `Listening`.

    Only over HTTP is a sender cut off; `token` stands in the header `Authentication`. An agent sends a segment when all
    of it has ended, so a span waits `spans_apart` longer for its other end than one that is sent by itself
    (`pairing.horizon`). The group of a name `group::name` becomes the namespace with `namespace_from_group`. An
    instance's zone and version are the first of `zone_attributes` and `version_attributes` among the properties that it
    reported.
    """

    grpc: Address | None = Address("127.0.0.1", 11800)
    http: Address | None = Address("127.0.0.1", 12800)
    spans_apart_s: Annotated[float, Duration(0, 600)] = 30.0
    namespace_from_group: bool = True
    zone_attributes: tuple[Name, ...] = ("zone", "availability_zone", "cloud.availability_zone")
    version_attributes: tuple[Name, ...] = ("version", "service.version")
