"""What is registered: the instances that a registry says there are, whether they speak or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from topology.model import Service


@dataclass(frozen=True, slots=True)
class Instance:
    """One registered instance of a service, as its registry describes it."""

    service: Service
    host: str
    port: int
    zone: str = ""
    cluster: str = ""
    healthy: bool = True
    enabled: bool = True
    weight: float = 1.0
    version: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
