"""Log lines of sources that are asked, beside those that services sent: kept, searched, known after a restart."""

from __future__ import annotations

from dataclasses import replace

from engine_run import NOW_S, Run
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.logs.logs import MOST, PER_SERVICE, Logs
from collectors.contract import FoundLine, LineQuery, Signal
from collectors.otlp.logs import LogLine
from topology.model import Service

ORDERS = Service("default", "", "orders")


def line(n: int, body: str = "boom", service: Service = ORDERS, **more: str) -> FoundLine:
    """An error line `n` seconds before now."""
    return FoundLine(NOW_S - n, service, "error", body, place=f"logs/{n}", **more)


def test_what_is_at_hand_is_part_of_a_search():
    """Lines that services sent and lines that sources told are found, where they match, before anybody is asked."""
    logs = Logs(lambda: [LogLine(NOW_S - 3, ORDERS, "error", "sent"), LogLine(NOW_S - 9999, ORDERS, "error", "old")])
    logs.note("es", [line(5, "told"), line(6, "other", Service("default", "", "web"))])
    hour = LineQuery(NOW_S - 3600, NOW_S + 60, limit=7)
    search = logs.search(hour, [ORDERS])
    assert ([one.body for one in search.at_hand], search.limit) == (["told", "sent"], 7)
    assert [one.service for one in search.queries] == [ORDERS]
    assert [one.service for one in logs.search(hour).queries] == [None]


def test_the_lines_of_a_pattern_are_searched_by_what_they_have_in_common():
    """Sources are asked for the fixed words of the pattern and its service; other lines that have them are not
    wanted, nor is any line of a pattern that nobody knows."""
    logs = Logs()
    logs.note("es", [line(n, f"could not reserve order {n} of anna") for n in range(5)])
    pattern = logs.patterns.patterns(None, NOW_S - 60, NOW_S + 60)[0]["id"]
    search = logs.search(LineQuery(NOW_S - 3600, NOW_S + 60, pattern=pattern), [ORDERS])
    lines = [line(1, "could not reserve order 8 of anna"), line(2, "nobody could not reserve order at all")]
    assert [one.body for one in lines if search.wanted(one)] == ["could not reserve order 8 of anna"]
    asked, = search.queries
    assert (asked.service, asked.text, asked.pattern) == (ORDERS, "could not reserve order", "")
    unknown = logs.search(LineQuery(NOW_S - 3600, NOW_S + 60, pattern="p-000000000000"))
    assert not any(map(unknown.wanted, lines))


def test_kept_lines_are_bounded():
    """A loud service keeps its newest lines, and all together are no more than may be kept."""
    logs = Logs()
    logs.note("es", [line(n, f"{n}") for n in range(PER_SERVICE + 50)])
    assert sorted(int(one.body) for one in logs.newest()) == [*range(PER_SERVICE)]
    for n in range(MOST // PER_SERVICE + 5):
        logs.note("es", [line(i, service=Service("default", "", f"s{n}")) for i in range(PER_SERVICE)])
    assert len(logs.newest()) <= MOST


def test_lines_are_in_their_patterns_once_after_a_restart():
    """What was counted before is not counted again when a source brings it once more."""
    logs = Logs(lambda: [LogLine(NOW_S - 3, ORDERS, "error", "sent")])
    logs.note("es", [line(1), line(2)])
    kept = logs.checkpoints()
    assert [*map(id, logs.checkpoints().values())] == [*map(id, kept.values())], "the same while nothing is new"
    again = Logs(logs.received)
    again.restore(kept)
    again.note("es", [line(1), line(2), line(0)])
    again.listen()
    counts = {one["template"]: one["count"] for one in again.patterns.patterns(None, NOW_S - 60, NOW_S + 60)}
    assert counts == {"boom": 3, "sent": 1}


def test_what_services_send_and_what_is_asked_for_is_listed_together(tmp_path):
    """The engine lists both, newest first, with trace, pattern and stack, and finds their patterns."""
    run = Run(tmp_path)
    logged(run, "orders", "order 7 lost")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    run.engine.note_lines("es", [
        replace(line(5, "order 8 lost", trace_id=trace, span_id="00f067aa0ba902b7"), attributes={"stack": "at x"})])
    first, second = run.engine.logs()
    assert (first["body"], second["body"], second["trace_id"], second["stack"]) == (
        "order 7 lost", "order 8 lost", trace, "at x")
    assert run.engine.logs(trace=trace) == [second]
    pattern, = run.engine.log_patterns(None, NOW_S - 60, NOW_S + 60)
    assert (pattern["template"], pattern["count"]) == ("order <number> lost", 2)
    assert {one["pattern"] for one in run.engine.logs(pattern=pattern["id"])} == {pattern["id"]}
    search = run.engine.line_search({"from_s": NOW_S - 60, "to_s": NOW_S + 60, "service": ORDERS.id})
    assert {one["body"] for one in run.engine.told_lines(search.at_hand)} == {"order 7 lost", "order 8 lost"}


def logged(run: Run, service: str, body: str = "boom") -> None:
    """A service sends one error line."""
    wire = ExportLogsServiceRequest()
    sent = wire.resource_logs.add()
    sent.resource.attributes.add(key="service.name").value.string_value = service
    record = sent.scope_logs.add().log_records.add(severity_number=17, time_unix_nano=run.clock.ns() - 10**9)
    record.body.string_value = body
    run.take(wire.SerializeToString(), Signal.LOGS)
    run.step()


def test_a_service_that_only_logs_is_on_the_map_and_marked(tmp_path):
    """It is a node without calls that says why nothing is judged, where lines are not; its log lines are counted, and
    it goes when it is silent for long."""
    run = Run(tmp_path, SYNOPTIC__HEALTH__LOGS__JUDGED="false")
    logged(run, "batch")
    node = run.node("batch")
    assert (node["logs_only"], node["health"], node["calls"]) == (True, "no_data", 0)
    assert "Logs only" in node["why"]["en"]
    assert sum(run.engine.log_counts(node["id"], NOW_S - 600, NOW_S + 60, 60)["levels"]["error"]) == 1
    run.clock.now_s += 2 * 86400
    assert "batch" not in [one["name"] for one in run.step().engine.snapshot()["nodes"]]


def test_a_service_that_also_sends_spans_is_not_marked(tmp_path):
    """Its calls decide when it was last heard, and nothing is said of its logs on the map."""
    run = Run(tmp_path)
    wire = ExportTraceServiceRequest()
    spans = wire.resource_spans.add()
    spans.resource.attributes.add(key="service.name").value.string_value = "orders"
    end_ns = run.clock.ns() - 10**9
    spans.scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="GET /", kind=2,
                                      start_time_unix_nano=end_ns - 10**6, end_time_unix_nano=end_ns)
    run.take(wire.SerializeToString())
    run.settle()
    heard = run.node("orders")["last_seen"]
    logged(run, "orders")
    node = run.node("orders")
    assert (node["logs_only"], node["calls"], node["last_seen"]) == (False, 1, heard)
