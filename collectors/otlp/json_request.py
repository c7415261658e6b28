"""OTLP/JSON requests to the protobuf bytes of the same request, driven by the message descriptors.

The mapping is protobuf's JSON mapping with OTLP's exceptions (opentelemetry-proto docs/specification.md,
"JSON Protobuf Encoding"): trace and span ids are hex in either case, enums are integers (names are tolerated),
only lowerCamelCase keys are known, and unknown keys are ignored at any depth.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.contract import Signal
from topology.errors import MalformedInput

REQUESTS: Mapping[Signal, type[Message]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
HEX_FIELDS = frozenset(("trace_id", "span_id", "parent_span_id"))
MAX_DEPTH = 100
"""How deep protobuf readers let messages nest; deeper ones could not be read back."""

Read = Callable[[Any, int], Any]
"""(JSON value, nesting depth) -> what a message constructor takes."""


def read_json(signal: Signal, body: bytes) -> bytes:
    """The protobuf bytes of an OTLP/JSON request; MalformedInput when it is none."""
    try:
        document = json.loads(body)
        fields = _message(cast("Descriptor", REQUESTS[signal].DESCRIPTOR), document, 1)
        encoded: bytes = _request(signal, fields).SerializeToString()
    except (ValueError, TypeError, OverflowError) as error:
        raise MalformedInput(f"not an OTLP/JSON request: {error}") from error
    except RecursionError as error:
        raise MalformedInput("the JSON document is nested too deeply") from error
    return encoded


def _request(signal: Signal, fields: dict[str, Any]) -> Message:
    try:
        return REQUESTS[signal](**fields)
    except UnicodeEncodeError:
        # half of a surrogate pair: JavaScript senders cut strings there
        return REQUESTS[signal](**_whole_characters(fields))


def _whole_characters(value: Any) -> Any:
    """The same tree with every unpaired surrogate replaced by U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {key: _whole_characters(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    return value


def _message(descriptor: Descriptor, value: Any, depth: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(descriptor.name, "an object", value)
    if depth > MAX_DEPTH:
        raise MalformedInput(f"{descriptor.name}: nested more than {MAX_DEPTH} deep")
    readers = _readers(descriptor)
    fields = {}
    for key, item in value.items():
        found = readers.get(key)
        if found is not None and item is not None:
            fields[found[0]] = found[1](item, depth + 1)
    return fields


@cache
def _readers(descriptor: Descriptor) -> dict[str, tuple[str, Read]]:
    """JSON key -> (field name, reader) of a message type."""
    return {field.camelcase_name: (field.name, _reader(field)) for field in descriptor.fields}


def _reader(field: FieldDescriptor) -> Read:
    one = partial(_message, field.message_type) if field.message_type is not None else _scalar(field)
    return partial(_list, field.name, one) if field.is_repeated else one


def _scalar(field: FieldDescriptor) -> Read:
    if field.enum_type is not None:
        return partial(_enum, field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return partial(_hex if field.name in HEX_FIELDS else _base64, field.name)
    return partial(_SCALARS[field.cpp_type], field.name)


def _list(name: str, one: Read, value: Any, depth: int) -> list[Any]:
    if not isinstance(value, list):
        raise _mismatch(name, "an array", value)
    return [one(item, depth) for item in value]


def _enum(enum: EnumDescriptor, value: Any, _: int) -> int:
    if isinstance(value, str) and value in enum.values_by_name:
        return int(enum.values_by_name[value].number)
    return _integer(enum.name, value, 0)


def _hex(name: str, value: Any, _: int) -> bytes:
    try:
        return binascii.unhexlify(_string(name, value, 0))
    except ValueError as error:
        raise _mismatch(name, "a hex string", value) from error


def _base64(name: str, value: Any, _: int) -> bytes:
    """Standard or URL-safe alphabet, padded or not."""
    text = _string(name, value, 0).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise _mismatch(name, "a base64 string", value) from error


def _integer(name: str, value: Any, _: int) -> int:
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) <= 20 and value.lstrip("-").isdecimal():
        return int(value)
    raise _mismatch(name, "an integer", value)


def _double(name: str, value: Any, _: int) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _mismatch(name, "a number", value)
    try:
        return float(value)
    except ValueError as error:
        raise _mismatch(name, "a number", value) from error


def _boolean(name: str, value: Any, _: int) -> bool:
    if isinstance(value, bool):
        return value
    raise _mismatch(name, "true or false", value)


def _string(name: str, value: Any, _: int) -> str:
    if isinstance(value, str):
        return value
    raise _mismatch(name, "a string", value)


def _mismatch(name: str, expected: str, value: Any) -> MalformedInput:
    return MalformedInput(f"{name}: expected {expected}, found {_shown(value)}")


def _shown(value: Any) -> str:
    """What was found, by its type: values may be personal data."""
    return "null" if value is None else type(value).__name__


_SCALARS: dict[int, Callable[[str, Any, int], Any]] = {
    FieldDescriptor.CPPTYPE_INT32: _integer,
    FieldDescriptor.CPPTYPE_INT64: _integer,
    FieldDescriptor.CPPTYPE_UINT32: _integer,
    FieldDescriptor.CPPTYPE_UINT64: _integer,
    FieldDescriptor.CPPTYPE_DOUBLE: _double,
    FieldDescriptor.CPPTYPE_FLOAT: _double,
    FieldDescriptor.CPPTYPE_BOOL: _boolean,
    FieldDescriptor.CPPTYPE_STRING: _string,
}
