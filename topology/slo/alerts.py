"""The life of alerts from one evaluation to the next: pending, raised, ended, remembered.

The instants are those of a Prometheus rule with the same expression and `for`: an alert is raised at the first
evaluation at which its condition has held for `after_s`, and ended at the first at which it does not hold. What is
*shown* may stay a little longer than that (`topology.slo.states`); the alert itself never does.

Late data corrects what is counted, so an evaluation of tomorrow may find that yesterday was fine. What was raised
stays in the history as it was told, for somebody was woken by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from topology.slo.burn import RuleKey, RuleTable
from topology.slo.objectives import Severity

KEPT_PER_SLO = 100
KEPT_SLOS = 10_000


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: open while `until_s` is None. `peak_burn` is the highest burn that its lower window reached."""

    key: RuleKey
    since_s: float
    until_s: float | None
    peak_burn: float
    suppressed: bool = False
    """A page of the same SLO is open: shown, but nobody needs to be told twice."""


@dataclass(frozen=True, eq=False)
class Alerts:
    """What is known of the alerts of a table of rules. Arrays have one element per rule; NaN where it is not so."""

    keys: tuple[RuleKey, ...] = ()
    pending_s: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """Since when the condition holds."""
    since_s: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """Since when the alert is raised."""
    peak_burn: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    history: Mapping[str, tuple[Alert, ...]] = field(default_factory=dict)
    """Ended alerts by SLO, oldest first: `KEPT_PER_SLO` of each of the `KEPT_SLOS` whose last one is newest."""

    @property
    def raised(self) -> npt.NDArray[np.bool_]:
        """Which rules' alerts are open."""
        return ~np.isnan(self.since_s)


def advance(
    alerts: Alerts, now_s: float, rules: RuleTable, holds: npt.NDArray[np.bool_], burn: npt.NDArray[np.float64]
) -> Alerts:
    """The alerts after an evaluation: `holds` and `burn` have one element per rule (`burn.firing`, `burn.burns`).

    Other rules than before carry their alerts over by key; alerts whose rule is gone end.
    """
    alerts = _for_rules(alerts, rules, now_s)
    pending = np.where(holds, np.fmin(alerts.pending_s, now_s), np.nan)
    raised = holds & (now_s - pending >= rules.after_s)
    since = np.where(raised, np.fmin(alerts.since_s, now_s), np.nan)
    ended = np.flatnonzero(alerts.raised & ~raised)
    return Alerts(
        keys=rules.keys,
        pending_s=pending,
        since_s=since,
        peak_burn=np.where(raised, np.fmax(alerts.peak_burn, burn), np.nan),
        history=_remember(alerts.history, [_ended(alerts, at, now_s) for at in ended.tolist()]),
    )


def _for_rules(alerts: Alerts, rules: RuleTable, now_s: float) -> Alerts:
    if alerts.keys is rules.keys or alerts.keys == rules.keys:
        return alerts
    at = {key: place for place, key in enumerate(alerts.keys)}
    carried = np.array([at.get(key, -1) for key in rules.keys], np.int64)
    kept = set(rules.keys)
    gone = [place for place in np.flatnonzero(alerts.raised).tolist() if alerts.keys[place] not in kept]
    return Alerts(
        keys=rules.keys,
        pending_s=_taken(alerts.pending_s, carried),
        since_s=_taken(alerts.since_s, carried),
        peak_burn=_taken(alerts.peak_burn, carried),
        history=_remember(alerts.history, [_ended(alerts, place, now_s) for place in gone]),
    )


def _taken(values: npt.NDArray[np.float64], places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    taken: npt.NDArray[np.float64] = np.append(values, np.nan)[places]  # -1 is the NaN at the end
    return taken


def _ended(alerts: Alerts, at: int, now_s: float) -> Alert:
    return Alert(alerts.keys[at], float(alerts.since_s[at]), now_s, float(alerts.peak_burn[at]))


def _remember(history: Mapping[str, tuple[Alert, ...]], ended: list[Alert]) -> Mapping[str, tuple[Alert, ...]]:
    if not ended:
        return history
    kept = dict(history)
    for alert in ended:
        before = kept.pop(alert.key.slo, ())  # taken out, so that dict order is the order of the last end
        kept[alert.key.slo] = (*before, alert)[-KEPT_PER_SLO:]
    for slo in list(kept)[: max(len(kept) - KEPT_SLOS, 0)]:
        del kept[slo]
    return kept


def suppressed(rules: RuleTable, raised: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which open alerts are not pages while a page of the same SLO is open (SRE workbook: tell once, the loudest)."""
    rows = int(rules.row.max()) + 1 if len(rules) else 0
    paged = np.zeros(rows, np.bool_)
    paged[rules.row[raised & rules.pages]] = True
    return raised & ~rules.pages & paged[rules.row]


def open_alerts(alerts: Alerts) -> list[Alert]:
    """The alerts that are open, with what is suppressed marked, in the order of the rules."""
    places = np.flatnonzero(alerts.raised).tolist()
    paged = {alerts.keys[at].slo for at in places if alerts.keys[at].severity == Severity.PAGE}
    return [_open(alerts, at, paged) for at in places]


def _open(alerts: Alerts, at: int, paged: set[str]) -> Alert:
    key = alerts.keys[at]
    quiet = key.severity != Severity.PAGE and key.slo in paged
    return Alert(key, float(alerts.since_s[at]), None, float(alerts.peak_burn[at]), quiet)
