"""What is wrong in a document, as people read it: file, line, path, rule, what was expected, what was found."""

from __future__ import annotations

from dataclasses import dataclass

from app.slo.documents import File
from topology.errors import Fault
from topology.slo.openslo.place import Finding, spelled


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
        warning = "warning: " if self.warning else ""
        return f"{self.place}: {warning}{self.rule}: {self.message}"

    @property
    def place(self) -> str:
        """File, line and path; line 0 stands for no line."""
        return f"{self.file}:{self.line}: {self.path}" if self.line else f"{self.file}: {self.path}"

    @property
    def message(self) -> str:
        """What was expected and what was found."""
        return f"expected {self.expected}, found {self.found}"

    def as_fault(self) -> Fault:
        """The same as a fault of the configuration."""
        return Fault(f"{self.place}: {self.rule}", self.expected, self.found)

    def as_json(self) -> dict[str, object]:
        """The same for programs."""
        return {"file": self.file, "line": self.line, "path": self.path, "rule": self.rule, "message": self.message,
                "level": "warning" if self.warning else "error"}  # fmt: skip


def refusal_of(file: File) -> DocumentFault | None:
    """Why a file is no YAML that we read."""
    if file.refusal is None:
        return None
    refusal = file.refusal
    return DocumentFault(str(file.path), refusal.line, "the file", "yaml", refusal.expected, refusal.found)


def fault_of(finding: Finding, file: File, document: int) -> DocumentFault:
    """A finding with the line of the file where it is."""
    line = file.line(document, finding.path) if file.documents else 1
    return DocumentFault(str(file.path), line, spelled(finding.path), finding.rule, finding.expected, finding.found,
                         finding.warning)  # fmt: skip
