"""What is kept of metric requests."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_recording import sample

from collectors.otlp.config import Reading, default_metrics
from collectors.otlp.metrics import GaugeBatch, read_metrics
from topology.errors import MalformedInput
from topology.model import GaugeKey, Service

NOW_S = 1_760_000_005.0
NANOS = 1_000_000_000
ORDERS = {"service.name": "orders", "service.instance.id": "orders-1", "cloud.availability_zone": "east"}


def point(value: float | int, at_s: float = NOW_S, **attributes: str) -> dict[str, Any]:
    """A data point; underscores in attribute names are dots."""
    held = {"as_int": value} if isinstance(value, int) else {"as_double": value}
    named = pairs({name.replace("_", "."): text for name, text in attributes.items()})
    return {"time_unix_nano": int(at_s * NANOS), "attributes": named, **held}


def pairs(attributes: dict[str, str]) -> list[dict[str, Any]]:
    """Attributes as a message constructor takes them."""
    return [{"key": name, "value": {"string_value": text}} for name, text in attributes.items()]


def gauge(name: str, *points: dict[str, Any]) -> dict[str, Any]:
    """A gauge with these points."""
    return {"name": name, "gauge": {"data_points": points}}


def total(name: str, *points: dict[str, Any]) -> dict[str, Any]:
    """A sum with these points."""
    return {"name": name, "sum": {"data_points": points, "aggregation_temporality": 2}}


def batch(*metrics: dict[str, Any], wanted: dict[str, Reading] | None = None) -> GaugeBatch:
    """What is kept of these metrics of the service `orders`, by default with the default list."""
    request = ExportMetricsServiceRequest(resource_metrics=[
        {"resource": {"attributes": pairs(ORDERS)}, "scope_metrics": [{"metrics": metrics}]}])  # fmt: skip
    return read_metrics(request.SerializeToString(), wanted if wanted is not None else default_metrics(), NOW_S)


def figures(found: GaugeBatch) -> dict[str, float]:
    """The figures by signal, when there is one window only."""
    assert len({g.start_s for g in found.gauges}) <= 1
    return {g.key.metric: pytest.approx(g.value) for g in found.gauges}


def test_a_figure_belongs_to_an_instance_and_a_window() -> None:
    """Service, zone, instance and the 10 s window come with the value; modes are added up."""
    found = batch(gauge("process.cpu.utilization", point(0.25, cpu_mode="user"), point(0.5, cpu_mode="system")))
    (only,) = found.gauges
    assert only.key == GaugeKey(Service("", "", "orders"), "east", "orders-1", "cpu")
    assert (only.start_s, only.value, only.saturation) == (1_760_000_000, 0.75, True)
    assert (found.kept, found.dropped) == (2, 0)


def test_the_latest_point_of_a_window_counts() -> None:
    """Within a window the newest point of a time series wins, in whatever order they come; windows stay apart."""
    found = batch(gauge("jvm.cpu.recent_utilization", point(0.2, NOW_S), point(0.1, NOW_S - 1), point(0.9, NOW_S - 10)))
    assert {g.start_s: g.value for g in found.gauges} == {1_760_000_000: 0.2, 1_759_999_990: 0.9}


def test_processors_are_averaged_without_their_idle_time() -> None:
    """System utilisation is the mean over processors of everything but idle and waiting for disks."""
    modes = [("user", 0.3), ("system", 0.1), ("idle", 0.55), ("iowait", 0.05)]
    points = [point(v, cpu_mode=m, cpu=n) for n in "01" for m, v in modes]
    points[0]["as_double"] = 0.7
    assert figures(batch(gauge("system.cpu.utilization", *points))) == {"system_cpu": 0.6}


@pytest.mark.parametrize(("used", "most", "pool", "state"), [
    ("db.client.connection.count", "db.client.connection.max", "db.client.connection.pool.name",
     "db.client.connection.state"),
    ("db.client.connections.usage", "db.client.connections.max", "pool.name", "state"),
])  # fmt: skip
def test_a_connection_pool_is_as_full_as_its_fullest(used: str, most: str, pool: str, state: str) -> None:
    """Used over maximum per pool, idle connections left out, the fullest pool speaks; old and new names."""
    found = batch(
        total(used, *(point(n, **{pool: p, state: s})
                      for p, s, n in (("a", "used", 3), ("a", "idle", 7), ("b", "used", 9), ("b", "idle", 1)))),
        total(most, point(10, **{pool: "a"}), point(12, **{pool: "b"})),
    )  # fmt: skip
    assert figures(found) == {"db_pool": 0.75}


def test_memory_is_used_over_limit() -> None:
    """Heap used over heap limit, pools added up; other memory does not count."""
    found = batch(
        total("jvm.memory.used", point(30, jvm_memory_type="heap", jvm_memory_pool_name="eden"),
              point(50, jvm_memory_type="heap", jvm_memory_pool_name="old"), point(999, jvm_memory_type="non_heap")),
        total("jvm.memory.limit", point(100, jvm_memory_type="heap", jvm_memory_pool_name="old"),
              point(5000, jvm_memory_type="non_heap")),
    )  # fmt: skip
    assert figures(found) == {"memory": 0.8}


def test_percentages_are_scaled_and_shares_stay_between_0_and_1() -> None:
    """Process memory comes in percent; a share over 1 (a burst over the limit) is 1."""
    assert figures(batch(gauge("process.memory.utilization", point(37.5)))) == {"memory": 0.375}
    assert figures(batch(gauge("k8s.container.cpu_limit_utilization", point(1.3)))) == {"cpu": 1.0}


def test_queue_depth_is_absolute() -> None:
    """Queued work has no full measure: the figure is the number itself, of the longest queue."""
    (only,) = batch(gauge("executor.queued", point(17, name="a"), point(40, name="b"))).gauges
    assert (only.key.metric, only.value, only.saturation) == ("queue_depth", 40.0, False)


def test_the_highest_of_several_metrics_of_one_signal_counts() -> None:
    """Two metrics for the processor: the worse one is the figure."""
    found = batch(gauge("process.cpu.utilization", point(0.25)), gauge("container.cpu.utilization", point(0.75)))
    assert figures(found) == {"cpu": 0.75}


def test_everything_else_is_counted_and_dropped() -> None:
    """Unknown metrics, histograms of wanted names, and usage without its limit leave no figure and are counted."""
    histogram = {"name": "process.cpu.utilization", "histogram": {"data_points": [{"count": 1}]}}
    found = batch(total("http.server.requests", point(1), point(2)), histogram, gauge("executor.active", point(3)),
                  {"name": "nothing"})  # fmt: skip
    assert (list(found.gauges), found.kept, found.dropped) == ([], 0, 4)


@pytest.mark.parametrize("useless", [
    {"as_double": float("nan")}, {"as_double": float("inf")}, {"flags": 1, "as_double": 0.5},
])  # fmt: skip
def test_points_without_a_value_are_dropped(useless: dict[str, Any]) -> None:
    """Not a number, infinity and the mark "no recorded value" are no figures."""
    found = batch(gauge("process.cpu.utilization", {**point(0.0), **useless}))
    assert (list(found.gauges), found.dropped) == ([], 1)


def test_a_pool_without_a_size_gives_no_figure() -> None:
    """A limit of zero is no limit."""
    found = batch(gauge("executor.active", point(3, name="a")), gauge("executor.pool.max", point(0, name="a")))
    assert list(found.gauges) == []


def test_a_house_lists_its_own_metrics() -> None:
    """Only the listed metrics are read, as they are described."""
    own = {"mq.depth": Reading("queue_depth", saturation=False, across="sum", where={"queue": "in|retry"})}
    found = batch(gauge("mq.depth", point(5, queue="in"), point(6, queue="retry"), point(7, queue="dead")),
                  gauge("process.cpu.utilization", point(0.5)), wanted=own)  # fmt: skip
    assert figures(found) == {"queue_depth": 11.0}
    assert found.dropped == 2


def test_a_point_without_a_time_counts_when_it_came() -> None:
    """Without a time of its own a point belongs to the window of its arrival."""
    (only,) = batch(gauge("process.cpu.utilization", {"as_double": 0.5})).gauges
    assert only.start_s == 1_760_000_000


def test_the_protocols_own_example_tells_no_saturation() -> None:
    """The example of opentelemetry-proto is counted and dropped, all kinds of metrics in it."""
    found = read_metrics(sample("metrics.protobuf-bin"), default_metrics(), NOW_S)
    assert (list(found.gauges), found.kept, found.dropped) == ([], 0, 3)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever the bytes, the outcome is a batch or MalformedInput."""
    try:
        found = read_metrics(data, default_metrics(), NOW_S)
    except MalformedInput:
        return
    assert found.kept + found.dropped >= 0
