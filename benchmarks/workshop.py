"""What instrumentation writes: encoded spans of every kind, to be repeated with new ids and times.

Every kind of span is made a few times by the real SDK, with the attributes of the real instrumentations, and
encoded by the real exporter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode

from benchmarks.fleet import BROKER, REDIS, Member, hexadecimal

SCOPES = (
    "io.opentelemetry.tomcat-10.0",
    "io.opentelemetry.apache-httpclient-5.2",
    "io.opentelemetry.jdbc",
    "io.opentelemetry.grpc-1.6",
    "io.opentelemetry.kafka-clients-2.6",
)
WEB, HTTP_CLIENT, JDBC, GRPC, KAFKA = range(5)
VARIANTS = 8
EVENT_NS = 0x1122334455667788
BROWSER = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/128.0.0.0 Safari/537.36"
)
STACK = "java.net.SocketTimeoutException: Read timed out\n" + "\n".join(
    f"\tat com.shop.internal.pkg{k}.Handler{k}.invoke(Handler{k}.java:{k * 13})" for k in range(18)
)


@dataclass(frozen=True, slots=True)
class Template:
    """An encoded span without ids and times: the fields before the times, those after them, and where in the
    latter the time of an event is (-1 for none)."""

    scope: int
    attributes: int
    head: bytes
    tail: bytes
    event_at: int


class _Keep(SpanExporter):
    """Holds the spans that ended last."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Any) -> SpanExportResult:
        """Keeps them."""
        self.spans += spans
        return SpanExportResult.SUCCESS


