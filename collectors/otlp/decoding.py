"""Requests of spans to columns: the scanner first, the protobuf runtime for what it does not understand."""

from __future__ import annotations

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.contract import Body
from collectors.otlp import attribute_scanner, reference, scanner, wire
from collectors.otlp.attributes import ATTRIBUTES, PORTS, key_table
from topology.errors import TablesFull
from topology.interning import Interner
from topology.machine import address_of
from topology.spans import RESERVED, SpanColumns

_TYPES = (
    (attribute_scanner.T_SCOPE, "opentelemetry.proto.common.v1.InstrumentationScope"),
    (attribute_scanner.T_KEY_VALUE, "opentelemetry.proto.common.v1.KeyValue"),
    (attribute_scanner.T_ANY_VALUE, "opentelemetry.proto.common.v1.AnyValue"),
    (attribute_scanner.T_EVENT, "opentelemetry.proto.trace.v1.Span.Event"),
    (attribute_scanner.T_LINK, "opentelemetry.proto.trace.v1.Span.Link"),
    (attribute_scanner.T_STATUS, "opentelemetry.proto.trace.v1.Status"),
    (attribute_scanner.T_RESOURCE, "opentelemetry.proto.resource.v1.Resource"),
)


class SpanDecoder:
    """Turns requests into columns it owns; each call overwrites the columns of the one before. Not thread-safe.

    `strings` and `resources` number what the columns refer to. They are bounded: when `crowded` is true, or when
    `decode` raises TablesFull, the owner forgets every number it holds and calls `reset`. With `ports` the port of a
    span's address is read too.
    """

    def __init__(self, seed: int, max_strings: int = 1 << 18, extra_reserved: tuple[str, ...] = (),
                 ports: bool = False) -> None:
        self.columns = SpanColumns()
        self.strings = Interner(max_strings, max_strings * 64, seed, RESERVED + extra_reserved)
        self.resources = Interner(1 << 15, 1 << 25, seed + 1)
        self.by_reference = 0
        self.attributes = (*ATTRIBUTES, *PORTS) if ports else ATTRIBUTES
        self._keys = key_table(self.attributes)
        self._schema, types = wire.schema_table(ExportTraceServiceRequest.DESCRIPTOR)
        self._context = np.zeros(attribute_scanner.CONTEXT_WORDS, np.int64)
        self._context_address = int(self._context.ctypes.data)
        self._context[attribute_scanner.STRINGS] = self.strings.address
        self._context[attribute_scanner.RESOURCES] = self.resources.address
        self._context[attribute_scanner.KEYS] = self._keys.ctypes.data
        self._context[attribute_scanner.SCHEMA] = self._schema.ctypes.data
        for word, name in _TYPES:
            self._context[word] = types[name]

    def decode(self, body: Body) -> SpanColumns:
        """The spans of an uncompressed `ExportTraceServiceRequest`.

        MalformedInput when it is none; TablesFull when it has more resources than there are numbers left for.
        """
        return self.decode_at(address_of(body), body)

    def decode_at(self, address: int, body: Body) -> SpanColumns:
        """The same for a body that also lies at an address of its own."""
        while True:
            columns = self.columns
            used = scanner.scan(address, address + len(body), *columns.addresses, columns.capacity,
                                self._context_address)
            if used >= 0:
                columns.used = used
                return columns
            if self.strings.relieve() | self.resources.relieve():
                continue
            if used == wire.BAD:
                return self._by_reference(body)
            if used == scanner.OUT_OF_NUMBERS:
                raise TablesFull
            columns.grow()

    @property
    def crowded(self) -> bool:
        """Whether a table is nearly full."""
        return self.strings.full or self.resources.full

    def reset(self) -> None:
        """Forgets every string and resource."""
        self.strings.reset()
        self.resources.reset()

    def _by_reference(self, body: Body) -> SpanColumns:
        request = reference.parse(bytes(body))
        self.by_reference += 1
        self.columns = reference.columns(request, self.strings, self.resources, self.attributes)
        return self.columns
