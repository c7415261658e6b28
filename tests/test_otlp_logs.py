"""What is kept of log requests."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from otlp_recording import sample

from collectors.contract import Signal
from collectors.log_records import MAX_BODY_CHARS, level_of
from collectors.otlp.json_request import read_json
from collectors.otlp.logs import WINDOW_S, LogBatch, read_logs
from topology.errors import MalformedInput
from topology.model import LogKey, Service

NOW_S = 1_760_000_005.0
NANOS = 1_000_000_000
ORDERS = Service("prod", "shop", "orders")


def attributes(**texts: str) -> list[dict[str, Any]]:
    """Attributes as a message constructor takes them; underscores in names are dots."""
    return [{"key": name.replace("_", "."), "value": {"string_value": text}} for name, text in texts.items()]


def batch(*records: dict[str, Any], resource: dict[str, str] | None = None, **options: Any) -> LogBatch:
    """What is kept of these records of one resource, by default the service `orders`."""
    named = resource if resource is not None else {
        "service_name": "orders", "service_namespace": "shop", "deployment_environment_name": "prod",
    }  # fmt: skip
    request = ExportLogsServiceRequest(resource_logs=[
        {"resource": {"attributes": attributes(**named)}, "scope_logs": [{"log_records": records}]}])  # fmt: skip
    return read_logs(request.SerializeToString(), NOW_S, **options)


def line(text: str = "boom", at_s: float = NOW_S, severity: int = 17, **more: Any) -> dict[str, Any]:
    """An error record."""
    return {"time_unix_nano": int(at_s * NANOS), "severity_number": severity, "body": {"string_value": text}, **more}


@pytest.mark.parametrize("number", range(1, 25))
def test_severity_numbers_are_four_to_a_level(number: int) -> None:
    """1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal, whatever the text."""
    expected = ["trace", "debug", "info", "warn", "error", "fatal"][(number + 3) // 4 - 1]
    assert level_of(number, "something") == expected


@pytest.mark.parametrize(("text", "level"), [
    ("ERROR", "error"), ("Err", "error"), ("SEVERE", "error"), ("warning", "warn"), ("WARN4", "warn"),
    ("Information", "info"), ("notice", "info"), ("CRITICAL", "fatal"), ("panic", "fatal"), ("verbose", "trace"),
    (" debug ", "debug"), ("", "info"), ("锛", "info"), ("unheard of", "info"),
])  # fmt: skip
def test_severity_texts_stand_in_for_missing_numbers(text: str, level: str) -> None:
    """Without a number the text decides; without either it is info."""
    assert level_of(0, text) == level
    assert level_of(99, text) == level


def test_lines_are_counted_by_service_level_and_window() -> None:
    """Two windows and two levels make four counts."""
    start_s = int(NOW_S) // WINDOW_S * WINDOW_S
    found = batch(line(at_s=start_s), line(at_s=start_s + 9.9), line(at_s=start_s - 0.1), line(severity=9))
    error, info = LogKey(ORDERS, "error"), LogKey(ORDERS, "info")
    assert dict(found.counts) == {(error, start_s): 2, (error, start_s - 10): 1, (info, start_s): 1}
    assert found.lines == 4


@pytest.mark.parametrize(("resource", "service"), [
    ({"service_name": "a", "deployment_environment": "old"}, Service("old", "", "a")),
    ({"service_name": "a", "deployment_environment": "old", "deployment_environment_name": "new"},
     Service("new", "", "a")),
    ({"service_name": "unknown_service:java"}, Service("", "", "unknown_service:java")),
    ({}, Service("", "", "unknown_service")),
])  # fmt: skip
def test_a_resource_names_its_service(resource: dict[str, str], service: Service) -> None:
    """Environment (new name before old), namespace and name; a nameless one is unknown_service."""
    assert {key.service for key, _ in batch(line(), resource=resource).counts} == {service}


def test_the_newest_error_lines_are_kept_with_their_trace() -> None:
    """Error and fatal lines come back newest first, at most `keep`, with hex ids and instance."""
    ids = {"trace_id": bytes(range(16)), "span_id": bytes(range(8))}
    records = [line(f"line {i}", NOW_S + i, **ids) for i in (3, 1, 4, 0, 2)] + [line("fine", severity=13)]
    found = batch(*records, keep=3, resource={"service_name": "orders", "service_instance_id": "orders-7"})
    assert [kept.body for kept in found.errors] == ["line 4", "line 3", "line 2"]
    newest = found.errors[0]
    assert (newest.trace_id, newest.span_id) == (bytes(range(16)).hex(), bytes(range(8)).hex())
    assert (newest.time_s, newest.level, newest.instance) == (NOW_S + 4, "error", "orders-7")


def test_kept_lines_are_masked() -> None:
    """No personal data leaves this module."""
    found = batch(line("客户 13812345678 卡 4539578763621486 password=hunter2"))
    assert found.errors[0].body == "客户 138****5678 卡 453957******1486 password=***"


@given(st.integers(0, 40))
def test_a_long_line_is_cut_and_its_last_number_is_not_shown_in_half(shift: int) -> None:
    """A card number across the cut is masked or gone, wherever the cut falls, also when masking shortens the text."""
    filler = "password=" + "x" * (MAX_BODY_CHARS + 480 + shift)
    for text in (filler + " 4539578763621486", "y" * (MAX_BODY_CHARS - shift) + " 4539 5787 6362 1486 " + "z" * 900):
        body = batch(line(text)).errors[0].body
        assert len(body) <= MAX_BODY_CHARS
        assert "45395787" not in body.replace(" ", "")


@pytest.mark.parametrize(("record", "body"), [
    ({"body": {"int_value": 5}}, "5"),
    ({"body": {"kvlist_value": {"values": [{"key": "a", "value": {"string_value": "ü"}}]}}}, '{"a": "ü"}'),
    ({"body": {"array_value": {"values": [{"bool_value": True}, {}, {"bytes_value": b"ab"}]}}},
     '[true, null, "<2 bytes>"]'),
    ({"attributes": attributes(exception_type="IOError", exception_message="disk gone")}, "IOError: disk gone"),
    ({"event_name": "device.lost"}, "device.lost"),
    ({}, ""),
])  # fmt: skip
def test_bodies_of_every_kind_become_text(record: dict[str, Any], body: str) -> None:
    """Structured bodies become JSON; without a body, the exception or event name speaks."""
    assert batch({"severity_number": 17, **record}).errors[0].body == body


def test_a_record_counts_at_its_own_time_or_when_it_came() -> None:
    """The observed time stands in for a missing one, arrival for both, and for a time in the far future."""
    seen = int((NOW_S - 100) * NANOS)
    found = batch({"severity_number": 17, "observed_time_unix_nano": seen}, {"severity_number": 17},
                  line(at_s=NOW_S + 86400))  # fmt: skip
    windows = {start_s: lines for (_, start_s), lines in found.counts.items()}
    assert windows == {1_759_999_900: 1, 1_760_000_000: 2}


@pytest.mark.parametrize("name", ["logs", "events"])
def test_the_protocols_own_examples_are_counted(name: str) -> None:
    """The examples of opentelemetry-proto count one line of my.service each."""
    found = read_logs(read_json(Signal.LOGS, sample(f"{name}.json")), NOW_S)
    assert dict(found.counts) == {(LogKey(Service("", "", "my.service"), "info"), 1544712660): 1}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever the bytes, the outcome is a batch or MalformedInput."""
    try:
        found = read_logs(data, NOW_S)
    except MalformedInput:
        return
    assert found.lines == sum(found.counts.values())
