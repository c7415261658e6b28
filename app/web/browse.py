"""The pages that a person drills down in: Dash on the same application. Every callback is async."""

from __future__ import annotations

import re
from typing import Any

from dash import Dash, dcc, html
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.views import Views
from app.web import viewer
from app.web.shells import LANG_TAGS, Shells

PAGES = re.compile(r"/sources|/traces/[0-9A-Za-z]{1,64}")

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
        facts = "".join(f' data-{key}="{value}"' for key, value in self.shells.facts.items())
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

    def __init__(self, views: Views, shells: Shells) -> None:
        self._views, self._shells = views, shells
        self.dash = _dash(shells)
        self.dash.shells = shells
        self._hashes = ""

    def attach(self, app: FastAPI) -> None:
        """Adds Dash's routes and the pages to `app`."""
        self.dash.backend.websocket_capability = False  # else every page holds a WebSocket open
        self.dash.init_app(app)
        self.dash.layout = self._layout
        app.add_middleware(OneDocument)

    def settle(self) -> None:
        """Reads the hashes of Dash's inline scripts, which are known after its first request."""
        self._hashes = " ".join(f"{one}" for one in self.dash.csp_hashes())

    def script_hashes(self) -> str:
        """Sources for the policy's `script-src`."""
        return self._hashes

    def _layout(self) -> html.Div:
        return html.Div([dcc.Location(id="url"), html.Div(**{"data-synoptic": "bar"}), html.Div(**{"data-synoptic": "map"})])


def _dash(shells: Shells) -> Page:
    entry = {"src": f"{shells.assets}map/browse.mjs", "type": "module"}
    return Page(
        "synoptic", backend="fastapi", server=False, assets_folder=str(shells.options.assets.resolve()),
        assets_url_path=f"assets/{shells.build}", assets_path_ignore=["map", "vendor", "fonts", "i18n"],
        assets_ignore=r"^(nonce\.js|wall\.css|embed\.css)$", external_scripts=[entry], update_title=None,
        requests_pathname_prefix=shells.options.base_path, routes_pathname_prefix="/", title="Synoptic",
        suppress_callback_exceptions=True, index_string=INDEX, add_log_handler=False, enable_mcp=False,
    )  # fmt: skip
