"""The reference decoder: the same columns from the generated protobuf classes, slow and plain.

The scanner is judged by it, and requests the scanner does not understand are decoded by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.otlp.attributes import ATTRIBUTES, MAX_NUMBER, NUMERIC, PORT, Attribute
from topology.errors import MalformedInput, TablesFull
from topology.interning import K1, K2, Interner
from topology.spans import (
    END,
    ERROR_TYPE,
    GRPC_NAMES,
    GRPC_STATUS,
    HTTP_SEEN,
    KIND,
    LAST_PORT,
    LINK_SPAN,
    LINK_TRACE,
    NAME,
    PARENT,
    PORT_SHIFT,
    RESOURCE,
    SPAN,
    START,
    STATUS_SHIFT,
    TRACE,
    WEIGHT,
    SpanColumns,
)

_WORD = (1 << 64) - 1
_THRESHOLD = re.compile(r"(?:^|[, ])ot=([^,]*)")


def parse(body: bytes) -> Any:
    """The request as a message; MalformedInput when the protobuf runtime refuses it."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise MalformedInput("not an ExportTraceServiceRequest") from error
    return request


def columns(request: Any, strings: Interner, resources: Interner,
            attributes: Sequence[Attribute] = ATTRIBUTES) -> SpanColumns:
    """The columns the scanner would make, but for OFFSET, which is 0; TablesFull when there are too many resources."""
    known = {a.name: a for a in attributes}
    total = sum(len(scope.spans) for rs in request.resource_spans for scope in rs.scope_spans)
    filled = SpanColumns(max(total, 1))
    row = 0
    for resource_spans in request.resource_spans:
        sender = resource_spans.resource.SerializeToString()
        resource = resources.number_of(sender)
        if sender and not resource:
            raise TablesFull
        for scope in resource_spans.scope_spans:
            for span in scope.spans:
                _fill(span, resource, filled.wide[row], filled.narrow[row], strings, known)
                row += 1
    filled.used = row
    return filled


def trace_key(trace_id: bytes) -> int:
    """The mixed 64-bit key of a trace id; 0 for an invalid one."""
    low, high = int.from_bytes(trace_id[:8], "little"), int.from_bytes(trace_id[8:], "little")
    if len(trace_id) != 16 or not low | high:
        return 0
    h = ((low ^ (high * int(K2) & _WORD)) * int(K1)) & _WORD
    h = ((h ^ (h >> 29)) * int(K2)) & _WORD
    return (h ^ (h >> 32)) or 1


def span_key(span_id: bytes) -> int:
    """A span id as a number; 0 for an invalid one."""
    return int.from_bytes(span_id, "little") if len(span_id) == 8 else 0


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _fill(span: Any, resource: int, wide: np.ndarray, narrow: np.ndarray, strings: Interner,
          known: Mapping[str, Attribute]) -> None:
    wide[TRACE], wide[SPAN] = _signed(trace_key(span.trace_id)), _signed(span_key(span.span_id))
    wide[PARENT] = _signed(span_key(span.parent_span_id))
    wide[START], wide[END] = _signed(span.start_time_unix_nano), _signed(span.end_time_unix_nano)
    wide[WEIGHT] = np.float64(weight(span.trace_state)).view(np.int64)
    for link in span.links:
        trace, linked = trace_key(link.trace_id), span_key(link.span_id)
        if trace and linked:
            wide[LINK_TRACE], wide[LINK_SPAN] = _signed(trace), _signed(linked)
            break
    narrow[RESOURCE], narrow[NAME] = resource, strings.number(span.name)
    status = span.status.code if 0 <= span.status.code <= 2 else 0
    narrow[KIND] = (span.kind if 0 <= span.kind <= 5 else 0) | status << STATUS_SHIFT
    ranks = _fill_attributes(span, narrow, strings, known)
    if ERROR_TYPE not in ranks:
        for event in span.events:
            for attribute in event.attributes:
                if attribute.key == "exception.type":
                    _fill_value(known["exception.type"], attribute.value, narrow, strings)


def _fill_attributes(span: Any, narrow: np.ndarray, strings: Interner,
                     known: Mapping[str, Attribute]) -> dict[int, int]:
    ranks: dict[int, int] = {}
    for attribute in span.attributes:
        found = known.get(attribute.key)
        if found is not None and found.priority >= ranks.get(found.column, 0) and attribute.HasField("value"):
            ranks[found.column] = found.priority
            _fill_value(found, attribute.value, narrow, strings)
    return ranks


def _fill_value(known: Attribute, value: Any, narrow: np.ndarray, strings: Interner) -> None:
    which = value.WhichOneof("value")
    if which is None:
        return
    if known.column == KIND:
        narrow[KIND] |= HTTP_SEEN
    elif known.column == PORT:
        narrow[KIND] = narrow[KIND] & ~(LAST_PORT << PORT_SHIFT) | _port(value, which) << PORT_SHIFT
    elif known.column in NUMERIC:
        narrow[known.column] = 1 + _number(known, value, which)
    elif which == "string_value":
        narrow[known.column] = strings.number(value.string_value)


def _port(value: Any, which: str) -> int:
    text = value.string_value if which == "string_value" else ""
    port = value.int_value if which == "int_value" else int(text) if re.fullmatch(r"[0-9]{1,5}", text) else 0
    return port if 0 < port <= LAST_PORT else 0


def _number(known: Attribute, value: Any, which: str) -> int:
    if which == "int_value":
        return value.int_value if 0 <= value.int_value <= MAX_NUMBER else -1
    text = value.string_value if which == "string_value" else ""
    if re.fullmatch(r"[0-9]{1,4}", text):
        return int(text)
    return GRPC_NAMES.index(text) if known.column == GRPC_STATUS and text in GRPC_NAMES else -1


def weight(trace_state: str) -> float:
    """The sampling weight of a tracestate's `ot=th:`, 0.0 without a valid one (OpenTelemetry, TraceState:
    probability sampling)."""
    vendor = _THRESHOLD.search(trace_state)
    if vendor is None:
        return 0.0
    for member in vendor[1].split(";"):
        if member.startswith("th:"):
            digits = member[3:]
            if not re.fullmatch(r"[0-9a-f]{1,14}", digits):
                return 0.0
            return 2.0**56 / (2**56 - int(digits.ljust(14, "0"), 16))
    return 0.0
