"""`/api/v1/traces`: the kept examples, searches that ask the sources too, and one trace from wherever it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query

from app.finding import Finding, Wanted
from app.views import Views
from app.web.answer import Answer, checked
from app.web.options import Meta
from app.web.parameters import NoParameters, TraceSearchParameters, TracesParameters
from app.web.problems import Problem
from topology.errors import Overloaded
from topology.model import Service

T = TypeVar("T")


def add_traces(api: APIRouter, views: Views, finding: Finding, meta: Meta) -> None:
    """Adds the addresses of traces. The search stands before the one trace, whose id may be any text."""

    @api.get("/traces", summary="Kept example traces, newest first")
    async def traces(asked: Annotated[TracesParameters, Query()]) -> Answer:
        """Without their spans; a row for every service that a trace was kept for."""
        from_s, to_s = checked(lambda: asked.between(meta.clock()), "from")
        found = await asyncio.to_thread(
            views.traces, asked.service, asked.min_ms, asked.errors, from_s, to_s, asked.limit
        )
        return Answer(found)

    @api.get("/traces/search", summary="Traces of the sources and the kept ones, newest first, and who did not answer")
    async def search(asked: Annotated[TraceSearchParameters, Query()]) -> Answer:
        return Answer(await roomy(finding.traces(_wanted(asked, finding, meta), asked.source)))

    @api.get("/traces/{trace_id}", summary="One trace with its spans: a kept one, or else from a source")
    async def trace(trace_id: str, asked: Annotated[NoParameters, Query()]) -> Answer:
        """404 when it was not kept and no source that answered has it; it tells who did not answer."""
        found, troubles = await roomy(finding.trace(trace_id))
        if found is None:
            unsure = "".join(f" {one.source}: {one.reason}." for one in troubles)
            raise Problem(404, f"This trace was not kept, and no source that answered has it.{unsure}")
        return Answer(found)


def _wanted(asked: TraceSearchParameters, finding: Finding, meta: Meta) -> Wanted:
    """What is looked for; a 400 names the parameter that is at fault."""
    from_s, to_s = checked(lambda: asked.between(meta.clock()), "from")
    checked(lambda: asked.service and Service.from_id(asked.service), "service")
    if asked.source is not None and asked.source not in finding.sources("traces"):
        raise Problem(400, "There is no source of this name that can be searched for traces.", "source")
    return Wanted(from_s, to_s, asked.service, asked.min_ms or 0.0, asked.errors, asked.limit)


async def roomy(search: Awaitable[T]) -> T:
    """What a search finds; a 503 when too many are under way."""
    try:
        return await search
    except Overloaded as crowded:
        headers = {"retry-after": str(int(crowded.retry_after_s))}
        raise Problem(503, "Too many searches at once; try again soon.", headers=headers) from None
