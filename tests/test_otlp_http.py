"""The OTLP/HTTP server, to the letter of the protocol's rules for servers."""

from __future__ import annotations

import functools
import gzip
import http.client
import json
import re
import resource
import socket
import threading
import time
import zlib

import pytest
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from otlp_recording import Recorder, answer_of, listening, post, raw, read_all, sample
from otlp_senders import send_logs, send_metrics, send_spans

from collectors.config import Address, Secret
from collectors.contract import Signal
from collectors.otlp.receiver import OtlpReceiver
from topology.errors import ConfigurationError, Overloaded, StoreFull

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
KIB = 1 << 10
SPANS = [{"name": "x" * 100}]
BODY = ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": SPANS}]}]).SerializeToString()


@pytest.fixture
def recorder() -> Recorder:
    """Takes what the receiver hands over."""
    return Recorder()


@pytest.fixture
def receiver(recorder: Recorder):  # type: ignore[no-untyped-def]
    """A running HTTP receiver."""
    with listening(recorder, grpc=None) as running:
        yield running


def small(recorder: Recorder, **more: object):  # type: ignore[no-untyped-def]
    """A receiver that takes 64 KiB at most."""
    return listening(recorder, grpc=None, max_body_bytes=64 * KIB, **more)


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_python_sdk_delivers_all_three_signals(
    recorder: Recorder, receiver: OtlpReceiver, compression: Compression
) -> None:
    """Spans, log records and metrics of the real SDK's HTTP exporters arrive as they were made."""
    url = f"http://127.0.0.1:{receiver.http_port}/v1/"
    send_spans(OTLPSpanExporter(url + "traces", compression=compression), 20)
    send_logs(OTLPLogExporter(url + "logs", compression=compression), 3)
    send_metrics(OTLPMetricExporter(url + "metrics", compression=compression))
    assert recorder.span_names() == {f"operation {i}" for i in range(20)}
    assert len(recorder.of(Signal.LOGS)[0].resource_logs[0].scope_logs[0].log_records) == 3
    metrics = recorder.of(Signal.METRICS)[0].resource_metrics[0].scope_metrics[0].metrics
    assert {metric.name for metric in metrics} == {"process.cpu.utilization", "orders.placed"}


@pytest.mark.parametrize(("name", "path"), [("trace", "traces"), ("logs", "logs"), ("events", "logs"),
                                            ("metrics", "metrics")])  # fmt: skip
def test_the_protocols_own_json_examples_are_taken(
    recorder: Recorder, receiver: OtlpReceiver, name: str, path: str
) -> None:
    """Every example request of opentelemetry-proto is answered with success, in JSON."""
    answer = post(receiver, f"/v1/{path}", sample(f"{name}.json"), content_type=JSON)
    assert (answer.status, answer.headers["content-type"], json.loads(answer.body)) == (200, JSON, {})
    assert len(recorder.requests) == 1


@pytest.mark.parametrize(("name", "path"), [("trace", "traces"), ("metrics", "metrics")])
def test_the_protocols_own_binary_examples_are_taken(receiver: OtlpReceiver, name: str, path: str) -> None:
    """The protobuf examples are answered with an empty protobuf response: full success."""
    answer = post(receiver, f"/v1/{path}", sample(f"{name}.protobuf-bin"), content_type=PROTOBUF)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, PROTOBUF, b"")


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
@pytest.mark.parametrize(("content_type", "body"), [(PROTOBUF, b""), (JSON, b"{}"), (JSON, b' {"resourceSpans": []} ')])
def test_an_empty_request_succeeds(receiver: OtlpReceiver, path: str, content_type: str, body: bytes) -> None:
    """A request without any data is a success, as the protocol says."""
    assert post(receiver, path, body, content_type=content_type).status == 200


@pytest.mark.parametrize("content_type", [
    PROTOBUF, "APPLICATION/X-PROTOBUF", "application/x-protobuf; charset=utf-8", " application/x-protobuf ;x=y",
])  # fmt: skip
def test_content_types_of_protobuf(recorder: Recorder, receiver: OtlpReceiver, content_type: str) -> None:
    """Case and parameters of the content type do not matter."""
    answer = post(receiver, "/v1/traces", BODY, content_type=content_type)
    assert (answer.status, answer.headers["content-type"]) == (200, PROTOBUF)
    assert recorder.requests[0][1].SerializeToString() == BODY


