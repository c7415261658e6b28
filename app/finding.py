"""Traces and log lines wherever they are: among the kept examples, or in a source that is asked for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from app.engine.moments import rfc3339
from app.line_search import AT_HAND
from app.searching import Searches, Trouble
from app.views import Json, Views
from collectors.contract import FoundSpan, FoundTrace, OpenedTrace, TraceQuery
from topology.model import Service

MOST_SPANS = 5000
"""Shown of one trace; of a longer one the first, as not complete."""
MOST_LINES = 500
MOST_KEPT = 1000
"""Rows of kept examples looked at: a trace has one for every service in it."""
AROUND_S = 60.0
"""Log lines of a trace are looked for this long before and after it."""
@dataclass(frozen=True, slots=True)
class Node:
    """Which node a service is drawn as, and what that is called, by language."""

    service: Service
    title: Mapping[str, str]


Names = Mapping[Service, Node]
"""The node of every service as a source knows it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which traces: those that start in [from_s, to_s), perhaps of a node, so long at least, or with a failed span."""

    from_s: float
    to_s: float
    node_id: str | None = None
    min_ms: float = 0.0
    failed_only: bool = False
    limit: int = 20


class Finding:
    """Answers in the words of the map: services by the id of their node."""

    def __init__(self, searches: Searches, views: Views) -> None:
        self._searches, self._views = searches, views

    def sources(self, what: Literal["traces", "lines"]) -> list[str]:
        """The sources that can be searched for this."""
        return self._searches.names(what)

    async def traces(self, wanted: Wanted, source: str | None = None) -> Json:
        """`traces`, newest first, each once, with `source` (None: kept here only) and whether it is `kept`;
        `troubles` (`source`, `kind`, `reason`, `why`) and `sources` that were asked. From the source alone where
        one is named, else from all of them and the kept examples. ValueError for an id of no node, Overloaded as
        Searches says."""
        services = await self._known_as(wanted.node_id)
        base = TraceQuery(wanted.from_s, wanted.to_s, None, wanted.min_ms, wanted.failed_only, wanted.limit)
        queries = [replace(base, service=service) for service in services]
        told, kept = await asyncio.gather(self._searches.traces(queries, source), self._kept(wanted))
        names = await self._drawn_as(trace.service for _, trace in told.found)
        known = {row["trace_id"] for row in kept}
        rows = [_row(trace, names) | {"source": name, "kept": trace.trace_id in known} for name, trace in told.found]
        found = {row["trace_id"]: row for row in rows}
        if source is None:
            found = {row["trace_id"]: {**row, "source": None, "kept": True} for row in kept} | found
        newest = sorted(found.values(), key=lambda row: row["at"], reverse=True)[: wanted.limit]
        asked = [name for name in self.sources("traces") if source in (None, name)]
        return {"traces": newest, "troubles": [asdict(one) for one in told.troubles], "sources": asked}

    async def trace(self, trace_id: str) -> tuple[Json | None, Sequence[Trouble]]:
        """A kept trace as it is, else one from a source with `source` and `complete`; and what kept sources from
        telling. None when nobody who answered has it."""
        kept = await asyncio.to_thread(self._views.trace, trace_id)
        if kept is not None:
            return kept, ()
        opened = await self._searches.open(trace_id)
        if opened.trace is None or not opened.trace.spans:
            return None, opened.troubles
        names = await self._drawn_as(span.service for span in opened.trace.spans)
        return _opened(trace_id, opened.trace, opened.source, names), opened.troubles

    async def lines(self, query: Mapping[str, Any], patience_s: float | None = None) -> AsyncGenerator[Json]:
        """The log lines that match, newest first, piece by piece while they are found: `lines` as `views.logs` has
        them with `source` (None: kept here), each once however many sources have it; `reached`, how far back the search
        has come; `sources` (`source`, `state`, `lines`, `reason`, `why`) and whether there is `more`. `query` as
        `views.line_search` takes it, `patience_s` and errors as Searches says; ValueError for an id of no node."""
        search = await asyncio.to_thread(self._views.line_search, query)
        first: dict[tuple[str, str, str], str] = {}
        async with aclosing(self._searches.lines(search, patience_s)) as pieces:
            async for piece in pieces:
                rows = await asyncio.to_thread(self._views.told_lines, [line for _, line in piece.lines])
                lines = [{**row, "source": source or None}
                         for row, (source, _) in zip(rows, piece.lines, strict=True) if _new(row, source, first)]
                yield {"lines": lines, "reached": None if piece.reached_s is None else rfc3339(piece.reached_s),
                       "sources": [asdict(one) for one in piece.sources], "more": piece.more}  # fmt: skip

    async def lines_of_trace(self, trace_id: str, from_s: float, to_s: float) -> Json:
        """The log lines of a trace that took from `from_s` to `to_s`, oldest first, as `lines` has them; and
        `troubles`."""
        query = {"from_s": from_s - AROUND_S, "to_s": to_s + AROUND_S, "trace_id": trace_id, "limit": MOST_LINES}
        lines: list[Json] = []
        sources: list[Json] = []
        async with aclosing(self.lines(query)) as pieces:
            async for piece in pieces:
                lines, sources = lines + piece["lines"], piece["sources"]
        troubles = [{"source": one["source"], "kind": one["state"], "reason": one["reason"], "why": one["why"]}
                    for one in sources if one["state"] in ("slow", "failed")]
        return {"lines": sorted(lines, key=lambda row: str(row["time"])), "troubles": troubles}

    async def _known_as(self, node_id: str | None) -> Sequence[Service | None]:
        return [None] if node_id is None else await asyncio.to_thread(self._views.known_as, node_id)

    async def _drawn_as(self, services: Iterable[Service]) -> Names:
        distinct = set(services)
        return await asyncio.to_thread(lambda: {one: self._node(one) for one in distinct})

    def _node(self, service: Service) -> Node:
        drawn = self._views.drawn_as(service)
        return Node(drawn, self._views.title_of(drawn))

    async def _kept(self, wanted: Wanted) -> list[Json]:
        rows = await asyncio.to_thread(self._views.traces, wanted.node_id, wanted.min_ms, wanted.failed_only,
                                       wanted.from_s, wanted.to_s, MOST_KEPT)
        return _wholes(rows)[: wanted.limit]


def _wholes(rows: Iterable[Json]) -> list[Json]:
    """A row for every kept trace: the longest of its rows is the whole, and it failed when one of them did."""
    found: dict[str, Json] = {}
    for row in rows:
        known = found.get(row["trace_id"], row)
        longer = known if known["duration_ms"] >= row["duration_ms"] else row
        found[row["trace_id"]] = {**longer, "failed": known["failed"] or row["failed"]}
    return list(found.values())


def _row(trace: FoundTrace, names: Names) -> Json:
    start, node = rfc3339(trace.start_s), names[trace.service]
    return {"trace_id": trace.trace_id, "service": node.service.id, "service_title": dict(node.title),
            "operation": trace.operation, "start": start, "at": start, "duration_ms": round(trace.duration_ms, 3),
            "failed": trace.failed, "span_count": trace.span_count}


def _opened(trace_id: str, trace: OpenedTrace, source: str, names: Names) -> Json:
    """A trace as kept ones are told, named by the first span that nobody in it called."""
    spans = sorted(trace.spans, key=lambda span: span.start_ns)[:MOST_SPANS]
    known = {span.span_id for span in spans}
    root = next((span for span in spans if span.parent_id not in known), spans[0])
    start_ns, end_ns = spans[0].start_ns, max(span.end_ns for span in spans)
    found = FoundTrace(trace_id, root.service, root.operation, start_ns / 1e9, (end_ns - start_ns) / 1e6,
                       any(span.failed for span in spans), len(trace.spans))
    return {**_row(found, names), "spans": [_span(span, start_ns, names) for span in spans], "source": source,
            "complete": trace.complete and len(trace.spans) <= MOST_SPANS}


def _span(span: FoundSpan, start_ns: int, names: Names) -> Json:
    node = names[span.service].service
    attributes = dict(span.attributes) | ({"service.instance.id": span.instance} if span.instance else {})
    return {
        "span_id": span.span_id, "parent_id": span.parent_id, "service": node.name, "service_id": node.id,
        "operation": span.operation, "kind": span.kind, "start_ms": (span.start_ns - start_ns) / 1e6,
        "duration_ms": (span.end_ns - span.start_ns) / 1e6, "failed": span.failed, "zone": span.zone,
        "status_message": span.status_message, "attributes": attributes,
    }  # fmt: skip


def _new(row: Json, source: str, first: dict[tuple[str, str, str], str]) -> bool:
    """Whether a line is none that another source has told (`first`: who told it); what is at hand is told once."""
    line = row["time"], row["service"], row["body"]
    if line in first:
        return source == first[line] != AT_HAND
    first[line] = source
    return True
