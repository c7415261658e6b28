"""All documents of a folder, read together, since they refer to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from topology.slo.objectives import Slo
from topology.slo.openslo.doubts import House
from topology.slo.openslo.library import SLO, Document, library
from topology.slo.openslo.place import Finding
from topology.slo.openslo.slo import read_slo


@dataclass(frozen=True, slots=True)
class Read:
    """What the documents say: objectives to evaluate, foreign ones to list, and every finding by document."""

    slos: tuple[Slo, ...]
    foreign: tuple[Slo, ...]
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What makes a document unusable."""
        return tuple(finding for finding in self.findings if not finding.warning)


def read(documents: Sequence[Document], house: House) -> Read:
    """The objectives of all documents. Nothing is raised, whatever the values are; an object at fault gives none."""
    known = library(documents)
    slos: list[Slo] = []
    foreign: list[Slo] = []
    for found in known.of_kind(SLO):
        one = read_slo(found, known, house, documents[found.place.document].file)
        if found.sound:
            slos += one.slos
            foreign += one.foreign
    return Read(tuple(slos), tuple(foreign), tuple(known.findings))


__all__ = ["Document", "Finding", "House", "Read", "read"]
