"""A change as somebody tells it, before it is known which service is meant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from topology.changes import ChangeKind, Outcome

LONGEST = {"uid": 300, "title": 300, "version": 200, "author": 200, "link": 2000, "subject": 2000}
"""Characters that are kept of each text."""


class Misread(ValueError):
    """A document that is not what it should be; `key` says where."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class Told:
    """One change as its teller has it. `subject` is what was changed in the teller's words (a service, a project, a
    job, an application, a piece of configuration; "" for everything), `names` are names of services it may stand for,
    likeliest first, `environment` where it was changed. Times are UTC epoch seconds."""

    subject: str
    at_s: float
    kind: ChangeKind
    title: str
    source: str
    names: tuple[str, ...] = ()
    uid: str = ""
    environment: str = ""
    version: str = ""
    author: str = ""
    link: str = ""
    outcome: Outcome = Outcome.UNKNOWN
    ended_s: float | None = None

    @property
    def identity(self) -> str:
        """What makes it the same change when it is told again: the teller's own uid, or one of what never changes
        about it. How it ended is no part of it."""
        if self.uid:
            return f"{self.source}/{self.uid}"[: LONGEST["uid"]]
        parts = (self.subject, f"{self.at_s:.3f}", self.kind, self.title, self.version)
        return f"{self.source}/{hashlib.sha256(chr(0).join(parts).encode('utf-8', 'replace')).hexdigest()[:24]}"
