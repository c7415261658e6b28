"""Protobuf messages of OTLP to plain Python: attribute values as text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from topology.errors import MalformedInput

NANOS = 1_000_000_000
AHEAD_S = 600.0


def moment(nanos: int, received_s: float) -> int:
    """A time in epoch nanoseconds; that of arrival where there is none or it is over ten minutes in the future."""
    return nanos if 0 < nanos <= (received_s + AHEAD_S) * NANOS else int(received_s * NANOS)


def parse(request: Message, body: bytes) -> None:
    """Fills an empty request message from its bytes; MalformedInput when they are none."""
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise MalformedInput(f"not a {request.DESCRIPTOR.name}: {error}") from error


def texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Attributes as text by name; the last of equal names counts."""
    return {attribute.key: text(attribute.value) for attribute in attributes}


def text(value: AnyValue) -> str:
    """A value as text: strings as they are, arrays and maps as JSON, bytes only by their number."""
    if value.HasField("string_value"):
        return value.string_value
    held = plain(value)
    return "" if held is None else json.dumps(held, ensure_ascii=False)


def plain(value: AnyValue) -> Any:
    """A value as plain Python: str, bool, int, float, list, dict or None."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "array_value":
        return [plain(item) for item in held.values]
    if kind == "kvlist_value":
        return {item.key: plain(item.value) for item in held.values}
    return f"<{len(held)} bytes>" if kind == "bytes_value" else held
