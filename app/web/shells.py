"""Plain HTML documents: the wall, the embedded map, and the page for what does not exist. No inline script or style."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from starlette.responses import HTMLResponse

from app.web import viewer
from app.web.language import Messages
from app.web.options import Meta, WebOptions


@dataclass(frozen=True, slots=True)
class Shells:
    """Makes the documents for one configuration; `build` is the content hash of the assets."""

    options: WebOptions
    meta: Meta
    build: str
    say: Messages

    @property
    def assets(self) -> str:
        """Where the browser finds the assets."""
        return f"{self.options.base_path}assets/{self.build}/"

    @property
    def facts(self) -> Mapping[str, str]:
        """What every entry module may read from the body's data attributes."""
        return {
            "api": self.options.base_path + "api/v1/", "base": self.options.base_path, "assets": self.assets,
            "build": self.build, "version": self.meta.version, "lang": viewer.language.get(),
            "theme": viewer.theme.get(), "demo": "1" if self.options.demo else "",
            "otlp": self.options.otlp_grpc, "otlp-http": self.options.otlp_http,
            "otlp-protocol": self.options.otlp_protocol,
        }  # fmt: skip

    def wall(self, scene: str = "") -> HTMLResponse:
        """The control-room picture."""
        return self._face("wall", ("wall",), {"scene": scene})

    def embed(self) -> HTMLResponse:
        """The map for portals."""
        return self._face("embed", ("embed",), {})

    def missing(self) -> HTMLResponse:
        """What a person sees at an address that does not exist."""
        say, home = self.say, escape(self.options.base_path)
        body = (
            f'<main class="sheet missing"><h1>{escape(say("error.not_found.title"))}</h1>'
            f'<p>{escape(say("error.not_found.text"))}</p>'
            f'<p><a href="{home}">{escape(say("error.home"))}</a></p></main>'
        )
        return HTMLResponse(self._document("missing", "", body, ("side", "sheets")), 404)

    def _face(self, face: str, styles: tuple[str, ...], extra: Mapping[str, str]) -> HTMLResponse:
        entry = f"{self.assets}map/{face}.mjs"
        head = "".join(f'<link rel="modulepreload" href="{self.assets}map/{name}.mjs">' for name in (face, *PRELOADED))
        head += f'<script type="module" src="{entry}"></script>'
        return HTMLResponse(self._document(face, head, "", styles, extra))

    def _document(
        self, name: str, head: str, body: str, styles: tuple[str, ...], extra: Mapping[str, str] | None = None
    ) -> str:
        language, theme = viewer.language.get(), viewer.theme.get()
        data = "".join(f' data-{key}="{escape(value)}"' for key, value in {**self.facts, **(extra or {})}.items())
        sheets = "".join(f'<link rel="stylesheet" href="{self.assets}{sheet}.css">' for sheet in ("theme", *styles))
        return (
            f'<!doctype html><html lang="{LANG_TAGS[language]}" data-theme="{theme}"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width"><title>Synoptic</title>'
            f'<link rel="icon" href="{self.options.base_path}_favicon.ico">{sheets}{head}</head>'
            f'<body class="{name}"{data}>{body}</body></html>'
        )


LANG_TAGS = {"en": "en", "zh": "zh-CN"}
PRELOADED = ("map", "stream", "store", "words")
