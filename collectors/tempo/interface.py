"""Tempo's query interface (tempo: docs/sources/tempo/api_docs, pkg/tempopb/tempo.proto). Written after its documents:
no Tempo is to be had for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from collectors.spans.site import Caller, Reply
from topology.errors import SourceUnavailable, Why

PROTOBUF = "application/protobuf"
PARTIAL = 1
_NEWER, _OLDER = "/api/v2/traces/", "/api/traces/"
_TRACE, _STATUS, _MESSAGE = 1, 3, 4
"""Fields of `tempopb.TraceByIDResponse`. The trace has resource spans as field 1, as an OTLP request has."""


@dataclass(frozen=True, slots=True)
class Row:
    """A trace as a search tells it. `failed` and `spans` are None where the version does not tell."""

    trace_id: str
    service: str
    operation: str
    start_ns: int
    duration_ms: float
    matched: int
    spans: int | None = None
    failed: bool | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The bytes of an OTLP request with all spans of a trace; why some are missing, "" when none are known to be."""

    request: bytes
    lacks: str = ""


class Tempo:
    """Searches, and single traces. Thread-safe. SourceUnavailable where there is no answer to be had."""

    def __init__(self, caller: Caller) -> None:
        self._caller, self._path = caller, _NEWER

    def search(self, query: str, from_s: int, to_s: int, limit: int) -> list[Row]:
        """Any `limit` of the traces that match in [from_s, to_s), epoch seconds."""
        params = {"q": query, "start": str(from_s), "end": str(to_s), "limit": str(limit), "spss": "1"}
        reply = self._caller.get("/api/search", params)
        try:
            told = orjson.loads(reply.body or b"") if reply.status == 200 else None
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict) or not isinstance(told.get("traces") or [], list):
            raise _refused(reply)
        return [_row(trace) for trace in told.get("traces") or ()]

    def trace(self, trace_id: str) -> Trace | None:
        """One trace; None when there is none of that id. Versions before 2.7 know only the older path."""
        path, name = self._path, quote(trace_id, safe="")
        reply = self._caller.get(path + name, accept=PROTOBUF)
        if reply.status == 404 and path == _NEWER:
            older = self._caller.get(_OLDER + name, accept=PROTOBUF)
            if older.status == 200:
                path = self._path = _OLDER
                reply = older
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise _refused(reply)
        if reply.body is None:
            return Trace(b"", "a trace is larger than may be held")
        return _read(reply.body) if path == _NEWER else Trace(reply.body) if reply.body else None


def _read(body: bytes) -> Trace | None:
    told = dict(_fields(body))
    trace, message = told.get(_TRACE, b""), told.get(_MESSAGE, b"")
    lacks = ""
    if told.get(_STATUS) == PARTIAL:
        words = message.decode("utf-8", "replace") if isinstance(message, bytes) else ""
        lacks = f"Tempo has only a part of a trace{': ' + words if words else ''}"
    return Trace(trace, lacks) if isinstance(trace, bytes) and trace else None


def _row(trace: Mapping[str, Any]) -> Row:
    sets: Sequence[Mapping[str, Any]] = trace.get("spanSets") or [trace.get("spanSet") or {}]
    stats = (trace.get("serviceStats") or {}).values()
    spans = sum(int(one.get("spanCount") or 0) for one in stats)
    return Row(
        str(trace.get("traceID") or "").zfill(32), str(trace.get("rootServiceName") or ""),
        str(trace.get("rootTraceName") or ""), int(trace.get("startTimeUnixNano") or 0),
        float(trace.get("durationMs") or 0), sum(int(one.get("matched") or 0) for one in sets), spans or None,
        any(int(one.get("errorCount") or 0) > 0 for one in stats) if stats else None,
    )


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: numbers, and bytes of what has a length. SourceUnavailable for no message."""
    at = 0
    while at < len(body):
        tag, at = _varint(body, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(body, at)
            yield number, value
            continue
        length, at = (8, at) if wire == 1 else (4, at) if wire == 5 else _varint(body, at) if wire == 2 else (-1, at)
        if length < 0 or at + length > len(body):
            raise _no_tempo()
        if wire == 2:
            yield number, body[at : at + length]
        at += length


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(body) and shift < 64:
        value |= (body[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if body[at - 1] < 128:
            return value, at
    raise _no_tempo()


def _refused(reply: Reply) -> SourceUnavailable:
    if reply.body is None:
        return SourceUnavailable("a reply was larger than may be held", why=Why.TOO_LARGE)
    if reply.status == 200:
        return _no_tempo()
    words = " ".join(reply.body[:200].decode("utf-8", "replace").split())
    reason = f"it answered {reply.status}: {words}" if words else f"it answered {reply.status}"
    return SourceUnavailable(reason, why=Why.REFUSED)


def _no_tempo() -> SourceUnavailable:
    return SourceUnavailable("what answers there is not the query interface of Tempo", why=Why.STRANGER)
