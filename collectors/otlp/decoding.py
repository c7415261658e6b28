"""Requests of spans to columns: the scanner first, the protobuf runtime for what it does not understand."""

from __future__ import annotations

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.otlp import reference, scanner, wire
from collectors.otlp.attributes import key_table
from topology.errors import MalformedInput
from topology.interning import Interner
from topology.spans import RESERVED, SpanColumns

_TYPES = (
    (scanner.T_SCOPE, "opentelemetry.proto.common.v1.InstrumentationScope"),
    (scanner.T_KEY_VALUE, "opentelemetry.proto.common.v1.KeyValue"),
    (scanner.T_ANY_VALUE, "opentelemetry.proto.common.v1.AnyValue"),
    (scanner.T_EVENT, "opentelemetry.proto.trace.v1.Span.Event"),
    (scanner.T_LINK, "opentelemetry.proto.trace.v1.Span.Link"),
    (scanner.T_STATUS, "opentelemetry.proto.trace.v1.Status"),
    (scanner.T_RESOURCE, "opentelemetry.proto.resource.v1.Resource"),
)


class SpanDecoder:
    """Turns requests into columns it owns; each call overwrites the columns of the one before. Not thread-safe.

    `strings` and `resources` number what the columns refer to. They are bounded: when `crowded` is true, the
    owner forgets every number it holds and calls `reset`.
    """

    def __init__(self, seed: int, max_strings: int = 1 << 18, extra_reserved: tuple[str, ...] = ()) -> None:
        self.columns = SpanColumns()
        self.strings = Interner(max_strings, max_strings * 64, seed, RESERVED + extra_reserved)
        self.resources = Interner(1 << 15, 1 << 25, seed + 1)
        self.by_reference = 0
        self._keys = key_table()
        self._schema, types = wire.schema_table(ExportTraceServiceRequest.DESCRIPTOR)
        self._context = np.zeros(16, np.int64)
        self._context[scanner.STRINGS] = self.strings.address
        self._context[scanner.RESOURCES] = self.resources.address
        self._context[scanner.KEYS] = self._keys.ctypes.data
        self._context[scanner.SCHEMA] = self._schema.ctypes.data
        for word, name in _TYPES:
            self._context[word] = types[name]

    def decode(self, body: bytes) -> SpanColumns:
        """The spans of an uncompressed `ExportTraceServiceRequest`; MalformedInput when it is none."""
        raw = np.frombuffer(body, np.uint8)
        start = int(raw.ctypes.data)
        while True:
            columns = self.columns
            used = scanner.scan(start, start + len(body), columns.wide.ctypes.data, columns.narrow.ctypes.data,
                                columns.capacity, self._context.ctypes.data)
            relieved = self.strings.relieve() | self.resources.relieve()
            if used >= 0 and not relieved:
                columns.used = used
                return columns
            if used == scanner.BAD:
                return self._by_reference(body)
            if used == scanner.FULL and not relieved:
                self._make_room()

    def _make_room(self) -> None:
        if self.resources.full:
            raise MalformedInput("too many different resources in one request") if self._fresh else _Crowded()
        self.columns.grow()

    @property
    def crowded(self) -> bool:
        """Whether a table is nearly full."""
        return self.strings.full or self.resources.full

    @property
    def _fresh(self) -> bool:
        return self.columns.used == 0 and len(self.strings) <= len(RESERVED) + 1

    def reset(self) -> None:
        """Forgets every string and resource."""
        self.strings.reset()
        self.resources.reset()

    def _by_reference(self, body: bytes) -> SpanColumns:
        request = reference.parse(body)
        self.by_reference += 1
        self.columns = reference.columns(request, self.strings, self.resources)
        return self.columns


class _Crowded(Exception):
    """The resource table is full in the middle of a request."""
