"""OTLP over HTTP: its own thread and event loop; requests are made durable in groups."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from functools import partial

import uvloop

from collectors.contract import Receipt, Signal
from collectors.otlp.bodies import Bodies
from collectors.otlp.config import Config
from collectors.otlp.group_commit import GroupCommit, Outcome, is_quick
from collectors.otlp.http_connection import HttpConnection, Request
from collectors.otlp.http_rules import Head, ResponseWriter
from collectors.otlp.inflate import gunzip
from collectors.otlp.json_request import read_json
from collectors.otlp.reception import TOO_SLOW, Reception
from collectors.receiving import tls
from topology.errors import ConfigurationError, Fault

INLINE_JSON_BYTES = 16 * 1024
BACKLOG = 1024
SWEEP_S = 1.0
INBOX_BYTES = 8 * 1024
"""What is read at once while no body is awaited; whatever of a body is in it is copied."""

class HttpServer:
    """Listens for OTLP/HTTP from construction to `stop`; `port` is the bound port.

    ConfigurationError when the address cannot be listened on or the certificates cannot be used.
    """

    def __init__(self, config: Config, reception: Reception) -> None:
        self.config = config
        self.reception = reception
        self.writer = ResponseWriter()
        self.bodies = Bodies()
        self.inbox = memoryview(bytearray(INBOX_BYTES))
        self.connections: set[HttpConnection] = set()
        self.stopping = False
        context = _context(config)
        self._socket = _bind(config)
        self.port = int(self._socket.getsockname()[1])
        self._loop = uvloop.new_event_loop()
        self.now_s = self._loop.time
        # begun soon: what else has already arrived goes with it
        self._commit = GroupCommit(reception.intake, "otlp-http", soon=self._loop.call_soon,
                                   back=self._loop.call_soon_threadsafe)
        self._stop = asyncio.Event()
        self._grace_s = 0.0
        self._thread = threading.Thread(target=self._run, args=(context,), name="otlp-http", daemon=True)
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Takes no more connections and gives running requests `grace_s` to end."""
        self._grace_s = grace_s
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    # ---- one request, on the loop

    def work(self, connection: HttpConnection, request: Request) -> None:
        """Decodes, hands over and makes durable one whole request, then answers through its connection."""
        head = request.head
        assert head is not None
        self._commit.receive(partial(self._receive, head, request), partial(_answer, connection, request),
                             quick=_is_quick(head, request.size))

    def _receive(self, head: Head, request: Request) -> Receipt:
        if head.signal is Signal.TRACES and not head.gzip and not head.json:
            return self.reception.take(head.signal, request.body())
        body = bytes(request.body())
        if head.gzip:
            body = gunzip(body, self.reception.max_body_bytes)
            request.hold.add(len(body))
        return self.reception.take(head.signal, read_json(head.signal, body) if head.json else body)

    # ---- the life of the server

    def _run(self, context: ssl.SSLContext | None) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(context))
        finally:
            self._commit.close()
            self._loop.close()

    async def _serve(self, context: ssl.SSLContext | None) -> None:
        server = await self._loop.create_server(
            lambda: HttpConnection(self), sock=self._socket, ssl=context, backlog=BACKLOG
        )
        while not await self._stopped_within(SWEEP_S):
            self._sweep()
        self.stopping = True
        server.close()
        await self._drain(self.now_s() + self._grace_s)
        for connection in list(self.connections):
            connection.close()
        await asyncio.sleep(0)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _sweep(self) -> None:
        """Closes connections whose sender is silent or slower than it may be."""
        now_s = self.now_s()
        for connection in [c for c in self.connections if c.deadline_s < now_s]:
            if not connection.idle:
                self.reception.count(TOO_SLOW)
            connection.close()

    async def _drain(self, deadline_s: float) -> None:
        for connection in [c for c in self.connections if c.idle]:
            connection.close()
        while any(not c.idle for c in self.connections) and self.now_s() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _answer(connection: HttpConnection, request: Request, outcome: Outcome) -> None:
    if isinstance(outcome, Receipt):
        connection.succeed(request, outcome)
    else:
        connection.fail(request, outcome)


def _is_quick(head: Head, size: int) -> bool:
    if head.json:
        return size <= INLINE_JSON_BYTES and not head.gzip
    return is_quick(head.signal, size, compressed=head.gzip)


def _context(config: Config) -> ssl.SSLContext | None:
    if config.tls is None:
        return None
    try:
        return tls.server_context(config.tls)
    except OSError as error:
        raise ConfigurationError((Fault("tls", "readable certificates", str(error)),)) from error


def _bind(config: Config) -> socket.socket:
    assert config.http is not None
    address = config.http
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    except OSError as error:
        fault = Fault("http", "an address to listen on", f"{address}: {error}")
        raise ConfigurationError((fault,)) from error
