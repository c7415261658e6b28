"""What was changed on purpose: deployments, configuration, scaling. "What changed before this?" has an answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from topology.model import Service


class ChangeKind(StrEnum):
    """What was changed."""

    DEPLOYMENT = "deployment"
    CONFIGURATION = "configuration"
    SCALING = "scaling"
    RESTART = "restart"
    OTHER = "other"


class Outcome(StrEnum):
    """How a change ended, as whoever made it says."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RUNNING = "running"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `uid` is the same whenever the same change is told again: what is told last holds.

    `service` is None for a change of everything; `environment` of it counts then. Times are UTC epoch seconds.
    """

    uid: str
    at_s: float
    kind: ChangeKind
    title: str
    source: str
    service: Service | None = None
    version: str = ""
    author: str = ""
    link: str = ""
    outcome: Outcome = Outcome.UNKNOWN
    ended_s: float | None = None
