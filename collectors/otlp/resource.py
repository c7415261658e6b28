"""Who sent something: the attributes of an OTLP resource that make a service, an instance and a zone.

Semantic conventions 1.37: deployment.environment.name replaced deployment.environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from topology.errors import MalformedInput
from topology.model import Service

UNKNOWN_SERVICE = "unknown_service"
INSTANCE_ATTRIBUTES = ("service.instance.id", "k8s.pod.name", "container.id", "host.name")
ZONE_ATTRIBUTES = ("cloud.availability_zone",)


@dataclass(frozen=True, slots=True)
class Sender:
    """A resource: which service it is, in which zone, which instance and version; "" where it does not say."""

    service: Service
    zone: str = ""
    instance: str = ""
    version: str = ""


def sender_of(attributes: Iterable[KeyValue], zone_attributes: Sequence[str] = ZONE_ATTRIBUTES) -> Sender:
    """The sender that resource attributes name; a nameless one is `unknown_service`, never merged with others."""
    texts = {attribute.key: text_of(attribute.value) for attribute in attributes}
    service = Service(
        first(texts, ("deployment.environment.name", "deployment.environment")),
        texts.get("service.namespace", ""),
        texts.get("service.name") or UNKNOWN_SERVICE,
    )
    return Sender(
        service, first(texts, zone_attributes), first(texts, INSTANCE_ATTRIBUTES), texts.get("service.version", "")
    )


def first(texts: Mapping[str, str], names: Iterable[str]) -> str:
    """The first of several attributes that is there and not empty, or ""."""
    return next((texts[name] for name in names if texts.get(name)), "")


def text_of(value: AnyValue) -> str:
    """A value as text: strings as they are, arrays and maps as JSON, bytes only by their number."""
    if value.HasField("string_value"):
        return value.string_value
    plain = plain_of(value)
    if plain is None:
        return ""
    return json.dumps(plain, ensure_ascii=False, default=str)


def plain_of(value: AnyValue) -> Any:
    """A value as plain Python: str, bool, int, float, list, dict or None."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "array_value":
        return [plain_of(item) for item in held.values]
    if kind == "kvlist_value":
        return {item.key: plain_of(item.value) for item in held.values}
    return f"<{len(held)} bytes>" if kind == "bytes_value" else held


def parsed(request: Message, body: bytes) -> None:
    """Fills an empty request message from its bytes; MalformedInput when they are none."""
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise MalformedInput(f"not a {request.DESCRIPTOR.name}: {error}") from error
