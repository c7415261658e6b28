"""The parameters of every address, checked: an unknown one is refused with its name, never ignored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.web.moments import NOW, DurationParameter, Moment, MomentParameter
from collectors.log_records import LEVELS

SIGNALS = ("calls", "errors", "p95", "saturation")
MOST_POINTS = 11_000
TRACE_ID = r"^[0-9A-Fa-f]{1,32}$"
TARGET = r"^(0|1|0?\.[0-9]{1,12})$"
MONTH_S = 30 * 86_400
State = Literal["ok", "no_data", "at_risk", "exhausted", "burning"]


def _window(value: int) -> int:
    if not 10 <= value <= 31 * 86400:
        raise ValueError("expected a window from 10s to 31d")
    return value


def _signals(text: str) -> str:
    unknown = set(text.split(",")) - set(SIGNALS)
    if unknown:
        raise ValueError(f"expected some of {', '.join(SIGNALS)}, separated by commas")
    return text


def _levels(text: str) -> str:
    if text and not set(text.split(",")) <= set(LEVELS):
        raise ValueError(f"expected some of {', '.join(LEVELS)}, separated by commas")
    return text


Window = Annotated[DurationParameter, AfterValidator(_window)]
Limit = Annotated[int, Field(ge=1, le=1000)]
Service = Annotated[str, Field(max_length=2000)]


class Parameters(BaseModel):
    """What may stand after the question mark; anything else is a 400 naming the key."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class NoParameters(Parameters):
    """For addresses without parameters."""


class WindowParameters(Parameters):
    """How long the window is, and when it ends."""

    window: Window = 300
    at: MomentParameter = NOW


class GraphParameters(WindowParameters):
    """Which part of the graph: around a node, of a domain, layer or zone, or what an expression finds."""

    focus: Service | None = None
    depth: Annotated[int, Field(ge=0, le=20)] = 1
    domain: str | None = None
    layer: str | None = None
    zone: str | None = None
    q: str | None = None


class Span(Parameters):
    """From when to when; without `from`, the last hour."""

    from_: MomentParameter = Field(Moment(ago_s=3600), alias="from")
    to: MomentParameter = NOW

    def between(self, now_s: float) -> tuple[float, float]:
        """From and to in epoch seconds; ValueError unless they are in this order."""
        from_s, to_s = self.from_.at(now_s), self.to.at(now_s)
        if not from_s < to_s:
            raise ValueError("from must be before to")
        return from_s, to_s


class Columns(Span):
    """From when to when in steps."""

    step: Annotated[DurationParameter, AfterValidator(_window)] | None = None

    def steps(self, now_s: float) -> tuple[float, float, int]:
        """From, to and step in seconds; without a step, about 120 of them, in whole tens of seconds."""
        from_s, to_s = self.between(now_s)
        step_s = self.step or max(10, round((to_s - from_s) / 1200) * 10)
        if (to_s - from_s) / step_s > MOST_POINTS:
            raise ValueError(f"more than {MOST_POINTS} points; choose a larger step")
        return from_s, to_s, step_s


class SeriesParameters(Columns):
    """Which signals of which node or path."""

    of: Service
    signal: Annotated[str, AfterValidator(_signals)] = "calls,errors,p95"


class TracesParameters(Span):
    """Which example traces."""

    service: Service | None = None
    min_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    errors: bool = False
    limit: Limit = 20


class TraceSearchParameters(TracesParameters):
    """Which traces are looked for, in one source or in all of them and among the kept ones."""

    source: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 20


class LogCountsParameters(Columns):
    """Whose log lines are counted."""

    service: Service | None = None


class LogsParameters(Span):
    """Which log lines."""

    service: Service | None = None
    trace: Annotated[str, Field(pattern=TRACE_ID)] | None = None
    pattern: str | None = None
    limit: Limit = 100


class LogPatternsParameters(Span):
    """Whose patterns of error lines."""

    service: Service | None = None
    limit: Limit = 100


class LogSearchParameters(Span):
    """Which lines are looked for, in all sources: `level` names some levels, separated by commas."""

    service: Service | None = None
    trace: Annotated[str, Field(pattern=r"^[0-9A-Za-z._-]{0,128}$")] = ""
    pattern: Annotated[str, Field(pattern=r"^(p-[0-9a-f]{12})?$")] = ""
    level: Annotated[str, AfterValidator(_levels)] = ""
    text: Annotated[str, Field(max_length=200)] = ""
    limit: Limit = 200

    def levels(self) -> tuple[str, ...]:
        """The levels; none for all of them."""
        return tuple(filter(None, self.level.split(",")))


class ChangesParameters(Span):
    """Which changes; without `from`, those of the last seven days."""

    from_: MomentParameter = Field(Moment(ago_s=7 * 86_400), alias="from")
    service: Service | None = None
    kind: Literal["deployment", "configuration", "scaling", "restart", "other"] | None = None
    outcome: Literal["succeeded", "failed", "running", "unknown"] | None = None
    limit: Annotated[int, Field(ge=1, le=5000)] = 500


class DeliveryParameters(Span):
    """Over which time; without `from`, the last 30 days."""

    from_: MomentParameter = Field(Moment(ago_s=MONTH_S), alias="from")


class TokenParameters(Parameters):
    """For senders that cannot set a header."""

    token: Annotated[str | None, Field(max_length=500)] = None


class StreamParameters(Parameters):
    """Which window the live stream shows."""

    view: Literal["1m", "5m", "15m", "1h"] = "5m"


class SlosParameters(Parameters):
    """Which SLOs: by exact field, or by what an expression of the find language finds."""

    domain: str | None = None
    state: State | None = None
    service: Service | None = None
    class_: Annotated[str | None, Field(alias="class")] = None
    default: bool | None = None
    q: str | None = None


class SloTableParameters(Parameters):
    """The version that is known already, so that only what changed after it is sent."""

    since: Annotated[int, Field(ge=0)] = 0


class SloHistoryParameters(Columns):
    """Over which time; without `from`, the last 30 days, and without `step` some 120 of them."""

    from_: MomentParameter = Field(Moment(ago_s=MONTH_S), alias="from")


class SpendersParameters(Parameters):
    """How many intervals."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10


class WhatIfParameters(Parameters):
    """Another target, an exact decimal such as 0.999, or another threshold, or both."""

    target: Annotated[str | None, Field(pattern=TARGET)] = None
    threshold_ms: Annotated[float | None, Field(gt=0, le=86_400_000, allow_inf_nan=False)] = None


class AlertsParameters(Parameters):
    """Which burn alerts: those that fire, unless `open=false`."""

    open: bool = True
    from_: Annotated[MomentParameter | None, Field(alias="from")] = None
    to: MomentParameter | None = None
    slo: str | None = None
    service: Service | None = None
    severity: Literal["page", "ticket"] | None = None
    limit: Limit = 200


class Position(BaseModel):
    """The top-left corner of a card in world units."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    x: Annotated[float, Field(ge=-1e6, le=1e6)]
    y: Annotated[float, Field(ge=-1e6, le=1e6)]
