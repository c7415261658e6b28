"""The live stream: one snapshot or delta per tick and window, encoded and compressed once for all viewers.

Packed pieces are raw deflate, each from a fresh compressor and ended with a sync flush, after one gzip
header: a viewer may join at any piece and skip any piece, and a browser shows each at once. A viewer
holds no queue: when it has written one piece it looks at what is newest, and if it missed a delta it
gets the whole snapshot. So a slow reader costs no memory and never lags behind more than one piece.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.views import Views
from app.web.delta import delta

log = logging.getLogger("synoptic.web")
Json = dict[str, Any]
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
LEVEL = 6
SILENCE_S = 15.0
STUCK_S = 60.0


@dataclass(frozen=True, slots=True)
class Piece:
    """One event as bytes, plain and packed; `seq` is the snapshot a viewer has after it."""

    seq: int
    plain: bytes
    packed: bytes


def piece(seq: int, text: bytes) -> Piece:
    """`text` as it goes over the wire; the packed form refers to nothing before it."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return Piece(seq, text, packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))


def event(name: str, data: Json) -> Piece:
    """A server-sent event whose id is the `seq` of `data`. Not-a-number becomes null."""
    body = orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)
    return piece(data["seq"], b"id: %d\nevent: %s\ndata: %s\n\n" % (data["seq"], name.encode(), body))


SIGN_OF_LIFE = b": alive\n\n"


@dataclass(slots=True)
class Channel:
    """The newest picture of one window, and how it came out of the one before.

    When nobody looks any more it stays as it is, not `followed`: a viewer who comes back gets what changed since.
    """

    build: str
    viewers: int = 0
    snapshot: Json | None = None
    change: Piece | None = None
    base: int | None = None
    followed: bool = False
    beat: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _whole: asyncio.Task[Piece] | None = None

    @property
    def seq(self) -> int | None:
        """Which snapshot is the newest; None before the first."""
        return None if self.snapshot is None else self.snapshot["seq"]

    async def show(self, snapshot: Json) -> None:
        """Makes `snapshot` the newest and wakes every viewer."""
        old = self.snapshot
        if old is not None and old["seq"] == snapshot["seq"]:
            return
        self.change = None if old is None else await asyncio.to_thread(lambda: event("delta", delta(old, snapshot)))
        self.base, self.snapshot, self._whole = old["seq"] if old else None, snapshot, None
        self.wake()

    async def whole(self) -> Piece:
        """The newest snapshot as one event, encoded once however many ask."""
        assert self.snapshot is not None
        if self._whole is None:
            snapshot = {**self.snapshot, "build": self.build}
            self._whole = asyncio.create_task(asyncio.to_thread(event, "snapshot", snapshot))
        return await asyncio.shield(self._whole)

    def wake(self) -> None:
        """Lets every viewer look at what is newest."""
        self.beat.set()
        self.beat = asyncio.Event()


class Broadcast:
    """All viewers of one process. Windows without viewers are not computed.

    `build` is told to every viewer with its first snapshot, so that a page of an older build can
    reload itself.
    """

    def __init__(self, views: Views, build: str, max_viewers: int) -> None:
        self._views, self._build, self.max_viewers = views, build, max_viewers
        self._channels: dict[int, Channel] = {}
        self._tick = asyncio.Event()
        self._closed = False
        self.messages = self.bytes = self.ticks = 0
        self.tick_s = 0.0

    @property
    def viewers(self) -> int:
        """How many streams are open."""
        return sum(channel.viewers for channel in self._channels.values())

    @property
    def has_room(self) -> bool:
        """Whether one more viewer is welcome."""
        return not self._closed and self.viewers < self.max_viewers

    async def run(self) -> None:
        """Sends every tick of the engine until cancelled."""
        loop = asyncio.get_running_loop()
        unsubscribe = self._views.subscribe(lambda _seq: _hop(loop, self._tick.set))
        try:
            while True:
                await self._next_tick()
        finally:
            unsubscribe()

    def close(self) -> None:
        """Ends every stream, so that the server can stop."""
        self._closed = True
        for channel in self._channels.values():
            channel.wake()

    async def pieces(self, window_s: int, known: int | None = None) -> AsyncGenerator[Piece | None]:
        """A snapshot, then whatever is newest after each tick; None as a sign of life when nothing is new.

        A viewer that knows the snapshot `known` gets only what changed since, if that is still at hand.
        """
        channel = self._channels.setdefault(window_s, Channel(self._build))
        channel.viewers += 1
        try:
            had = channel.seq
            if not channel.followed:
                await self._refresh(window_s, channel)
            seen = known if had is not None and known in (channel.seq, channel.base) else None
            while not self._closed:
                newest = await _newer(channel, seen)
                yield newest
                seen = newest.seq if newest else seen
                if channel.seq == seen:
                    await channel.beat.wait()
        finally:
            channel.viewers -= 1
            channel.followed = channel.followed and channel.viewers > 0

    def sent(self, size: int) -> None:
        """Counts one message of `size` bytes for `/metrics`."""
        self.messages += 1
        self.bytes += size

    async def _next_tick(self) -> None:
        try:
            await asyncio.wait_for(self._tick.wait(), SILENCE_S)
        except TimeoutError:
            for channel in self._channels.values():
                channel.wake()
            return
        self._tick.clear()
        started = time.perf_counter()
        for window_s, channel in list(self._channels.items()):
            if channel.viewers:
                await self._follow(window_s, channel)
        self.ticks, self.tick_s = self.ticks + 1, time.perf_counter() - started

    async def _refresh(self, window_s: int, channel: Channel) -> None:
        async with channel.lock:
            await channel.show(await asyncio.to_thread(self._views.snapshot, window_s))
            channel.followed = True

    async def _follow(self, window_s: int, channel: Channel) -> None:
        try:
            await self._refresh(window_s, channel)
        except Exception:
            log.exception("no snapshot of %d s at this tick; viewers keep the last one", window_s)


async def _newer(channel: Channel, seen: int | None) -> Piece | None:
    if channel.seq == seen:
        return None
    if channel.change is not None and channel.base == seen:
        return channel.change
    return await channel.whole()


def _hop(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the engine may tick once more after the loop has ended
        loop.call_soon_threadsafe(act)


class LiveStream(Response):
    """The answer to `GET /api/v1/stream`: server-sent events until the viewer leaves or the server stops."""

    media_type = "text/event-stream"

    def __init__(self, broadcast: Broadcast, window_s: int, packed: bool, known: int | None = None) -> None:
        headers = {"x-accel-buffering": "no", "vary": "accept-encoding"}
        super().__init__(headers=headers | ({"content-encoding": "gzip"} if packed else {}))
        del self.headers["content-length"]
        self._broadcast, self._window_s, self._packed, self._known = broadcast, window_s, packed, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Writes pieces until one of the two sides ends it."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        tasks = {asyncio.create_task(self._write(send)), asyncio.create_task(_gone(receive))}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()

    async def _write(self, send: Send) -> None:
        alive = piece(0, SIGN_OF_LIFE)
        head = GZIP_HEADER if self._packed else b""
        with suppress(TimeoutError):  # a viewer that takes nothing for so long is gone
            async with aclosing(self._broadcast.pieces(self._window_s, self._known)) as pieces:
                async for one in pieces:
                    body = head + ((one or alive).packed if self._packed else (one or alive).plain)
                    async with asyncio.timeout(STUCK_S):
                        await send({"type": "http.response.body", "body": body, "more_body": True})
                    self._broadcast.sent(len(body))
                    head = b""
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
