"""`/api/v1/logs`: the newest error lines, their patterns, and searches that are streamed piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

import orjson
import structlog
from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from app.finding import Finding
from app.links import Link, filled, of_line
from app.views import Json, Views
from app.web.answer import Answer, checked
from app.web.moments import seconds
from app.web.options import Meta
from app.web.parameters import LogPatternsParameters, LogSearchParameters, LogsParameters
from app.web.trace_search import roomy
from topology.model import Service

PATIENCE_S = 30.0
"""What a source has for every page: a search goes far back, says how far it is, and can be cancelled."""
NDJSON = "application/x-ndjson"
_log = structlog.get_logger("synoptic.web")


def add_logs(api: APIRouter, views: Views, finding: Finding, meta: Meta, links: Sequence[Link] = ()) -> None:
    """Adds the addresses of log lines; each line carries the links of the house that fit it."""

    @api.get("/logs", summary="The newest error lines at hand, masked")
    async def logs(asked: Annotated[LogsParameters, Query()]) -> Answer:
        """Those that services sent here, and those that came with what sources were asked."""
        from_s, to_s = checked(lambda: asked.between(meta.clock()), "from")
        trace = asked.trace.lower() if asked.trace else None
        found = await asyncio.to_thread(views.logs, asked.service, trace, from_s, to_s, asked.limit, asked.pattern)
        return Answer(linked(found, links))

    @api.get("/logs/patterns", summary="Patterns of error lines, new ones first")
    async def patterns(asked: Annotated[LogPatternsParameters, Query()]) -> Answer:
        from_s, to_s = checked(lambda: asked.between(meta.clock()), "from")
        return Answer(await asyncio.to_thread(views.log_patterns, asked.service, from_s, to_s, asked.limit))

    answers: dict[int | str, Any] = {200: {"content": {NDJSON: {}}}}

    @api.get("/logs/stream", summary="A search over all sources, streamed: a JSON object a line, newest lines first",
             response_class=Response, responses=answers)  # fmt: skip
    async def stream(asked: Annotated[LogSearchParameters, Query()]) -> Response:
        """The first piece tells who is asked; each has `lines`, `reached`, `sources` and `more`, and the last one only
        `done`, with `failed` when the search broke off. 503 when too many searches are under way."""
        from_s, to_s = checked(lambda: asked.between(meta.clock()), "from")
        checked(lambda: asked.service and Service.from_id(asked.service), "service")
        pieces = finding.lines({
            "from_s": from_s, "to_s": to_s, "service": asked.service or "", "trace_id": asked.trace,
            "pattern": asked.pattern, "levels": asked.levels(), "text": asked.text, "limit": asked.limit,
        }, PATIENCE_S)  # fmt: skip
        told = _told(await roomy(anext(pieces)), pieces, links)
        return StreamingResponse(told, media_type=NDJSON, headers={"cache-control": "no-store"})


def linked(lines: Sequence[Json], links: Sequence[Link]) -> list[Json]:
    """Lines with the links that fit them; as they are where the house has none."""
    if not links:
        return [*lines]
    return [{**line, "links": filled(links, of_line(line, seconds(line["time"])))} for line in lines]


async def _told(first: Json, pieces: AsyncGenerator[Json], links: Sequence[Link]) -> AsyncIterator[bytes]:
    """The pieces of a search as lines of JSON; the last one tells how it ended."""
    end = {"done": True}
    async with aclosing(pieces):
        yield _line(first, links)
        try:
            async for piece in pieces:
                yield _line(piece, links)
        except Exception:  # noqa: BLE001 - whatever a search meets, its reader must hear that it is over
            _log.exception("a search for log lines failed")
            end = {"done": True, "failed": True}
    yield orjson.dumps(end) + b"\n"


def _line(piece: Json, links: Sequence[Link]) -> bytes:
    return orjson.dumps({**piece, "lines": linked(piece["lines"], links)}) + b"\n"