class Workshop:
    """Makes the templates of a fleet, each kind of span once, when it is first asked for."""

    def __init__(self, fleet: list[Member], random: Random) -> None:
        self.fleet, self._random = fleet, random
        self._made: dict[tuple[Any, ...], list[Template]] = {}
        self._kept = _Keep()
        self._tracers = [self._tracers_of(member) for member in fleet]

    def _tracers_of(self, member: Member) -> list[Any]:
        provider = TracerProvider(resource=Resource(member.resource), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        return [provider.get_tracer(scope, "2.8.0-alpha") for scope in SCOPES]

    def opening(self, index: int) -> tuple[bytes, list[bytes]]:
        """The encoded resource of a service, and the encoded scope of each of its instrumentations."""
        resource, scopes = b"", []
        for tracer in self._tracers[index]:
            tracer.start_span("x").end()
            sent = encode_spans([self._kept.spans.pop()]).resource_spans[0]
            resource = sent.resource.SerializeToString()
            scopes.append(sent.scope_spans[0].scope.SerializeToString())
        return resource, scopes

    def _of(
        self,
        key: tuple[Any, ...],
        index: int,
        scope: int,
        kind: SpanKind,
        failed: bool,
        describe: Callable[[Random], tuple[str, dict[str, Any]]],
    ) -> Template:
        made = self._made.get(key)
        if made is None:
            made = [self._template(index, scope, kind, failed, *describe(self._random)) for _ in range(VARIANTS)]
            self._made[key] = made
        return self._random.choice(made)

    def _template(
        self, index: int, scope: int, kind: SpanKind, failed: bool, name: str, attributes: dict[str, Any]
    ) -> Template:
        number = self._random.randint(1, 200)
        attributes |= {"thread.id": number + 20, "thread.name": f"http-nio-8080-exec-{number}"}
        span = self._tracers[index][scope].start_span(name, kind=kind, attributes=attributes, start_time=1)
        if failed:
            told = {
                "exception.type": "java.net.SocketTimeoutException",
                "exception.message": "Read timed out",
                "exception.stacktrace": STACK,
            }
            span.add_event("exception", told, timestamp=EVENT_NS)
            span.set_status(Status(StatusCode.ERROR, "Read timed out"))
        span.end(2)
        message = encode_spans([self._kept.spans.pop()]).resource_spans[0].scope_spans[0].spans[0]
        head = type(message)(name=message.name, kind=message.kind).SerializeToString()
        for field in (
            "trace_id",
            "span_id",
            "parent_span_id",
            "start_time_unix_nano",
            "end_time_unix_nano",
            "name",
            "kind",
        ):
            message.ClearField(field)
        tail = message.SerializeToString()
        return Template(scope, len(message.attributes), head, tail, tail.find(EVENT_NS.to_bytes(8, "little")))

    def http_server(self, index: int, failed: bool) -> Template:
        """A request served."""
        member = self.fleet[index]
        method, route = (
            self._random.choice(("GET", "GET", "GET", "POST", "PUT", "DELETE")),
            self._random.choice(member.routes),
        )

        def describe(random: Random) -> tuple[str, dict[str, Any]]:
            return f"{method} {route}", {
                "http.request.method": method,
                "http.route": route,
                "url.scheme": "http",
                "url.path": route.replace("{id}", str(random.randint(1, 10**7))),
                "server.address": member.host,
                "server.port": 8080,
                "client.address": _address(random),
                "network.peer.address": _address(random),
                "network.peer.port": random.randint(32768, 60000),
                "network.protocol.version": "1.1",
                "http.response.status_code": 500 if failed else 200,
                "user_agent.original": BROWSER if index < 3 else "Apache-HttpClient/5.3 (Java/21.0.4)",
            }

        return self._of(("server", index, method, route, failed), index, WEB, SpanKind.SERVER, failed, describe)

    def http_client(self, index: int, callee: int, failed: bool) -> Template:
        """A request sent."""
        host, domain = self.fleet[callee].host, self.fleet[callee].domain

        def describe(random: Random) -> tuple[str, dict[str, Any]]:
            return "GET", {
                "http.request.method": "GET",
                "server.address": host,
                "server.port": 8080,
                "url.full": f"http://{host}:8080/api/v1/{domain}/items/{random.randint(1, 10**7)}?currency=EUR",
                "network.protocol.version": "1.1",
                "network.peer.address": _address(random),
                "network.peer.port": 8080,
                "http.response.status_code": 500 if failed else 200,
                "http.request.resend_count": 0,
            }

        return self._of(("client", index, callee, failed), index, HTTP_CLIENT, SpanKind.CLIENT, failed, describe)

    def grpc(self, index: int, callee: int, server: bool, failed: bool) -> Template:
        """A gRPC call, from either side."""
        called = self.fleet[callee]
        method = self._random.choice(("list", "get", "bulk")) if server else "list"

        def describe(random: Random) -> tuple[str, dict[str, Any]]:
            return f"{called.rpc}/{method}", {
                "rpc.system": "grpc",
                "rpc.service": called.rpc,
                "rpc.method": method,
                "server.address": called.host,
                "server.port": 8080,
                "network.type": "ipv4",
                "network.transport": "tcp",
                "network.peer.address": _address(random),
                "network.peer.port": random.randint(32768, 60000),
                "rpc.grpc.status_code": 2 if failed else 0,
            }

        kind = SpanKind.SERVER if server else SpanKind.CLIENT
        return self._of(("grpc", index, callee, method, server, failed), index, GRPC, kind, failed, describe)

    def message(self, index: int, callee: int, consumer: bool, failed: bool) -> Template:
        """A message sent to, or taken from, the topic of the callee."""
        name = self.fleet[callee].name
        operation, kind = ("process", SpanKind.CONSUMER) if consumer else ("publish", SpanKind.PRODUCER)

        def describe(random: Random) -> tuple[str, dict[str, Any]]:
            own = (
                {"messaging.consumer.group.name": name} if consumer else {"server.address": BROKER, "server.port": 9092}
            )
            return f"{name}.events {operation}", own | {
                "messaging.system": "kafka",
                "messaging.destination.name": f"{name}.events",
                "messaging.operation.name": operation,
                "messaging.operation.type": "process" if consumer else "send",
                "messaging.client.id": f"{operation}-{self.fleet[index].name}-1",
                "messaging.kafka.message.key": hexadecimal(random, 12),
                "messaging.kafka.offset": random.getrandbits(31),
                "messaging.destination.partition.id": str(random.randint(0, 31)),
                "messaging.message.body.size": random.randint(100, 9000),
            }

        return self._of(("kafka", index, callee, consumer, failed), index, KAFKA, kind, failed, describe)

    def query(self, index: int, failed: bool) -> Template:
        """A statement to the service's own database."""
        member = self.fleet[index]
        operation, table = self._random.choice(("SELECT", "INSERT", "UPDATE")), f"{member.domain}_orders"

        def describe(random: Random) -> tuple[str, dict[str, Any]]:
            return f"{operation} {table}", {
                "db.system.name": member.database,
                "db.namespace": f"{member.domain}db",
                "db.operation.name": operation,
                "db.collection.name": table,
                "db.query.summary": f"{operation} orders",
                "db.query.text": f"{operation} o.id, o.total, o.currency, o.created_at FROM {table} o WHERE "
                "o.customer_id = ? AND o.state IN (?, ?, ?) ORDER BY o.created_at DESC LIMIT ?",
                "server.address": f"{member.database}-{member.domain}.shop.internal",
                "server.port": 5432,
                "network.peer.address": "10.9.0.7",
                "network.peer.port": 5432,
            }

        return self._of(("query", index, operation, failed), index, JDBC, SpanKind.CLIENT, failed, describe)

    def cached(self, index: int) -> Template:
        """A look into the cache."""
        operation = self._random.choice(("GET", "SET", "HGETALL"))

        def describe(random: Random) -> tuple[str, dict[str, Any]]:
            return operation, {
                "db.system.name": "redis",
                "db.namespace": "0",
                "db.operation.name": operation,
                "db.query.text": f"{operation} session:{hexadecimal(random, 24)}",
                "server.address": REDIS,
                "server.port": 6379,
                "network.peer.address": "10.9.0.9",
                "network.peer.port": 6379,
                "network.transport": "tcp",
                "network.type": "ipv4",
            }

        return self._of(("cached", index, operation), index, JDBC, SpanKind.CLIENT, False, describe)

    def internal(self, index: int) -> Template:
        """Work inside the service."""
        member = self.fleet[index]

        def describe(random: Random) -> tuple[str, dict[str, Any]]:
            name = f"com.shop.{member.name.replace('-', '.')}.Service.handle"
            return f"{member.domain.title()}Service.handle", {
                "code.function.name": name,
                "code.line.number": random.randint(1, 900),
            }

        return self._of(("internal", index), index, WEB, SpanKind.INTERNAL, False, describe)


def _address(random: Random) -> str:
    return f"10.4.{random.randint(1, 60)}.{random.randint(1, 250)}"
