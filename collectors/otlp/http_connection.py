"""One HTTP/1.1 connection: httptools parses, this class bounds, orders and answers.

No ASGI server in between: it would make a task a request and copy every body three more times, and the one
measured bounds neither the head of a request nor the time it may take to arrive (docs/collectors/otlp.md).
"""

from __future__ import annotations

import asyncio
import mmap
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from collectors.contract import Receipt
from collectors.otlp import answers, http_rules
from collectors.otlp.bodies import Bodies
from collectors.otlp.http_rules import Head
from collectors.receiving.budget import Hold
from collectors.receiving.refusal import Refusal
from topology.errors import Overloaded

if TYPE_CHECKING:
    from collectors.otlp.http_server import HttpServer

MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 16
HEAD_END = b"\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Request:
    """One request on its way: what its head asks for, its body, and its answer once refused.

    The body is in lent memory when its length was announced and there is memory to lend, else in pieces.
    """

    __slots__ = ("answered", "complete", "head", "hold", "json", "keep_alive", "memory", "pieces",
                 "refusal", "room", "size")

    def __init__(self, hold: Hold) -> None:
        self.head: Head | None = None
        self.json = True
        self.keep_alive = False
        self.hold = hold
        self.pieces: list[bytes] = []
        self.memory: mmap.mmap | None = None
        self.room = memoryview(b"")
        self.size = 0
        self.complete = False
        self.refusal: Refusal | None = None
        self.answered = False

    def body(self) -> bytes | memoryview:
        """The whole body; only once. Lent memory is valid until the request is answered."""
        if self.memory is not None:
            return self.room
        pieces, self.pieces = self.pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def refuse(self, refusal: Refusal) -> None:
        """Settles that the request is refused; the rest of its body will be thrown away."""
        self.refusal = refusal
        self.pieces = []
        self.hold.release()

    def release(self, bodies: Bodies) -> None:
        """Gives back what the request holds; harmless when repeated."""
        self.hold.release()
        memory, self.memory = self.memory, None
        if memory is not None:
            bodies.give_back(memory)


