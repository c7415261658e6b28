"""Example traces in a DuckDB file: who they are examples of, and each payload once."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa  # type: ignore[import-untyped]

from topology.store.contract import Example, ExampleQuery, ExampleSummary
from topology.store.database import Cursor
from topology.store.keys import text
from topology.store.tiers import Retention
from topology.store.trimming import kept_traces

_SUMMARY = "trace_id, service_id, operation, start_s, duration_ms, failed, span_count, octet_length(payload)"


def put(cursor: Cursor, examples: Sequence[Example]) -> None:
    """Adds examples; one with the same trace, service and operation is replaced, as is a trace's payload."""
    named = {(text(e.trace_id), text(e.service_id), text(e.operation)): e for e in examples}
    payloads = {text(e.trace_id): e.payload for e in examples}
    cursor.register("incoming", pa.table({
        "trace_id": [name[0] for name in named], "service_id": [name[1] for name in named],
        "operation": [name[2] for name in named], "start_s": [float(e.start_s) for e in named.values()],
        "duration_ms": [float(e.duration_ms) for e in named.values()], "failed": [e.failed for e in named.values()],
        "span_count": [e.span_count for e in named.values()],
    }))
    cursor.register("payloads", pa.table({"id": list(payloads), "payload": pa.array(payloads.values(), pa.binary())}))
    cursor.execute("DELETE FROM examples AS e USING incoming AS i WHERE e.trace_id = i.trace_id "
                   "AND e.service_id = i.service_id AND e.operation = i.operation")
    cursor.execute("DELETE FROM traces WHERE id IN (SELECT id FROM payloads)")
    cursor.execute("INSERT INTO examples SELECT * FROM incoming")
    cursor.execute("INSERT INTO traces SELECT * FROM payloads")


def find(cursor: Cursor, query: ExampleQuery) -> list[ExampleSummary]:
    """The examples that match, newest first."""
    rows = cursor.execute(
        f"SELECT {_SUMMARY} FROM examples JOIN traces ON id = trace_id WHERE start_s >= $from_s AND start_s < $to_s "
        "AND ($service_id IS NULL OR service_id = $service_id) AND ($operation IS NULL OR operation = $operation) "
        "AND duration_ms >= $min_ms AND (failed OR NOT $failed_only) ORDER BY start_s DESC LIMIT $limit",
        {name: getattr(query, name) for name in query.__slots__},
    ).fetchall()
    return [ExampleSummary(*row) for row in rows]


def get(cursor: Cursor, trace_id: str) -> Example | None:
    """One trace with its payload."""
    rows = cursor.execute(
        "SELECT trace_id, service_id, operation, start_s, duration_ms, failed, span_count, payload "
        "FROM examples JOIN traces ON id = trace_id WHERE trace_id = ? ORDER BY examples.rowid LIMIT 1", [trace_id],
    ).fetchall()
    return Example(*rows[0]) if rows else None


def trim(cursor: Cursor, retention: Retention, now_s: float) -> int:
    """Drops what no longer may stay and returns how many examples that were."""
    rows = [ExampleSummary(*row) for row in
            cursor.execute(f"SELECT {_SUMMARY} FROM examples JOIN traces ON id = trace_id").fetchall()]
    kept = kept_traces(rows, {row.trace_id: row.payload_bytes for row in rows}, retention, now_s)
    gone = sorted({row.trace_id for row in rows} - kept)
    if gone:
        cursor.register("gone", pa.table({"id": gone}))
        cursor.execute("DELETE FROM traces WHERE id IN (SELECT id FROM gone)")
        cursor.execute("DELETE FROM examples WHERE trace_id IN (SELECT id FROM gone)")
    return sum(row.trace_id not in kept for row in rows)
