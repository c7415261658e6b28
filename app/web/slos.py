"""SLOs and burn alerts for programs: `/api/v1/slos`, `/api/v1/alerts`, and the same as comma-separated values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from app.engine.moments import rfc3339
from app.views import Json, Views
from app.web.answer import Answer, checked, stepped, with_times
from app.web.language import spoken
from app.web.options import Meta
from app.web.parameters import (
    AlertsParameters,
    NoParameters,
    SloHistoryParameters,
    SlosParameters,
    SpendersParameters,
    WhatIfParameters,
)
from app.web.problems import Problem
from app.web.spreadsheet import as_csv
from topology.find import compile_query

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
MOMENTS = frozenset({"since", "until", "from", "to", "evaluated_at"})
COLUMNS = (
    "name", "title", "service", "edge", "domain", "class", "kind", "threshold_ms", "target", "window", "method",
    "state", "since", "good", "total", "ratio", "budget_left", "exhausted_in_s", "coverage",
)  # fmt: skip
T = TypeVar("T")


class PartRoute(APIRoute):
    """The address of a part of an SLO. A slash that was sent encoded is one of the name, and starts no part."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is the address that was asked for."""
        ending = self.path.rpartition("}")[2].encode()
        return super().matches(scope) if scope.get("raw_path", b"").endswith(ending) else (Match.NONE, {})


def add_slos(api: APIRouter, views: Views, meta: Meta) -> None:
    """Adds every address about SLOs to `api`. The parts of one stand before the one: a name may hold slashes."""
    _add_lists(api, views, meta)
    parts = APIRouter(default_response_class=Answer, route_class=PartRoute)
    _add_history(parts, views, meta)
    _add_parts(parts, views)
    api.include_router(parts)
    _add_one(api, views)


def _add_lists(api: APIRouter, views: Views, meta: Meta) -> None:
    @api.get("/slos", summary="Every SLO: state, budget, burn by window, coverage")
    async def slos(asked: Annotated[SlosParameters, Query()]) -> Answer:
        return Answer(await asyncio.to_thread(lambda: told(_chosen(views.slos(), asked))))

    @api.get("/slos.csv", summary="Every SLO as comma-separated values", response_class=Response, responses=CSV)
    async def slos_csv(asked: Annotated[SlosParameters, Query()]) -> Response:
        return _sheet(await asyncio.to_thread(lambda: slos_sheet(_chosen(views.slos(), asked))), "slos")

    @api.get("/alerts", summary="Burn alerts, newest first")
    async def alerts(asked: Annotated[AlertsParameters, Query()]) -> Answer:
        """Those that fire; with `open=false` those that are over, too."""
        now_s = meta.clock()
        from_s, to_s = (moment.at(now_s) if moment else None for moment in (asked.from_, asked.to))
        found = await asyncio.to_thread(views.alerts, asked.open, from_s, to_s)
        wanted = {"slo": asked.slo, "service": asked.service, "severity": asked.severity}
        return Answer(told([one for one in found if _equal(one, wanted)][: asked.limit]))


def _add_history(api: APIRouter, views: Views, meta: Meta) -> None:
    async def columns(name: str, request: Request, part: str, asked: SloHistoryParameters) -> Json:
        from_s, to_s, step_s = stepped(asked, meta.clock())
        return await _found(views, name, request, part, lambda one: views.slo_history(one, from_s, to_s, step_s))

    @api.get("/slos/{name:path}/history", summary="Budget and burn of one SLO over time, as columns")
    async def history(name: str, request: Request, asked: Annotated[SloHistoryParameters, Query()]) -> Answer:
        return Answer(with_times(await columns(name, request, "/history", asked)))

    @api.get("/slos/{name:path}/history.csv", summary="The same as comma-separated values", response_class=Response,
             responses=CSV)  # fmt: skip
    async def history_csv(name: str, request: Request, asked: Annotated[SloHistoryParameters, Query()]) -> Response:
        return _sheet(history_sheet(await columns(name, request, "/history.csv", asked)), "slo-history")


def _add_parts(api: APIRouter, views: Views) -> None:
    @api.get("/slos/{name:path}/spenders", summary="The intervals that spent most of the budget, dearest first")
    async def spenders(name: str, request: Request, asked: Annotated[SpendersParameters, Query()]) -> Answer:
        found = await _found(views, name, request, "/spenders", lambda one: views.slo_spenders(one, asked.limit))
        return Answer(told(found))

    @api.get("/slos/{name:path}/what-if", summary="What the last 30 days would have given with another target")
    async def what_if(name: str, request: Request, asked: Annotated[WhatIfParameters, Query()]) -> Answer:
        """400 for a target or threshold that this SLO cannot have; null values where too little is known."""
        key = "target" if asked.target is not None else "threshold_ms"
        try:
            return Answer(await _found(views, name, request, "/what-if",
                                       lambda one: views.slo_what_if(one, asked.target, asked.threshold_ms)))
        except ValueError as wrong:
            raise Problem(400, str(wrong), key) from None


