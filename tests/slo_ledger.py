"""Objectives, traffic and ledgers for tests: calls are rows of rollups, judged again by plain fractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from topology.histogram import Ladder, ladder
from topology.members import Members
from topology.model import EdgeKey, Kind, OperationKey, SeriesKey, Service
from topology.rollup import RollupBatch, SeriesTable, from_rows
from topology.slo.ledger import Ledger, Promises
from topology.slo.objectives import (
    BurnRule,
    Counted,
    Part,
    Period,
    Ratio,
    Selection,
    Services,
    Severity,
    Slo,
    Source,
)

NOW_S = 1_800_000_000
LADDER: Ladder = ladder([200_000, 1_000_000])
MONTH = Period("30d", 30 * 86400)
RULES = (
    BurnRule(Severity.PAGE, 3600, 300, Decimal("14.4"), Decimal("0.02")),
    BurnRule(Severity.PAGE, 21600, 1800, Decimal(6), Decimal("0.05")),
    BurnRule(Severity.TICKET, 86400, 7200, Decimal(3), Decimal("0.1")),
    BurnRule(Severity.TICKET, 259200, 21600, Decimal(1), Decimal("0.1")),
)
WEB, ORDERS, LEDGER = (Service("prod", "bank", name) for name in ("web", "orders", "ledger"))
DATABASE = Service("prod", "bank", "ledger-db", Kind.DATABASE)
USER = Service("prod", "", "user", Kind.USER)


def ratio(services: Services, counted: Counted = Counted.SUCCESSES, **changes: Any) -> Ratio:
    """The share of some calls of all calls; `changes` are of the selection, `threshold_us` and `protection_fails`."""
    source = {key: changes.pop(key) for key in ("threshold_us", "protection_fails") if key in changes}
    selection = Selection(services, **changes)
    return Ratio(Source(selection, Counted.CALLS), Source(selection, counted, **source))


def slo(name: str, indicator: Any = None, target: str = "0.99", **changes: Any) -> Slo:
    """An objective of thirty days with the workbook's rules, about `orders` unless the indicator says otherwise."""
    part = Part(indicator or ratio(Services("orders")))
    return Slo(**{"name": name, "title": name, "service": "orders", "parts": (part,), "target": Decimal(target),
                  "period": MONTH, "rules": RULES} | changes)  # fmt: skip


def work(service: Service, operation: str = "GET /", zone: str = "a", root: bool = False) -> OperationKey:
    """The series of an operation's inbound work."""
    return OperationKey(service, zone, operation, root)


def path(caller: Service, callee: Service, zone: str = "a", **changes: Any) -> EdgeKey:
    """The series of the calls of a path."""
    return EdgeKey(caller, "a", callee, zone, "http", **changes)


Call = tuple[int, SeriesKey, float, float, float, dict[int, float]]
"""Start, series, calls, errors, protected, and calls by latency in microseconds."""


def call(at_s: int, key: SeriesKey, n: float, bad: float = 0, protected: float = 0, **took: float) -> Call:
    """Calls that started at a time; `took` are numbers of them by `us_<microseconds>`, all 20 ms if not said."""
    times = {int(word[3:]): count for word, count in took.items()} or {20_000: n}
    return at_s, key, n, bad, protected, times


@dataclass
class Books:
    """A ledger with the series and members that an engine would have beside it."""

    promises: Promises
    settle_s: float = 50.0
    table: SeriesTable = field(default_factory=SeriesTable)
    members: Members = field(default_factory=Members)

    def __post_init__(self) -> None:
        self.ledger = self.new()

    def new(self) -> Ledger:
        """An empty ledger."""
        return Ledger(self.promises, LADDER, self.settle_s)

    def batch(self, calls: Sequence[Call], window_s: int = 10) -> RollupBatch:
        """Calls as rollups."""
        rows = []
        for at_s, key, n, bad, protected, took in calls:
            buckets: dict[int, float] = {}
            for us, count in took.items():
                bucket = int(LADDER.bucket(us))
                buckets[bucket] = buckets.get(bucket, 0) + count
            total = sum(us * count for us, count in took.items())
            counts = [n, bad, 0, protected, total, 0, n]
            rows.append((at_s // window_s * window_s, self.table.number(key), counts, buckets))
        return from_rows(window_s, rows)

    def add(self, *calls: Call) -> Books:
        """Counts calls."""
        batch = self.batch(calls)
        self.members.extend(self.table.keys)
        assert self.ledger.take(self.members, self.table.keys), "the ledger should have been filled anew"
        self.ledger.add(batch)
        return self

    def at(self, now_s: float) -> Books:
        """Moves the clock on."""
        self.ledger.advance(now_s)
        return self

    def told(self, name: str) -> dict[str, Any]:
        """The standing of one objective now, as plain numbers by name."""
        found = self.ledger.standings()
        row = found.plan.names.index(name)
        windows = dict(zip(found.plan.windows_s, found.burn[:, row].tolist(), strict=True))
        return {"good": float(found.period_good[row]), "total": float(found.period_total[row]),
                "ratio": float(found.ratio[row]), "left": float(found.left[row]), "burn": windows,
                "coverage": float(found.coverage[row])}  # fmt: skip
