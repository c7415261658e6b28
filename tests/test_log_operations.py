"""Error lines that name a trace count for the operation in which they were written, as far as that is known."""

from __future__ import annotations

import random

import numpy as np
import pytest
from engine_run import NOW_S, Run
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.written_in import Done, key_of, operation_of
from collectors.contract import Signal
from topology.model import Service
from topology.pairing.entries import FAILED, INBOUND
from topology.pairing.kernel import OPERATION, TRAITS
from topology.spans import TRACE
from topology.trace_operations import TraceOperations

ORDERS, LEDGER = (Service("default", "", name) for name in ("orders", "ledger"))


def served(run: Run, trace: bytes, *operations: tuple[str, str, bool]) -> None:
    """(service, operation, whether it failed) of every server span of a trace."""
    wire, end_ns = ExportTraceServiceRequest(), run.clock.ns() - 10**9
    for number, (service, name, failed) in enumerate(operations):
        sent = wire.resource_spans.add()
        sent.resource.attributes.add(key="service.name").value.string_value = service
        span = sent.scope_spans.add().spans.add(
            trace_id=trace, span_id=bytes([number + 1] * 8), name=name, kind=2,
            parent_span_id=b"" if number == 0 else bytes([number] * 8),
            start_time_unix_nano=end_ns - 10**6, end_time_unix_nano=end_ns)  # fmt: skip
        span.status.code = 2 if failed else 0
    run.take(wire.SerializeToString())


def logged(run: Run, service: str, *traces: bytes, level: int = 17) -> None:
    """A service sends a line of every trace."""
    wire = ExportLogsServiceRequest()
    sent = wire.resource_logs.add()
    sent.resource.attributes.add(key="service.name").value.string_value = service
    for trace in traces:
        sent.scope_logs.add().log_records.add(severity_number=level, time_unix_nano=run.clock.ns() - 10**9,
                                              trace_id=trace)  # fmt: skip
    run.take(wire.SerializeToString(), Signal.LOGS)


def lines(run: Run, service: Service) -> dict[tuple[str, str], float]:
    """The lines of a service in the last five minutes, by level and operation."""
    with run.engine.lock:
        counts = run.engine.live_totals(300).counts[:, 0].tolist()
    found = [(key, n) for key, n in zip(run.series.keys, counts, strict=False) if n and hasattr(key, "level")]
    return {(key.level, key.operation): n for key, n in found if key.service == service}


def test_lines_count_for_their_operation_when_the_spans_of_their_trace_come(tmp_path):
    """At once they count for the service; some seconds later for what it did in the trace. Lines below error and lines
    of traces nobody knows stay with the service, and no line is lost or counted twice."""
    run = Run(tmp_path)
    known, other = b"k" * 16, b"o" * 16
    logged(run, "orders", known, known, other, b"")
    logged(run, "orders", known, level=9)
    run.step()
    assert lines(run, ORDERS) == {("error", ""): 4, ("info", ""): 1}
    served(run, known, ("web", "GET /shop", False), ("orders", "POST /orders", True))
    run.settle(20)
    assert lines(run, ORDERS) == {("error", ""): 2, ("error", "POST /orders"): 2, ("info", ""): 1}
    assert sum(run.engine.log_counts(ORDERS.id, NOW_S - 60, NOW_S + 60, 120)["levels"]["error"]) == 4


def test_what_was_put_to_an_operation_is_there_after_a_restart_and_not_moved_again(tmp_path):
    """Neither a clean end nor a crash moves lines twice."""
    run = Run(tmp_path)
    logged(run, "orders", b"k" * 16, b"k" * 16)
    served(run, b"k" * 16, ("orders", "POST /orders", True))
    run.settle(20)
    for again in (run.stopped(), run.crashed()):
        assert lines(again.settle(20), ORDERS) == {("error", "POST /orders"): 2}
        run = again


def test_lines_whose_spans_never_come_stay_with_their_service(tmp_path):
    """They are waited for, and then given up: what comes later changes nothing."""
    run = Run(tmp_path)
    logged(run, "orders", b"k" * 16)
    run.settle(60)
    served(run, b"k" * 16, ("orders", "POST /orders", True))
    run.settle(20)
    assert lines(run, ORDERS) == {("error", ""): 1}


@pytest.mark.parametrize(("done", "expected"), [
    ([], ""), ([(LEDGER, "book", True)], ""), ([(ORDERS, "a", False), (LEDGER, "book", True)], "a"),
    ([(ORDERS, "a", False), (ORDERS, "a", True)], "a"), ([(ORDERS, "a", False), (ORDERS, "b", True)], "b"),
    ([(ORDERS, "a", False), (ORDERS, "b", False)], ""), ([(ORDERS, "a", True), (ORDERS, "b", True)], ""),
])  # fmt: skip
def test_of_several_operations_the_one_that_failed_is_meant_and_else_none(done, expected):
    """Nothing is guessed: where a service did several things in a trace, its lines may be of any."""
    assert operation_of(ORDERS, [Done(*one) for one in done]) == expected


