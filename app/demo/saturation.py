"""How full the instances of the bank are: CPU, memory, connection pools and queue lag as OTLP metrics."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from app.demo.bank import Bank
from app.demo.conditions import Conditions
from app.demo.simulate import Place

_POOL = 50
Reading = tuple[str, str, float, dict[str, str]]
"""Metric, unit, value, attributes of the point."""


def readings(bank: Bank, now: Conditions, seed: int, tick: int, place: Place) -> Iterator[Reading]:
    """What one instance measures in this second. Pure; utilizations lie between 0 and 1."""
    rng = random.Random(f"{seed}/{tick}/{place.service}/{place.zone}/{place.instance}")
    load = _load(bank, now, place)
    yield "process.cpu.utilization", "1", _share(0.12 + 0.22 * load + rng.gauss(0, 0.02)), {}
    yield "system.memory.utilization", "1", _share(0.55 + 0.05 * load + rng.gauss(0, 0.01)), {"state": "used"}
    for store in _stores(bank, place.service):
        waits = now.slow[store].share if store in now.slow else 0.0
        used = round(_POOL * _share(0.1 + 0.1 * load + 5 * waits + rng.gauss(0, 0.02)))
        pool = {"db.client.connection.pool.name": store}
        yield "db.client.connection.count", "{connection}", used, {**pool, "db.client.connection.state": "used"}
        yield "db.client.connection.max", "{connection}", _POOL, pool
    if _consumes(bank, place.service):
        yield "kafka.consumer.records_lag_max", "{record}", max(0, round(rng.gauss(6, 4) * load)), {}


def as_metrics(found: Iterable[tuple[Resource, Iterable[Reading]]], scope: str, time_ns: int) -> MetricsData:
    """The readings of instances at one moment in the shape that the SDK's exporters send."""
    return MetricsData([
        ResourceMetrics(resource, [ScopeMetrics(InstrumentationScope(scope), _metrics(some, time_ns), "")], "")
        for resource, some in found
    ])


def _metrics(found: Iterable[Reading], time_ns: int) -> list[Metric]:
    return [
        Metric(name, "", unit, Gauge([NumberDataPoint(attributes, 0, time_ns, value)]))
        for name, unit, value, attributes in found
    ]


def _load(bank: Bank, now: Conditions, place: Place) -> float:
    """The traffic that comes to the bank, as a multiple of the normal; more where a data centre carries it alone."""
    usual = sum(entry.rate for entry in bank.entries)
    scale = now.scale * usual
    alone = 1.6 if now.lost else 1.0
    return alone * sum(now.rates.values()) / scale if scale else 0.0


def _stores(bank: Bank, service: str) -> list[str]:
    return sorted({
        step.service
        for (name, _), stages in bank.operations.items() if name == service
        for stage in stages for step in stage
        if bank.services[step.service].kind == "database"
    })


def _consumes(bank: Bank, service: str) -> bool:
    return any(
        step.service == service
        for (name, _), stages in bank.operations.items() if bank.services[name].kind == "queue"
        for stage in stages for step in stage
    )


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
