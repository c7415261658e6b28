"""Metric requests to the few figures that tell saturation; everything else is counted and dropped."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import DataPointFlags, Metric, NumberDataPoint

from collectors.otlp.config import Reading
from collectors.otlp.resources import identify as identify_resource
from collectors.otlp.values import NANOS, moment, parse, texts
from collectors.resources import first
from topology.model import GaugeKey, Resource

WINDOW_S = 10
NO_VALUE = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure of an instance in one 10 s window. With `saturation`, `value` is a share from 0 to 1."""

    key: GaugeKey
    start_s: int
    value: float
    saturation: bool


@dataclass(frozen=True, slots=True)
class GaugeBatch:
    """What one request says. `kept` data points were read, `dropped` ones not asked for or without a use
    (a pool's usage without its size)."""

    gauges: Sequence[Gauge]
    kept: int
    dropped: int


class Point(NamedTuple):
    """The latest value of one time series in one window."""

    nanos: int
    value: float
    attributes: Mapping[str, str]


Points = dict[str, dict[int, dict[tuple[tuple[str, str], ...], Point]]]
"""Metric name -> start of the window -> attributes -> the latest point."""


def read_metrics(
    body: bytes, wanted: Mapping[str, Reading], received_s: float,
    identify: Callable[[Mapping[str, str]], Resource] = identify_resource,
) -> GaugeBatch:
    """What is kept of an uncompressed ExportMetricsServiceRequest; MalformedInput when it is none.

    A point without a time, or from the future, counts at `received_s` (epoch seconds). Where several
    metrics give the same figure of an instance, the highest counts.
    """
    request = ExportMetricsServiceRequest()
    parse(request, body)
    names = wanted.keys() | {reading.limit for reading in wanted.values()}
    points: dict[Resource, Points] = {}
    total = 0
    for resource_metrics in request.resource_metrics:
        sender = identify(texts(resource_metrics.resource.attributes))
        found = points.setdefault(sender, defaultdict(lambda: defaultdict(dict)))
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                total += _count(metric)
                if metric.name in names:
                    _collect(metric, found[metric.name], received_s)
    return _batch(points, wanted, total)


def _batch(points: Mapping[Resource, Points], wanted: Mapping[str, Reading], total: int) -> GaugeBatch:
    gauges: dict[tuple[GaugeKey, int], Gauge] = {}
    kept = 0
    for sender, found in points.items():
        for name, reading in wanted.items():
            for start_s, values in found.get(name, {}).items():
                limits = _limits(found, reading, start_s)
                value, used = _figure(reading, values.values(), limits)
                if value is None:
                    continue
                kept += used
                gauge = Gauge(_key(sender, reading), start_s, value, reading.saturation)
                before = gauges.get((gauge.key, start_s))
                if before is None or before.value < value:
                    gauges[gauge.key, start_s] = gauge
    return GaugeBatch(list(gauges.values()), kept, total - kept)


def _key(sender: Resource, reading: Reading) -> GaugeKey:
    return GaugeKey(sender.service, sender.zone, sender.instance, reading.signal)


def _limits(found: Points, reading: Reading, start_s: int) -> Iterable[Point] | None:
    """The points of the metric that is the full measure, or None when none is named."""
    if not reading.limit:
        return None
    return found.get(reading.limit, {}).get(start_s, {}).values()


def _count(metric: Metric) -> int:
    kind = metric.WhichOneof("data")
    return len(getattr(metric, kind).data_points) if kind is not None else 0


def _collect(metric: Metric, windows: dict[int, dict[tuple[tuple[str, str], ...], Point]], received_s: float) -> None:
    """Adds the latest points of a gauge or sum; other kinds of metrics tell no saturation."""
    kind = metric.WhichOneof("data")
    if kind not in ("gauge", "sum"):
        return
    for point in getattr(metric, kind).data_points:
        value = _value(point)
        if value is None:
            continue
        nanos = moment(point.time_unix_nano, received_s)
        series = _attributes(point.attributes)
        latest = windows[nanos // NANOS // WINDOW_S * WINDOW_S]
        before = latest.get(series)
        if before is None or before.nanos <= nanos:
            latest[series] = Point(nanos, value, dict(series))


def _value(point: NumberDataPoint) -> float | None:
    if point.flags & NO_VALUE:
        return None
    value = float(point.as_int) if point.HasField("as_int") else point.as_double
    return value if math.isfinite(value) else None


def _attributes(attributes: Iterable[KeyValue]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(texts(attributes).items()))


def _figure(
    reading: Reading, points: Iterable[Point], limits: Iterable[Point] | None
) -> tuple[float | None, int]:
    """The figure of one metric in one window, or None, and how many points went into it."""
    units, used = _units(reading, points)
    shares = list(units.values())
    if limits is not None:
        full, counted = _units(reading, limits)
        shares = [units[unit] / full[unit] for unit in units if full.get(unit, 0) > 0]
        used += counted
    if not shares:
        return None, 0
    value = _ACROSS[reading.across](shares) * reading.scale
    return (min(max(value, 0.0), 1.0) if reading.saturation else value), used


def _units(reading: Reading, points: Iterable[Point]) -> tuple[dict[str, float], int]:
    """Sums by pool or processor (the first `per` attribute there is) of the selected points, and how many these are."""
    sums: dict[str, float] = defaultdict(float)
    used = 0
    for point in points:
        if _selected(reading, point.attributes):
            sums[first(point.attributes, reading.per)] += point.value
            used += 1
    return sums, used


def _selected(reading: Reading, attributes: Mapping[str, str]) -> bool:
    fits = (attributes[name] in words.split("|") for name, words in reading.where.items() if name in attributes)
    bars = (attributes[name] in words.split("|") for name, words in reading.without.items() if name in attributes)
    return all(fits) and not any(bars)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


_ACROSS: Mapping[str, Callable[[Sequence[float]], float]] = {"max": max, "mean": _mean, "sum": sum}
