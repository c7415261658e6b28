"""What the engine works with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.house import House
from app.intakes import Intakes
from app.logs.logs import Logs
from app.registry import Registries
from app.slo.evaluator import Objectives
from app.telemetry import Telemetry
from topology.histogram import Ladder
from topology.pairing import Pairing
from topology.rollup import SeriesTable
from topology.store.contract import Store


@dataclass
class Parts:
    """Everything the engine uses and closes none of."""

    intakes: Intakes
    pairing: Pairing
    store: Store
    series: SeriesTable
    ladder: Ladder
    mask: Callable[[str], str]
    house: House
    objectives: Objectives
    sources: Callable[[], list[dict[str, Any]]]
    telemetry: Telemetry
    clock: Callable[[], float] = time.time
    registry: Registries = field(default_factory=Registries)
    logs: Logs = field(init=False)

    def __post_init__(self) -> None:
        self.logs = Logs(self.intakes.lines)