def test_ids_of_traces_are_found_however_they_are_written():
    """Capital digits and zeros that were left out name the same trace; a text that is no id names none."""
    assert key_of("0" * 16 + "00f067aa0ba902b7") == key_of("F067AA0BA902B7") != 0
    assert (key_of("abc.1.2"), key_of("")) == (0, 0)


def test_newest_spans_are_remembered_and_failed_ones_longer():
    """Of many spans the last ones are known, of failed ones more; what is asked for is found among them all."""
    chance = random.Random(3)
    memory, expected = TraceOperations(64, 16), list[tuple[int, int, bool]]()
    for _ in range(10):
        wide, resolved = np.zeros((30, 8), np.int64), np.zeros((30, 8), np.int32)
        for row in range(30):
            trace, failed = chance.getrandbits(62) - (1 << 61), chance.random() < 0.1
            wide[row, TRACE], resolved[row, OPERATION] = trace, chance.randrange(1, 1000)
            resolved[row, TRAITS] = INBOUND | (FAILED if failed else 0)
            expected.append((trace, int(resolved[row, OPERATION]), failed))
        memory.note(wide, resolved, 30)
    remembered = {*expected[-64:], *[one for one in expected if one[2]][-16:]}
    found = memory.done_in({trace for trace, _, _ in expected})
    assert {(trace, *done) for trace, listed in found.items() for done in listed} == remembered
    memory.forget()
    assert memory.done_in({trace for trace, _, _ in expected}) == {}


def test_of_a_trace_with_spans_without_end_only_the_newest_are_looked_at(monkeypatch):
    """Nobody waits for it: what was done there lately is told."""
    monkeypatch.setattr("topology.trace_operations.MOST_FOUND", 10)
    memory, wide, resolved = TraceOperations(1024, 16), np.full((100, 8), 7, np.int64), np.zeros((100, 8), np.int32)
    resolved[:, TRAITS], resolved[:, OPERATION] = INBOUND, np.arange(1, 101)
    memory.note(wide, resolved, 100)
    assert {number for number, _ in memory.done_in([7])[7]} == {*range(91, 101)}


def test_the_operations_of_a_service_tell_their_error_lines_and_how_many_are_known(tmp_path):
    """Of an operation of which no line is known, nothing is said while some lines are of none; where all are known it
    had none. A service that logs nothing has no figures."""
    run = Run(tmp_path)
    logged(run, "orders", b"k" * 16, b"k" * 16, b"o" * 16)
    served(run, b"k" * 16, ("web", "GET /shop", False), ("orders", "POST /orders", True))
    served(run, b"m" * 16, ("orders", "GET /orders", False))
    run.settle(20)
    found = run.engine.service(ORDERS.id)
    assert {one["operation"]: one["error_lines"] for one in found["operations"]} == {
        "POST /orders": 2, "GET /orders": None}
    assert found["log"] == {"lines": 3, "error_lines": 3, "of_operations": 2}
    web = run.engine.service("default//web")
    assert (web["log"], web["operations"][0]["error_lines"]) == (None, None)
    served(run, b"o" * 16, ("orders", "POST /orders", True))
    run.settle(20)
    found = run.engine.service(ORDERS.id)
    assert {one["operation"]: one["error_lines"] for one in found["operations"]} == {
        "POST /orders": 3, "GET /orders": 0}


def test_a_line_says_its_operation_when_only_its_trace_is_known(tmp_path):
    """Also where its span is none that was kept; of a trace that nobody knows it says none."""
    run = Run(tmp_path)
    logged(run, "orders", b"k" * 16, b"o" * 16)
    served(run, b"k" * 16, ("orders", "POST /orders", True))
    run.settle(20)
    assert {one["trace_id"]: one["operation"] for one in run.engine.logs(ORDERS.id)} == {
        (b"k" * 16).hex(): "POST /orders", (b"o" * 16).hex(): None}


def test_traces_that_were_kept_tell_operations_when_memory_does_not(tmp_path):
    """After a while, or a restart, the kept traces still tell what services did in them."""
    run = Run(tmp_path)
    served(run, b"k" * 16, ("web", "GET /shop", False), ("orders", "POST /orders", True))
    run.settle(60)
    run.intake._p.traces.forget()
    asked = {(ORDERS, (b"k" * 16).hex()), (LEDGER, (b"k" * 16).hex())}
    assert run.engine.trace_lines.operations(asked) == {(ORDERS, (b"k" * 16).hex()): "POST /orders"}


def test_patterns_say_from_how_many_of_how_many_error_lines_they_come(tmp_path):
    """Of a storm the newest lines are read and all are counted: both numbers are told. Of few lines they are equal."""
    run = Run(tmp_path)
    logged(run, "orders", *[b""] * 300)
    logged(run, "ledger", b"", b"")
    run.step()
    found = {one["service"]: one for one in run.engine.log_patterns(None, NOW_S - 60, NOW_S + 60)}
    assert [(found[one.id]["count"], found[one.id]["lines_read"], found[one.id]["lines_counted"])
            for one in (ORDERS, LEDGER)] == [(100, 100, 300), (2, 2, 2)]
