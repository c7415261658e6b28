"""What can go wrong, as one tree.

    SynopticError
    ├── ConfigurationError      a key, what was expected, what was found
    ├── MalformedInput          bytes or documents that are not what they claim to be; never retried
    ├── SourceUnavailable       a source that was asked did not answer; asked again later
    ├── Overloaded              a bound is reached; the sender may try again after `retry_after_s`
    ├── TablesFull              a decoder has no numbers left; its owner resets it and decodes once more
    └── StoreError
        ├── StoreDamaged        the file cannot be read; it is set aside
        └── StoreFull           the disk is full; nothing was written
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SynopticError(Exception):
    """Every error raised on purpose by this project."""


@dataclass(frozen=True)
class Fault:
    """One fault of a configuration: where, what was expected, what was found."""

    key: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.key}: expected {self.expected}, found {self.found}"


class ConfigurationError(SynopticError):
    """A configuration that cannot be used; carries every fault, not only the first."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class MalformedInput(SynopticError):
    """Input that is not what it claims to be. The sender must not send it again."""


class Why(StrEnum):
    """What kind of reason a source has for not answering: what is said of it in any language before its own words."""

    UNREACHABLE = "unreachable"
    SLOW = "slow"
    UNTRUSTED = "untrusted"
    LOGIN = "login"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    STRANGER = "stranger"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    NO_DATA = "no_data"
    OTHER = "other"


class SourceUnavailable(SynopticError):
    """A source that was asked could not answer. It is asked again later, not before `retry_after_s` if that is said."""

    def __init__(self, reason: str, retry_after_s: float = 0.0, why: Why = Why.OTHER) -> None:
        super().__init__(reason)
        self.retry_after_s, self.why = retry_after_s, why


class Overloaded(SynopticError):
    """A bound is reached; the same input is welcome after `retry_after_s` seconds."""

    def __init__(self, reason: str, retry_after_s: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class TablesFull(SynopticError):
    """A decoder has no numbers left for what it reads: reset it and decode once more. A request that alone fills
    the tables is no use to anyone: it is malformed."""


class StoreError(SynopticError):
    """The durable store could not do what was asked; nothing was half done."""


class StoreDamaged(StoreError):
    """The store's file cannot be read."""


class StoreFull(StoreError):
    """No space is left on the device; nothing was written."""
