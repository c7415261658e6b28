"""The connections of the OTLP/HTTP server: bounds, order, slow and broken senders, the wait for the disk."""

from __future__ import annotations

import functools
import gzip
import http.client
import re
import resource
import threading
import time
import zlib

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_recording import Recorder, answer_of, listening, post, raw, read_all, until

from collectors.contract import Signal
from collectors.otlp.receiver import OtlpReceiver

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


def test_no_answer_before_the_request_is_durable(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """While the disk works no success is told; many requests then share one settling."""
    recorder.disk.clear()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(
        post(receiver, "/v1/traces", BODY, content_type=PROTOBUF).status)) for _ in range(12)]  # fmt: skip
    for thread in threads:
        thread.start()
    until(lambda: len(recorder.requests) == 12)
    time.sleep(0.05)
    assert answers == []
    recorder.disk.set()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12
    assert len(recorder.settled) < 12
    assert max(recorder.settled) == 12


def test_bytes_in_flight_are_bounded(recorder: Recorder) -> None:
    """Beyond the budget a further request is asked to come back, and welcome once the others are answered."""
    with small(recorder, in_flight_bytes=128 * KIB) as receiver:
        recorder.disk.clear()
        big = _padded(60 * KIB)
        threads = [threading.Thread(target=post, args=(receiver, "/v1/traces", big),
                                    kwargs={"content_type": PROTOBUF}) for _ in range(2)]  # fmt: skip
        for thread in threads:
            thread.start()
        until(lambda: len(recorder.requests) == 2)
        answer = post(receiver, "/v1/traces", big, content_type=PROTOBUF)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        recorder.disk.set()
        for thread in threads:
            thread.join()
        assert post(receiver, "/v1/traces", big, content_type=PROTOBUF).status == 200
        until(lambda: receiver.budget.in_flight_bytes == 0)
        assert receiver.budget.peak_bytes <= 128 * KIB


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
        assert receiver.status()["counters"]["refused_too_slow"] == 1
        until(lambda: receiver.budget.in_flight_bytes == 0)


def test_a_lost_connection_gives_its_bytes_back(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """A sender that disappears in the middle of its body leaves nothing in flight."""
    with raw(receiver) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\ncontent-type: application/x-protobuf\r\n"
                           b"content-length: 100\r\n\r\nabc")  # fmt: skip
        until(lambda: receiver.budget.in_flight_bytes == 3)
    until(lambda: receiver.budget.in_flight_bytes == 0)
    assert recorder.requests == []


def test_stopping_is_quick_and_answers_what_is_under_way(recorder: Recorder) -> None:
    """Stop answers the request under way, closes idle connections and ends within two seconds."""
    with listening(recorder) as receiver, raw(receiver) as idle:
        recorder.disk.clear()
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(
            post(receiver, "/v1/traces", BODY, content_type=PROTOBUF).status))  # fmt: skip
        thread.start()
        until(lambda: len(recorder.requests) == 1)
        threading.Timer(0.2, recorder.disk.set).start()
        begun = time.monotonic()
        receiver.stop()
        assert time.monotonic() - begun < 2
        thread.join()
        assert answers == [200]
        assert read_all(idle) == b""


@pytest.mark.parametrize(("path", "body", "content_type"), [
    ("/v1/traces", _padded(3 << 20), PROTOBUF),
    ("/v1/logs", b'{"resourceLogs": [' + b",".join([b'{"schemaUrl": "u"}'] * 5000) + b"]}", JSON),
])  # fmt: skip
def test_big_requests_do_not_hold_up_small_ones(
    recorder: Recorder, receiver: OtlpReceiver, path: str, body: bytes, content_type: str
) -> None:
    """Big requests are worked on beside the event loop, compressed or not, and arrive whole."""
    for packed in (False, True):
        more = {"content_encoding": "gzip"} if packed else {}
        sent = gzip.compress(body) if packed else body
        assert post(receiver, path, sent, content_type=content_type, **more).status == 200
        assert post(receiver, path, b"\xff" * (3 << 20), content_type=content_type).status == 400
    first, second = (request for _, request in recorder.requests)
    assert first == second
    assert first.ByteSize() > 20_000
    until(lambda: receiver.budget.in_flight_bytes == 0)
