"""Moments and durations as people type them: RFC 3339, epoch seconds, `now`, `now-15m`; `5m`, `300s`, `1h`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

DURATION = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
EPOCH = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+ -]\d\d:\d\d)", re.ASCII)
LATEST_S = 4_102_444_800  # 2100-01-01; a greater number is most likely in milliseconds


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: absolute, or so many seconds before a now that is not yet known."""

    epoch_s: float | None = None
    ago_s: float = 0.0

    def at(self, now_s: float) -> float:
        """UTC epoch seconds, given what now is."""
        return now_s - self.ago_s if self.epoch_s is None else self.epoch_s

    @property
    def is_now(self) -> bool:
        """Whether it moves with the clock, as an address without a time does."""
        return self.epoch_s is None and self.ago_s == 0


NOW = Moment()


def moment(text: str) -> Moment:
    """The moment that `text` names; ValueError with the accepted forms for anything else."""
    if text == "now":
        return NOW
    if text.startswith("now-"):
        return Moment(ago_s=duration_s(text[4:]))
    if EPOCH.fullmatch(text) and float(text) <= LATEST_S:
        return Moment(epoch_s=float(text))
    if RFC3339.fullmatch(text):
        return Moment(epoch_s=_rfc3339(text))
    raise ValueError("expected RFC 3339 with an offset, epoch seconds, now, or now-15m")


def duration_s(text: str) -> int:
    """Seconds of `5m`, `300s`, `1h`, `2d` or a bare number of seconds; ValueError for anything else."""
    found = DURATION.fullmatch(text if text[-1:].isalpha() else text + "s")
    if not found or not int(found[1]):
        raise ValueError("expected a duration such as 30s, 5m, 1h or 7d")
    return int(found[1]) * SECONDS[found[2]]


def seconds(text: str) -> float:
    """Epoch seconds of a time that an answer holds."""
    return datetime.fromisoformat(text).timestamp()


def _rfc3339(text: str) -> float:
    zone = text[-6:].replace(" ", "+") if text[-1] not in "Zz" else "+00:00"  # an unescaped + arrives as a space
    body = text[: -1 if text[-1] in "Zz" else -6]
    try:
        return datetime.fromisoformat(body.upper().replace(" ", "T") + zone).timestamp()
    except ValueError as wrong:
        raise ValueError(f"not a moment: {wrong}") from wrong


def _from_text(parse: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


MomentParameter = Annotated[
    Moment,
    _from_text(moment),
    WithJsonSchema({"type": "string", "examples": ["now", "now-15m", "2026-01-01T08:00:00Z"]}),
]
DurationParameter = Annotated[
    int, _from_text(duration_s), WithJsonSchema({"type": "string", "pattern": r"^\d+[smhd]?$", "examples": ["5m"]})
]
