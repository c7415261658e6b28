"""Who is looking: language, theme and nonce of the request being answered."""

from __future__ import annotations

from contextvars import ContextVar
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from app.web.options import LANGUAGES, THEMES, WebOptions

language: ContextVar[str] = ContextVar("language", default="en")
theme: ContextVar[str] = ContextVar("theme", default="dark")
nonce: ContextVar[str] = ContextVar("nonce", default="")


def notice(scope: Scope, options: WebOptions) -> None:
    """Sets language and theme from, in this order: the address, the cookie, the browser, the options."""
    headers = Headers(scope=scope)
    asked, cookies = _query(scope, headers), cookie_parser(headers.get("cookie", ""))
    spoken = [_short(item) for item in headers.get("accept-language", "").split(",")]
    language.set(_first(LANGUAGES, [asked.get("lang"), cookies.get("lang"), *spoken], options.language))
    theme.set(_first(THEMES, [asked.get("theme"), cookies.get("theme")], options.theme))


def _query(scope: Scope, headers: Headers) -> dict[str, str]:
    """The parameters of the page's address; a Dash request knows it only as the referrer."""
    text = scope["query_string"].decode("latin-1")
    if scope["path"].startswith("/_dash-"):
        text = urlsplit(headers.get("referer", "")).query
    return {key: values[-1] for key, values in parse_qs(text).items()}


def _short(tag: str) -> str:
    return tag.partition(";")[0].strip().lower().partition("-")[0]


def _first(known: tuple[str, ...], wishes: list[str | None], otherwise: str) -> str:
    return next((wish for wish in wishes if wish in known), otherwise)
