"""The guard in front of every request: host, origin of writes, size of bodies, and the headers of every answer."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web import viewer
from app.web.options import WebOptions
from app.web.problems import Problem

log = logging.getLogger("synoptic.web")
READING = ("GET", "HEAD", "OPTIONS")
PROBES = ("/healthz", "/readyz")
NOT_A_PAGE = ("/api/", "/metrics", "/healthz", "/readyz")
LASTING = ("/assets/", "/_dash-component-suites/", "/_favicon.ico")
FEATURES = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()"


class Guard:
    """Pure ASGI, so it covers Dash's own routes too. `script_hashes` are those of Dash's inline scripts, `methods` what
    may be done at an address of the interface."""

    def __init__(self, app: ASGIApp, options: WebOptions, script_hashes: Callable[[], str],
                 methods: Callable[[Scope], list[str]]) -> None:
        self._app, self._options, self._script_hashes, self._methods = app, options, script_hashes, methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Checks the request, and puts the headers on its answer."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._guarded(_without_base(scope, self._options.base_path), receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        viewer.notice(scope, self._options)
        viewer.nonce.set(secrets.token_urlsafe(16))
        answer = _Answer(send, self._headers(scope["path"]))
        try:
            self._check(scope)
            await self._app(scope, receive, answer.send)
        except Problem as problem:
            await answer.fail(problem, scope, receive)
        except Exception:
            log.exception("request failed: %s %s", scope["method"], scope["path"])
            await answer.fail(Problem(500, "Something went wrong here; the log has the details."), scope, receive)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if scope["path"] not in PROBES and not known_host(headers.get("host", ""), self._options.allowed_hosts):
            raise Problem(421, "This host name is not one of server.allowed_hosts.")
        if scope["method"] in READING:
            return
        if not same_origin(headers):
            raise Problem(403, "Writes are accepted only from this origin.")
        if scope["path"].startswith(NOT_A_PAGE) and scope["method"] not in self._methods(scope):
            return  # nothing is written: the answer is that this method is not known here
        if not headers.get("content-type", "").lower().startswith("application/json"):
            raise Problem(415, "Send application/json.")
        _check_length(headers.get("content-length", ""), self._options.max_body_bytes)

    def _headers(self, path: str) -> dict[str, str]:
        embed = path.startswith("/embed/")
        headers = {
            "content-security-policy": self._policy(path), "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin", "permissions-policy": FEATURES,
        }  # fmt: skip
        if not embed:
            headers |= {"x-frame-options": "DENY", "cross-origin-resource-policy": "same-origin"}
        if not path.startswith(LASTING):
            headers["cache-control"] = "no-store"
        return headers

    def _policy(self, path: str) -> str:
        frames = self._options.frame_ancestors if path.startswith("/embed/") else ()
        ancestors = "frame-ancestors " + " ".join(frames or ["'none'"])
        if path.startswith(NOT_A_PAGE):
            return f"default-src 'none'; {ancestors}"
        plain = path.startswith(("/embed/", "/wall/")) or path == "/wall"
        script = "'self'" if plain else f"'self' {self._script_hashes()}".strip()
        style = "'self'" if plain else f"'self' 'nonce-{viewer.nonce.get()}'"
        return (
            f"default-src 'none'; script-src {script}; style-src {style}; img-src 'self' data: blob:; font-src 'self'; "
            f"connect-src 'self'; base-uri 'none'; form-action 'self'; {ancestors}"
        )


class _Answer:
    """Adds the headers to whatever is sent, and can still fail properly before the first byte."""

    def __init__(self, send: Send, headers: dict[str, str]) -> None:
        self._send, self._headers, self._started = send, headers, False

    async def send(self, message: Message) -> None:
        """Sends on, the first message with the headers."""
        if message["type"] == "http.response.start":
            self._started = True
            MutableHeaders(raw=message["headers"]).update(self._headers)
        await self._send(message)

    async def fail(self, problem: Problem, scope: Scope, receive: Receive) -> None:
        """Answers with the problem, unless an answer has begun."""
        if not self._started:
            await problem.response()(scope, receive, self.send)


def known_host(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether a Host header names this server. IP addresses always do: DNS rebinding needs a name."""
    name = urlsplit("//" + host).hostname if host.isascii() and "@" not in host else None
    if not name:
        return False
    return "*" in allowed or name in allowed or name == "localhost" or name.endswith(".localhost") or _is_address(name)


def same_origin(headers: Headers) -> bool:
    """Whether a write comes from our own pages or from a program that is no browser."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False


def _without_base(scope: Scope, base_path: str) -> Scope:
    """The request as if published at the root, whether or not a proxy has stripped the base path."""
    path: str = scope["path"]
    if base_path == "/" or not (path + "/").startswith(base_path):
        return scope
    raw: bytes = scope.get("raw_path") or path.encode()
    cut = len(base_path) - 1
    return {**scope, "path": path[cut:] or "/", "raw_path": raw[cut:] or b"/"}


def _check_length(length: str, limit: int) -> None:
    """A stated length is what the server reads at most, so stating it is asked for."""
    if not length.isdigit():
        raise Problem(411, "State the Content-Length.")
    if int(length) > limit:
        raise Problem(413, f"The body is larger than {limit} bytes.")
