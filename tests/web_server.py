"""The web layer on a free port of this machine, in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from app.searching import Searches
from app.views import Views
from app.web import Meta, WebOptions, build, server

START_LIMIT_S = 20.0


@contextmanager
def serving(views: Views, options: WebOptions | None = None, clock: Any = time.time,
            searches: Searches | None = None) -> Iterator[httpx.Client]:
    """A client of a running server over `views`; `client.server` is the uvicorn server."""
    app = build(views, options or WebOptions(), Meta("0.1.0", clock, lambda: {"tick_seconds": 0.25}), searches)
    running = server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{_port(running)}", timeout=20) as client:
            client.server = running  # type: ignore[attr-defined]
            yield client
    finally:
        running.should_exit = True
        thread.join(START_LIMIT_S)
        assert not thread.is_alive(), "the server did not stop"


def _port(running: Any) -> int:
    until = time.monotonic() + START_LIMIT_S
    while not running.started:
        assert time.monotonic() < until, "the server did not start"
        time.sleep(0.01)
    port: int = running.servers[0].sockets[0].getsockname()[1]
    return port
