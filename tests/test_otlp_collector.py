"""A real OpenTelemetry collector sends on what it receives: batched, compressed, with retries."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from otlp_recording import Recorder, listening, until
from otlp_senders import send_logs, send_metrics, send_spans

from collectors.contract import Signal
from collectors.otlp.receiver import OtlpReceiver
from topology.errors import Overloaded

pytestmark = pytest.mark.real

BUILD = Path(os.environ.get("SYNOPTIC_SERVERS", Path(__file__).parent / "servers")) / "otelcol" / "build"
PIPELINE = "{{receivers: [otlp], processors: [batch], exporters: [{exporter}]}}"
CONFIGURATION = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}"}}}}}}
processors:
  batch: {{send_batch_size: 200, timeout: 100ms}}
exporters:
  otlp: {{endpoint: "127.0.0.1:{grpc}", tls: {{insecure: true}}, compression: gzip, retry_on_failure: {retry}}}
  otlphttp: {{endpoint: "http://127.0.0.1:{http}", compression: gzip, retry_on_failure: {retry}}}
service:
  telemetry: {{logs: {{level: error}}, metrics: {{level: none}}}}
  pipelines: {{traces: {pipeline}, logs: {pipeline}, metrics: {pipeline}}}
"""
RETRY = "{initial_interval: 200ms, max_interval: 1s, max_elapsed_time: 60s}"


@contextmanager
def collector(receiver: OtlpReceiver, exporter: str, folder: Path) -> Iterator[str]:
    """A running collector that exports to the receiver; its own OTLP/gRPC address."""
    if shutil.which("go") is None:
        pytest.skip("no OpenTelemetry collector at hand: building it needs Go 1.24 or later")
    binary = subprocess.run([str(BUILD)], check=True, capture_output=True, text=True).stdout.strip()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "collector.yaml"
    configuration.write_text(CONFIGURATION.format(
        port=port, grpc=receiver.grpc_port, http=receiver.http_port, retry=RETRY,
        pipeline=PIPELINE.format(exporter=exporter),
    ))  # fmt: skip
    with subprocess.Popen([binary, "--config", str(configuration)]) as process:
        try:
            until(lambda: _listens(port), 60)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("exporter", ["otlp", "otlphttp"])
def test_a_real_collector_delivers_everything_also_after_pressure(exporter: str, tmp_path: Path) -> None:
    """Spans, logs and metrics come through a collector's exporter, gzip on, though the receiver first refuses."""
    recorder = Recorder(refusal=Overloaded("busy", retry_after_s=1.0))
    with listening(recorder) as receiver, collector(receiver, exporter, tmp_path) as endpoint:
        threading.Timer(1.5, lambda: setattr(recorder, "refusal", None)).start()
        send_spans(OTLPSpanExporter(endpoint=endpoint, insecure=True), 1000)
        send_logs(OTLPLogExporter(endpoint=endpoint, insecure=True), 5)
        send_metrics(OTLPMetricExporter(endpoint=endpoint, insecure=True))
        until(lambda: len(recorder.span_names()) == 1000, 60)
        until(lambda: recorder.of(Signal.LOGS) and recorder.of(Signal.METRICS), 60)
        assert receiver.status()["counters"]["refused_overloaded"] > 0
        until(lambda: receiver.budget.in_flight_bytes == 0)