def _add_one(api: APIRouter, views: Views) -> None:
    @api.get("/slos/{name:path}", summary="One SLO with its document, its rules and its alerts so far")
    async def slo(name: str, request: Request, asked: Annotated[NoParameters, Query()]) -> Answer:
        return Answer(told(await _found(views, name, request, "", views.slo)))


async def _found(views: Views, name: str, request: Request, part: str, ask: Callable[[str], T | None]) -> T:
    """What `ask` says of the SLO, whose name may have been sent encoded or not."""
    raw = request.scope.get("raw_path", b"").decode("latin-1").partition("/slos/")[2]
    candidates = list(dict.fromkeys((name, raw.removesuffix(part))))
    for candidate in candidates:
        found = await asyncio.to_thread(ask, candidate)
        if found is not None:
            return found
    for candidate in candidates if part else ():
        if await asyncio.to_thread(views.slo, candidate) is not None:
            raise Problem(404, "This SLO is listed and not evaluated.")
    raise Problem(404, "There is no SLO of this name.")


def told(value: Any) -> Any:
    """The same with every moment in RFC 3339, as answers write them."""
    if isinstance(value, Mapping):
        return {key: _moment(one) if key in MOMENTS else told(one) for key, one in value.items()}
    return [told(one) for one in value] if isinstance(value, list | tuple) else value


def _moment(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, int | float) else value


def _chosen(entries: list[Json], asked: SlosParameters) -> list[Json]:
    wanted = {"domain": asked.domain, "state": asked.state, "service": asked.service, "class": asked.class_,
              "default": asked.default}  # fmt: skip
    match = checked(lambda: compile_query(asked.q or ""), "q")
    return [one for one in entries if _equal(one, wanted) and match(as_found(one))]


def _equal(one: Json, wanted: Mapping[str, object]) -> bool:
    return all(value is None or one.get(key) == value for key, value in wanted.items())


def as_found(entry: Json) -> Json:
    """An SLO as the find language looks at it: health, name, titles, domain, budget, err, calls, errors, id."""
    good, total, ratio = entry.get("good"), entry.get("total"), entry.get("ratio")
    titles = entry.get("title")
    words = [titles] if isinstance(titles, str) else list((titles or {}).values())
    group = entry.get("group") or {}
    return {
        "name": [entry["name"], entry.get("service") or ""], "title": words, "health": entry.get("state"),
        "domain": [entry.get("domain") or "", *group.values()], "id": entry.get("service"), "layer": entry.get("class"),
        "budget_left": entry.get("budget_left"), "error_ratio": None if ratio is None else 1 - ratio, "calls": total,
        "errors": None if good is None or total is None else total - good,
    }  # fmt: skip


def slos_sheet(entries: list[Json]) -> str:
    """One row an SLO."""
    header = [*COLUMNS, *(f"burn_{window}" for window in WINDOWS), "default", "alerts"]
    return as_csv(header, ([*_fields(one), *_burns(one), one.get("default"), _firing(one)] for one in entries))


def _fields(entry: Json) -> list[object]:
    title = entry.get("title")
    said = {**told(entry), "title": title if isinstance(title, str) else spoken(title)}
    return [said.get(column) for column in COLUMNS]


def _burns(entry: Json) -> list[object]:
    return [(entry.get("burn") or {}).get(window) for window in WINDOWS]


def _firing(entry: Json) -> str:
    return " ".join(f"{one['severity']}:{one['long']}/{one['short']}" for one in entry.get("alerts") or ())


def history_sheet(columns: Json) -> str:
    """One row a step."""
    burn: Json = columns.get("burn") or {}
    plain = [name for name in ("good", "total", "budget_left", "ideal") if name in columns]
    lists = [[rfc3339(time_s) for time_s in columns["times"]], *(columns[name] for name in plain), *burn.values()]
    return as_csv(["time", *plain, *(f"burn_{window}" for window in burn)], zip(*lists, strict=True))


CSV: dict[int | str, Any] = {200: {"content": {"text/csv": {}}}}


def _sheet(text: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="synoptic-{name}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
