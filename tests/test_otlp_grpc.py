"""The OTLP/gRPC server, with the real SDK and with a bare channel."""

from __future__ import annotations

import gzip
import resource
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.rpc.error_details_pb2 import RetryInfo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OTLPHttpSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)
from otlp_calls import BODY, KIB, LOGS, METRICS, TRACES, channel, details, export, refused, request_of
from otlp_recording import Recorder, listening, sample
from otlp_senders import send_logs, send_metrics, send_spans

from collectors.config import Secret
from collectors.contract import Signal
from collectors.otlp.grpc_server import METHODS
from collectors.otlp.receiver import OtlpReceiver
from collectors.receiving.tls import Tls
from topology.errors import ConfigurationError, Overloaded, StoreFull


@pytest.fixture
def recorder() -> Recorder:
    """Takes what the receiver hands over."""
    return Recorder()


@pytest.fixture
def receiver(recorder: Recorder) -> Iterator[OtlpReceiver]:
    """A running gRPC receiver."""
    with listening(recorder, http=None) as running:
        yield running


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_the_python_sdk_delivers_all_three_signals(
    recorder: Recorder, receiver: OtlpReceiver, compression: grpc.Compression | None
) -> None:
    """Spans, log records and metrics of the real SDK's gRPC exporters arrive, with every compression it knows."""
    where: dict[str, Any] = {"endpoint": f"http://127.0.0.1:{receiver.grpc_port}", "insecure": True,
                             "compression": compression}  # fmt: skip
    send_spans(OTLPSpanExporter(**where), 20)
    send_logs(OTLPLogExporter(**where), 3)
    send_metrics(OTLPMetricExporter(**where))
    assert recorder.span_names() == {f"operation {i}" for i in range(20)}
    assert len(recorder.of(Signal.LOGS)[0].resource_logs[0].scope_logs[0].log_records) == 3
    metrics = recorder.of(Signal.METRICS)[0].resource_metrics[0].scope_metrics[0].metrics
    assert {metric.name for metric in metrics} == {"process.cpu.utilization", "orders.placed"}


@pytest.mark.parametrize(("name", "method"), [("trace", TRACES), ("metrics", METRICS)])
def test_the_protocols_own_examples_are_taken(
    recorder: Recorder, receiver: OtlpReceiver, name: str, method: str
) -> None:
    """The example requests of opentelemetry-proto succeed and arrive as they are."""
    body = sample(f"{name}.protobuf-bin")
    assert export(receiver, body, method) == b""
    assert recorder.requests[0][1] == type(recorder.requests[0][1]).FromString(body)


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_request_succeeds(receiver: OtlpReceiver, method: str) -> None:
    """A request without any data is a success, as the protocol says."""
    assert export(receiver, b"", method) == b""


@pytest.mark.parametrize("method", ["/opentelemetry.proto.collector.trace.v1.TraceService/Fetch",
                                    "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
                                    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"])  # fmt: skip
def test_other_methods_are_unimplemented(receiver: OtlpReceiver, method: str) -> None:
    """Only the three Export methods exist."""
    assert refused(receiver, method=method).code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "body", [b"\xff" * 40, BODY[:-3], gzip.compress(BODY, mtime=0)[:-5], b"\x78\x9c" + b"\xff" * 9]
)
def test_bytes_that_are_no_request_are_refused_for_good(receiver: OtlpReceiver, body: bytes) -> None:
    """Truncated, foreign and badly compressed bytes are INVALID_ARGUMENT without RetryInfo."""
    error = refused(receiver, body)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error) is None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_random_bytes_never_break_the_server(connection: grpc.Channel, data: bytes) -> None:
    """Whatever the bytes, the answer is success or INVALID_ARGUMENT, and the server lives."""
    call = connection.unary_unary(TRACES).future(data, timeout=20)
    assert call.code() in {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}