@pytest.mark.parametrize("content_type", [JSON, "Application/JSON; charset=UTF-8"])
def test_content_types_of_json(receiver: OtlpReceiver, content_type: str) -> None:
    """JSON is answered in JSON, whatever its case and parameters."""
    answer = post(receiver, "/v1/traces", b"{}", content_type=content_type)
    assert (answer.status, answer.headers["content-type"]) == (200, JSON)


@pytest.mark.parametrize("headers", [{}, {"content_type": "text/plain"}, {"content_type": "application/xml"}])
def test_other_content_types_are_refused(receiver: OtlpReceiver, headers: dict[str, str]) -> None:
    """A missing or unknown content type is 415."""
    answer = post(receiver, "/v1/traces", BODY, **headers)
    assert answer.status == 415
    assert json.loads(answer.body)["code"] == 3


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_other_methods_are_refused(receiver: OtlpReceiver, method: str) -> None:
    """Anything but POST is 405 and says what is allowed; no header invites other origins."""
    answer = post(receiver, "/v1/traces", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize("path", ["/", "/v1/trace", "/v1/traces/", "/v1/profiles", "/v1development/profiles"])
def test_other_paths_are_not_found(receiver: OtlpReceiver, path: str) -> None:
    """Unknown paths are 404."""
    assert post(receiver, path, BODY, content_type=PROTOBUF).status == 404


def test_a_query_or_an_absolute_target_does_not_matter(receiver: OtlpReceiver) -> None:
    """A query string and the absolute form of the target (as proxies send it) are understood."""
    assert post(receiver, "/v1/traces?x=1", BODY, content_type=PROTOBUF).status == 200
    assert post(receiver, "http://anything:4318/v1/traces", BODY, content_type=PROTOBUF).status == 200


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "deflate"])
def test_unknown_content_encodings_are_refused_for_good(receiver: OtlpReceiver, encoding: str) -> None:
    """An unknown compression is 400 with the code INVALID_ARGUMENT, and the answer says what is understood."""
    answer = post(receiver, "/v1/traces", BODY, content_type=PROTOBUF, content_encoding=encoding)
    assert (answer.status, answer.headers["accept-encoding"]) == (400, "gzip, identity")
    assert Status.FromString(answer.body).code == 3


@pytest.mark.parametrize("body", [b"\xff" * 40, BODY[:-3], b"\x0a\xff\xff\xff\xff\x0f"])
def test_bytes_that_are_no_request_are_refused_for_good(receiver: OtlpReceiver, body: bytes) -> None:
    """Truncated and foreign bytes are 400 with a Status in protobuf."""
    answer = post(receiver, "/v1/traces", body, content_type=PROTOBUF)
    assert (answer.status, answer.headers["content-type"]) == (400, PROTOBUF)
    assert Status.FromString(answer.body).code == 3


def test_json_that_is_no_request_is_refused_in_json(receiver: OtlpReceiver) -> None:
    """A malformed JSON body is 400 with a Status in JSON."""
    answer = post(receiver, "/v1/traces", b'{"resourceSpans": 5}', content_type=JSON)
    assert (answer.status, answer.headers["content-type"]) == (400, JSON)
    assert json.loads(answer.body)["code"] == 3


@pytest.mark.parametrize("damage", [lambda z: z[:-20], lambda z: z[:50] + b"\x00" + z[51:], lambda z: z + b"junk",
                                    lambda z: z[:12], lambda z: z[:-8] + b"\0" * 8])  # fmt: skip
def test_damaged_gzip_is_refused_for_good(receiver: OtlpReceiver, damage) -> None:  # type: ignore[no-untyped-def]
    """A gzip body that is cut, altered or followed by something else is 400."""
    body = damage(gzip.compress(BODY * 3))
    assert post(receiver, "/v1/traces", body, content_type=PROTOBUF, content_encoding="gzip").status == 400


