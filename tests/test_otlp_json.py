"""OTLP/JSON to protobuf: the same request, by the protocol's own mapping."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from otlp_recording import sample

from collectors.contract import Signal
from collectors.otlp.json_request import read_json
from topology.errors import MalformedInput


def span_of(**fields: Any) -> Any:
    """The only span of a request, after the way through the converter."""
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}
    request = ExportTraceServiceRequest.FromString(read_json(Signal.TRACES, json.dumps(document).encode()))
    return request.resource_spans[0].scope_spans[0].spans[0]


def value_of(value: Any) -> AnyValue:
    """The value of the only attribute of a span."""
    found: AnyValue = span_of(attributes=[{"key": "k", "value": value}]).attributes[0].value
    return found


def test_the_trace_example_is_the_same_request_in_both_encodings() -> None:
    """The example of opentelemetry-proto in JSON becomes its protobuf twin."""
    converted = ExportTraceServiceRequest.FromString(read_json(Signal.TRACES, sample("trace.json")))
    assert converted == ExportTraceServiceRequest.FromString(sample("trace.protobuf-bin"))


def test_the_metrics_example_is_the_same_request_in_both_encodings() -> None:
    """Likewise for metrics, except for the exponential histogram, which the binary example does not have."""
    converted = ExportMetricsServiceRequest.FromString(read_json(Signal.METRICS, sample("metrics.json")))
    metrics = converted.resource_metrics[0].scope_metrics[0].metrics
    extra = [i for i, metric in enumerate(metrics) if metric.HasField("exponential_histogram")]
    for i in extra:
        del metrics[i]
    assert converted == ExportMetricsServiceRequest.FromString(sample("metrics.protobuf-bin"))


@pytest.mark.parametrize(("name", "trace_id", "event"), [("logs", "5b8efff798038103d269b633813fc60c", ""),
                                                         ("events", "", "browser.page_view")])  # fmt: skip
def test_the_log_examples_keep_what_they_say(name: str, trace_id: str, event: str) -> None:
    """Ids, time and name of the log examples survive."""
    request = ExportLogsServiceRequest.FromString(read_json(Signal.LOGS, sample(f"{name}.json")))
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    assert (record.trace_id.hex(), record.event_name) == (trace_id, event)
    assert record.time_unix_nano == 1544712660300000000


@pytest.mark.parametrize("text", ["5b8efff798038103d269b633813fc60c", "5B8EFFF798038103D269B633813FC60C"])
def test_ids_are_hex_in_either_case(text: str) -> None:
    """Ids are read as hex, not as base64."""
    span = span_of(traceId=text, spanId="EEE19b7ec3c1b174", parentSpanId="", links=[{"traceId": text, "spanId": "00"}])
    assert span.trace_id == bytes.fromhex(text)
    assert span.span_id == bytes.fromhex("eee19b7ec3c1b174")
    assert (span.parent_span_id, span.links[0].trace_id) == (b"", bytes.fromhex(text))


@pytest.mark.parametrize("value", [1544712660300000000, "1544712660300000000", 1.5447126603e18])
def test_64_bit_numbers_are_strings_or_numbers(value: Any) -> None:
    """Both ways of writing a 64-bit number are understood."""
    assert span_of(startTimeUnixNano=value).start_time_unix_nano == 1544712660300000000


@pytest.mark.parametrize("value", [2, "SPAN_KIND_SERVER", "2"])
def test_enums_are_integers_and_names_are_tolerated(value: Any) -> None:
    """Kinds come as integers; names, which the protocol does not allow, are understood all the same."""
    assert span_of(kind=value).kind == 2


def test_enum_numbers_of_a_newer_protocol_are_kept() -> None:
    """An unknown enum number is no error."""
    assert span_of(kind=77).kind == 77


def test_unknown_keys_are_ignored_at_any_depth() -> None:
    """Fields of a newer protocol, and keys that are not lowerCamelCase, change nothing."""
    more = {"new": {"a": [1, {"b": None}]}, "start_time_unix_nano": "7", "trace_id": "zz"}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "a", "status": {"code": 2, **more}, **more}],
                                                   **more}], "resource": {**more}, **more}], **more}  # fmt: skip
    request = ExportTraceServiceRequest.FromString(read_json(Signal.TRACES, json.dumps(document).encode()))
    expected = ExportTraceServiceRequest(resource_spans=[
        {"resource": {}, "scope_spans": [{"spans": [{"name": "a", "status": {"code": 2}}]}]}])  # fmt: skip
    assert request == expected


@pytest.mark.parametrize(("value", "expected"), [
    ({"stringValue": "中文 \U0001f600"}, AnyValue(string_value="中文 \U0001f600")),
    ({"stringValue": ""}, AnyValue(string_value="")),
    ({"boolValue": False}, AnyValue(bool_value=False)),
    ({"intValue": "-5"}, AnyValue(int_value=-5)),
    ({"intValue": 0}, AnyValue(int_value=0)),
    ({"doubleValue": 1}, AnyValue(double_value=1.0)),
    ({"doubleValue": "Infinity"}, AnyValue(double_value=math.inf)),
    ({"doubleValue": "-Infinity"}, AnyValue(double_value=-math.inf)),
    ({"bytesValue": "3q2+7w=="}, AnyValue(bytes_value=b"\xde\xad\xbe\xef")),
    ({"bytesValue": "3q2-7w"}, AnyValue(bytes_value=b"\xde\xad\xbe\xef")),
    ({"arrayValue": {"values": [{"intValue": 1}, {}]}}, AnyValue(array_value={"values": [{"int_value": 1}, {}]})),
    ({"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}},
     AnyValue(kvlist_value={"values": [{"key": "a", "value": {"bool_value": True}}]})),
    ({}, AnyValue()),
    (None, AnyValue()),
])  # fmt: skip
def test_attribute_values_of_every_kind(value: Any, expected: AnyValue) -> None:
    """Each kind of value is read, the empty one included."""
    assert value_of(value) == expected


def test_not_a_number_is_a_number() -> None:
    """The string NaN is a double."""
    assert math.isnan(value_of({"doubleValue": "NaN"}).double_value)


def test_half_a_surrogate_pair_is_replaced() -> None:
    """A string that JavaScript cut in the middle of a character costs that character, not the request."""
    assert value_of({"stringValue": "ab\ud83d"}).string_value == "ab\ufffd"


@pytest.mark.parametrize("body", [
    b"", b"[]", b"null", b"nonsense", b'{"resourceSpans": {}}', b'{"resourceSpans": [5]}', b"\xff\xfe\x00", b"{",
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"abc"}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":5}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":5}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"SPAN_KIND_FANCY"}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":true}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"-1"}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":1e400}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"99999999999999999999"}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"1_0"}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"value":{"bytesValue":"*"}}]}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"value":{"doubleValue":"x"}}]}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"value":{"boolValue":"true"}}]}]}]}]}',
    b"[" * 100_000,
    b'{"resourceSpans":[{"resource":{"attributes":[{"value":' + b'{"arrayValue":{"values":[' * 200 + b"]}}" * 200
    + b"}]}}]}",
])  # fmt: skip
def test_what_is_no_request_is_malformed(body: bytes) -> None:
    """Wrong types, bad ids, numbers out of range and bottomless nesting are refused, never a crash."""
    with pytest.raises(MalformedInput):
        read_json(Signal.TRACES, body)


def test_a_refusal_names_the_field_and_not_its_value() -> None:
    """What a sender is told, and what is logged, holds no personal data."""
    with pytest.raises(MalformedInput, match=r"^trace_id: expected a hex string, found str$"):
        span_of(traceId="13812345678")


values = st.recursive(
    st.one_of(
        st.builds(lambda v: AnyValue(string_value=v), st.text(max_size=8)),
        st.builds(lambda v: AnyValue(bool_value=v), st.booleans()),
        st.builds(lambda v: AnyValue(int_value=v), st.integers(-(2**63), 2**63 - 1)),
        st.builds(lambda v: AnyValue(double_value=v), st.floats(allow_nan=False)),
        st.builds(lambda v: AnyValue(bytes_value=v), st.binary(max_size=8)),
        st.just(AnyValue()),
    ),
    lambda inner: st.builds(lambda vs: AnyValue(array_value={"values": vs}), st.lists(inner, max_size=3)),
    max_leaves=6,
)
spans = st.fixed_dictionaries({
    "trace_id": st.binary(max_size=16), "span_id": st.binary(max_size=8), "parent_span_id": st.binary(max_size=8),
    "name": st.text(max_size=8), "kind": st.integers(0, 5), "flags": st.integers(0, 2**32 - 1),
    "start_time_unix_nano": st.integers(0, 2**64 - 1),
    "attributes": st.lists(st.builds(lambda v: {"key": "k", "value": v}, values), max_size=3),
    "events": st.lists(st.builds(lambda n: {"name": n}, st.text(max_size=4)), max_size=2),
})  # fmt: skip


def _with_hex_ids(tree: Any) -> Any:
    """protobuf's own JSON, with ids as OTLP wants them."""
    if isinstance(tree, list):
        return [_with_hex_ids(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ids = ("traceId", "spanId", "parentSpanId")
    return {k: base64.b64decode(v).hex() if k in ids else _with_hex_ids(v) for k, v in tree.items()}


@settings(max_examples=200, deadline=None)
@given(st.lists(spans, max_size=4))
def test_any_request_comes_through_as_protobufs_own_mapping_says(fields: list[dict[str, Any]]) -> None:
    """What json_format writes (with hex ids) is read back as the same message."""
    request = ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": fields}]}])
    document = _with_hex_ids(json_format.MessageToDict(request, use_integers_for_enums=True))
    converted = read_json(Signal.TRACES, json.dumps(document).encode())
    assert ExportTraceServiceRequest.FromString(converted) == request


json_trees = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                          lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
                              "resourceSpans", "scopeSpans", "spans", "attributes", "value", "key", "traceId", "kind",
                              "arrayValue", "values", "status", "code", "intValue", "doubleValue", "bytesValue",
                          ]), inner, max_size=4), max_leaves=20)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(json_trees)
def test_any_json_is_read_or_refused(tree: Any) -> None:
    """Whatever the document, the outcome is a request or MalformedInput."""
    try:
        body = read_json(Signal.TRACES, json.dumps(tree).encode())
    except MalformedInput:
        return
    ExportTraceServiceRequest.FromString(body)
