"""The two query interfaces of Jaeger over HTTP, told apart by what they answer: an unknown path is a page with status
200, and JSON comes as plain text (seen with 2.13; internal/extension/jaegerquery in its source)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

import orjson

from collectors.spans.jaeger_model import sender, write
from collectors.spans.otlp_json import spans as otlp_spans
from collectors.spans.site import Caller, Reply
from collectors.spans.writing import Request
from topology.errors import SourceUnavailable, Why

MICROS = 1_000_000
Made = tuple[bytes, bytes]
"""A span with the resource that sent it, as bytes of OTLP: (resource, span)."""
_TRACE = slice(2, 18)
"""Where a written span has the id of its trace."""


@dataclass(frozen=True, slots=True)
class Search:
    """Traces of a service with a span of it that starts in [from_us, to_us), epoch microseconds."""

    service: str
    from_us: int
    to_us: int
    limit: int
    min_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Traces:
    """The spans found by trace id; `large` when the reply was larger than may be held."""

    spans: Mapping[bytes, list[Made]]
    large: bool = False

    def request(self) -> bytes:
        """All of them as one OTLP request."""
        return request_of(one for own in self.spans.values() for one in own)


class Interface(Protocol):
    """One of the two. Every method raises SourceUnavailable where there is no answer to be had."""

    def services(self) -> list[str]:
        """The services it knows."""
        ...

    def search(self, search: Search) -> Traces:
        """Whole traces."""
        ...

    def trace(self, trace_id: str) -> Traces:
        """One trace; an empty answer when there is none of that id."""
        ...


def interface_of(caller: Caller) -> Interface:
    """The interface that answers: version 3, else the internal one. SourceUnavailable when neither does."""
    first = caller.get("/api/v3/services")
    if _has(first, "services"):
        return V3(caller)
    second = caller.get("/api/services")
    if _has(second, "data"):
        return Internal(caller)
    for reply in (first, second):
        if reply.status >= 500:
            raise SourceUnavailable(f"it answered {reply.status}{_said(reply)}", why=Why.REFUSED)
    raise SourceUnavailable("what answers there is not the query interface of Jaeger", why=Why.STRANGER)


class V3:
    """`/api/v3`: OTLP in JSON. Parameters in snake case are understood by every version."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def services(self) -> list[str]:
        """See Interface."""
        return [str(name) for name in _answer(self._caller.get("/api/v3/services")).get("services") or ()]

    def search(self, search: Search) -> Traces:
        """See Interface."""
        params = {"query.service_name": search.service, "query.start_time_min": _rfc3339(search.from_us),
                  "query.start_time_max": _rfc3339(search.to_us - 1), "query.num_traces": str(search.limit)}
        if search.min_ms:
            params["query.duration_min"] = f"{search.min_ms:g}ms"
        return _traces(self._caller.get("/api/v3/traces", params), _of_v3)

    def trace(self, trace_id: str) -> Traces:
        """See Interface."""
        return _traces(self._caller.get(f"/api/v3/traces/{quote(trace_id, safe='')}"), _of_v3)


class Internal:
    """`/api`, which the page of Jaeger uses: its own documents, trace ids without leading zeros."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def services(self) -> list[str]:
        """See Interface."""
        return [str(name) for name in _answer(self._caller.get("/api/services")).get("data") or ()]

    def search(self, search: Search) -> Traces:
        """See Interface."""
        params = {"service": search.service, "start": str(search.from_us), "end": str(search.to_us - 1),
                  "limit": str(search.limit)}
        if search.min_ms:
            params["minDuration"] = f"{search.min_ms:g}ms"
        return _traces(self._caller.get("/api/traces", params), _of_internal)

    def trace(self, trace_id: str) -> Traces:
        """See Interface."""
        return _traces(self._caller.get(f"/api/traces/{quote(trace_id, safe='')}"), _of_internal)


def request_of(made: Iterator[Made]) -> bytes:
    """Spans as one OTLP request."""
    request = Request()
    for resource, span in made:
        request.add(resource, span)
    return request.content()


def _traces(reply: Reply, made: Callable[[Reply], Iterator[Made]]) -> Traces:
    if reply.body is None:
        return Traces({}, large=True)
    return Traces({} if reply.status == 404 else _by_trace(made(reply)))


def _of_v3(reply: Reply) -> Iterator[Made]:
    for part in _parts(reply):
        yield from otlp_spans((part.get("result") or {}).get("resourceSpans") or ())


def _of_internal(reply: Reply) -> Iterator[Made]:
    for trace in _answer(reply).get("data") or ():
        senders = {name: sender(process) for name, process in (trace.get("processes") or {}).items()}
        for document in trace.get("spans") or ():
            yield senders.get(document.get("processID"), b""), write(document)


def _by_trace(made: Iterator[Made]) -> dict[bytes, list[Made]]:
    found: dict[bytes, list[Made]] = {}
    for resource, span in made:
        if span:
            found.setdefault(span[_TRACE], []).append((resource, span))
    return found


def _rfc3339(time_us: int) -> str:
    moment = datetime.fromtimestamp(time_us // MICROS, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % MICROS:06d}Z"


def _has(reply: Reply, name: str) -> bool:
    try:
        return name in _parts(reply)[0]
    except SourceUnavailable:
        return False


def _answer(reply: Reply) -> Mapping[str, Any]:
    return _parts(reply)[0]


def _parts(reply: Reply) -> list[Mapping[str, Any]]:
    """The JSON of a reply: one object, or one a line."""
    if reply.status != 200:
        raise SourceUnavailable(f"it answered {reply.status}{_said(reply)}", why=Why.REFUSED)
    try:
        found = [orjson.loads(reply.body or b"")]
    except orjson.JSONDecodeError:
        found = _lines(reply.body or b"")
    if not found or not all(isinstance(part, dict) for part in found):
        raise SourceUnavailable("what answers there is not the query interface of Jaeger", why=Why.STRANGER)
    return found


def _lines(body: bytes) -> list[Any]:
    try:
        return [orjson.loads(line) for line in body.splitlines() if line.strip()]
    except orjson.JSONDecodeError:
        return []


def _said(reply: Reply) -> str:
    """What an error says of itself."""
    try:
        body = orjson.loads(reply.body or b"")
        error = body.get("error") or (body.get("errors") or [{}])[0]
        text = str(error.get("message") or error.get("msg") or "")
    except (orjson.JSONDecodeError, AttributeError, IndexError, KeyError):
        return ""
    return f": {text[:200]}" if text else ""
