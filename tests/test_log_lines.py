"""Log lines of sources that are asked, beside those that services sent: kept, searched, known after a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from engine_run import NOW_S, Run
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.logs.logs import MOST, PER_SERVICE, Logs
from collectors.contract import FoundLine, LineQuery, Signal
from collectors.otlp.logs import LogLine
from topology.errors import SourceUnavailable
from topology.model import Service

ORDERS = Service("default", "", "orders")


def line(n: int, body: str = "boom", service: Service = ORDERS, **more: str) -> FoundLine:
    """An error line `n` seconds before now."""
    return FoundLine(NOW_S - n, service, "error", body, place=f"logs/{n}", **more)


class Shelf:
    """A source that can be searched, in pages of two lines."""

    def __init__(self, lines: Sequence[FoundLine], broken: bool = False) -> None:
        self.lines, self.broken, self.asked = list(lines), broken, list[LineQuery]()

    def find_lines(self, query: LineQuery, cancelled: Callable[[], bool]) -> Iterator[Sequence[FoundLine]]:
        """Its lines, whatever is asked for."""
        self.asked.append(query)
        if self.broken:
            raise SourceUnavailable("no answer within 20 s")
        for at in range(0, min(len(self.lines), query.limit), 2):
            yield self.lines[at : at + 2]


def query(**asked: object) -> LineQuery:
    """A search of the last hour."""
    return replace(LineQuery(NOW_S - 3600, NOW_S + 60), **asked)  # type: ignore[arg-type]


def found(logs: Logs, **asked: object) -> tuple[list[str], list[str]]:
    """The bodies that a search finds, and what it could not search."""
    pieces = [*logs.search(query(**asked), lambda: False)]
    return [one.body for piece in pieces for one in piece.lines], [*pieces[-1].faults]


def test_a_search_goes_over_all_sources_newest_first():
    """Lines of every source and those that services sent come in the order of their times."""
    logs = Logs(lambda: [LogLine(NOW_S - 3, ORDERS, "error", "sent")])
    logs.finders = {"a": Shelf([line(2, "a2"), line(9, "a9")]), "b": Shelf([line(1, "b1"), line(4, "b4")])}
    assert found(logs) == (["b1", "a2", "sent", "b4", "a9"], [])
    assert found(logs, limit=2) == (["b1", "a2"], [])


def test_a_source_that_cannot_be_searched_is_told_and_costs_no_others():
    """The lines of the others come all the same."""
    logs = Logs(finders={"a": Shelf([], broken=True), "b": Shelf([line(1, "b1")])})
    assert found(logs) == (["b1"], ["a: no answer within 20 s"])


def test_a_search_stops_when_it_is_cancelled():
    """After the piece that is under way nothing more is asked for."""
    logs = Logs(finders={"a": Shelf([line(n, f"a{n}") for n in range(200)])})
    pieces = [*logs.search(query(limit=500), lambda: True)]
    assert [len(piece.lines) for piece in pieces] == [50]


def test_the_lines_of_a_pattern_are_searched_by_what_they_have_in_common():
    """Sources are asked for the fixed words of the pattern and its service; other lines that have them are left out."""
    logs = Logs()
    logs.note("es", [line(n, f"could not reserve order {n} of anna") for n in range(5)])
    pattern = logs.patterns.patterns(None, NOW_S - 60, NOW_S + 60)[0]["id"]
    shelf = Shelf([line(1, "could not reserve order 8 of anna"), line(2, "nobody could not reserve order at all")])
    logs.finders = {"es": shelf}
    assert found(logs, pattern=pattern)[0] == ["could not reserve order 8 of anna"]
    assert (shelf.asked[0].service, shelf.asked[0].text) == (ORDERS, "could not reserve order")
    assert found(logs, pattern="p-000000000000")[0] == []


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
    pieces = [*run.engine.find_lines({"from_s": NOW_S - 60, "to_s": NOW_S + 60, "service": ORDERS.id}, lambda: False)]
    assert [one["body"] for piece in pieces for one in piece["lines"]] == ["order 7 lost"]


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
    """It is a node without calls that says why nothing is judged; its log lines are counted, and it goes when it is
    silent for long."""
    run = Run(tmp_path)
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
