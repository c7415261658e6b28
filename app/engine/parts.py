"""What the engine works with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.examples import ExampleBook
from app.house import House
from app.intake import OtlpIntake
from app.slo.evaluator import Objectives
from app.telemetry import Telemetry
from topology.histogram import Ladder
from topology.journal import Journal
from topology.pairing import Pairing
from topology.rollup import SeriesTable
from topology.store.contract import Store


@dataclass
class Parts:
    """Everything the engine uses and closes none of."""

    intake: OtlpIntake
    pairing: Pairing
    journal: Journal
    store: Store
    series: SeriesTable
    ladder: Ladder
    examples: ExampleBook
    mask: Callable[[str], str]
    house: House
    objectives: Objectives
    sources: Callable[[], list[dict[str, Any]]]
    telemetry: Telemetry
    clock: Callable[[], float] = time.time
