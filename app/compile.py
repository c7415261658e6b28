"""Compiles every kernel once, so that the first request does not wait: `python -m app.compile`."""

from __future__ import annotations

import sys
import time

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.elastic_spans.flat_objects import framed_attributes
from collectors.otlp.decoding import SpanDecoder
from collectors.otlp.resources import identify, read
from topology import ring, trace_operations
from topology.choosing import Chooser, Quota, remember
from topology.graph import figures
from topology.histogram import ladder
from topology.journal import checksum
from topology.members import Members
from topology.pairing import FailureRules, Pairing
from topology.ring import Totals
from topology.rollup import COUNTS, SeriesTable
from topology.slo import incidence
from topology.store import merging


def compile_kernels() -> float:
    """Runs everything compiled on a small trace; returns how many seconds it took."""
    began_s = time.monotonic()
    checksum(bytes(64), 1)
    framed_attributes(b"{}", dots=True)
    merging.compile_kernels()
    incidence.compile_kernels()
    ring.compile_kernels()
    trace_operations.compile_kernels()
    figures(Members(), Totals(np.zeros((0, len(COUNTS))), np.zeros((0, ladder().buckets))))
    decoder = SpanDecoder(1, extra_reserved=FailureRules().protected_names)
    scale = ladder()
    pairing = Pairing(decoder.strings, lambda n: read(decoder.resources.raw(n), identify), scale)
    now_ns = time.time_ns()
    columns = decoder.decode(_request(now_ns).SerializeToString())
    pairing.take(columns, now_ns)
    resolved = pairing.naming.resolved
    Chooser(1000, Quota()).choose(columns.wide, resolved, columns.used, now_ns / 1e9)
    remember(columns.wide, columns.narrow, resolved, 0, columns.used, 1, np.empty(len(resolved), np.int64),
             np.empty((len(resolved), 2), np.int64), 0)
    pairing.advance(now_ns + 100_000_000_000)
    pairing.harvest(SeriesTable())
    return time.monotonic() - began_s


def _request(now_ns: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    first, second = bytes([0] * 7 + [1]), bytes([0] * 7 + [2])
    for service, kind, span_id, parent in (("a", 3, 1, b""), ("b", 2, 2, first), ("b", 1, 3, second)):
        resource_spans = request.resource_spans.add()
        attribute = resource_spans.resource.attributes.add(key="service.name")
        attribute.value.string_value = service
        span = resource_spans.scope_spans.add().spans.add(
            trace_id=bytes([1] * 16), span_id=bytes([0] * 7 + [span_id]), parent_span_id=parent, name="x", kind=kind,
            start_time_unix_nano=now_ns - 1000, end_time_unix_nano=now_ns, trace_state="ot=th:8",
        )
        span.attributes.add(key="http.response.status_code").value.int_value = 200
        span.attributes.add(key="server.address").value.string_value = "b"
    return request


def main() -> int:
    """Says what it does, since the first time takes long."""
    sys.stdout.write("compiling the kernels (about a minute the first time)...\n")
    sys.stdout.flush()
    sys.stdout.write(f"compiled in {compile_kernels():.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
