"""Changes for programs: who tells of one, and which there were. `docs/changes.md` describes every document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.changes import argocd, gitlab, jenkins, nacos, plain
from app.changes.documents import mapping
from app.changes.told import Misread, Told
from app.views import Json, Views
from app.web.answer import Answer, checked
from app.web.change_guard import ChangeGuard
from app.web.language import spoken
from app.web.options import Meta, WebOptions
from app.web.parameters import ChangesParameters, DeliveryParameters, NoParameters, TokenParameters
from app.web.problems import Problem
from app.web.spreadsheet import as_csv
from topology.changes import ChangeKind, Outcome
from topology.errors import StoreError

Read = Callable[[Mapping[str, Any], float], list[Told]]
RECEIVERS: Mapping[str, tuple[str, Read]] = {
    "gitlab": ("GitLab: deployment and pipeline events", gitlab.read),
    "jenkins": ("Jenkins: the Notification plugin", jenkins.read),
    "argocd": ("Argo CD: the template of docs/changes.md", argocd.read),
    "nacos": ("Nacos: configuration changes by its webhook plugin", nacos.read),
}
AHEAD_S = 3600.0
"""A change may be told a little before it happens: `now` reaches so far ahead."""
COLUMNS = ("at", "service", "title", "kind", "version", "outcome", "ended", "author", "source", "link", "uid")
DELIVERY_COLUMNS = ("service", "service_title", "deployments", "failed", "failure_rate", "per_day", "last")
CSV: dict[int | str, Any] = {200: {"content": {"text/csv": {}}}}


def add_changes(api: APIRouter, views: Views, options: WebOptions, meta: Meta) -> None:
    """Adds every address about changes to `api`."""
    guard = ChangeGuard(options.change_token, options.changes_per_minute, meta.clock)
    _add_reading(api, views, meta)
    _add_plain(api, views, guard, meta)
    for name, (summary, read) in RECEIVERS.items():
        _add_receiver(api, f"/changes/{name}", summary, _taker(views, guard, meta, read))


def _add_reading(api: APIRouter, views: Views, meta: Meta) -> None:
    async def found(asked: ChangesParameters) -> list[Json]:
        from_s, to_s = between(asked, meta.clock())
        return await asyncio.to_thread(chosen, views, asked, from_s, to_s)

    @api.get("/changes", summary="What was changed, newest first")
    async def changes(asked: Annotated[ChangesParameters, Query()]) -> Answer:
        return Answer(await found(asked))

    @api.get("/changes/delivery", summary="How often services are deployed, and how often that fails")
    async def delivery(asked: Annotated[DeliveryParameters, Query()]) -> Answer:
        from_s, to_s = checked(lambda: asked.between(meta.clock()), "from")
        return Answer(await asyncio.to_thread(views.delivery, from_s, to_s))

    @api.get("/changes/delivery.csv", summary="The same as comma-separated values", response_class=Response,
             responses=CSV)  # fmt: skip
    async def delivery_csv(asked: Annotated[DeliveryParameters, Query()]) -> Response:
        from_s, to_s = checked(lambda: asked.between(meta.clock()), "from")
        found = await asyncio.to_thread(views.delivery, from_s, to_s)
        return sheet(DELIVERY_COLUMNS, found["services"], "delivery")

    @api.get("/changes.csv", summary="The same as comma-separated values", response_class=Response, responses=CSV)
    async def changes_csv(asked: Annotated[ChangesParameters, Query()]) -> Response:
        return sheet(COLUMNS, await found(asked), "changes")


def between(asked: ChangesParameters, now_s: float) -> tuple[float, float]:
    """From and to in epoch seconds; a 400 names the parameter that is at fault."""
    from_s, to_s = checked(lambda: asked.between(now_s), "from")
    return from_s, to_s + AHEAD_S if asked.to.is_now else to_s


def chosen(views: Views, asked: ChangesParameters, from_s: float, to_s: float) -> list[Json]:
    """The changes that match every parameter."""
    found = views.changes(None if asked.service is None else [asked.service],
                          None if asked.kind is None else [asked.kind], from_s, to_s, asked.limit)
    return [one for one in found if asked.outcome in (None, one["outcome"])]


def sheet(columns: Sequence[str], rows: Sequence[Json], name: str) -> Response:
    """Rows as a table to download; of a title in two languages the viewer's."""
    cells = ([spoken(value) if isinstance(value := row.get(column), Mapping) else value for column in columns]
             for row in rows)
    headers = {"content-disposition": f'attachment; filename="synoptic-{name}.csv"'}
    return Response(as_csv(columns, cells), media_type="text/csv; charset=utf-8", headers=headers)


def _add_plain(api: APIRouter, views: Views, guard: ChangeGuard, meta: Meta) -> None:
    take = _taker(views, guard, meta, plain.read)

    @api.post("/changes", summary="Tells of one change or a list of them", openapi_extra=BODY)
    async def tell(request: Request, asked: Annotated[NoParameters, Query()]) -> Answer:
        return await take(request, "")


def _add_receiver(api: APIRouter, path: str, summary: str, take: Any) -> None:
    @api.post(path, summary=f"Receives webhooks of {summary}", openapi_extra=ANY_BODY)
    async def receive(request: Request, asked: Annotated[TokenParameters, Query()]) -> Answer:
        answer: Answer = await take(request, asked.token)
        return answer


def _taker(views: Views, guard: ChangeGuard, meta: Meta, read: Callable[[Any, float], list[Told]]) -> Any:
    """What takes a request: checked, read, recorded; answered when the changes are durable."""

    async def take(request: Request, token: str) -> Answer:
        """Records the changes of one request; 400 for what cannot be read, 503 while nothing can be written."""
        guard.check(request, token)
        document = _document(await request.body())
        try:
            told = read(document if read is plain.read else mapping(document), meta.clock())
            kept = await asyncio.to_thread(views.record_changes, told)
        except Misread as wrong:
            raise Problem(400, _sentence(str(wrong)), wrong.key or None) from None
        except StoreError as error:
            raise Problem(503, "The store takes nothing at the moment; tell it again soon.") from error
        return Answer({"changes": kept, "ignored": len(told) - len(kept)})

    return take


def _document(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as wrong:
        raise Problem(400, f"This is no JSON document: {wrong}.") from None


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


_MOMENT = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}
_CHANGE: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "anyOf": [{"required": ["title"]}, {"required": ["version"]}],
    "properties": {
        "service": {"type": "string", "description": "Id or name; without one it is a change of everything."},
        "at": {**_MOMENT, "description": "When it was made; without it, now."}, "ended": _MOMENT,
        "kind": {"type": "string", "enum": [str(kind) for kind in ChangeKind], "default": "deployment"},
        "outcome": {"type": "string", "enum": [str(outcome) for outcome in Outcome], "default": "unknown"},
        "title": {"type": "string", "maxLength": 300}, "version": {"type": "string", "maxLength": 200},
        "author": {"type": "string", "maxLength": 200}, "link": {"type": "string", "maxLength": 2000},
        "environment": {"type": "string", "description": "For the rules in changes.services."},
        "uid": {"type": "string", "maxLength": 300,
                "description": "The same when it is told again; without it, of all keys but outcome and ended."},
    },
}  # fmt: skip
BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {
    "anyOf": [_CHANGE, {"type": "array", "items": _CHANGE, "maxItems": plain.MOST}]}}}}}  # fmt: skip
ANY_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
