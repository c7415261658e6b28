"""The real OpenTelemetry SDK, sending a little of everything through a given exporter."""

from __future__ import annotations

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind

RESOURCE = Resource({
    "service.name": "orders", "service.namespace": "shop", "deployment.environment.name": "test",
    "service.instance.id": "orders-1", "cloud.availability_zone": "east",
})  # fmt: skip


def send_spans(exporter: SpanExporter, number: int) -> None:
    """Spans named `operation 0`, `operation 1`..."""
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for i in range(number):
        with tracer.start_as_current_span(f"operation {i}", kind=SpanKind.SERVER, attributes={"i": i}):
            pass
    provider.shutdown()


def send_logs(exporter: LogRecordExporter, number: int) -> None:
    """Error lines `line 0`, `line 1`..."""
    provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("test")
    for i in range(number):
        logger.emit(LogRecord(severity_number=SeverityNumber.ERROR, severity_text="ERROR", body=f"line {i}"))
    provider.shutdown()


def send_metrics(exporter: MetricExporter) -> None:
    """A processor utilisation of 0.5 and a counter."""
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider([reader], resource=RESOURCE, shutdown_on_exit=False)
    meter = provider.get_meter("test")

    def utilization(_: CallbackOptions) -> list[Observation]:
        return [Observation(0.3, {"cpu.mode": "user"}), Observation(0.2, {"cpu.mode": "system"})]

    meter.create_observable_gauge("process.cpu.utilization", [utilization])
    meter.create_counter("orders.placed").add(3)
    provider.shutdown()
