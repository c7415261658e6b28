"""What the receiver is given besides its configuration and the intake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from topology.changes import Change


def _nobody(_changes: Sequence[Change]) -> None:
    """Keeps no change."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The resource attribute from which the intake reads zones ("" for none); the environment of services; the file in
    which is remembered over a restart what instances reported; where changes go; and how texts are masked."""

    zone_attribute: str = ""
    environment: str = ""
    kept: Path | None = None
    note: Callable[[Sequence[Change]], None] = _nobody
    mask: Callable[[str], str] = str
