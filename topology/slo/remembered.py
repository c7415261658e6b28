"""What must outlive a restart, as JSON: open alerts and since when, the history, the states shown and since when."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from topology.errors import MalformedInput
from topology.slo.alerts import Alert, Alerts
from topology.slo.burn import RuleKey
from topology.slo.states import STATES, Shown

VERSION = 1


def to_bytes(alerts: Alerts, shown: Shown) -> bytes:
    """Both as UTF-8 JSON; only rules and SLOs of which there is something to tell."""
    told = np.flatnonzero(~np.isnan(alerts.pending_s) | alerts.raised).tolist()
    document = {
        "version": VERSION,
        "open": [_rule(alerts, at) for at in told],
        "history": [_ended(alert) for ended in alerts.history.values() for alert in ended],
        "shown": _slos(shown),
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def from_bytes(data: bytes) -> tuple[Alerts, Shown]:
    """What `to_bytes` was given. MalformedInput when it is something else, so that its owner may start anew."""
    try:
        document = json.loads(data)
        if document["version"] != VERSION:
            raise MalformedInput(f"alerts of version {document['version']!r}; this is version {VERSION}")
        return _alerts(document["open"], document["history"]), _shown(document["shown"])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise MalformedInput(f"these are no remembered alerts: {error!r}") from error


def _rule(alerts: Alerts, at: int) -> list[Any]:
    figures = (alerts.pending_s[at], alerts.since_s[at], alerts.peak_burn[at])
    return [list(alerts.keys[at]), *(_number(float(figure)) for figure in figures)]


def _ended(alert: Alert) -> list[Any]:
    return [list(alert.key), alert.since_s, alert.until_s, _number(alert.peak_burn)]


def _slos(shown: Shown) -> list[list[Any]]:
    values = [state.value for state in STATES]
    columns = (shown.code.tolist(), shown.since_s.tolist(), shown.last_s.tolist(), shown.held.tolist())
    return [[name, values[code], since_s, dict(zip(values, map(_number, last), strict=True)), held]
            for name, code, since_s, last, held in zip(shown.names, *columns, strict=True)]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _alerts(told: Sequence[Any], ended: Sequence[Any]) -> Alerts:
    history: dict[str, tuple[Alert, ...]] = {}
    for key, since_s, until_s, peak in ended:
        alert = Alert(_key(key), float(since_s), float(until_s), _known(peak))
        history[alert.key.slo] = (*history.get(alert.key.slo, ()), alert)
    pending_s, since_s, peak_burn = (_column([entry[at] for entry in told]) for at in (1, 2, 3))
    return Alerts(tuple(_key(entry[0]) for entry in told), pending_s, since_s, peak_burn, history)


def _key(entry: Sequence[Any]) -> RuleKey:
    slo, severity, long_s, short_s, name = entry
    return RuleKey(str(slo), str(severity), int(long_s), int(short_s), str(name))


def _column(values: Sequence[float | None]) -> npt.NDArray[np.float64]:
    return np.array([_known(value) for value in values], np.float64)


def _known(value: float | None, unknown: float = math.nan) -> float:
    return unknown if value is None else float(value)


def _shown(entries: Sequence[Any]) -> Shown:
    places: Mapping[str, int] = {state.value: at for at, state in enumerate(STATES)}
    last = [[_known(entry[3].get(state.value), -math.inf) for state in STATES] for entry in entries]
    return Shown(
        names=tuple(str(entry[0]) for entry in entries),
        code=np.array([places[entry[1]] for entry in entries], np.int8),
        since_s=np.array([entry[2] for entry in entries], np.float64),
        last_s=np.array(last, np.float64).reshape(len(entries), len(STATES)),
        held=np.array([entry[4] for entry in entries], np.bool_),
    )
