"""The pages that a person drills down in: Dash on the same application. Every callback is async."""

from __future__ import annotations

import asyncio
import re
from html import escape
from typing import Any
from urllib.parse import unquote

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update, set_props
from dash.development.base_component import Component
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.finding import Finding
from app.views import Views
from app.web import sources, viewer
from app.web.panel import Panel
from app.web.sections import data
from app.web.shells import LANG_TAGS, Shells
from app.web.slo_facts import slo_facts
from app.web.slo_page import SloParts, slo_parts
from app.web.trace_pages import TracePages
from app.web.wording import Wording

PAGES = re.compile(r"/sources|/changes|/logs|/traces(?:/([^/]{1,300}))?|(/slos)(?:/(.+))?")
OWN_MODULES = ("/changes", "/logs")
"""Pages that a module of the browser fills."""
PANEL_AGAIN_MS = 10_000
SOURCES_AGAIN_MS = 5_000
SLO_AGAIN_MS = 10_000
FOLDERS = ["map", "slos", "changes", "logs", "traces", "vendor", "fonts", "i18n", "icons"]

# Dash's own page has one more inline script, a warning for Internet Explorer.
INDEX = """<!DOCTYPE html>
<html><head>{%metas%}<title>{%title%}</title>{%favicon%}{%css%}</head>
<body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body></html>"""


class Page(Dash):
    """Dash whose document carries language, theme, the facts for the modules, and the nonce script."""

    shells: Shells

    def interpolate_index(self, **parts: Any) -> str:  # type: ignore[override]
        """The document for the request being answered."""
        language, theme = viewer.language.get(), viewer.theme.get()
        facts = "".join(f' data-{key}="{escape(value)}"' for key, value in self.shells.facts.items())
        first = f'<script nonce="{viewer.nonce.get()}" src="{self.shells.assets}nonce.js"></script>'
        document: str = super().interpolate_index(**parts)
        document = document.replace("<html>", f'<html lang="{LANG_TAGS[language]}" data-theme="{theme}">', 1)
        return document.replace("<head>", f"<head>{first}", 1).replace("<body>", f"<body{facts}>", 1)


class OneDocument:
    """Answers the address of every page with the same document, as Dash answers `/`; the browser keeps its address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, with the address of a page made `/`."""
        if scope["type"] == "http" and scope["method"] == "GET" and PAGES.fullmatch(scope["path"]):
            scope = {**scope, "path": "/", "raw_path": b"/"}
        await self._app(scope, receive, send)


