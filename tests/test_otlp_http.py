"""The OTLP/HTTP server, to the letter of the protocol's rules for servers."""

from __future__ import annotations

import gzip
import json
import re
import socket
from pathlib import Path

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
from otlp_recording import Recorder, listening, post, sample
from otlp_senders import send_logs, send_metrics, send_spans

from collectors.config import Address, Secret
from collectors.contract import Signal
from collectors.otlp.config import Config
from collectors.otlp.receiver import OtlpReceiver
from collectors.receiving.tls import Tls
from topology.errors import ConfigurationError, Overloaded, StoreFull

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
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


def test_the_token_is_asked_for(recorder: Recorder) -> None:
    """Without the configured bearer token, or with another one, the answer is 401; with it 200."""
    with listening(recorder, grpc=None, token=Secret("s3cret")) as receiver:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}):
            answer = post(receiver, "/v1/traces", BODY, content_type=PROTOBUF, **headers)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="otlp"')
        assert recorder.requests == []
        for value in ("Bearer s3cret", "bearer s3cret"):
            assert post(receiver, "/v1/traces", BODY, content_type=PROTOBUF, authorization=value).status == 200


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), content_type=st.sampled_from([PROTOBUF, JSON]), packed=st.booleans())
def test_random_bytes_never_break_the_server(
    receiver: OtlpReceiver, data: bytes, content_type: str, packed: bool
) -> None:
    """Whatever the body, the answer is 200 or 400, and the server lives."""
    headers = {"content_type": content_type} | ({"content_encoding": "gzip"} if packed else {})
    assert post(receiver, "/v1/traces", data, **headers).status in (200, 400)


def test_an_address_in_use_is_a_fault_of_the_configuration(recorder: Recorder) -> None:
    """A port that is taken stops the start with the key at fault, and nothing keeps listening."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for key in ("grpc", "http"):
            with pytest.raises(ConfigurationError, match=f"{key}: expected an address to listen on.*{port}"), \
                    listening(recorder, **{key: Address("127.0.0.1", port)}):
                pass


@pytest.mark.parametrize(("config", "endpoints"), [
    (Config(), ("http://127.0.0.1:4317", "http://127.0.0.1:4318")),
    (Config(grpc=None), ("http://127.0.0.1:4318", "http://127.0.0.1:4318")),
    (Config(grpc=Address("otlp.example", 4317), http=None), ("http://otlp.example:4317", "http://otlp.example:4317")),
    (Config(http=None, grpc=Address("::", 4317)), ("http://localhost:4317", "http://localhost:4317")),
    (Config(grpc=Address("0.0.0.0", 4317), tls=Tls(Path("a.pem"), Path("a.key"))),
     ("https://localhost:4317", "https://127.0.0.1:4318")),
])  # fmt: skip
def test_newcomers_are_told_an_endpoint_that_answers(config: Config, endpoints: tuple[str, str]) -> None:
    """What is off is not told, TLS is, and who listens everywhere is found on this machine."""
    assert config.endpoints() == endpoints


def test_the_sources_page_tells_state_and_counters(recorder: Recorder) -> None:
    """A receiver goes from off to waiting to ok, and is degraded while it has to refuse."""
    with listening(recorder, grpc=None) as receiver:
        assert receiver.status()["state"] == "waiting"
        post(receiver, "/v1/traces", BODY, content_type=PROTOBUF)
        status = receiver.status()
        assert (status["name"], status["kind"], status["state"], status["last_error"]) == ("otlp", "otlp", "ok", None)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", status["last_seen"])
        assert status["counters"]["traces_requests"] == 1
        assert status["counters"]["bytes"] == len(BODY)
        post(receiver, "/v1/traces", b"\xff", content_type=PROTOBUF)
        status = receiver.status()
        assert (status["state"], status["counters"]["refused_malformed"]) == ("degraded", 1)
        assert status["last_error"]
    assert receiver.status()["state"] == "off"
