"""What the product says about itself: spans of its ticks, commits and page requests, through the real SDK.

They go straight into its own intake, so the product stands on its own map when a house wants that.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collectors.contract import Intake, Signal
from topology.errors import SynopticError

SILENT_PATHS = ("/assets/", "/_dash-component-suites/", "/healthz", "/readyz", "/metrics", "/api/v1/stream")
"""Not traced: files, probes, and the stream, whose end is the end of a visit and no latency."""


class OwnIntake(SpanExporter):
    """Exports spans into an intake of the same process."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hands the spans over as one request."""
        try:
            self._intake.take(Signal.TRACES, encode_spans(spans).SerializeToString())
        except SynopticError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


class Telemetry:
    """A tracer for the product; silent unless switched on."""

    def __init__(self, intake: Intake | None, environment: str, version: str) -> None:
        self._provider: TracerProvider | None = None
        self.tracer: Tracer = NoOpTracer()
        if intake is not None:
            names = {"service.name": "synoptic", "service.namespace": "observability", "service.version": version,
                     "deployment.environment.name": environment}
            self._provider = TracerProvider(resource=Resource.create(names), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(OwnIntake(intake)))
            self.tracer = self._provider.get_tracer("synoptic", version)

    def commit_span(self) -> AbstractContextManager[Span]:
        """A call to the embedded store."""
        attributes = {"db.system.name": "duckdb", "db.namespace": "synoptic-store"}
        return self.tracer.start_as_current_span("commit", kind=SpanKind.CLIENT, attributes=attributes)

    def stop(self) -> None:
        """Hands over what is left."""
        if self._provider is not None:
            self._provider.shutdown()


class TracedRequests:
    """ASGI middleware: every page and interface request is a server span."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, timed."""
        if scope["type"] != "http" or scope["path"].startswith(SILENT_PATHS):
            await self._app(scope, receive, send)
            return
        # Only the first part names the operation: what follows may be an id.
        name = f"{scope['method']} /{'/'.join(scope['path'].split('/')[1:4])}"
        with self._tracer.start_as_current_span(name, kind=SpanKind.SERVER) as span:

            async def noted(message: Message) -> None:
                """Sends on, and notes the status of the answer in the span."""
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            span.set_attribute("http.request.method", scope["method"])
            await self._app(scope, receive, noted)
