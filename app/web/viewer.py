"""Who is looking: language, theme and nonce of the request being answered."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, tzinfo
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from app.web.options import LANGUAGES, THEMES, WINDOWS_S, WebOptions

language: ContextVar[str] = ContextVar("language", default="en")
theme: ContextVar[str] = ContextVar("theme", default="dark")
zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)
page: ContextVar[str] = ContextVar("page", default="/")
window: ContextVar[str] = ContextVar("window", default="5m")
nonce: ContextVar[str] = ContextVar("nonce", default="")


def notice(scope: Scope, options: WebOptions) -> None:
    """Sets what is known of the viewer. Language and theme: address, then cookie, then browser, then options.

    The time zone comes from a cookie of the page's own script; the page is the path a Dash request was made on.
    """
    headers = Headers(scope=scope)
    asked, cookies = _query(scope, headers), cookie_parser(headers.get("cookie", ""))
    spoken = [_short(item) for item in headers.get("accept-language", "").split(",")]
    language.set(_first(LANGUAGES, [asked.get("lang"), cookies.get("synoptic_lang"), *spoken], options.language))
    theme.set(_first(THEMES, [asked.get("theme"), cookies.get("synoptic_theme")], options.theme))
    window.set(_first(tuple(WINDOWS_S), [asked.get("window")], "5m"))
    zone.set(_zone(unquote(cookies.get("synoptic_zone", ""))))
    path = urlsplit(headers.get("referer", "")).path or "/"
    page.set("/" + path.removeprefix(options.base_path).removeprefix("/"))


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


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError):  # no such zone, or not the name of one
        return UTC
