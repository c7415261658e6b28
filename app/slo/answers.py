"""What pages and programs are told of objectives: the list, one of them, and their alerts. See `app.views.Views`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from app.house import House
from app.slo.evaluator import Objectives, Told
from topology.graph import whole
from topology.health import State
from topology.model import Service
from topology.slo.alerts import Alert, open_alerts
from topology.slo.burn import reachable
from topology.slo.explaining import Origin, kind_of, threshold_us
from topology.slo.objectives import WINDOWS_S, Slo
from topology.slo.selection import Concrete

Json = dict[str, Any]
DAYS = 30
_NAMES = {seconds: name for name, seconds in WINDOWS_S.items()}
Strips = Mapping[str, Sequence[float | None]]


def window_name(seconds: int) -> str:
    """A window as it is written: 5m, 1h, 3d; none is 0m."""
    if seconds == 0:
        return "0m"
    for unit, word in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds in _NAMES or seconds % unit == 0:
            return _NAMES.get(seconds, f"{seconds // unit}{word}")
    return f"{seconds}s"


def known(figure: float, digits: int = 6) -> float | None:
    """A figure, None when it is not known."""
    return None if np.isnan(figure) else round(float(figure), digits)


class Entries:
    """Entries of the list, made from what was found at one moment."""

    def __init__(self, told: Told, house: House, strips: Strips, totals: tuple[np.ndarray, np.ndarray],
                 origin_of: Callable[[str], Origin | None]) -> None:
        self._told, self._house, self._strips, self._totals = told, house, strips, totals
        self._origin_of = origin_of
        self._open: dict[str, list[Alert]] = {}
        for alert in open_alerts(told.alerts):
            self._open.setdefault(alert.key.slo, []).append(alert)

    def all(self) -> list[Json]:
        """Every objective."""
        return [self.entry(row) for row in range(len(self._told.found.plan.laid))]

    def entry(self, row: int) -> Json:
        """One objective."""
        one = self._told.found.plan.concretes[row]
        return {**self.about(one), **self._figures(row), **self._state(row)}

    def about(self, one: Concrete) -> Json:
        """What an objective is, whatever its figures."""
        slo, service = one.slo, _service_of(one)
        said = self._house.describe(Service.from_id(service)) if service else None
        domain = said.domain if said else ""
        limit_us = threshold_us(slo)
        return {
            "name": slo.name, "title": _spoken(slo.title, slo.title_zh), "service": service,
            "judges": [*one.nodes, *one.paths],
            "edge": one.paths[0] if one.paths else None,
            "domain": domain, "group": self._group(domain),
            "class": slo.service_class or (said.class_ if said else None) or "", "kind": kind_of(slo),
            "threshold_ms": limit_us / 1000 if limit_us else None, "target": f"{slo.target:f}",
            "window": slo.period.length, "rolling": slo.period.rolling, "method": str(slo.method),
            "missing": str(slo.missing), "default": slo.default,
        }

    def _group(self, domain: str) -> dict[str, str]:
        found = next((group for group in self._house.entries.groups if group.id == domain), None)
        title = found.title if found else None
        return {"en": title.en, "zh": title.zh or title.en} if title else {"en": domain, "zh": domain}

    def _figures(self, row: int) -> Json:
        found = self._told.found
        seconds = float(found.exhausted_in_s[row])
        good, total = (float(column[row]) for column in self._totals)
        return {
            "good": whole(float(found.period_good[row])), "total": whole(float(found.period_total[row])),
            "ratio": known(found.ratio[row], 9), "budget_left": known(found.left[row]),
            "exhausted_in_s": None if np.isnan(seconds) else round(seconds),
            "coverage": round(float(found.coverage[row]), 4),
            "burn": {name: known(found.burn[found.window(span), row]) for name, span in WINDOWS_S.items()},
            "strip": list(self._strips.get(found.plan.names[row], ())) or [None] * DAYS,
            "events_good": whole(good), "events_total": whole(total),
        }

    def _state(self, row: int) -> Json:
        told, name, origin = self._told, self._told.found.plan.names[row], self._origin(row)
        since = float(told.shown.since_s[row])
        return {
            "state": str(told.shown.state(row)), "since": None if np.isnan(since) else since,
            "alerts": [_brief(alert) for alert in self._open.get(name, ())],
            "why": {language: told.why(row, language, origin) for language in ("en", "zh")},
            "evaluated_at": told.found.at_s,
        }

    def _origin(self, row: int) -> Origin | None:
        """Where most failures began, of an objective in trouble: of the first service or path it is about."""
        one = self._told.found.plan.concretes[row]
        if self._told.shown.state(row) in (State.OK, State.NO_DATA) or kind_of(one.slo) != "availability":
            return None
        return next((found for about in (*one.nodes, *one.paths) if (found := self._origin_of(about))), None)


def _spoken(text: str, chinese: str) -> str | dict[str, str]:
    """A text in the one language it was written in, or in both."""
    return {"en": text, "zh": chinese} if chinese else text


def _service_of(one: Concrete) -> str | None:
    if one.nodes:
        return one.nodes[0]
    return one.paths[0].partition(">")[2] if one.paths else None


def _brief(alert: Alert) -> Json:
    return {"severity": alert.key.severity, "long": window_name(alert.key.long_s),
            "short": window_name(alert.key.short_s), "since": alert.since_s}


def beyond(concretes: Sequence[Concrete], entries: Entries) -> list[Json]:
    """Objectives beyond the bound: listed, and nothing is known of them."""
    nothing = {"good": 0, "total": 0, "ratio": None, "budget_left": None, "exhausted_in_s": None, "coverage": 0.0,
               "burn": dict.fromkeys(WINDOWS_S), "strip": [None] * DAYS, "state": str(State.NO_DATA), "since": None,
               "alerts": [], "evaluated_at": None, "why": _BEYOND}
    return [{**entries.about(one), **nothing} for one in concretes]


_BEYOND = {"en": "Not evaluated: there are more objectives than slo.max_slos.",
           "zh": "未评估：目标数量超过 slo.max_slos。"}


def details(slo: Slo, told: Told) -> Json:
    """What is said of one objective beside its entry."""
    course = [*told.alerts.history.get(slo.name, ()), *_open_of(told, slo.name)]
    course.sort(key=lambda alert: (alert.until_s is not None, -alert.since_s))
    return {
        "document": dict(slo.document), "file": slo.file, "description": _spoken(slo.description, slo.description_zh),
        "rules": [{"severity": str(rule.severity), "long": window_name(rule.long_s), "short": window_name(rule.short_s),
                   "factor": float(rule.factor), "budget_share": float(rule.budget_share),
                   "reachable": reachable(rule.factor, slo.target)} for rule in slo.rules],
        "conditions": [{"name": one.name, "severity": one.severity, "operator": str(one.operator),
                        "threshold": float(one.threshold), "lookback": window_name(one.lookback_s),
                        "alert_after": window_name(one.alert_after_s)} for one in slo.conditions],
        "alert_history": [{**_course(alert), "name": alert.key.name} for alert in course],
    }


def _open_of(told: Told, name: str) -> list[Alert]:
    return [alert for alert in open_alerts(told.alerts) if alert.key.slo == name]


def alerts(told: Told, open_only: bool, from_s: float | None, to_s: float | None) -> list[Json]:
    """Alerts, newest first: those that are open, or all whose time meets [from_s, to_s)."""
    found = open_alerts(told.alerts)
    if not open_only:
        found += [alert for ended in told.alerts.history.values() for alert in ended]
    chosen = [alert for alert in found if (to_s is None or alert.since_s < to_s)
              and (from_s is None or alert.until_s is None or alert.until_s >= from_s)]
    chosen.sort(key=lambda alert: -alert.since_s)
    return [_alert(told, alert) for alert in chosen]


def _alert(told: Told, alert: Alert) -> Json:
    row = told.row.get(alert.key.slo)
    service = None if row is None else _service_of(told.found.plan.concretes[row])
    return {"slo": alert.key.slo, "service": service, **_course(alert)}


def _course(alert: Alert) -> Json:
    """An alert with its end, what burnt most, and whether it fires."""
    state = "ended" if alert.until_s is not None else "suppressed" if alert.suppressed else "firing"
    return {**_brief(alert), "until": alert.until_s, "peak_burn": known(alert.peak_burn, 3), "state": state}


def faults(objectives: Objectives) -> list[Json]:
    """What is wrong, or doubtful, in the documents."""
    found = objectives.definitions
    return [{"file": fault.file, "line": fault.line, "path": fault.path, "rule": fault.rule, "message": fault.message,
             "level": "warning" if fault.warning else "error"} for fault in (*found.faults, *found.warnings)]
