"""What is promised: an SLO over our own counts, ready to be evaluated. Every reader of definitions ends here.

The words are those of OpenSLO v1 (github.com/OpenSLO/OpenSLO). A target is an exact decimal: 0.999 is not a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo


class Method(StrEnum):
    """What the budget is counted in: events, whole slices of time, or the mean ratio of the slices."""

    OCCURRENCES = "Occurrences"
    TIMESLICES = "Timeslices"
    RATIO_TIMESLICES = "RatioTimeslices"


class Counted(StrEnum):
    """Which calls a source counts. `failures` are errors, with the calls turned away on purpose only by choice;
    `successes` are all others; `faster_than` are those within a threshold, failed or not. Of log lines it counts all
    (`lines`) or those of level error and above (`error_lines`)."""

    CALLS = "calls"
    SUCCESSES = "successes"
    FAILURES = "failures"
    FASTER_THAN = "faster_than"
    LINES = "lines"
    ERROR_LINES = "error_lines"


class Measure(StrEnum):
    """What a threshold metric compares, minute by minute."""

    CALLS_PER_S = "calls_per_s"
    SATURATION = "saturation"
    P50_MS = "p50_ms"
    P95_MS = "p95_ms"
    P99_MS = "p99_ms"
    LOG_ERRORS_PER_S = "log_errors_per_s"


class Missing(StrEnum):
    """What a slice or minute without data is: left out, good, or bad."""

    IGNORE = "ignore"
    GOOD = "good"
    BAD = "bad"


class Operator(StrEnum):
    """How a threshold metric compares its value."""

    LTE = "lte"
    GTE = "gte"
    LT = "lt"
    GT = "gt"


class Severity(StrEnum):
    """Whom a burn alert concerns: a person now, or somebody tomorrow."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Services:
    """Which services: by exact name or id, narrowed by what is not None; or, with `match`, every service whose facts
    (name, namespace, environment, kind, domain, layer, zone, owner, class, title) fit the shell patterns given."""

    name: str = ""
    namespace: str | None = None
    environment: str | None = None
    match: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls: the inbound work of services, of one operation of them, or the calls on the paths from `services`
    to `callee`. `journey` says that an operation is an entry, as the customer feels it. `zone` narrows to one zone
    (of the callee, on a path)."""

    services: Services
    operation: str | None = None
    callee: Services | None = None
    journey: bool = False
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A number of events: the `counted` calls of a selection. `threshold_us` goes with `faster_than`;
    `protection_fails` counts calls turned away on purpose among the failures."""

    selection: Selection
    counted: Counted
    threshold_us: int | None = None
    protection_fails: bool = False


@dataclass(frozen=True, slots=True)
class Ratio:
    """Good events of all events. Exactly one of `good` and `bad` is given; with `bad`, good is total minus bad."""

    total: Source
    good: Source | None = None
    bad: Source | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """A figure of every minute held against a limit; every minute is one event. With `weeks` the limit is `value`
    times what the same hour of the week had on average in so many earlier weeks."""

    selection: Selection
    measure: Measure
    operator: Operator
    value: Decimal
    weeks: int = 0


Indicator = Ratio | Threshold


@dataclass(frozen=True, slots=True)
class Period:
    """The time a budget is for. `length` is the OpenSLO shorthand (30d, 1M). Rolling: the newest `length_s`.
    Calendar: from `start` (naive local time in `zone`) on, again and again; days follow the zone's clock."""

    length: str
    length_s: int
    rolling: bool = True
    start: str = ""
    zone: ZoneInfo | None = None


@dataclass(frozen=True, slots=True)
class BurnRule:
    """A multi-window burn-rate alert: fires while both windows burn at `factor` or more. `budget_share` is what one
    long window at that burn spends of the period (SRE workbook, chapter 5)."""

    severity: Severity
    long_s: int
    short_s: int
    factor: Decimal
    budget_share: Decimal


@dataclass(frozen=True, slots=True)
class BurnCondition:
    """An OpenSLO AlertCondition of kind burnrate: one window, as it is written."""

    name: str
    severity: str
    operator: Operator
    threshold: Decimal
    lookback_s: int
    alert_after_s: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One weighted indicator of a composite objective."""

    indicator: Indicator
    weight: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Slo:
    """One objective of one SLO document: what is judged, alerted on and listed under `name`.

    A document with several objectives gives several of these (`name/objective`), unless they are parts of a composite.
    A document with `match` is a pattern: for every service that fits, an Slo named `name:service` stands in its place.
    `projected` measures a young budget against the traffic of a whole period at the present rate (the default
    objective); an SLO of one's own is measured against what really came.
    """

    name: str
    title: str
    service: str
    parts: tuple[Part, ...]
    target: Decimal
    period: Period
    method: Method = Method.OCCURRENCES
    slice_s: int = 60
    slice_target: Decimal | None = None
    missing: Missing = Missing.IGNORE
    rules: tuple[BurnRule, ...] = ()
    conditions: tuple[BurnCondition, ...] = ()
    min_bad_events: int = 0
    service_class: str = ""
    default: bool = False
    projected: bool = False
    description: str = ""
    title_zh: str = ""
    description_zh: str = ""
    file: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, object] = field(default_factory=dict)

    @property
    def allowed(self) -> Decimal:
        """The share of events that may be bad, exactly."""
        return 1 - self.target


WINDOWS_S: Mapping[str, int] = {
    "5m": 300, "30m": 1800, "1h": 3600, "2h": 7200, "6h": 21600, "1d": 86400, "3d": 259200,
}
"""The windows whose burn is always known; a rule of the catalogue may use any of these."""