def test_gzip_of_several_members_is_read_whole(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """A gzip stream may have several members (RFC 1952 2.2): none is lost, also when they look alike."""
    for parts in ([BODY, b""], [BODY, BODY[:0], BODY], [b"", BODY, b""], [BODY[:50], BODY[50:]]):
        body = b"".join(gzip.compress(part, mtime=0) for part in parts)
        assert post(receiver, "/v1/traces", body, content_type=PROTOBUF, content_encoding="gzip").status == 200
        assert recorder.requests[-1][1] == ExportTraceServiceRequest.FromString(b"".join(parts))


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(recorder: Recorder, content_type: str) -> None:
    """The limit itself is allowed; over it the answer is 413, also when only decompression shows it."""
    with small(recorder) as receiver:
        for size, status in ((64 * KIB, 200), (64 * KIB + 1, 413)):
            body = _padded(size) if content_type == PROTOBUF else b"{}".ljust(size)
            assert len(body) == size
            assert post(receiver, "/v1/traces", body, content_type=content_type).status == status
            packed = gzip.compress(body)
            assert post(receiver, "/v1/traces", packed, content_type=content_type,
                        content_encoding="gzip").status == status  # fmt: skip


def _padded(size: int) -> bytes:
    request = ExportTraceServiceRequest(resource_spans=[{"schema_url": "u" * (size - 20)}])
    missing = size - request.ByteSize()
    request.resource_spans[0].schema_url += "u" * missing
    return request.SerializeToString()


def test_a_chunked_body_is_bounded_while_it_is_read(recorder: Recorder) -> None:
    """A body without Content-Length is refused with 413 as soon as it is over the limit, before its end."""
    with small(recorder) as receiver, raw(receiver) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
                           b"transfer-encoding: chunked\r\n\r\n")  # fmt: skip
        for _ in range(9):
            connection.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_is_put_together(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """A body in chunks arrives as one."""
    answer = post(receiver, "/v1/traces", iter([BODY[:7], BODY[7:]]), content_type=PROTOBUF)
    assert answer.status == 200
    assert recorder.requests[0][1].SerializeToString() == BODY


def test_an_announced_body_over_the_limit_is_refused_before_it_comes(recorder: Recorder) -> None:
    """With Expect: 100-continue a sender learns of the 413 without sending anything."""
    with small(recorder) as receiver, raw(receiver) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
                           b"expect: 100-continue\r\ncontent-length: 70000\r\n\r\n")  # fmt: skip
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_a_sender_that_waits_for_the_word_is_told_to_go_on(receiver: OtlpReceiver) -> None:
    """Expect: 100-continue is answered before the body."""
    with raw(receiver) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
                           b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(BODY))  # fmt: skip
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("lie", [None, 100, 10_000])
def test_a_decompression_bomb_costs_no_memory(receiver: OtlpReceiver, lie: int | None, bomb: bytes) -> None:
    """A gigabyte of zeros in a megabyte of gzip is 413, whatever size its trailer claims, within the limit's memory."""
    body = bomb if lie is None else bomb[:-4] + lie.to_bytes(4, "little")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = post(receiver, "/v1/traces", body, content_type=PROTOBUF, content_encoding="gzip")
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert answer.status == 413
    assert grown_kib < 200 * KIB


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """The gzip of 1 GiB of zeros: one compressed MiB, 1024 times."""
    zeros = bytes(1 << 20)
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = functools.reduce(lambda crc, _: zlib.crc32(zeros, crc), range(1024), 0)
    trailer = checksum.to_bytes(4, "little") + (1 << 30).to_bytes(4, "little")
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + block * 1024 + packer.flush() + trailer