@pytest.fixture
def connection(receiver: OtlpReceiver) -> Iterator[grpc.Channel]:
    """One connection for many calls."""
    with channel(receiver) as one:
        yield one


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_request_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(
    recorder: Recorder, compression: grpc.Compression | None
) -> None:
    """The limit itself is allowed; over it is RESOURCE_EXHAUSTED, also when only decompression shows it."""
    with listening(recorder, http=None, max_body_bytes=64 * KIB) as receiver:
        assert export(receiver, request_of(64 * KIB), compression=compression) == b""
        error = refused(receiver, request_of(64 * KIB + 1), compression=compression)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details(error) is None


def test_a_decompression_bomb_costs_no_memory(receiver: OtlpReceiver) -> None:
    """A gigabyte of zeros in a megabyte is RESOURCE_EXHAUSTED within the limit's memory."""
    zeros = bytes(1 << 20)
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = b"\x1f\x8b\x08" + bytes(6) + b"\xff" + block * 1024 + packer.flush() + bytes(8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(receiver, bomb).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * KIB


def test_a_request_larger_than_grpcs_own_limit_is_taken(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """gRPC's default limit of 4 MiB, which loses data of big batches, does not apply."""
    assert export(receiver, request_of(8 << 20)) == b""
    assert len(recorder.requests) == 1


@pytest.mark.parametrize(("method", "response", "count"), [
    (TRACES, ExportTraceServiceResponse, "rejected_spans"),
    (LOGS, ExportLogsServiceResponse, "rejected_log_records"),
    (METRICS, ExportMetricsServiceResponse, "rejected_data_points"),
])  # fmt: skip
def test_partial_success_is_told_with_counts(
    recorder: Recorder, receiver: OtlpReceiver, method: str, response: Any, count: str
) -> None:
    """What the intake refused for good is counted in the response, and the call is a success."""
    recorder.rejected = (3, "spans without an id")
    partial = response.FromString(export(receiver, b"", method)).partial_success
    assert (getattr(partial, count), partial.error_message) == (3, "spans without an id")


def test_under_pressure_senders_are_told_when_to_come_back(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """Overloaded is UNAVAILABLE with RetryInfo, which senders obey; nothing was taken."""
    recorder.refusal = Overloaded("the journal is full", retry_after_s=2.5)
    error = refused(receiver)
    status = details(error)
    retry = RetryInfo()
    assert status is not None
    assert status.details[0].Unpack(retry)
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "the journal is full")
    assert retry.retry_delay.ToTimedelta().total_seconds() == 2.5


def test_the_sdk_delivers_after_pressure(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """A real exporter that met an overloaded receiver sends again and loses nothing."""
    recorder.refusal = Overloaded("busy", retry_after_s=0.2)
    threading.Timer(0.3, lambda: setattr(recorder, "refusal", None)).start()
    send_spans(OTLPSpanExporter(endpoint=f"http://127.0.0.1:{receiver.grpc_port}", insecure=True), 5)
    assert recorder.span_names() == {f"operation {i}" for i in range(5)}


def test_what_could_not_be_made_durable_is_no_success(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """A full disk at the last moment is retryable."""
    recorder.unsettled = StoreFull("no space left on device")
    error = refused(receiver)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert details(error) is not None


def test_a_fault_of_ours_says_nothing_about_itself(
    recorder: Recorder, receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    """An unforeseen exception is INTERNAL without details, and logged."""
    recorder.refusal = RuntimeError("secret detail")
    error = refused(receiver)
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    assert "secret detail" in caplog.text


def test_no_answer_before_the_request_is_durable(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """While the disk works no success is told."""
    recorder.disk.clear()
    with channel(receiver) as connection:
        call = connection.unary_unary(TRACES).future(BODY, timeout=20)
        deadline = time.monotonic() + 10
        while not recorder.requests and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.05)
        assert not call.done()
        recorder.disk.set()
        assert call.result() == b""


def test_the_token_is_asked_for(recorder: Recorder) -> None:
    """Without the configured bearer token, or with another one, the answer is UNAUTHENTICATED."""
    with listening(recorder, http=None, token=Secret("s3cret")) as receiver:
        for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", "s3cret"),)):
            assert refused(receiver, metadata=metadata).code() is grpc.StatusCode.UNAUTHENTICATED
        assert recorder.requests == []
        assert export(receiver, metadata=(("authorization", "Bearer s3cret"),)) == b""
        send_spans(OTLPSpanExporter(endpoint=f"http://127.0.0.1:{receiver.grpc_port}", insecure=True,
                                    headers={"authorization": "bearer s3cret"}), 1)  # fmt: skip
        assert recorder.span_names() >= {"operation 0"}


@pytest.fixture(autouse=True)
def only_own_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """A house's own bundle, named by the environment, would win over the certificate a test names."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, a server's and a client's certificate."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, certificate in (("server", authority.issue_cert("localhost", "127.0.0.1")),
                              ("client", authority.issue_cert("sender@example.com"))):  # fmt: skip
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(folder / f"{name}.pem", append=True)
    return folder


def test_both_servers_speak_tls(recorder: Recorder, certificates: Path) -> None:
    """With a certificate the SDK's gRPC and HTTP exporters deliver over TLS, and plain text gets nowhere."""
    tls = Tls(certificates / "server.pem", certificates / "server.key")
    with listening(recorder, tls=tls) as receiver:
        trusted = grpc.ssl_channel_credentials((certificates / "ca.pem").read_bytes())
        send_spans(OTLPSpanExporter(endpoint=f"https://localhost:{receiver.grpc_port}", credentials=trusted), 1)
        send_spans(OTLPHttpSpanExporter(f"https://localhost:{receiver.http_port}/v1/traces",
                                        certificate_file=str(certificates / "ca.pem")), 1)  # fmt: skip
        assert len(recorder.of(Signal.TRACES)) == 2
        assert refused(receiver).code() is grpc.StatusCode.UNAVAILABLE


def test_senders_can_be_asked_for_a_certificate(recorder: Recorder, certificates: Path) -> None:
    """With a client authority, a sender without a certificate cannot deliver and one with it can, on both ports."""
    tls = Tls(certificates / "server.pem", certificates / "server.key", certificates / "ca.pem")
    ca, pair = certificates / "ca.pem", (str(certificates / "client.pem"), str(certificates / "client.key"))
    with listening(recorder, tls=tls) as receiver:
        for certified, delivered in ((False, 0), (True, 2)):
            own = {"client_certificate_file": pair[0], "client_key_file": pair[1]} if certified else {}
            url = f"https://localhost:{receiver.http_port}/v1/traces"
            send_spans(OTLPHttpSpanExporter(url, certificate_file=str(ca), timeout=1, **own), 1)
            files = (Path(pair[1]).read_bytes(), Path(pair[0]).read_bytes()) if certified else (None, None)
            trusted = grpc.ssl_channel_credentials(ca.read_bytes(), *files)
            address = f"https://localhost:{receiver.grpc_port}"
            send_spans(OTLPSpanExporter(endpoint=address, credentials=trusted, timeout=1), 1)
            assert len(recorder.of(Signal.TRACES)) == delivered


@pytest.mark.parametrize("off", ["grpc", "http"])
def test_unusable_certificates_are_a_fault_of_the_configuration(
    recorder: Recorder, certificates: Path, off: str
) -> None:
    """A key that does not belong to the certificate stops the start."""
    tls = Tls(certificates / "server.pem", certificates / "client.key")
    with pytest.raises(ConfigurationError, match="certificates"), listening(recorder, tls=tls, **{off: None}):
        pass


def test_unusable_certificates_are_named_before_the_start(certificates: Path) -> None:
    """What is no certificate, another one's key, and an authority that is none are faults of their keys; a good
    pair is none."""
    pem, key, ca = (certificates / name for name in ("server.pem", "server.key", "ca.pem"))
    (certificates / "junk.pem").write_text("junk\n")
    junk, other = certificates / "junk.pem", certificates / "client.key"
    cases = ((Tls(pem, key, ca), []), (Tls(pem, other), ["certificate"]), (Tls(junk, key), ["certificate"]),
             (Tls(pem, key, junk), ["client_ca"]), (Tls(pem, junk, junk), ["certificate", "client_ca"]))  # fmt: skip
    for tls, keys in cases:
        assert [fault[0] for fault in tls.check()] == keys