class Browse:
    """The Dash application: made here, attached to the FastAPI application, settled after its first request."""

    def __init__(self, views: Views, shells: Shells, finding: Finding) -> None:
        self._views, self._shells = views, shells
        self._w = Wording(shells.say)
        self._traces = TracePages(views, finding, self._w, shells.options.base_path, shells.options.links)
        self._panel = Panel(views, self._w, shells.options.base_path, shells.meta.clock, shells.options.links)
        self._hashes = ""
        self.dash = _dash(shells)
        self.dash.shells = shells
        self._add_callbacks()

    def attach(self, app: FastAPI) -> None:
        """Adds Dash's routes and the pages to `app`."""
        self.dash.backend.websocket_capability = False  # else every page holds a WebSocket open
        self.dash.init_app(app)
        self.dash.layout = self._layout
        app.add_middleware(OneDocument)

    def settle(self) -> None:
        """Reads the hashes of Dash's inline scripts, which are known after its first request."""
        self._hashes = " ".join(self.dash.csp_hashes())

    def script_hashes(self) -> str:
        """Sources for the policy's `script-src`."""
        return self._hashes

    def _layout(self) -> html.Div:
        """The page that the request was made on, or the map where the browser does not tell."""
        path = viewer.page.get()
        page = html.Div(self._page(path), id="page")
        return html.Div([dcc.Location(id="url", refresh=False), dcc.Store(id="shown", data=path), page])

    def _page(self, path: str) -> list[Component]:
        bar = html.Header(className="bar", **data(data_synoptic="bar"))
        found = PAGES.fullmatch(path)
        if found is None:
            return [html.Div([bar, *self._map()], className="browse")]
        if found[2]:
            return [html.Div([bar, *self._slos(unquote(found[3] or ""))], className="browse slo-page")]
        if path in OWN_MODULES:
            name = path.removeprefix("/")
            host = html.Main(className=f"{name}-page", **data(data_synoptic=name))
            return [html.Div([bar, host], className="browse")]
        if path == "/traces":
            return [html.Div([bar, self._traces.search()], className="browse")]
        content = self._traces.one(unquote(found[1])) if found[1] else self._sources()
        again = [] if found[1] else [dcc.Interval(id="sources-again", interval=SOURCES_AGAIN_MS)]
        return [html.Div([bar, html.Main(content, className="sheet", id="sheet"), *again], className="browse")]

    def _map(self) -> list[Component]:
        view = {"window": viewer.window.get(), "theme": viewer.theme.get()}
        edge = html.Div(
            className="panel-edge", role="separator", tabIndex=0,
            **data(aria_orientation="vertical", aria_label=self._w("panel.width")),
        )  # fmt: skip
        slots = [html.Div(id=f"panel-{slot}") for slot in ("above", "charts", "below")]
        return [
            html.Main(className="stage", **data(data_synoptic="map", data_otlp=self._shells.options.otlp_grpc,
                                                      data_otlp_protocol=self._shells.options.otlp_protocol)),
            html.Aside([edge, html.Div(slots, className="panel-content")], id="panel-frame", className="panel",
                       hidden=True, **data(aria_label=self._w("panel.label"))),
            dcc.Store(id="selection"), dcc.Store(id="view", data=view), dcc.Store(id="drawn"),
            dcc.Interval(id="again", interval=PANEL_AGAIN_MS, disabled=True),
        ]  # fmt: skip

    def _slos(self, name: str) -> list[Component]:
        """The host of the list, and the frame of the one that is chosen."""
        parts = self._slo(name, "") if name else SloParts([], {}, {}, [], [], [], "")
        slots = {"head": parts.head, "charts": parts.charts, "below": parts.below, "still": parts.still}
        frame = html.Div([html.Div(content, id=f"slo-{slot}") for slot, content in slots.items()], className="one")
        return [
            html.Main(className="objectives", **data(data_synoptic="slos")),
            html.Aside(frame, id="slo-frame", hidden=not name, tabIndex=-1, **data(aria_label=self._w("slo.one"))),
            dcc.Store(id="slo-asked", data={"name": name} if name else None),
            dcc.Store(id="slo-drawn", data=parts.shape), dcc.Interval(id="slo-again", interval=SLO_AGAIN_MS),
        ]  # fmt: skip

    def _slo(self, name: str, chosen: str) -> SloParts:
        found = slo_facts(self._views, name, chosen, self._shells.meta.clock())
        return slo_parts(found, name, self._shells.options.base_path, self._w)

    def _sources(self) -> list[Component]:
        views = self._views
        told = sources.Told(views.sources(), views.quality(), views.slo_faults(), views.registry(), views.alike())
        return sources.page(told, self._shells.options, self._w)

    def _add_callbacks(self) -> None:
        @self.dash.callback(
            Output("panel-above", "children"), Output("panel-charts", "children"), Output("panel-below", "children"),
            Output("panel-frame", "hidden"), Output("again", "disabled"), Output("drawn", "data"),
            Input("selection", "data"), Input("view", "data"), Input("again", "n_intervals"), State("drawn", "data"),
            prevent_initial_call=True,
        )  # fmt: skip
        async def panel(selection: Any, view: Any, _again: Any, drawn: Any) -> tuple[Any, ...]:
            """The panel of what is selected; charts that have kept their shape are changed in place."""
            content = await self._panel.content(selection, view)
            kept = ctx.triggered_id == "again" and content.shape == drawn and content.charts is not None
            new = no_update if kept else [content.charts.section()] if content.charts else []
            for drawing in content.charts.drawings if kept and content.charts else ():
                for identity, changes in drawing.changes().items():
                    set_props(identity, changes)
            nothing = not content.above
            still = nothing or bool(isinstance(view, dict) and view.get("at"))  # the past does not change
            return content.above, new, list(content.below), nothing, still, content.shape

        @self.dash.callback(
            Output("sheet", "children"), Input("sources-again", "n_intervals"), prevent_initial_call=True
        )
        async def sources_again(_again: Any) -> list[Component]:
            return await asyncio.to_thread(self._sources)

        @self.dash.callback(
            Output("page", "children"), Input("url", "pathname"), State("shown", "data"), prevent_initial_call=False
        )
        async def page(pathname: Any, shown: Any) -> Any:
            path = "/" + str(pathname or "/").removeprefix(self._shells.options.base_path).removeprefix("/")
            return no_update if _same_page(path, shown) else await asyncio.to_thread(self._page, path)

        self._traces.add_callbacks(self.dash)
        self._add_slo_callback()

    def _add_slo_callback(self) -> None:
        @self.dash.callback(
            Output("slo-head", "children"), Output("slo-charts", "children"), Output("slo-below", "children"),
            Output("slo-still", "children"), Output("slo-frame", "hidden"), Output("slo-drawn", "data"),
            Input("slo-asked", "data"), Input("slo-again", "n_intervals"), State("slo-drawn", "data"),
            prevent_initial_call=True,
        )  # fmt: skip
        async def slo(asked: Any, _again: Any, drawn: Any) -> tuple[Any, ...]:
            """The sheet of one SLO; figures that have kept their shape are changed in place."""
            wanted = asked if isinstance(asked, dict) else {}
            name = wanted.get("name")
            if not isinstance(name, str) or not name:
                return [], [], [], [], True, ""
            parts = await asyncio.to_thread(self._slo, name, str(wanted.get("range")))
            if parts.shape != drawn:
                return parts.head, parts.charts, parts.below, parts.still, False, parts.shape
            for identity, figure in parts.figures.items():
                set_props(identity, {"figure": figure})
            for identity, caption in parts.captions.items():
                set_props(identity, {"children": caption})
            return parts.head, no_update, parts.below, no_update, False, no_update


def _same_page(path: str, shown: Any) -> bool:
    """Whether the document holds the page of this address already: the list of SLOs holds every one of them."""
    pages = [PAGES.fullmatch(str(one)) for one in (path, shown)]
    return path == shown or all(found is not None and found[2] for found in pages)


def _dash(shells: Shells) -> Page:
    entry = {"src": f"{shells.assets}map/browse.mjs", "type": "module"}
    return Page(
        "synoptic", backend="fastapi", server=False, assets_folder=str(shells.options.assets.resolve()),
        assets_url_path=f"assets/{shells.build}", assets_path_ignore=FOLDERS,
        assets_ignore=r"^(nonce\.js|wall\.css|embed\.css)$", external_scripts=[entry],
        update_title=None,  # type: ignore[arg-type]
        requests_pathname_prefix=shells.options.base_path, routes_pathname_prefix="/", title="Synoptic",
        suppress_callback_exceptions=True, index_string=INDEX, add_log_handler=False, enable_mcp=False,
    )  # fmt: skip
