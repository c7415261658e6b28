"""Whatever arrives is taken or refused, and the receiver goes on: damaged, cut, random, absurd, over gRPC and JSON."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import orjson
import pytest
from engine_run import Run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from segment_senders import COLLECT, call, channel, messages, post, receiving

from collectors.contract import Signal
from collectors.skywalking_segments import reading
from collectors.skywalking_segments.logs import logs_request
from collectors.skywalking_segments.protocol.skywalking_pb2 import (
    InstanceProperties,
    LogData,
    SegmentObject,
)
from collectors.skywalking_segments.receiver import SegmentReceiver
from collectors.skywalking_segments.spans import traces_request
from topology.errors import MalformedInput

TEXTS = st.text(max_size=12)
INT32, INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
KNOWN_TAGS = ("db.type", "cache.type", "mq.topic", "mq.broker", "http.status_code", "status_code", "url", "level")
PAIRS = st.lists(st.fixed_dictionaries({"key": st.sampled_from(KNOWN_TAGS) | TEXTS, "value": TEXTS}), max_size=4)
REFERENCES = st.lists(st.fixed_dictionaries({}, optional={
    "refType": st.integers(0, 3), "traceId": TEXTS, "parentTraceSegmentId": TEXTS, "parentSpanId": INT32,
    "networkAddressUsedAtPeer": TEXTS}), max_size=3)  # fmt: skip
SPANS = st.lists(st.fixed_dictionaries({}, optional={
    "spanId": INT32, "parentSpanId": INT32, "startTime": INT64, "endTime": INT64, "refs": REFERENCES,
    "operationName": TEXTS, "peer": TEXTS, "spanType": st.integers(0, 5), "spanLayer": st.integers(0, 9),
    "componentId": INT32, "isError": st.booleans(), "tags": PAIRS, "skipAnalysis": st.booleans(),
    "logs": st.lists(st.fixed_dictionaries({"time": INT64, "data": PAIRS}), max_size=2)}), max_size=4)  # fmt: skip
SEGMENTS = st.fixed_dictionaries({}, optional={
    "traceId": TEXTS | st.text("0123456789abcdef", min_size=32, max_size=32), "traceSegmentId": TEXTS, "spans": SPANS,
    "service": TEXTS, "serviceInstance": TEXTS, "isSizeLimited": st.booleans()})  # fmt: skip
LINES = st.fixed_dictionaries({}, optional={
    "timestamp": INT64, "service": TEXTS, "serviceInstance": TEXTS, "endpoint": TEXTS, "layer": TEXTS,
    "body": st.fixed_dictionaries({"type": TEXTS, "text": st.fixed_dictionaries({"text": TEXTS})}),
    "traceContext": st.fixed_dictionaries({"traceId": TEXTS, "traceSegmentId": TEXTS, "spanId": INT32}),
    "tags": st.fixed_dictionaries({"data": PAIRS})})  # fmt: skip
KEYS = st.sampled_from(("spans", "traceId", "service", "spanType", "tags", "body", "data")) | TEXTS
JSON = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
FIXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def nobody(_resource: Resource, _service: str, _instance: str) -> None:
    """Tells nothing of who sent it."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An engine that takes whatever comes."""
    return Run(tmp_path_factory.mktemp("damaged"))


@pytest.fixture(scope="module")
def receiver(run: Run) -> Iterator[SegmentReceiver]:
    """A receiver before that engine."""
    with receiving(run.intake) as made:
        yield made


@FIXED
@given(st.lists(SEGMENTS, max_size=3), st.lists(LINES, max_size=3))
def test_any_segment_and_line_is_a_request_that_the_intake_takes(run, segments, lines):
    """Whatever the fields hold, the conversion makes a request that decodes; spans without ids are refused alone."""
    made = reading.many_from_json(SegmentObject, orjson.dumps(segments))
    receipt = run.take(traces_request(made, nobody))
    spans = [(segment, span) for segment in segments for span in segment.get("spans", ())]
    nameless = [one for one, _ in spans if not one.get("traceId") or not one.get("traceSegmentId")]
    assert receipt.rejected == len(nameless)
    run.take(logs_request(reading.LogStream().lines_json(orjson.dumps(lines)), nobody), Signal.LOGS)


@FIXED
@given(st.lists(SEGMENTS, min_size=1, max_size=2), st.data())
def test_damaged_bytes_are_read_or_refused(run, segments, data):
    """Bytes that were cut, changed or made up are a message or MalformedInput, and nothing else."""
    body = bytearray(messages(segments)[0])
    for _ in range(data.draw(st.integers(0, 4))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))]) + data.draw(st.binary(max_size=6))
    for read in (reading.segment, reading.collection):
        try:
            found = read(cut)
        except MalformedInput:
            continue
        run.take(traces_request(found, nobody))
    for kind in (LogData, InstanceProperties):
        try:
            reading.from_protobuf(kind, cut)
        except MalformedInput:
            continue


@FIXED
@given(JSON | st.lists(SEGMENTS | LINES | JSON, max_size=3))
def test_any_document_is_read_or_refused(run, document):
    """JSON of any shape is segments, lines and properties, or MalformedInput, and nothing else."""
    body = orjson.dumps(document)
    for read in (reading.segments_json, reading.segment_json):
        try:
            run.take(traces_request(read(body), nobody))
        except MalformedInput:
            continue
    for read in (reading.LogStream().lines_json, lambda raw: [reading.one_from_json(InstanceProperties, raw)]):
        try:
            read(body)
        except MalformedInput:
            continue


NO_DOCUMENT = [b"", b"{", b"\xff\xfe", b"null", b"7", b'"\\ud800"', b"[" * 5000, b'{"a":' * 2000, b"[7]", b"[[]]"]
NO_SEGMENTS = [
    b'{"spans":[]}', b'[{"spans":{}}]', b'[{"spans":[{"spanId":"x"}]}]', b'[{"spans":[{"spanId":99999999999}]}]',
    b'[{"traceId":7}]', b'[{"spans":[null]}]', b'[{"spans":[{"startTime":1e400}]}]',
    b'[{"spans":[{"tags":[{"key":{}}]}]}]',
]  # fmt: skip


@pytest.mark.parametrize("body", [*NO_DOCUMENT, *NO_SEGMENTS], ids=lambda body: str(body[:32]))
def test_nonsense_over_http_is_a_client_error(receiver, body):
    """Nonsense is answered with 400 and, in JSON, what is wrong; the next request is served."""
    paths = ("/v3/segments", "/v3/logs", "/v3/management/reportProperties", "/v3/management/keepAlive")
    for path in paths if body in NO_DOCUMENT else paths[:1]:
        answer = post(receiver.http_port, path, body)
        assert answer.status_code == 400, path
        assert answer.json()["message"]
    assert post(receiver.http_port, "/v3/segments", []).status_code == 200


def test_one_damaged_message_harms_nobody_else(receiver, run):
    """A damaged message in a stream ends that stream as INVALID_ARGUMENT; what came before it, and what others sent at
    the same time, is taken."""
    spans = run.intake.quality()["spans"]
    good, other = (messages([{"traceId": "b" * 32, "traceSegmentId": name, "spans": [{"spanId": 1}]}]) for name in "gh")
    with channel(receiver.grpc_port) as made, channel(receiver.grpc_port) as another:
        with pytest.raises(grpc.RpcError) as caught:
            call(made, COLLECT, [*good, b"\xff\xff"])
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert call(another, COLLECT, other) == b""
    assert run.intake.quality()["spans"] - spans == 2
    assert receiver.status()["counters"]["refused_malformed"] >= 1
