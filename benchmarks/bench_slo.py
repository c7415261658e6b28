"""5,000 objectives judged again, ours beside the same rules in a real Prometheus over the same counts.

usage: python -m benchmarks.bench_slo [--slos 5000]

Every objective is 99.9 % over 30 days with the four rules of the SRE workbook; 1 in 50 fails 5 % of its calls. One
evaluation is all of them once: seven windows, budget, alerts, states. Ours does it at every tick, here each with ten
seconds of new calls, after 30 days of history. Prometheus does it with `topology.slo.prometheus.rules_document`, the
rules that the product writes for it, once a minute, with six hours of history (loading more takes longer than the
bench), so its longer windows hold far less than they will. Its CPU is that of the process over one minute less what it
takes for scraping alone. Both have to find the same number of alerts of every kind, and the same budget.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.rules_server import RulesServer
from benchmarks.table import Figure, show
from topology.histogram import ladder
from topology.members import Members
from topology.model import OperationKey, Service
from topology.rollup import COUNTS, RollupBatch, SeriesTable
from topology.slo.alerts import Alerts
from topology.slo.burn import factor
from topology.slo.evaluation import alerted
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
from topology.slo.states import Shown

SLOS, TICKS, BAR_MS = 5000, 30, 100.0
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
MONTH = Period("30d", 30 * DAY_S)
TABLE = (
    (Severity.PAGE, HOUR_S, 300, "0.02"),
    (Severity.PAGE, 6 * HOUR_S, 1800, "0.05"),
    (Severity.TICKET, DAY_S, 7200, "0.1"),
    (Severity.TICKET, 3 * DAY_S, 6 * HOUR_S, "0.1"),
)
CALLS_PER_S = 2


def objectives(count: int) -> list[Slo]:
    """The availability of so many services."""
    rules = tuple(
        BurnRule(severity, long_s, short_s, factor(Decimal(share), MONTH.length_s, long_s), Decimal(share))
        for severity, long_s, short_s, share in TABLE
    )
    return [_objective(f"service-{number}", rules) for number in range(count)]


def _objective(name: str, rules: tuple[BurnRule, ...]) -> Slo:
    selection = Selection(Services(name))
    ratio = Ratio(Source(selection, Counted.CALLS), good=Source(selection, Counted.SUCCESSES))
    return Slo(name=name, title=name, service=name, parts=(Part(ratio),), target=Decimal("0.999"), period=MONTH,
               rules=rules)  # fmt: skip


def bad_share(count: int) -> np.ndarray:
    """The share of calls that fail, of every service: 0.02 %, one in fifty 5 %."""
    return np.where(np.arange(count) % 50 == 7, 0.05, 0.0002)


class Ours:
    """A ledger with 30 days of steady traffic up to a moment."""

    def __init__(self, count: int, now_s: int) -> None:
        self.ledger = Ledger(Promises(objectives(count)), ladder())
        self.members, table, self.count = Members(), SeriesTable(), count
        for number in range(count):
            table.number(OperationKey(Service("prod", "bench", f"service-{number}"), "a", "GET /"))
        self.members.extend(table.keys)
        self.ledger.take(self.members, table.keys)
        self.now_s, self.state = now_s, (Alerts(), Shown())
        self._load()

    def _load(self) -> None:
        """Hours of 30 days, minutes of three, ten seconds of the last hour."""
        hours, minutes, tens = (self.now_s - back_s for back_s in (30 * DAY_S, 3 * DAY_S, HOUR_S))
        for from_s, to_s, step_s in ((hours, minutes, HOUR_S), (minutes, tens, MINUTE_S), (tens, self.now_s, 10)):
            for start_s in range(from_s, to_s, step_s):
                self._add(start_s, step_s)

    def _add(self, start_s: int, step_s: int) -> None:
        # The cell in progress is empty between the batches, as nothing is counted before its time.
        counts = np.zeros((self.count, len(COUNTS)))
        counts[:, COUNTS.index("calls")] = CALLS_PER_S * step_s
        counts[:, COUNTS.index("errors")] = CALLS_PER_S * step_s * bad_share(self.count)
        none = np.empty(0, np.int32)
        self.ledger.advance(start_s + step_s - 1)
        self.ledger.add(RollupBatch(step_s, np.full(self.count, start_s), np.arange(self.count, dtype=np.int32), counts,
                                    none, none.astype(np.int16), np.empty(0)))  # fmt: skip

    def tick(self) -> tuple[float, float]:
        """CPU milliseconds of counting ten seconds of calls, and of one evaluation."""
        begun_s = time.process_time()
        self._add(self.now_s, 10)
        counted_s = time.process_time()
        self.now_s += 10
        self.state = alerted(self.ledger.standings(), *self.state, self.now_s)
        return (counted_s - begun_s) * 1e3, (time.process_time() - counted_s) * 1e3

    def alerts(self) -> dict[str, int]:
        """How many alerts are open, by severity and long window."""
        alerts = self.state[0]
        keys = [alerts.keys[at] for at in np.flatnonzero(alerts.raised).tolist()]
        return dict(Counter(f"{key.severity} {key.long_s}" for key in keys))


def run_ours(count: int, now_s: int) -> dict[str, object]:
    """Everything about our side, measured in this process."""
    before = _memory_mib()
    ours = Ours(count, now_s)
    ticks = [ours.tick() for _ in range(TICKS + 3)][3:]
    standings = ours.ledger.standings()
    return {
        "evaluation_ms": statistics.median(ms for _, ms in ticks),
        "slowest_ms": max(ms for _, ms in ticks),
        "counting_ms": statistics.median(ms for ms, _ in ticks),
        "memory_mib": _memory_mib() - before,
        "alerts": ours.alerts(),
        "left": float(np.median(standings.left)),
        "windows": len(standings.plan.windows_s),
    }


def _memory_mib() -> float:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 / 2**20


def measure(count: int = SLOS) -> list[Figure]:
    """Both sides; RuntimeError when they do not find the same alerts, or Prometheus could not keep up."""
    now_s = int(time.time()) // HOUR_S * HOUR_S
    command = [sys.executable, "-m", "benchmarks.bench_slo", "--ours", str(now_s), "--slos", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    ours = json.loads(done.stdout.strip().splitlines()[-1])
    with tempfile.TemporaryDirectory() as name:
        theirs = RulesServer(Path(name), objectives(count), bad_share(count), CALLS_PER_S).measure()
    if theirs.alerts != ours["alerts"]:
        raise RuntimeError(f"not the same alerts: {ours['alerts']} here, {theirs.alerts} in Prometheus")
    if abs(theirs.left - ours["left"]) > 0.01:
        raise RuntimeError(f"not the same budget: {ours['left']} here, {theirs.left} in Prometheus")
    what = f"{count:,} SLOs x {ours['windows']} windows and their period, one core"
    return [
        Figure(what, f"{ours['evaluation_ms']:.1f} ms", f"slowest {ours['slowest_ms']:.0f} ms",
               ours["evaluation_ms"], BAR_MS, at_most=True),
        Figure("  CPU of one evaluation", f"{ours['evaluation_ms']:.1f} ms", f"{theirs.cpu_ms:,.0f} ms Prometheus",
               theirs.cpu_ms / ours["evaluation_ms"]),
        Figure("  memory", f"{ours['memory_mib']:.0f} MiB (30 days)", f"{theirs.memory_mib:,.0f} MiB Prometheus (6 h)",
               theirs.memory_mib / ours["memory_mib"]),
        Figure("  counting 10 s of all series", f"{ours['counting_ms']:.0f} ms"),
    ]  # fmt: skip


def main() -> int:
    """Prints the table; 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slos", type=int, default=SLOS)
    parser.add_argument("--ours", type=int, help="only our side, up to this moment, as JSON")
    options = parser.parse_args()
    if options.ours:
        print(json.dumps(run_ours(options.slos, options.ours)))
        return 0
    return 0 if show(measure(options.slos), machine()) else 1

if __name__ == "__main__":
    sys.exit(main())
