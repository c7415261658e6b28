"""`/api/v1/logs`: the newest error lines, their patterns, and searches that are streamed piece by piece."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Annotated, Any

import orjson
import structlog
from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from app.links import Link, filled, of_line
from app.views import Json, Views
from app.web.answer import Answer, checked
from app.web.moments import seconds
from app.web.options import Meta
from app.web.parameters import LogPatternsParameters, LogSearchParameters, LogsParameters
from app.web.problems import problem
from topology.model import Service

MOST_SEARCHES = 8
"""How many searches may be under way at once: each keeps a thread and may cost a cluster work."""
NDJSON = "application/x-ndjson"
_log = structlog.get_logger("synoptic.web")


def add_logs(api: APIRouter, views: Views, meta: Meta, links: Sequence[Link] = ()) -> None:
    """Adds the addresses of log lines; each line carries the links of the house that fit it."""
    searches = LineSearches(views, links)

    @api.get("/logs", summary="The newest error lines at hand, masked")
    async def logs(asked: Annotated[LogsParameters, Query()]) -> Answer:
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
        from_s, to_s = checked(lambda: asked.between(meta.clock()), "from")
        checked(lambda: asked.service and Service.from_id(asked.service), "service")
        return searches.answer({
            "from_s": from_s, "to_s": to_s, "service": asked.service or "", "trace_id": asked.trace,
            "pattern": asked.pattern, "levels": asked.levels(), "text": asked.text, "limit": asked.limit,
        })  # fmt: skip


def linked(lines: Sequence[Json], links: Sequence[Link]) -> list[Json]:
    """Lines with the links that fit them; as they are where the house has none."""
    if not links:
        return [*lines]
    return [{**line, "links": filled(links, of_line(line, seconds(line["time"])))} for line in lines]


class LineSearches:
    """Searches that are under way: bounded in number; each ends when its reader leaves."""

    def __init__(self, views: Views, links: Sequence[Link]) -> None:
        self._views, self._links = views, links
        self._running = 0

    def answer(self, query: Json) -> Response:
        """The pieces of a search as they are found, one JSON object a line; the last has `done`."""
        if self._running >= MOST_SEARCHES:
            return problem(503, "Too many searches; try again soon.", headers={"retry-after": "5"})
        return StreamingResponse(self._pieces(query), media_type=NDJSON, headers={"cache-control": "no-store"})

    async def _pieces(self, query: Json) -> AsyncIterator[bytes]:
        stop, queue = threading.Event(), asyncio.Queue[Json | None]()
        loop = asyncio.get_running_loop()

        def say(piece: Json | None) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, piece)

        self._running += 1
        searching = loop.run_in_executor(None, _search, lambda: self._views.find_lines(query, stop.is_set), say, stop)
        searching.add_done_callback(lambda _: self._ended())
        try:
            while (piece := await queue.get()) is not None:
                lines = {"lines": linked(piece["lines"], self._links)} if "lines" in piece else {}
                yield orjson.dumps({**piece, **lines}) + b"\n"
        finally:
            stop.set()

    def _ended(self) -> None:
        self._running -= 1


def _search(find: Callable[[], Iterator[Json]], say: Callable[[Json | None], None], stop: threading.Event) -> None:
    """Searches to the end, or until it is stopped; says every piece, and last how it ended."""
    try:
        for piece in find():
            say(piece)
            if stop.is_set():
                break
        say({"done": True})
    except Exception:  # noqa: BLE001 - whatever a search meets, its reader must hear that it is over
        _log.exception("a search for log lines failed")
        say({"done": True, "failed": True})
    finally:
        say(None)
