"""`/api/v1`: the interface for programs. Within a version fields are added, never renamed or removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Query, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from app.finding import Finding
from app.views import Json, Views
from app.web.answer import Answer, checked, stepped, with_times
from app.web.changes import add_changes
from app.web.encoding import accepts
from app.web.logs import add_logs
from app.web.options import WINDOWS_S, Meta, WebOptions
from app.web.parameters import (
    GraphParameters,
    LogCountsParameters,
    NoParameters,
    Position,
    SeriesParameters,
    SloTableParameters,
    StreamParameters,
    WindowParameters,
)
from app.web.problems import Problem, problem
from app.web.push import Broadcast, LiveStream
from app.web.selection import matching, neighbourhood
from app.web.slo_table import SloTable
from app.web.slos import add_slos
from app.web.trace_search import add_traces
from topology.find import compile_query

MOST_POSITIONS = 10_000
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def router(views: Views, broadcast: Broadcast, options: WebOptions, meta: Meta, finding: Finding) -> APIRouter:
    """Every address of `/api/v1`, reading from `views` and, for searches, from the sources."""
    api = APIRouter(prefix="/api/v1", default_response_class=Answer, dependencies=[Depends(_said_once)])
    _add_graph(api, views, meta)
    add_traces(api, views, finding, meta)
    _add_columns(api, views, meta)
    _add_state(api, views)
    _add_stream(api, broadcast)
    _add_positions(api, views, options)
    add_changes(api, views, options, meta)
    add_logs(api, views, finding, meta, options.links)
    add_slos(api, views, meta)
    _add_slo_table(api, SloTable(views, meta.clock))
    return api


def _add_graph(api: APIRouter, views: Views, meta: Meta) -> None:
    @api.get("/graph", summary="The graph of a window, whole or in part")
    async def graph(asked: Annotated[GraphParameters, Query()]) -> Answer:
        snapshot = await asyncio.to_thread(views.snapshot, asked.window, _at(asked, meta))
        return Answer(await asyncio.to_thread(_part, snapshot, asked))

    @api.get("/services/{service_id:path}", summary="One node with callers, callees, operations and instances")
    async def service(service_id: str, request: Request, asked: Annotated[WindowParameters, Query()]) -> Answer:
        """404 when no service of this id spoke in the window; the id may be encoded or not."""
        at_s = _at(asked, meta)
        for candidate in _spellings(service_id, request):
            found = await asyncio.to_thread(views.service, candidate, asked.window, at_s)
            if found is not None:
                return Answer(found)
        raise Problem(404, "There is no such service in this window.")


def _add_columns(api: APIRouter, views: Views, meta: Meta) -> None:
    @api.get("/series", summary="Columns for charts of a node or path")
    async def series(asked: Annotated[SeriesParameters, Query()]) -> Answer:
        """404 when neither a node nor a path has this id. Times are RFC 3339, unknown values null."""
        from_s, to_s, step_s = stepped(asked, meta.clock())
        signals = list(dict.fromkeys(asked.signal.split(",")))
        found = await asyncio.to_thread(views.series, asked.of, signals, from_s, to_s, step_s)
        if found is None:
            raise Problem(404, "There is no such node or path.", "of")
        return Answer(with_times(found))

    @api.get("/logs/counts", summary="Log lines by level and window")
    async def log_counts(asked: Annotated[LogCountsParameters, Query()]) -> Answer:
        from_s, to_s, step_s = stepped(asked, meta.clock())
        return Answer(with_times(await asyncio.to_thread(views.log_counts, asked.service, from_s, to_s, step_s)))


def _add_state(api: APIRouter, views: Views) -> None:
    @api.get("/sources", summary="Every collector with its state, rate, lag, last error and counters")
    async def sources(asked: Annotated[NoParameters, Query()]) -> Answer:
        return Answer(await asyncio.to_thread(views.sources))

    @api.get("/alike", summary="Services that look the same under different names, with the rule that merges them")
    async def alike(asked: Annotated[NoParameters, Query()]) -> Answer:
        return Answer(await asyncio.to_thread(views.alike))

    @api.get("/registry", summary="What is registered, by service and zone, and how old that knowledge is")
    async def registry(asked: Annotated[NoParameters, Query()]) -> Answer:
        return Answer(await asyncio.to_thread(views.registry))

    @api.get("/quality", summary="What was lost, merged, refused, and is waiting")
    async def quality(asked: Annotated[NoParameters, Query()]) -> Answer:
        return Answer(await asyncio.to_thread(views.quality))


def _add_stream(api: APIRouter, broadcast: Broadcast) -> None:
    answers: dict[int | str, Any] = {200: {"content": {"text/event-stream": {}}}}

    @api.get("/stream", summary="Server-sent events: a snapshot, then a delta each tick", response_class=Response,
             responses=answers)  # fmt: skip
    async def stream(request: Request, asked: Annotated[StreamParameters, Query()]) -> Response:
        """503 when as many watch as may. Who names the last event it saw gets what is missing, or a snapshot."""
        if not broadcast.has_room:
            return problem(503, "Too many viewers; try again soon.", headers={"retry-after": "10"})
        packed = accepts(request.headers.get("accept-encoding", ""), "gzip")
        return LiveStream(broadcast, WINDOWS_S[asked.view], packed, _number(request.headers.get("last-event-id", "")))


def _add_slo_table(api: APIRouter, table: SloTable) -> None:
    @api.get("/slo-table", summary="The SLO page's table: what changed since a version; its columns may change")
    async def slo_table(request: Request, asked: Annotated[SloTableParameters, Query()]) -> Response:
        return await table.answer(asked.since, accepts(request.headers.get("accept-encoding", ""), "gzip"))


def _add_positions(api: APIRouter, views: Views, options: WebOptions) -> None:
    def allowed() -> None:
        if not options.write_positions:
            raise Problem(403, "Positions are read-only here.")

    @api.put("/positions", summary="Pins nodes at world positions", status_code=204, dependencies=[Depends(allowed)])
    async def positions(
        asked: Annotated[NoParameters, Query()],
        pinned: Annotated[dict[str, Position], Body(max_length=MOST_POSITIONS)],
    ) -> Response:
        """404 names the first node that is unknown, and then none is pinned; 403 where positions are read-only."""
        places = {key: (place.x, place.y) for key, place in pinned.items()}
        try:
            await asyncio.to_thread(views.save_positions, places)
        except KeyError as unknown:
            raise Problem(404, "There is no such node.", str(unknown.args[0])) from None
        return Response(status_code=204)


def add_unknown(app: FastAPI, page: Callable[[], Response]) -> Callable[[Scope], list[str]]:
    """Answers whatever no route matches, with `page` outside the interface; to be called after every other route.

    Returned is what tells the methods that an address takes, besides HEAD where there is a GET.
    """
    known = list(app.routes)

    def methods(scope: Scope) -> list[str]:
        return [method for method in METHODS if _answers(known, {**scope, "method": method})]

    @app.api_route("/{rest:path}", methods=[*METHODS, "OPTIONS", "TRACE"], include_in_schema=False)
    async def unknown(request: Request, rest: str) -> Response:
        """405 with the methods that the address does take, else 404; a page outside the interface."""
        allowed = methods(request.scope)
        if allowed:
            return problem(405, f"No {request.method} here.", headers={"allow": ", ".join(allowed)})
        return problem(404, "There is nothing at this address.") if rest.startswith("api/") else page()

    return methods


def add_description(app: FastAPI) -> None:
    """Adds the OpenAPI document of everything that is there when it is asked for."""

    @app.get("/api/v1/openapi.json", include_in_schema=False, dependencies=[Depends(_said_once)])
    async def description(asked: Annotated[NoParameters, Query()]) -> Answer:
        return Answer(app.openapi())


def _answers(routes: Sequence[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in routes)


def _said_once(request: Request) -> None:
    """Refuses a parameter that is given twice: one of the two would be ignored."""
    given = [key for key, _ in request.query_params.multi_items()]
    twice = next((key for key in given if given.count(key) > 1), None)
    if twice is not None:
        raise Problem(400, f"The parameter {twice!r} is given more than once.", twice)


def _number(event_id: str) -> int | None:
    return int(event_id) if event_id.isascii() and event_id.isdigit() and len(event_id) < 20 else None


def _at(asked: WindowParameters, meta: Meta) -> float | None:
    return None if asked.at.is_now else asked.at.at(meta.clock())


def _part(snapshot: Json, asked: GraphParameters) -> Json:
    if asked.focus is not None:
        try:
            snapshot = neighbourhood(snapshot, asked.focus, asked.depth)
        except KeyError:
            raise Problem(404, "There is no such service in this window.", "focus") from None
    for key in ("domain", "layer"):
        wanted = getattr(asked, key)
        if wanted is not None:
            snapshot = matching(snapshot, _equal(key, wanted))
    if asked.zone is not None:
        snapshot = matching(snapshot, lambda node: asked.zone in node["zones"])
    if asked.q is not None:
        snapshot = matching(snapshot, checked(lambda: compile_query(asked.q or ""), "q"))
    return snapshot


def _equal(key: str, wanted: str) -> Callable[[Json], bool]:
    return lambda node: bool(node[key] == wanted)


def _spellings(service_id: str, request: Request) -> list[str]:
    """The id as the server decoded it, and as it was sent: an id holds percent signs of its own."""
    raw = request.scope.get("raw_path", b"").decode("latin-1").partition("/services/")[2]
    return list(dict.fromkeys((service_id, raw)))
