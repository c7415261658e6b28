"""SkyWalking's protocol v3 over HTTP: JSON, as agents without gRPC and gateways send it.

A plain ASGI application, served by uvicorn.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import orjson
import uvicorn
from google.rpc import code_pb2

from collectors.contract import Signal
from collectors.receiving import tls
from collectors.receiving.budget import Hold
from collectors.receiving.refusal import Refusal, TooLarge
from collectors.skywalking_segments import reading
from collectors.skywalking_segments.config import Config
from collectors.skywalking_segments.protocol.skywalking_pb2 import InstancePingPkg, InstanceProperties
from collectors.skywalking_segments.reception import UNAUTHENTICATED, Reception
from topology.errors import ConfigurationError, Fault

BACKLOG = 1024
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Scope = Mapping[str, Any]
Work = Callable[[bytes, Hold], Awaitable[None]]

NOT_FOUND = Refusal(code_pb2.NOT_FOUND, 404, "post to /v3/segments, /v3/segment or /v3/logs", "misdirected")
NOT_POST = Refusal(code_pb2.UNIMPLEMENTED, 405, "only POST is understood here", "misdirected", headers=(
    ("allow", "POST"),))
WRONG_ENCODING = Refusal(code_pb2.INVALID_ARGUMENT, 415, "the content encoding must be identity", "unsupported")
TOO_SLOW = Refusal(code_pb2.DEADLINE_EXCEEDED, 408, "the request took too long to arrive", "too_slow")


class Gone(Exception):
    """The sender left before its request was whole."""


class Application:
    """The ASGI application: one JSON document in, an empty list of commands out, once it is on disk."""

    def __init__(self, config: Config, reception: Reception) -> None:
        self._config, self._reception = config, reception
        self._works: dict[str, Work] = {
            "/v3/segments": partial(self._collect, Signal.TRACES, lambda: reading.segments_json),
            "/v3/segment": partial(self._collect, Signal.TRACES, lambda: reading.segment_json),
            "/v3/logs": partial(self._collect, Signal.LOGS, lambda: reading.LogStream().lines_json),
            "/v3/management/reportProperties": self._learn,
            "/v3/management/keepAlive": self._keep,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        headers = dict(scope["headers"])
        refusal = self._judge(scope, headers)
        if refusal is not None:
            await _answer(send, self._reception.count(refusal))
            return
        hold = self._reception.hold()
        try:
            body = await self._body(headers, receive, hold)
            await self._works[scope["path"]](body, hold)
        except Gone:
            hold.release()
        except TimeoutError:
            hold.release()
            await _answer(send, self._reception.count(TOO_SLOW))
        except Exception as error:  # noqa: BLE001 - every failure is answered
            hold.release()
            await _answer(send, self._reception.refuse(error))
        else:
            await _answer(send, None)

    def _judge(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """Why a request is refused before its body is read."""
        if scope["path"] not in self._works:
            return NOT_FOUND
        if scope["method"] != "POST":
            return NOT_POST
        if not self._reception.admits(headers.get(b"authentication", b"")):
            return UNAUTHENTICATED
        encoding = headers.get(b"content-encoding", b"").strip().lower()
        return None if encoding in (b"", b"identity") else WRONG_ENCODING

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive, hold: Hold) -> bytes:
        """The whole body, bounded before it is read where its length is announced, and while it is read."""
        self._bound(int(headers.get(b"content-length", b"0")))
        pieces: list[bytes] = []
        more = True
        async with asyncio.timeout(self._config.request_timeout_s):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                pieces.append(message.get("body", b""))
                hold.add(len(pieces[-1]))
                self._bound(hold.held_bytes)
                more = message.get("more_body", False)
        return b"".join(pieces)

    def _bound(self, size: int) -> None:
        if size > self._config.max_body_bytes:
            raise TooLarge(f"the body is over {self._config.max_body_bytes} bytes")

    async def _collect(self, signal: Signal, reader: Callable[[], Any], body: bytes, hold: Hold) -> None:
        await self._reception.hand_in(signal, body, reader(), hold)

    async def _learn(self, body: bytes, hold: Hold) -> None:
        with hold:
            self._reception.learn(reading.one_from_json(InstanceProperties, body))

    async def _keep(self, body: bytes, hold: Hold) -> None:
        with hold:
            self._reception.keep(reading.one_from_json(InstancePingPkg, body))


async def _answer(send: Send, refusal: Refusal | None) -> None:
    status, headers, content = 200, [("content-type", "application/json")], b"{}"
    if refusal is not None:
        status, content = refusal.http_status, orjson.dumps({"message": refusal.message})
        headers += refusal.headers
        if refusal.retry_after_s is not None:
            headers.append(("retry-after", str(math.ceil(refusal.retry_after_s))))
    written = [(name.encode(), value.encode()) for name, value in headers]
    with suppress(OSError):
        await send({"type": "http.response.start", "status": status, "headers": [
            *written, (b"content-length", str(len(content)).encode())]})
        await send({"type": "http.response.body", "body": content})


class Server(uvicorn.Server):
    """uvicorn in an event loop of somebody else's, which also looks after signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes none."""
        yield


def bind(config: Config) -> socket.socket:
    """A socket that listens; ConfigurationError when the address cannot be listened on."""
    address = config.http
    assert address is not None
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError((Fault("http", "an address to listen on", f"{address}: {error}"),)) from error


def server(config: Config, reception: Reception, grace_s: float) -> Server:
    """The server of an address, not yet running; ConfigurationError when the certificates cannot be used."""
    settings = uvicorn.Config(
        Application(config, reception), http="httptools", ws="none", lifespan="off", interface="asgi3",
        log_config=None, access_log=False, server_header=False, timeout_keep_alive=math.ceil(config.idle_timeout_s),
        timeout_graceful_shutdown=math.ceil(grace_s), backlog=BACKLOG,
    )  # fmt: skip
    settings.load()
    settings.ssl = _context(config)
    return Server(settings)


def _context(config: Config) -> ssl.SSLContext | None:
    try:
        return tls.server_context(config.tls) if config.tls is not None else None
    except OSError as error:
        raise ConfigurationError((Fault("tls", "readable certificates", str(error)),)) from error
