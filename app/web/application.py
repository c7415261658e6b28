"""One ASGI application out of the parts: API, stream, probes, wall, embed, and Dash with its pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import FastAPI, Query
from starlette.responses import HTMLResponse, Response

from app.finding import Finding
from app.searching import Searches
from app.views import Views
from app.web import api, problems
from app.web.browse import Browse
from app.web.exposition import Exposition
from app.web.heads import Heads
from app.web.language import Messages
from app.web.options import Meta, WebOptions
from app.web.parameters import NoParameters
from app.web.push import Broadcast
from app.web.security import Guard
from app.web.shells import Shells
from app.web.static import StaticCache, asgi_get, build_id


def build(views: Views, options: WebOptions, meta: Meta, searches: Searches | None = None) -> FastAPI:
    """The whole web side over `views`, and over the sources that can be searched. Its lifespan must run: it starts the
    stream and sets Dash up.

    `app.state.broadcast` is the live stream, `app.state.searches` what asks the sources; `app.web.server` closes both
    before the server stops.
    """
    build_hash = build_id(options.assets)
    broadcast = Broadcast(views, build_hash, options.max_viewers)
    shells = Shells(options, meta, build_hash, Messages(options.assets))
    searches = searches or Searches({})
    finding = Finding(searches, views)
    browse = Browse(views, shells, finding)
    app = FastAPI(
        title="Synoptic", version=meta.version, lifespan=_lifespan(broadcast, browse), docs_url=None, redoc_url=None,
        openapi_url=None,
    )  # fmt: skip
    app.state.broadcast, app.state.searches = broadcast, searches
    problems.install(app)
    app.include_router(api.router(views, broadcast, options, meta, finding))
    api.add_description(app)
    _add_probes(app, views, Exposition(views, broadcast, meta))
    _add_faces(app, shells)
    browse.attach(app)
    methods = api.add_unknown(app, shells.missing)
    lasting = (f"/assets/{build_hash}/", "/_dash-component-suites/", "/_favicon.ico")
    app.add_middleware(StaticCache, prefixes=lasting)
    app.add_middleware(Guard, options=options, script_hashes=browse.script_hashes, methods=methods)
    app.add_middleware(Heads)
    return app


def _lifespan(broadcast: Broadcast, browse: Browse):  # type: ignore[no-untyped-def]
    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        """Sets Dash up, and sends to those who watch until the server stops."""
        await asgi_get(app, "/")  # Dash sets itself up at its first request to `/`, and only there
        browse.settle()
        sending = asyncio.create_task(broadcast.run())
        yield
        broadcast.close()
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending

    return life


def _add_probes(app: FastAPI, views: Views, exposition: Exposition) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz(asked: Annotated[NoParameters, Query()]) -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", include_in_schema=False)
    async def readyz(asked: Annotated[NoParameters, Query()]) -> Response:
        ready = await asyncio.to_thread(views.ready)
        return Response("ready\n" if ready else "loading\n", 200 if ready else 503, media_type="text/plain")

    @app.get("/metrics", include_in_schema=False)
    async def metrics(asked: Annotated[NoParameters, Query()]) -> Response:
        return Response(await asyncio.to_thread(exposition.text), media_type=exposition.media_type)


def _add_faces(app: FastAPI, shells: Shells) -> None:
    @app.get("/wall", include_in_schema=False)
    async def wall() -> HTMLResponse:
        return shells.wall()

    @app.get("/wall/{scene}", include_in_schema=False)
    async def scene(scene: str) -> HTMLResponse:
        return shells.wall(scene)

    @app.get("/embed/map", include_in_schema=False)
    async def embed() -> HTMLResponse:
        return shells.embed()