def test_partial_success_is_told_with_counts(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """What the intake refused for good is counted in the response of either encoding, with status 200."""
    recorder.rejected = (3, "too many attributes")
    answer = post(receiver, "/v1/traces", BODY, content_type=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, partial.rejected_spans, partial.error_message) == (200, 3, "too many attributes")
    answer = post(receiver, "/v1/metrics", b"{}", content_type=JSON)
    assert json.loads(answer.body)["partialSuccess"] == {"rejectedDataPoints": "3",
                                                         "errorMessage": "too many attributes"}  # fmt: skip


def test_a_warning_is_told_without_a_count(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """A message with nothing rejected is a warning: rejected stays 0."""
    recorder.rejected = (0, "old schema")
    answer = post(receiver, "/v1/logs", b"", content_type=PROTOBUF)
    partial = ExportLogsServiceResponse.FromString(answer.body).partial_success
    assert (partial.rejected_log_records, partial.error_message) == (0, "old schema")


def test_under_pressure_senders_are_asked_to_come_back(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """Overloaded is 503 with Retry-After in whole seconds, rounded up."""
    recorder.refusal = Overloaded("the journal is full", retry_after_s=2.5)
    answer = post(receiver, "/v1/traces", BODY, content_type=PROTOBUF)
    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    assert Status.FromString(answer.body).message == "the journal is full"
    recorder.refusal = None
    assert post(receiver, "/v1/traces", BODY, content_type=PROTOBUF).status == 200


def test_what_could_not_be_made_durable_is_no_success(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """A full disk at the last moment is answered with a retryable 503."""
    recorder.unsettled = StoreFull("no space left on device")
    answer = post(receiver, "/v1/traces", BODY, content_type=PROTOBUF)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


def test_a_fault_of_ours_says_nothing_about_itself(
    recorder: Recorder, receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    """An unforeseen exception is 500 without details to the sender, and logged; the next request is served."""
    recorder.refusal = RuntimeError("secret detail")
    answer = post(receiver, "/v1/traces", BODY, content_type=PROTOBUF)
    assert (answer.status, b"secret" in answer.body) == (500, False)
    assert "secret detail" in caplog.text
    recorder.refusal = None
    assert post(receiver, "/v1/traces", BODY, content_type=PROTOBUF).status == 200


def test_no_answer_before_the_request_is_durable(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """While the disk works no success is told; many requests then share one settling."""
    recorder.disk.clear()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(
        post(receiver, "/v1/traces", BODY, content_type=PROTOBUF).status)) for _ in range(12)]  # fmt: skip
    for thread in threads:
        thread.start()
    _until(lambda: len(recorder.requests) == 12)
    time.sleep(0.05)
    assert answers == []
    recorder.disk.set()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12
    assert len(recorder.settled) < 12
    assert max(recorder.settled) == 12


def _until(holds, seconds: float = 10.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_bytes_in_flight_are_bounded(recorder: Recorder) -> None:
    """Beyond the budget a further request is asked to come back, and welcome once the others are answered."""
    with small(recorder, in_flight_bytes=128 * KIB) as receiver:
        recorder.disk.clear()
        big = _padded(60 * KIB)
        threads = [threading.Thread(target=post, args=(receiver, "/v1/traces", big),
                                    kwargs={"content_type": PROTOBUF}) for _ in range(2)]  # fmt: skip
        for thread in threads:
            thread.start()
        _until(lambda: len(recorder.requests) == 2)
        answer = post(receiver, "/v1/traces", big, content_type=PROTOBUF)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        recorder.disk.set()
        for thread in threads:
            thread.join()
        assert post(receiver, "/v1/traces", big, content_type=PROTOBUF).status == 200
        assert receiver.budget.in_flight_bytes == 0
        assert receiver.budget.peak_bytes <= 128 * KIB


def test_the_token_is_asked_for(recorder: Recorder) -> None:
    """Without the configured bearer token, or with another one, the answer is 401; with it 200."""
    with listening(recorder, grpc=None, token=Secret("s3cret")) as receiver:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}):
            answer = post(receiver, "/v1/traces", BODY, content_type=PROTOBUF, **headers)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="otlp"')
        assert recorder.requests == []
        for value in ("Bearer s3cret", "bearer s3cret"):
            assert post(receiver, "/v1/traces", BODY, content_type=PROTOBUF, authorization=value).status == 200


def test_a_connection_serves_many_requests_in_order(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """Keep-alive works across successes and refusals, and pipelined requests are answered in their order."""
    connection = http.client.HTTPConnection("127.0.0.1", receiver.http_port or 0, timeout=20)
    for body, status in ((BODY, 200), (b"\xff", 400), (BODY, 200)):
        connection.request("POST", "/v1/traces", body, {"content-type": PROTOBUF})
        assert answer_of(connection).status == status
    connection.close()
    one = b"POST /v1/%b HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n%b\r\n"
    with raw(receiver) as pipelined:
        last = one % (b"nowhere", b"") + one % (b"logs", b"connection: close\r\n")
        pipelined.sendall(one % (b"traces", b"") * 40 + last)
        answers = read_all(pipelined)
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200"] * 40 + [b"404", b"200"]
    assert len(recorder.of(Signal.LOGS)) == 1


def test_an_offer_of_http2_is_declined_by_answering(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """Java's client offers h2c with its first request: it is served in HTTP/1.1."""
    with raw(receiver) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\n"
                           b"upgrade: h2c\r\nhttp2-settings: AAEA\r\ncontent-type: application/x-protobuf\r\n"
                           b"content-length: %d\r\n\r\n" % len(BODY) + BODY)  # fmt: skip
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("opening", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"nonsense\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
])  # fmt: skip
def test_what_is_no_http_is_answered_and_closed(receiver: OtlpReceiver, opening: bytes) -> None:
    """TLS, HTTP/2 and ambiguous lengths on this port end in 400 and a closed connection."""
    with raw(receiver) as connection:
        connection.sendall(opening)
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


def test_a_request_head_is_bounded(receiver: OtlpReceiver) -> None:
    """Endless headers are cut off with 431."""
    with raw(receiver) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nx: ")
        answer = b""
        try:
            for _ in range(100):
                connection.sendall(b"y" * 4096)
            answer = read_all(connection)
        except ConnectionError:
            answer = answer or b"HTTP/1.1 431 reset"
        assert answer.startswith(b"HTTP/1.1 431 ")


def test_slow_and_silent_senders_are_cut_off(recorder: Recorder) -> None:
    """A request that takes too long to arrive, and a connection without any, are closed."""
    with listening(recorder, grpc=None, request_timeout_s=1.0, idle_timeout_s=1.0) as receiver, \
            raw(receiver) as slow, raw(receiver) as silent:
        slow.sendall(b"POST /v1/traces HTTP/1.1\r\ncontent-length: 100\r\n\r\nabc")
        assert read_all(silent) == b""
        read_all(slow)
        assert receiver.budget.in_flight_bytes == 0


def test_a_lost_connection_gives_its_bytes_back(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """A sender that disappears in the middle of its body leaves nothing in flight."""
    with raw(receiver) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\ncontent-type: application/x-protobuf\r\n"
                           b"content-length: 100\r\n\r\nabc")  # fmt: skip
        _until(lambda: receiver.budget.in_flight_bytes == 3)
    _until(lambda: receiver.budget.in_flight_bytes == 0)
    assert recorder.requests == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), content_type=st.sampled_from([PROTOBUF, JSON]), packed=st.booleans())
def test_random_bytes_never_break_the_server(
    receiver: OtlpReceiver, data: bytes, content_type: str, packed: bool
) -> None:
    """Whatever the body, the answer is 200 or 400, and the server lives."""
    headers = {"content_type": content_type} | ({"content_encoding": "gzip"} if packed else {})
    assert post(receiver, "/v1/traces", data, **headers).status in (200, 400)


def test_stopping_is_quick_and_answers_what_is_under_way(recorder: Recorder) -> None:
    """Stop answers the request under way, closes idle connections and ends within two seconds."""
    with listening(recorder) as receiver, raw(receiver) as idle:
        recorder.disk.clear()
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(
            post(receiver, "/v1/traces", BODY, content_type=PROTOBUF).status))  # fmt: skip
        thread.start()
        _until(lambda: len(recorder.requests) == 1)
        threading.Timer(0.2, recorder.disk.set).start()
        begun = time.monotonic()
        receiver.stop()
        assert time.monotonic() - begun < 2
        thread.join()
        assert answers == [200]
        assert read_all(idle) == b""


def test_an_address_in_use_is_a_fault_of_the_configuration(recorder: Recorder) -> None:
    """A port that is taken stops the start with the key at fault, and nothing keeps listening."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for key in ("grpc", "http"):
            with pytest.raises(ConfigurationError, match=f"{key}: expected an address to listen on.*{port}"), \
                    listening(recorder, **{key: Address("127.0.0.1", port)}):
                pass


def test_the_sources_page_tells_state_and_counters(recorder: Recorder) -> None:
    """A receiver goes from off to waiting to ok, and is degraded while it has to refuse."""
    with listening(recorder, grpc=None) as receiver:
        assert receiver.status()["state"] == "waiting"
        post(receiver, "/v1/traces", BODY, content_type=PROTOBUF)
        status = receiver.status()
        assert (status["name"], status["kind"], status["state"], status["last_error"]) == ("otlp", "otlp", "ok", None)
        assert status["counters"]["traces_requests"] == 1
        assert status["counters"]["bytes"] == len(BODY)
        post(receiver, "/v1/traces", b"\xff", content_type=PROTOBUF)
        status = receiver.status()
        assert (status["state"], status["counters"]["refused_malformed"]) == ("degraded", 1)
        assert status["last_error"]
    assert receiver.status()["state"] == "off"