class HttpConnection(asyncio.BufferedProtocol):
    """Reads requests, answers them in order. `deadline_s` (loop time) is when the server may close it."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._reception = server.reception
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._requests: deque[Request] = deque()
        self._working = False
        self._closing = False
        self._paused = False
        self._fruitless_bytes = 0
        self._in_body = False
        self._receiving: Request | None = None
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self.deadline_s = server.now_s() + server.config.request_timeout_s

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends; what was received in full is still worked on, its answer goes nowhere."""
        self._closing = True
        self._server.connections.discard(self)
        waiting = list(self._requests)[1 if self._working else 0:]
        for request in waiting:
            request.release(self._server.bodies)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where what arrives next belongs: into the body that is on its way, or before the parser."""
        request = self._receiving
        return self._server.inbox if request is None else request.room[request.size :]

    def buffer_updated(self, nbytes: int) -> None:
        """Takes what arrived."""
        if self._closing:
            return
        if self._receiving is not None:
            self._extend(self._receiving, nbytes)
        else:
            self._read(self._server.inbox[:nbytes])

    def _read(self, data: memoryview) -> None:
        """Gives heads to the parser one by one, since a body may follow that it need not see."""
        while len(data) and not self._closing:
            end = len(data) if self._in_body else bytes(data).find(HEAD_END) + len(HEAD_END)
            if end < len(HEAD_END):
                end = len(data)
            if not self._parse(data[:end]):
                return
            data = data[end:]
            if self._in_body and self._lend_memory():
                data = self._fill(data)

    def _parse(self, data: memoryview) -> bool:
        """Feeds the parser, which calls the `on_` methods below; False when nothing more can be read."""
        self._fruitless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # an offer to speak another protocol (h2c): declined by answering in this one, and then no more
            self._stop_reading()
            return False
        except httptools.HttpParserCallbackError as error:
            self._give_up(self._reception.refuse(error))
            return False
        except httptools.HttpParserError:
            self._give_up(self._reception.count(http_rules.NOT_HTTP))
            return False
        if self._fruitless_bytes > MAX_HEAD_BYTES:
            self._give_up(self._reception.count(http_rules.HEADERS_TOO_LARGE))
            return False
        return True

    # ---- a body of announced length

    def _lend_memory(self) -> bool:
        """Whether the body after the head just read goes straight into lent memory, past the parser."""
        request, size = self._requests[-1], http_rules.announced_bytes(self._headers)
        if request.refusal is not None or request.size or self._parser.should_upgrade():
            return False
        if size == 0 or b"transfer-encoding" in self._headers:
            return False
        request.memory = self._server.bodies.lend(size)
        if request.memory is None:
            return False
        request.room = memoryview(request.memory)[:size]
        self._receiving, self._in_body = request, False
        self._parser = httptools.HttpRequestParser(self)
        return True

    def _fill(self, data: memoryview) -> memoryview:
        """Takes the beginning of a body that came with its head; returns what follows it."""
        request = self._requests[-1]
        used = min(len(data), len(request.room))
        request.room[:used] = data[:used]
        self._extend(request, used)
        return data[used:]

    def _extend(self, request: Request, more_bytes: int) -> None:
        """So much more of a body is there, bounded while it arrives."""
        request.size += more_bytes
        self._fruitless_bytes = 0
        if request.refusal is None:
            self._hold(request, more_bytes)
        if request.size == len(request.room):
            self._receiving = None
            self.on_message_complete()

    def _hold(self, request: Request, more_bytes: int) -> bool:
        """Whether the bytes in flight have room for so many more; else the request is refused."""
        try:
            request.hold.add(more_bytes)
        except Overloaded as overloaded:
            self._refuse(request, self._reception.refuse(overloaded))
            return False
        return True

    # ---- httptools' side

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._headers = {}
        self.deadline_s = self._server.now_s() + self._server.config.request_timeout_s

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; only those that matter are kept, repeated ones joined as RFC 9110 5.3 says."""
        name = name.lower()
        if name in http_rules.READ_HEADERS:
            before = self._headers.get(name)
            self._headers[name] = value if before is None else before + b", " + value

    def on_headers_complete(self) -> None:
        """Decides about the request before its body is read."""
        self._fruitless_bytes = 0
        self._in_body = True
        request = Request(self._reception.hold())
        request.keep_alive = self._parser.should_keep_alive()
        request.json = http_rules.speaks_json(self._headers)
        self._requests.append(request)
        verdict = self._verdict()
        awaits_word = self._headers.get(b"expect", b"").lower() == b"100-continue"
        if isinstance(verdict, Head):
            request.head = verdict
            if awaits_word and self._requests[0] is request:
                self._transport.write(CONTINUE)
        else:
            # whether the body still comes cannot be known then, nor can it of HEAD's answer
            request.keep_alive &= not awaits_word and self._parser.get_method() != b"HEAD"
            request.complete = awaits_word
            self._refuse(request, self._reception.count(verdict))

    def _verdict(self) -> Head | Refusal:
        """Decides by the head alone."""
        admitted = self._reception.admits(self._headers.get(b"authorization", b""))
        verdict = http_rules.judge(self._parser.get_method(), self._url, self._headers, admitted)
        limit = self._reception.max_body_bytes
        if isinstance(verdict, Head) and http_rules.announced_bytes(self._headers) > limit:
            return http_rules.too_large(limit)
        return verdict

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, bounded while reading."""
        self._fruitless_bytes = 0
        request = self._requests[-1]
        if request.refusal is not None:
            return
        request.size += len(piece)
        if request.size > self._reception.max_body_bytes:
            self._refuse(request, self._reception.count(http_rules.too_large(self._reception.max_body_bytes)))
            return
        if self._hold(request, len(piece)):
            request.pieces.append(piece)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._fruitless_bytes = 0
        self._in_body = False
        self._requests[-1].complete = True
        if len(self._requests) >= MAX_PIPELINED:
            self._pause()
        self._work()

    # ---- answering, in the order of the requests

    def _work(self) -> None:
        """Turns to the oldest request: refuses it at once if it must be, begins work on it when it is whole."""
        while self._requests and not self._working and not self._closing:
            request = self._requests[0]
            if request.refusal is not None and not request.answered:
                request.answered = True
                self._write(self._server.writer.refusal(request.refusal, request.json, request.keep_alive))
            if not request.complete:
                return
            if request.refusal is not None:
                self._leave(request)
            else:
                self._working = True
                self.deadline_s = float("inf")
                self._server.work(self, request)

    def succeed(self, request: Request, receipt: Receipt) -> None:
        """Answers a request that is on disk; called by the server."""
        head = request.head
        assert head is not None
        body = (answers.export_json if head.json else answers.export_protobuf)(head.signal, receipt)
        self._finish(request, self._server.writer.response(200, body, head.json, request.keep_alive))

    def fail(self, request: Request, error: Exception) -> None:
        """Answers a request that came to nothing; called by the server."""
        refusal = self._reception.refuse(error)
        self._finish(request, self._server.writer.refusal(refusal, request.json, request.keep_alive))

    def _finish(self, request: Request, response: bytes) -> None:
        self._working = False
        self._write(response)
        self._leave(request)
        self._resume()
        self._work()

    def _leave(self, request: Request) -> None:
        """Ends the oldest request, which is answered, and with it the connection if one of the two asks for that."""
        request.release(self._server.bodies)
        self._requests.popleft()
        self.deadline_s = self._server.now_s() + self._server.config.idle_timeout_s
        if not request.keep_alive or self._server.stopping:
            self._close()

    def _refuse(self, request: Request, refusal: Refusal) -> None:
        request.refuse(refusal)
        self._work()

    def _give_up(self, refusal: Refusal) -> None:
        """Answers what cannot be read further, and closes; an answer that is under way goes out first."""
        if self._closing:
            return
        if self._working:
            self._requests[0].keep_alive = False
            self._pause()
            return
        self._write(self._server.writer.refusal(refusal, json=True, keep_alive=False))
        self._close()

    # ---- reading and closing

    def _stop_reading(self) -> None:
        if self._requests:
            self._requests[-1].keep_alive = False
            self._pause()
        else:
            self._close()

    def _pause(self) -> None:
        if not self._paused and not self._closing:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._closing and len(self._requests) < MAX_PIPELINED:
            self._paused = False
            self._transport.resume_reading()

    @property
    def idle(self) -> bool:
        """Whether no request is on its way."""
        return not self._requests

    def _write(self, response: bytes) -> None:
        if not self._closing:
            self._transport.write(response)

    def _close(self) -> None:
        self._closing = True
        self._transport.close()

    def close(self) -> None:
        """Closes at once, whatever is on its way; what is being worked on still ends."""
        if not self._closing:
            self._close()
