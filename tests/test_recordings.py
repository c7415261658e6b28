"""Recordings of two real systems, without span kinds as they were made, through the real path to their known edges."""

from __future__ import annotations

import csv
import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pairing_run import Counted

from topology.model import EdgeKey, Kind, Side
from topology.pairing import Bounds

DATA = Path(__file__).parents[2] / "shared" / "data"
BOUNDS = Bounds(max_pending_spans=1 << 20, max_series=1 << 14)
TRAINS, SHOP = "nezha-trainticket-2023-01-29.tar.xz", "nezha-onlineboutique-2022-08-22.tar.xz"
RECORDINGS = [
    pytest.param(TRAINS, "09_25_trace.csv", 55, id="train-ticket"),
    pytest.param(SHOP, "05_19_trace.csv", 13, id="shop"),
    pytest.param(TRAINS, "_trace.csv", 55, id="train-ticket-whole", marks=pytest.mark.soak),
    pytest.param(SHOP, "_trace.csv", 13, id="shop-whole", marks=pytest.mark.soak),
]
Row = dict[str, str]
DAY_S = 86_400


def rows_of(archive: Path, ending: str) -> Iterator[list[Row]]:
    """The rows of each trace file whose name has this ending."""
    with tarfile.open(archive, "r:xz") as recording:
        for member in recording:
            if member.name.endswith(ending) and "/trace/" in member.name:
                content = recording.extractfile(member)
                assert content is not None
                yield list(csv.DictReader(io.TextIOWrapper(content, "utf-8")))
                if not ending.startswith("_"):
                    return


def service_of(row: Row) -> str:
    """The service of a pod: its name without the two hashes."""
    return row["PodName"].rsplit("-", 2)[0]


def request(rows: list[Row]) -> bytes:
    """Rows as an OTLP request, spans of unspecified kind."""
    message = ExportTraceServiceRequest()
    for pod, spans in groupby(rows, lambda row: row["PodName"]):
        sent = message.resource_spans.add()
        for key, value in (("service.name", pod.rsplit("-", 2)[0]), ("service.instance.id", pod)):
            sent.resource.attributes.add(key=key).value.string_value = value
        scope = sent.scope_spans.add()
        for row in spans:
            parent = b"" if row["ParentID"] == "root" else bytes.fromhex(row["ParentID"])
            scope.spans.add(trace_id=bytes.fromhex(row["TraceID"]), span_id=bytes.fromhex(row["SpanID"]),
                            parent_span_id=parent, name=row["OperationName"],
                            start_time_unix_nano=int(row["StartTimeUnixNano"]),
                            end_time_unix_nano=int(row["EndTimeUnixNano"]))
    return message.SerializeToString()


def crossings(rows: list[Row]) -> Counter[tuple[str, str]]:
    """How often a span's parent is in another service, read off the rows."""
    services = {(row["TraceID"], row["SpanID"]): service_of(row) for row in rows}
    unique = {(row["TraceID"], row["SpanID"]): row for row in rows}
    pairs = ((services.get((row["TraceID"], row["ParentID"])), service_of(row)) for row in unique.values())
    return Counter((caller, callee) for caller, callee in pairs if caller is not None and caller != callee)


@pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data beside this checkout")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("archive", "ending", "edges"), RECORDINGS)
def test_recording_gives_its_edges(archive, ending, edges):
    """Every cross-service edge of the recording is found, none is invented, and each has every call it had."""
    # Files overlap, so a span may come again after hours.
    run, everything = Counted(bounds=BOUNDS, horizon_s=DAY_S, late_limit_s=DAY_S), []
    for rows in rows_of(DATA / archive, ending):
        now_ns = max(int(row["EndTimeUnixNano"]) for row in rows)
        for start in range(0, len(rows), 500):
            run.take_body(request(rows[start : start + 500]), now_ns)
        everything += rows
    figures = run.finish()
    found: Counter[tuple[str, str]] = Counter()
    for (key, _), cell in figures.items():
        if isinstance(key, EdgeKey) and key.side is Side.CLIENT and key.caller.kind is Kind.SERVICE:
            found[key.caller.name, key.callee.name] += int(cell["counts"][0])  # type: ignore[index]
    assert len(found) == edges
    assert found == crossings(everything)
