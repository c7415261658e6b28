"""A small shop's calls, made with the real SDK and sent over OTLP/HTTP: names and figures are known, failing is a wish.

One service has a hostile name, and so have its operations, attributes and errors: on every page they must be text.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

EVERY_S, CALLS_A_ROUND, MS = 0.5, 4, 1_000_000
HOSTILE = "<img src=x onerror=alert(1)>"
HOSTILE_OPERATION = "<script>alert(2)</script>"
HOSTILE_VALUE = '"><svg onload=alert(3)>'
HOSTILE_LINK = "javascript:alert(4)"
HOSTILE_ERROR = "{{7*7}}<b>bold</b><iframe src=javascript:alert(5)>"
SERVICES = ("web", "orders", "stock", "mailer", HOSTILE, "vouchers")


@dataclass
class Traffic:
    """Calls web -> orders -> stock -> PostgreSQL, orders -> mailer (half of them fail), orders -> a hostile name.

    Every round makes `CALLS_A_ROUND` of each. Services in `failing` fail in all their work; `vouchers` says whether
    stock calls a service that nobody has seen before.
    """

    endpoint: str
    failing: set[str] = field(default_factory=set)
    vouchers: bool = False

    def __post_init__(self) -> None:
        self._spans, self._stop = InMemorySpanExporter(), threading.Event()
        self._tracers = {name: self._tracer(name) for name in SERVICES}
        self._exporter = OTLPSpanExporter(f"{self.endpoint}/v1/traces", timeout=2)
        self._thread = threading.Thread(target=self._run)

    def _tracer(self, name: str) -> trace.Tracer:
        zone = HOSTILE_VALUE if name == HOSTILE else "east"
        made = {"service.name": name, "service.instance.id": f"{name}-1", "cloud.availability_zone": zone}
        provider = TracerProvider(resource=Resource(made), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        return provider.get_tracer("shop")

    def start(self, history_s: int = 60) -> Traffic:
        """Sends the calls of the last seconds, then goes on by itself until it is closed."""
        now = time.time()
        for ago in range(history_s, 2, -2):
            self.send(now - ago)
        self.log()
        self._thread.start()
        return self

    def close(self) -> None:
        """Ends it."""
        self._stop.set()
        self._thread.join()
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.send(time.time() - 0.3)

    def send(self, at_s: float) -> None:
        """One round that ended about now; lost when nobody listens."""
        for number in range(CALLS_A_ROUND):
            self._checkout(int(at_s * 1e9), number)
        self._exporter.export(self._spans.get_finished_spans())
        self._spans.clear()

    def log(self) -> None:
        """One error line of the hostile service, made of markup."""
        provider = LoggerProvider(resource=Resource({"service.name": HOSTILE}), shutdown_on_exit=False)
        exporter = OTLPLogExporter(f"{self.endpoint}/v1/logs", timeout=2)
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        line = LogRecord(severity_number=SeverityNumber.ERROR, severity_text="ERROR", body=HOSTILE_ERROR)
        provider.get_logger("shop").emit(line)
        provider.shutdown()

    def _checkout(self, at: int, number: int) -> None:
        root = self._span("web", None, SpanKind.SERVER, "GET /checkout", at, 40)
        orders = self._call("web", "orders", "POST /orders", root, at, 36)
        stock = self._call("orders", "stock", "PUT /stock", orders, at + 4 * MS, 12, "stock" in self.failing)
        database = {"db.system.name": "postgresql", "server.address": "stock-db", "db.operation.name": "UPDATE"}
        self._span("stock", stock, SpanKind.CLIENT, "UPDATE items", at + 6 * MS, 6, attributes=database)
        self._call("orders", "mailer", "POST /mails", orders, at + 18 * MS, 4, number % 2 == 0)
        hostile = {"note": HOSTILE_VALUE, "url.full": HOSTILE_LINK, HOSTILE_OPERATION: HOSTILE}
        self._call("orders", HOSTILE, HOSTILE_OPERATION, orders, at + 24 * MS, 4, number == 0, hostile)
        if self.vouchers:
            self._call("stock", "vouchers", "GET /vouchers", stock, at + 12 * MS, 3)

    def _call(
        self,
        source: str,
        target: str,
        name: str,
        parent: Any,
        at: int,
        ms: int,
        failed: bool = False,
        attributes: dict[str, str] | None = None,
    ) -> Any:
        """Both sides of a call; the context of the side that answers."""
        client = self._span(source, parent, SpanKind.CLIENT, name, at, ms, failed)
        return self._span(target, client, SpanKind.SERVER, name, at + MS, ms - 2, failed, attributes)

    def _span(
        self,
        service: str,
        parent: Any,
        kind: SpanKind,
        name: str,
        at: int,
        ms: int,
        failed: bool = False,
        attributes: dict[str, str] | None = None,
    ) -> Any:
        made = self._tracers[service].start_span(name, parent, kind, attributes, start_time=at)
        if failed:
            made.set_status(Status(StatusCode.ERROR, HOSTILE_ERROR if service == HOSTILE else "refused"))
        made.end(at + ms * MS)
        return trace.set_span_in_context(made, parent)
