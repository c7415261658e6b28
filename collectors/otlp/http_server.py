"""OTLP over HTTP: its own thread and event loop; requests are made durable in groups."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import uvloop

from collectors.contract import Intake, Receipt, Signal
from collectors.otlp import http_rules
from collectors.otlp.bodies import Bodies
from collectors.otlp.config import Config
from collectors.otlp.http_connection import HttpConnection, Request
from collectors.otlp.http_rules import Head, ResponseWriter
from collectors.otlp.inflate import gunzip
from collectors.otlp.json_request import read_json
from collectors.otlp.reception import Reception
from collectors.receiving import tls
from topology.errors import ConfigurationError, Fault, Overloaded

INLINE_SPANS_BYTES = 2 * 1024 * 1024
INLINE_OTHER_BYTES = 64 * 1024
INLINE_GZIP_BYTES = 256 * 1024
INLINE_JSON_BYTES = 16 * 1024
BACKLOG = 1024
SWEEP_S = 1.0
INBOX_BYTES = 32 * 1024
"""What is read at once while no body is awaited; whatever of a body is in it is copied."""

Settled = Callable[[Exception | None], None]


class GroupCommit:
    """Settles tickets for many requests at once: one blocking call at a time, for the newest ticket.

    Requests that arrive while a call runs wait for the next one. Used from one event loop only.
    """

    def __init__(self, intake: Intake, loop: asyncio.AbstractEventLoop) -> None:
        self._intake = intake
        self._loop = loop
        self._waiting: list[Settled] = []
        self._newest = 0
        self._running = False
        self._groups: SimpleQueue[tuple[int, list[Settled]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="otlp-http-disk", daemon=True)
        self._thread.start()

    def when_settled(self, ticket: int, then: Settled) -> None:
        """Calls `then` with None once `ticket` is settled, or with the error that prevented it."""
        self._waiting.append(then)
        self._newest = max(self._newest, ticket)
        if not self._running:
            self._running = True
            # what else has already arrived goes with it
            self._loop.call_soon(self._begin)

    def close(self) -> None:
        """Ends the thread after what it was given."""
        self._groups.put(None)
        self._thread.join()

    def _begin(self) -> None:
        group, self._waiting = self._waiting, []
        self._groups.put((self._newest, group))

    def _run(self) -> None:
        while (wanted := self._groups.get()) is not None:
            error: Exception | None = None
            try:
                self._intake.settle(wanted[0])
            except Exception as failure:  # noqa: BLE001 - every failure is answered
                error = failure
            self._loop.call_soon_threadsafe(self._end, wanted[1], error)

    def _end(self, group: list[Settled], error: Exception | None) -> None:
        self._running = bool(self._waiting)
        if self._waiting:
            self._begin()
        for then in group:
            then(error)


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
        self._decoding = ThreadPoolExecutor(1, "otlp-http-decode")
        self._commit = GroupCommit(reception.intake, self._loop)
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
        if not _is_quick(head, request.size):
            future = asyncio.wrap_future(self._decoding.submit(self._receive, head, request), loop=self._loop)
            future.add_done_callback(lambda done: self._received(connection, request, done))
            return
        try:
            receipt = self._receive(head, request)
        except Exception as error:  # noqa: BLE001 - every failure is answered
            connection.fail(request, error)
        else:
            self._make_durable(connection, request, receipt)

    def _receive(self, head: Head, request: Request) -> Receipt:
        if head.signal is Signal.TRACES and not head.gzip and not head.json:
            return self.reception.take(head.signal, request.body())
        body = bytes(request.body())
        if head.gzip:
            body = gunzip(body, self.reception.max_body_bytes)
            request.hold.add(len(body))
        return self.reception.take(head.signal, read_json(head.signal, body) if head.json else body)

    def _received(self, connection: HttpConnection, request: Request, done: asyncio.Future[Receipt]) -> None:
        try:
            receipt = done.result()
        except asyncio.CancelledError:
            connection.fail(request, Overloaded("stopping", self.config.retry_after_s))
        except Exception as error:  # noqa: BLE001 - every failure is answered
            connection.fail(request, error)
        else:
            self._make_durable(connection, request, receipt)

    def _make_durable(self, connection: HttpConnection, request: Request, receipt: Receipt) -> None:
        self._commit.when_settled(
            receipt.ticket, lambda error: self._settled(connection, request, receipt, error)
        )

    def _settled(self, connection: HttpConnection, request: Request, receipt: Receipt,
                 error: Exception | None) -> None:
        if error is None:
            connection.succeed(request, receipt)
        else:
            connection.fail(request, error)

    # ---- the life of the server

    def _run(self, context: ssl.SSLContext | None) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(context))
        finally:
            self._decoding.shutdown(wait=False, cancel_futures=True)
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
                self.reception.count(http_rules.TOO_SLOW)
            connection.close()

    async def _drain(self, deadline_s: float) -> None:
        for connection in [c for c in self.connections if c.idle]:
            connection.close()
        while any(not c.idle for c in self.connections) and self.now_s() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _is_quick(head: Head, size: int) -> bool:
    """Whether a request is worked on in less time than other connections may wait: else it gets a thread."""
    if head.json:
        return size <= INLINE_JSON_BYTES and not head.gzip
    limit = INLINE_SPANS_BYTES if head.signal is Signal.TRACES else INLINE_OTHER_BYTES
    return size <= (min(limit, INLINE_GZIP_BYTES) if head.gzip else limit)


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
