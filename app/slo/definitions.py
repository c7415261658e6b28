"""The objectives in force: every document of a folder, checked, resolved, and read again when a file changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from topology.slo.objectives import Slo


@dataclass(frozen=True, slots=True)
class DocumentFault:
    """What is wrong, or doubtful, in a document: `warning` when it is read all the same."""

    file: str
    line: int
    path: str
    rule: str
    expected: str
    found: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.rule}: {self.message}"

    @property
    def message(self) -> str:
        """What was expected and what was found."""
        return f"expected {self.expected}, found {self.found}"


class Definitions:
    """The objectives of a folder. `version` grows whenever one of the tuples changes.

    `slos` are the written ones that can be evaluated, patterns (`match`) not yet spread over services; `foreign` those
    over other people's metrics, listed and not evaluated; `defaults` the default objectives by class of service, ""
    for services without a class and nothing for the class `none`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.slos: tuple[Slo, ...] = ()
        self.foreign: tuple[Slo, ...] = ()
        self.defaults: Mapping[str, tuple[Slo, ...]] = {}
        self.faults: tuple[DocumentFault, ...] = ()
        self.warnings: tuple[DocumentFault, ...] = ()
        self.version = 0

    def reload(self) -> bool:
        """Looks at the folder; True when `slos`, `foreign`, `faults` or `warnings` changed."""
        return False

    def thresholds_us(self) -> tuple[int, ...]:
        """Every latency threshold in microseconds, ascending: the bounds that the histogram ladder must have."""
        return ()
