"""The health of a service of which nothing but log lines is known: judged by them, and said so."""

from __future__ import annotations

from engine_run import NOW_S, Run
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from test_slo_live import served

from app.engine.deliveries import delivery
from collectors.contract import Reading, Row, Signal
from topology.model import LogKey, Service

BATCH = Service("default", "", "batch")


def logged(run: Run, service: str, lines: int, errors: int) -> None:
    """A service sends so many lines, some of them errors."""
    wire = ExportLogsServiceRequest()
    sent = wire.resource_logs.add()
    sent.resource.attributes.add(key="service.name").value.string_value = service
    records = sent.scope_logs.add().log_records
    for number in range(lines):
        records.add(severity_number=17 if number < errors else 9, time_unix_nano=run.clock.ns() - 10**9)
    run.take(wire.SerializeToString(), Signal.LOGS)
    run.step()


def test_a_service_that_only_logs_is_judged_by_the_share_of_its_lines_that_are_errors(tmp_path):
    """By default: with a fifth of its lines errors it burns, and says in both languages that only logs judge it."""
    run = Run(tmp_path)
    logged(run, "batch", 100, 20)
    node = run.node("batch", 300)
    assert (node["health"], node["logs_only"], node["slo"], node["slo_kind"]) == ("burning", True, "default", "logs")
    assert (node["log_lines"], node["log_errors"], node["sources"], node["calls"]) == (100, 20, ["otlp"], 0)
    assert node["why"]["en"].startswith(
        "Burning: judged by its logs only, no calls are seen: 20 % of log lines were errors in the last hour, 20x")
    assert node["why"]["zh"].startswith("快速消耗：仅按日志评判，未看到调用：最近 1 小时 20 % 的日志为错误")
    entry, = [one for one in run.engine.slos() if one["service"] == node["id"]]
    assert (entry["kind"], entry["default"], entry["good"], entry["total"]) == ("logs", True, 80, 100)


def test_few_error_lines_and_silence_are_what_they_are_for_every_default_objective(tmp_path):
    """Two error lines change no colour; after ten minutes of silence nothing is known, and the sentence says so."""
    run = Run(tmp_path)
    logged(run, "batch", 10, 2)
    assert run.node("batch")["health"] == "ok"
    run.clock.now_s += 600
    node = run.step().node("batch", 300)
    assert (node["health"], node["log_lines"]) == ("no_data", None)
    assert node["why"]["en"] == "No data: it is judged by its log lines only, and none came in the last 5 min."


def test_a_service_that_is_called_is_never_coloured_by_its_lines(tmp_path):
    """Nothing but errors in its log, and its calls are well: it is healthy, also when the lines were there first."""
    run = Run(tmp_path)
    logged(run, "orders", 100, 100)
    assert run.node("orders")["health"] == "burning"
    run.take(served(run.clock.ns() - 2 * 10**9, 50))
    run.settle()
    node = run.node("orders")
    assert (node["health"], node["logs_only"], node["slo_kind"]) == ("ok", False, "availability")
    assert (node["log_lines"], node["log_errors"]) == (100, 100)
    assert [one["kind"] for one in run.engine.slos() if one["service"] == node["id"]] == ["availability", "latency"]


def test_the_verdict_outlives_a_restart(tmp_path):
    """Lines that were counted before are counted for the objective afterwards."""
    run = Run(tmp_path)
    logged(run, "batch", 100, 20)
    again = run.stopped().step()
    assert (again.node("batch")["health"], again.node("batch")["slo_kind"]) == ("burning", "logs")


def test_lines_that_are_asked_for_say_where_they_come_from_and_may_be_late(tmp_path):
    """A source that tells a minute when it is over is not stale for that, and is named as what tells of the service."""
    run = Run(tmp_path, SYNOPTIC__COLLECTORS__LOGS__KIND="elastic_logs")
    row = Row(LogKey(BATCH, "info", "logs"), (5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0))
    start_s = int(NOW_S) - 180
    run.engine.asked._inbox.append(delivery("logs", [Reading(start_s, [row])], b"1"))
    node = run.step().node("batch", 300)
    assert (node["sources"], node["stale"], node["logs_only"]) == (["logs"], False, True)
