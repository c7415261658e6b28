"""Fingerprinted files from memory: compressed once, in a thread, and kept by browsers for good."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path

import brotli  # type: ignore[import-untyped]
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.encoding import accepts

IMMUTABLE = b"public, max-age=31536000, immutable"
COMPRESSIBLE = ("text/", "application/json", "application/javascript", "image/svg")
MOST_BYTES = 64 << 20
Packed = tuple[int, list[tuple[bytes, bytes]], bytes]


def build_id(assets: Path) -> str:
    """Twelve hex digits that change when any file under `assets` does."""
    digest = hashlib.sha256()
    for path in sorted(path for path in assets.rglob("*") if path.is_file()):
        digest.update(path.relative_to(assets).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


async def asgi_get(app: ASGIApp, path: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of a GET from inside the process."""
    got: list[Message] = []

    request: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not request:
            await asyncio.Event().wait()  # this client never leaves
        return request.pop()

    async def send(message: Message) -> None:
        got.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 0),
             "headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 80), "state": {}}  # fmt: skip
    await app(scope, receive, send)
    return got[0]["status"], list(got[0]["headers"]), b"".join(message.get("body", b"") for message in got[1:])


class StaticCache:
    """Answers GETs below `prefixes`, whose addresses must change with their content."""

    def __init__(self, app: ASGIApp, prefixes: Iterable[str]) -> None:
        self._app, self._prefixes = app, tuple(prefixes)
        self._files: dict[tuple[str, str], asyncio.Task[Packed]] = {}
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers from memory what lies below the prefixes, and passes on the rest."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(self._prefixes):
            await self._app(scope, receive, send)
            return
        status, headers, body = await self._file(scope["path"], _coding(Headers(scope=scope)))
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    async def _file(self, path: str, coding: str) -> Packed:
        key = path, coding
        task = self._files.get(key) or asyncio.create_task(self._pack(path, coding))
        self._files[key] = task
        try:
            status, headers, body = await asyncio.shield(task)
        except BaseException:
            self._files.pop(key, None)
            raise
        # Dash answers 200 to any invented fingerprint of a file it has, so what is kept must be bounded.
        if status != 200 or self._held > MOST_BYTES:
            self._files.pop(key, None)
        return status, headers, body

    async def _pack(self, path: str, coding: str) -> Packed:
        status, headers, body = await asgi_get(self._app, path)
        if status != 200:
            return status, headers, body
        kind = MutableHeaders(raw=headers).get("content-type", "application/octet-stream")
        head = [(b"content-type", kind.encode()), (b"cache-control", IMMUTABLE), (b"vary", b"accept-encoding")]
        if coding and kind.startswith(COMPRESSIBLE):
            body = await asyncio.to_thread(_compress, body, coding)
            head.append((b"content-encoding", coding.encode()))
        self._held += len(body)
        return 200, [*head, (b"content-length", str(len(body)).encode())], body


def _coding(headers: Headers) -> str:
    accepted = headers.get("accept-encoding", "")
    return next((coding for coding in ("br", "gzip") if accepts(accepted, coding)), "")


def _compress(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(body, 9)
    packed: bytes = brotli.compress(body, quality=9 if len(body) < 400_000 else 6)
    return packed
