"""The bytes of a message, as protobuf or JSON, to SkyWalking's message classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import orjson
from google.protobuf.json_format import ParseDict
from google.protobuf.json_format import ParseError as JsonMismatch
from google.protobuf.message import DecodeError, Message

from collectors.skywalking_segments.protocol.skywalking_pb2 import LogData, SegmentCollection, SegmentObject
from topology.errors import MalformedInput

M = TypeVar("M", bound=Message)


def from_protobuf(kind: type[M], body: bytes) -> M:
    """One message from its bytes; MalformedInput when they are none."""
    message = kind()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise MalformedInput(f"not a {kind.DESCRIPTOR.name}") from error
    return message


def one_from_json(kind: type[M], body: bytes) -> M:
    """One message from JSON (fields nobody knows are left out, as an OAP does); MalformedInput when it is none."""
    return _from_value(kind, _json(body))


def many_from_json(kind: type[M], body: bytes) -> Sequence[M]:
    """The messages of a JSON array; MalformedInput when it is none, or one of them is none."""
    values = _json(body)
    if not isinstance(values, list):
        raise MalformedInput(f"not an array of {kind.DESCRIPTOR.name}")
    return [_from_value(kind, value) for value in values]


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedInput(f"not JSON: {error}") from error


def _from_value(kind: type[M], value: Any) -> M:
    if not isinstance(value, dict):
        raise MalformedInput(f"not a {kind.DESCRIPTOR.name}")
    try:
        return ParseDict(value, kind(), ignore_unknown_fields=True)
    except (JsonMismatch, ValueError, TypeError, AttributeError) as error:
        raise MalformedInput(f"not a {kind.DESCRIPTOR.name}: {error}") from error


def segment(body: bytes) -> Sequence[SegmentObject]:
    """A segment, from protobuf."""
    return [from_protobuf(SegmentObject, body)]


def collection(body: bytes) -> Sequence[SegmentObject]:
    """A collection of segments, from protobuf."""
    return from_protobuf(SegmentCollection, body).segments


def segment_json(body: bytes) -> Sequence[SegmentObject]:
    """A segment, from JSON."""
    return [one_from_json(SegmentObject, body)]


def segments_json(body: bytes) -> Sequence[SegmentObject]:
    """Segments, from a JSON array."""
    return many_from_json(SegmentObject, body)


class LogStream:
    """The lines of one sender in their order: a line without a service, instance or endpoint has that of the one
    before (SkyWalking's log data protocol)."""

    def __init__(self) -> None:
        self._last = LogData()

    def line(self, body: bytes) -> Sequence[LogData]:
        """A line, from protobuf."""
        return self._complete([from_protobuf(LogData, body)])

    def lines_json(self, body: bytes) -> Sequence[LogData]:
        """Lines, from a JSON array."""
        return self._complete(many_from_json(LogData, body))

    def _complete(self, lines: Iterable[LogData]) -> Sequence[LogData]:
        completed = []
        for line in lines:
            if not line.service:
                line.service = self._last.service
                line.serviceInstance = line.serviceInstance or self._last.serviceInstance
                line.endpoint = line.endpoint or self._last.endpoint
            self._last = line
            completed.append(line)
        return completed
