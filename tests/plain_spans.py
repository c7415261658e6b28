"""Protobuf spans to plain objects: every attribute read by name, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from topology.model import Peer, Resource, Service

KINDLESS, INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(6)
UNSET, OK, ERROR = range(3)
GRPC = ("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED")
GRPC_SERVER_FAILURES = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")
READ = frozenset({
    "deployment.environment.name", "deployment.environment", "service.namespace", "service.name",
    "cloud.availability_zone", "service.zone", "topology.kubernetes.io/zone", "service.instance.id", "k8s.pod.name",
    "host.name", "host.id", "process.pid", "container.id",
    "service.version", "service.peer.name", "peer.service", "server.address", "net.peer.name",
    "network.peer.address", "net.sock.peer.addr", "net.peer.ip", "db.system.name", "db.system", "db.namespace",
    "db.name", "messaging.system", "messaging.destination.name", "messaging.destination", "messaging.operation.type",
    "messaging.operation", "rpc.system.name", "rpc.system", "http.request.method", "http.method",
    "http.response.status_code", "http.status_code", "rpc.response.status_code", "rpc.grpc.status_code", "error.type",
    "exception.type", "response_flags",
})
"""The attributes the rules read; all others are passed over."""
PROTECTION = ("RL", "UO", "CallNotPermittedException", "RequestNotPermitted",
              "io.github.resilience4j.circuitbreaker.CallNotPermittedException",
              "io.github.resilience4j.ratelimiter.RequestNotPermitted",
              "com.alibaba.csp.sentinel.slots.block.flow.FlowException",
              "com.alibaba.csp.sentinel.slots.block.degrade.DegradeException")


@dataclass(frozen=True, slots=True)
class Span:
    """A span as the rules see it. Ids are bytes, empty for none."""

    resource: Resource
    trace: bytes
    id: bytes
    parent: bytes
    link: tuple[bytes, bytes] | None
    name: str
    kind: int
    start_ns: int
    end_ns: int
    failed: bool
    protected: bool
    weight: float
    protocol: str
    peer: Peer
    messaging_operation: str

    @property
    def last_ns(self) -> int:
        """The end, never before the start."""
        return max(self.start_ns, self.end_ns)

    @property
    def duration_us(self) -> int:
        """How long it took, in microseconds rounded up."""
        return -(-(self.last_ns - self.start_ns) // 1000)


def read_body(body: bytes) -> Iterator[Span]:
    """The spans of a request's bytes."""
    return read(ExportTraceServiceRequest.FromString(body))


def read(request: Any) -> Iterator[Span]:
    """The spans of an ExportTraceServiceRequest."""
    for resource_spans in request.resource_spans:
        resource = _resource(_values(resource_spans.resource.attributes))
        for scope in resource_spans.scope_spans:
            for span in scope.spans:
                yield _span(resource, span)


def _values(attributes: Any) -> dict[str, Any]:
    found = {}
    for attribute in attributes:
        name = attribute.key
        if name in READ:
            value = attribute.value
            which = value.WhichOneof("value")
            if which is not None:
                found[name] = getattr(value, which)
    return found


def _first(values: dict[str, Any], *names: str) -> str:
    for name in names:
        if name in values:
            value = values[name]
            if value and isinstance(value, str):
                return value
    return ""


def _resource(values: dict[str, Any]) -> Resource:
    service = Service(_first(values, "deployment.environment.name", "deployment.environment"),
                      _first(values, "service.namespace"), _name(values))
    zone = _first(values, "cloud.availability_zone", "service.zone", "topology.kubernetes.io/zone")
    instance = _first(values, "service.instance.id", "k8s.pod.name", "host.name")
    return Resource(service, zone, instance, _first(values, "service.version"))


def _name(values: dict[str, Any]) -> str:
    name = _first(values, "service.name") or "unknown_service"
    sender = _first(values, "service.instance.id", "k8s.pod.name", "container.id")
    if not sender:
        pid = values.get("process.pid")
        sender = ":".join(filter(None, (_first(values, "host.name", "host.id"), str(pid) if pid is not None else "")))
    return f"{name}@{sender}" if name.startswith("unknown_service") and sender else name


def _span(resource: Resource, span: Any) -> Span:
    values = _values(span.attributes)
    client = span.kind in (CLIENT, PRODUCER)
    return Span(
        resource, _id(span.trace_id, 16), _id(span.span_id, 8), _id(span.parent_span_id, 8), _link(span), span.name,
        span.kind, span.start_time_unix_nano, span.end_time_unix_nano, _failed(span.status.code, values, client),
        _protected(span, values), _weight(span.trace_state), _protocol(values), _peer(values),
        _first(values, "messaging.operation.type", "messaging.operation"),
    )


def _id(raw: bytes, length: int) -> bytes:
    return raw if len(raw) == length and any(raw) else b""


def _link(span: Any) -> tuple[bytes, bytes] | None:
    for link in span.links:
        trace, linked = _id(link.trace_id, 16), _id(link.span_id, 8)
        if trace and linked:
            return trace, linked
    return None


def _peer(values: dict[str, Any]) -> Peer:
    return Peer(
        _first(values, "service.peer.name", "peer.service"),
        _first(values, "server.address", "net.peer.name", "network.peer.address", "net.sock.peer.addr", "net.peer.ip"),
        _first(values, "db.system.name", "db.system"),
        _first(values, "db.namespace", "db.name"),
        _first(values, "messaging.system"),
        _first(values, "messaging.destination.name", "messaging.destination"),
    )


def _protocol(values: dict[str, Any]) -> str:
    named = _first(values, "rpc.system.name", "rpc.system", "messaging.system", "db.system.name", "db.system")
    web = ("http.request.method", "http.method", "http.response.status_code", "http.status_code")
    return named or ("http" if any(name in values for name in web) else "")


def _http(values: dict[str, Any]) -> int:
    return int(values.get("http.response.status_code", values.get("http.status_code", 0)))


def _failed(status: int, values: dict[str, Any], client: bool) -> bool:
    if status != UNSET:
        return status == ERROR
    http = _http(values)
    if http >= 400:
        return http >= 500 or client
    code = values.get("rpc.response.status_code", values.get("rpc.grpc.status_code", 0))
    name = code if isinstance(code, str) else GRPC[code] if 0 <= code < len(GRPC) else "OK"
    return name in GRPC[1:] if client else name in GRPC_SERVER_FAILURES


def _protected(span: Any, values: dict[str, Any]) -> bool:
    error = _first(values, "error.type", "exception.type")
    if not error:
        thrown = [_first(_values(event.attributes), "exception.type") for event in span.events]
        error = next((name for name in reversed(thrown) if name), "")
    return _http(values) == 429 or error in PROTECTION or values.get("response_flags") in PROTECTION


def _weight(trace_state: str) -> float:
    for vendor in trace_state.replace(" ", ",").split(","):
        if vendor.startswith("ot="):
            for member in vendor[3:].split(";"):
                if member.startswith("th:"):
                    return 2**56 / (2**56 - int(member[3:].ljust(14, "0"), 16))
    return 1.0
