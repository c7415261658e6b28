"""The row of a receiver on the sources page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from collectors.receiving.budget import Budget
from collectors.receiving.traffic import Traffic


def row(name: str, kind: str, traffic: Traffic, budget: Budget, *, listening: bool, failure: str = "",
        counters: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Name, kind, state, rate_per_s, lag_s, last_error, last_seen and counters of a receiver; `failure` is why it could
    not start.

    The rate is of requests. `lag_s` is None: how far the data lags is known only where spans are read.
    """
    seen_s = traffic.last_seen_s()
    return {
        "name": name,
        "kind": kind,
        "state": _state(traffic, listening, failure),
        "rate_per_s": traffic.rate_per_s(),
        "lag_s": None,
        "last_error": failure or traffic.last_error() or None,
        "last_seen": None if seen_s is None else _rfc3339(seen_s),
        "counters": traffic.counters() | {
            "in_flight_bytes": budget.in_flight_bytes,
            "in_flight_peak_bytes": budget.peak_bytes,
        } | dict(counters or {}),
    }


def _state(traffic: Traffic, listening: bool, failure: str) -> str:
    if failure:
        return "failed"
    if not listening:
        return "off"
    if traffic.last_seen_s() is None:
        return "waiting"
    return "degraded" if traffic.in_trouble() else "ok"


def _rfc3339(epoch_s: float) -> str:
    """UTC with milliseconds, as every answer writes times."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
