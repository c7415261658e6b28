"""The live stream at 2,000 viewers and a 2 s tick: share of one core, and how long after a tick the last bytes arrive.

    python -m benchmarks.bench_push [--viewers 2000] [--ticks 5] [--nodes 50] [--changed 1.0]

Three servers in one run, each a process of its own over the same snapshots: the product's stream; the
same without compression; and one gzip stream per viewer, as a server compresses that knows nothing of
sharing. A delivery is the time from the tick to the arrival of its bytes at a viewer; viewers are
sockets of this process, so its own work is in the delivery time but not in the server's CPU time.
Bar: at most a quarter of one core, p99 under 300 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

TICK_S = 2.0
MOST_CORE, MOST_P99_MS = 0.25, 300.0
WAYS = {"shared": "gzip", "plain": "identity", "per viewer": "gzip"}


def _open_many_files() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def picture(nodes: int, changed: float, seq: int) -> dict[str, Any]:
    """A snapshot whose first nodes and paths carry new figures with every `seq`."""
    from snapshots import edge, node, snapshot

    fresh = int(nodes * changed)
    made = [node(f"service-{i}", calls=1000 + (seq if i < fresh else 0), x=i * 7.0) for i in range(nodes)]
    paths = [edge(f"service-{i}", f"service-{(i * 7 + 1) % nodes}", calls=900 + (seq if i < fresh else 0))
             for i in range(nodes)]  # fmt: skip
    return snapshot(made, paths, seq=seq)


def serve(way: str, nodes: int, changed: float, pipe: Any) -> None:
    """One server; says its port, ticks on request, and at last says the CPU seconds the ticks took."""
    _open_many_files()
    from snapshots import Shelf

    from app.allocation import spare_the_long_lived
    from app.web import Meta, WebOptions, build, push, server

    if way == "per viewer":
        push.LiveStream = _per_viewer(push)  # type: ignore[misc]
        from app.web import api

        api.LiveStream = push.LiveStream  # type: ignore[misc]
    shelf = Shelf(picture(nodes, changed, 1))
    running = server(build(shelf, WebOptions(max_viewers=100_000), Meta("bench")), "127.0.0.1", 0)
    spare_the_long_lived()  # as the product does
    threading.Thread(target=_ticks, args=(running, shelf, nodes, changed, pipe), daemon=True).start()
    running.run()


def _ticks(running: Any, shelf: Any, nodes: int, changed: float, pipe: Any) -> None:
    while not running.started:
        time.sleep(0.01)
    pipe.send(running.servers[0].sockets[0].getsockname()[1])
    while (order := pipe.recv()) != "stop":
        if order == "cpu":
            pipe.send(time.process_time())
        else:
            following = picture(nodes, changed, order)
            shelf.tick(following)
            pipe.send(time.monotonic())
    running.should_exit = True


def _per_viewer(push: Any) -> type:
    """The same stream with a compressor for each viewer."""

    class PerViewer(push.LiveStream):  # type: ignore[misc]
        async def _write(self, send: Callable[..., Any]) -> None:
            packer = zlib.compressobj(push.LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
            async for one in self._broadcast.pieces(self._window_s):
                body = packer.compress(one.plain if one else push.SIGN_OF_LIFE) + packer.flush(zlib.Z_SYNC_FLUSH)
                await send({"type": "http.response.body", "body": body, "more_body": True})
                self._broadcast.sent(len(body))
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return PerViewer


class Viewer(asyncio.Protocol):
    """One socket that notes when bytes last came; the end of a tick's bytes is its delivery."""

    def __init__(self, coding: str) -> None:
        self._coding, self.at, self.bytes = coding, 0.0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the stream."""
        request = f"GET /api/v1/stream HTTP/1.1\r\nhost: 127.0.0.1\r\naccept-encoding: {self._coding}\r\n\r\n"
        transport.write(request.encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Notes the time."""
        self.at = time.monotonic()
        self.bytes += len(data)


async def measure(way: str, port: int, pipe: Any, viewers: int, ticks: int) -> dict[str, float]:
    """Opens all viewers, ticks, and collects what arrived when."""
    loop = asyncio.get_running_loop()
    opened: list[Viewer] = []
    for start in range(0, viewers, 100):
        made = [loop.create_connection(lambda: Viewer(WAYS[way]), "127.0.0.1", port)
                for _ in range(min(100, viewers - start))]  # fmt: skip
        opened += [viewer for _, viewer in await asyncio.gather(*made)]
    await asyncio.sleep(TICK_S + viewers / 2000)
    before, delays, carried = _ask(pipe, "cpu"), [], sum(viewer.bytes for viewer in opened)
    for tick in range(ticks):
        started = _ask(pipe, tick + 2)
        await asyncio.sleep(max(0.0, started + TICK_S - time.monotonic()))
        delays += [viewer.at - started if viewer.at > started else TICK_S for viewer in opened]
    spent = _ask(pipe, "cpu") - before
    delays.sort()
    size = (sum(viewer.bytes for viewer in opened) - carried) / (viewers * ticks)
    return {"core": spent / (ticks * TICK_S), "us_per_message": spent / (viewers * ticks) * 1e6, "kib": size / 1024,
            "p50_ms": delays[len(delays) // 2] * 1e3, "p99_ms": delays[int(len(delays) * 0.99)] * 1e3}  # fmt: skip


def _ask(pipe: Any, order: Any) -> float:
    pipe.send(order)
    answer: float = pipe.recv()
    return answer


def run(way: str, arguments: argparse.Namespace) -> dict[str, float]:
    """One way in a fresh process."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(way, arguments.nodes, arguments.changed, theirs)
    )
    process.start()
    try:
        return asyncio.run(measure(way, ours.recv(), ours, arguments.viewers, arguments.ticks))
    finally:
        ours.send("stop")
        process.join(20)
        process.kill()


def main() -> int:
    """Prints one line a way and, as the last line, all figures as JSON; 1 when the bar is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("viewers", 2000), ("ticks", 5), ("nodes", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--changed", type=float, default=1.0, help="share of nodes and paths that change each tick")
    arguments = parser.parse_args()
    _open_many_files()
    found = {way: run(way, arguments) for way in WAYS}
    print(f"{'way':<12}{'core':>8}{'us/message':>12}{'KiB':>8}{'p50 ms':>9}{'p99 ms':>9}")
    for way, figures in found.items():
        print(f"{way:<12}{figures['core']:>8.1%}{figures['us_per_message']:>12.0f}{figures['kib']:>8.1f}"
              f"{figures['p50_ms']:>9.0f}{figures['p99_ms']:>9.0f}")  # fmt: skip
    print(json.dumps(found))
    good = found["shared"]["core"] <= MOST_CORE and found["shared"]["p99_ms"] <= MOST_P99_MS
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
