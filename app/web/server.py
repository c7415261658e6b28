"""uvicorn, set up so that open streams never hold up a stop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

import uvicorn
from fastapi import FastAPI

GRACE_S = 2
LOOKS_PER_S = 2
UVICORN_LOOKS_PER_S = 10


class Server(uvicorn.Server):
    """A uvicorn server that ends the live streams and searches first when it is asked to stop."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to the product: uvicorn would raise them again before the rest is closed."""
        yield

    async def main_loop(self) -> None:
        """Looks whether to stop as uvicorn does, but not ten times a second: that was a third of what an idle product
        costs."""
        look = 0
        while not await self.on_tick(look * UVICORN_LOOKS_PER_S // LOOKS_PER_S):
            look += 1
            await asyncio.sleep(1 / LOOKS_PER_S)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Ends the streams and searches, then stops as uvicorn does."""
        self._app.state.broadcast.close()
        self._app.state.searches.close()
        await super().shutdown(sockets)


def server(app: FastAPI, host: str, port: int, **options: object) -> Server:
    """A server for an application made by `build`, not yet running. `options` go to `uvicorn.Config`."""
    settings: dict[str, object] = {
        "loop": "uvloop", "http": "httptools", "ws": "none", "log_level": "warning", "access_log": False,
        "server_header": False, "date_header": True, "timeout_graceful_shutdown": GRACE_S, "backlog": 4096,
    }  # fmt: skip
    return Server(app, uvicorn.Config(app, host=host, port=port, **(settings | options)))  # type: ignore[arg-type]
