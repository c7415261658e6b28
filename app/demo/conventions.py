"""How an instrumented service would describe a planned span: name, kind, attributes, as the conventions say.

Most services use the present names, those marked `conventions: old` the names before them, as a real house does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from opentelemetry.trace import SpanKind

from app.demo.bank import Bank, BankService
from app.demo.simulate import OK, Ending, Place, Role, SpanPlan

Attributes = Mapping[str, str | int | float | bool]

_KINDS = {
    Role.SERVER: SpanKind.SERVER,
    Role.CLIENT: SpanKind.CLIENT,
    Role.PRODUCER: SpanKind.PRODUCER,
    Role.CONSUMER: SpanKind.CONSUMER,
}
_HTTP = {Ending.OK: 200, Ending.FAILED: 500, Ending.TIMEOUT: 504, Ending.NOT_PERMITTED: 503, Ending.REJECTED: 429}
_GRPC = {  # the number and its name
    Ending.OK: (0, "OK"), Ending.FAILED: (13, "INTERNAL"), Ending.TIMEOUT: (4, "DEADLINE_EXCEEDED"),
    Ending.NOT_PERMITTED: (14, "UNAVAILABLE"), Ending.REJECTED: (8, "RESOURCE_EXHAUSTED"),
}
_PORTS = {"http": 8080, "grpc": 9090, "redis": 6379, "oracle.db": 1521, "postgresql": 5432, "mysql": 3306}
_OLD_SYSTEMS = {"oracle.db": "oracle"}


class Conventions:
    """Describes the spans of one bank; what does not depend on the outcome is worked out once."""

    def __init__(self, bank: Bank, environment: str = "prod") -> None:
        self._bank, self._environment = bank, environment
        self.described = cache(self._described)

    def resource(self, place: Place) -> dict[str, str]:
        """The resource attributes of an instance."""
        service = self._bank.services[place.service]
        return {
            "service.name": place.service,
            "service.namespace": service.domain,
            "service.version": place.version,
            "service.instance.id": f"{place.service}-{place.zone}-{place.instance + 1}",
            "deployment.environment.name": self._environment,
            "cloud.availability_zone": place.zone,
            "host.name": f"{place.service}-{place.zone}-{place.instance + 1}.{place.zone}.bank.example",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.language": "python",
        }

    def _described(self, service: str, role: Role, operation: str, peer: str) -> tuple[str, SpanKind, Attributes]:
        """Name, kind and the attributes that every span of this shape has."""
        here = self._bank.services[service]
        there = self._bank.services[peer] if peer else here
        speaks = here if role is Role.SERVER else there
        shape = {"http": _http, "grpc": _grpc, "sql": _sql, "redis": _redis, "kafka": _kafka}[speaks.protocol]
        name, attributes = shape(role, here, there, operation)
        return name, _KINDS[role], attributes

    def outcome(self, span: SpanPlan) -> dict[str, str | int]:
        """The attributes that tell how the span ended: status code of the protocol and error type."""
        here = self._bank.services[span.place.service]
        protocol = here.protocol if span.role is Role.SERVER else self._bank.services[span.peer].protocol
        answered = not (span.outcome.error and span.role is Role.CLIENT)  # else nothing came back
        attributes: dict[str, str | int] = {}
        if protocol == "http" and answered:
            key = "http.status_code" if here.conventions == "old" else "http.response.status_code"
            attributes[key] = _HTTP[span.outcome.ending]
        elif protocol == "grpc":
            number, word = _GRPC[span.outcome.ending]
            attributes |= {"rpc.grpc.status_code": number, "rpc.response.status_code": word}
        if span.resend and protocol == "http":
            attributes["http.request.resend_count"] = span.resend
        if failed(span) and (kind := self._error_type(span, protocol)):
            attributes["error.type"] = kind
        return attributes

    def _error_type(self, span: SpanPlan, protocol: str) -> str:
        if span.outcome.error:
            return span.outcome.error
        if protocol == "http":
            return str(_HTTP[span.outcome.ending])
        return _GRPC[span.outcome.ending][1]


def failed(span: SpanPlan) -> bool:
    """Whether instrumentation sets the status to error: every ending but OK, save that a server which turns a
    call away did what it should."""
    if span.outcome is OK or span.outcome.ending is Ending.OK:
        return False
    return not (span.outcome.ending is Ending.REJECTED and span.role is Role.SERVER)


def _http(role: Role, here: BankService, there: BankService, operation: str) -> tuple[str, Attributes]:
    method, route = operation.split(" ", 1)
    if here.conventions == "old":
        return _old_http(role, there, method, route)
    common: dict[str, str | int] = {"http.request.method": method, "network.protocol.version": "1.1"}
    if role is Role.SERVER:
        path = {"http.route": route, "url.path": route, "url.scheme": "http"}
        return operation, common | path | {"server.address": here.name, "server.port": 8080}
    address: dict[str, str | int] = {"server.address": there.name, "server.port": 8080}
    return method, common | address | {"url.full": f"http://{there.name}:8080{route}"}


def _old_http(role: Role, there: BankService, method: str, route: str) -> tuple[str, Attributes]:
    common: dict[str, str | int] = {"http.method": method, "http.scheme": "http"}
    if role is Role.SERVER:
        return f"{method} {route}", common | {"http.route": route, "http.target": route}
    address: dict[str, str | int] = {"net.peer.name": there.name, "net.peer.port": 8080}
    return method, common | address | {"http.url": f"http://{there.name}:8080{route}"}


def _grpc(role: Role, here: BankService, there: BankService, operation: str) -> tuple[str, Attributes]:
    callee = here if role is Role.SERVER else there
    word = "".join(part.capitalize() for part in callee.name.split("-"))
    service = f"bank.{callee.domain}.{word}"
    attributes: dict[str, str | int] = {
        "rpc.system": "grpc", "rpc.service": service, "rpc.method": operation,
        "server.address": callee.name, "server.port": _PORTS["grpc"],
    }
    return f"{service}/{operation}", attributes


def _sql(_role: Role, here: BankService, there: BankService, operation: str) -> tuple[str, Attributes]:
    verb, table = operation.split(" ", 1)
    if here.conventions == "old":
        return operation, {
            "db.system": _OLD_SYSTEMS.get(there.system, there.system), "db.name": there.name,
            "db.operation": verb, "db.sql.table": table, "net.peer.name": there.name,
        }
    return operation, {
        "db.system.name": there.system, "db.namespace": there.name, "db.operation.name": verb,
        "db.collection.name": table, "db.query.summary": operation,
        "server.address": there.name, "server.port": _PORTS[there.system],
    }


def _redis(_role: Role, _here: BankService, there: BankService, operation: str) -> tuple[str, Attributes]:
    # no db.namespace: at Redis that is a number, and the store is known by its address
    return operation, {
        "db.system.name": "redis", "db.operation.name": operation,
        "server.address": there.name, "server.port": _PORTS["redis"],
    }


def _kafka(role: Role, here: BankService, there: BankService, operation: str) -> tuple[str, Attributes]:
    kind = "send" if role is Role.PRODUCER else "process"
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka", "messaging.destination.name": there.name,
        "messaging.operation.type": kind, "messaging.operation.name": operation,
    }
    if role is Role.CONSUMER:
        attributes["messaging.consumer.group.name"] = here.name
    return f"{kind} {there.name}", attributes
