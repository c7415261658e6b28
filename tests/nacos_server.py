"""A real Nacos for tests, started by the script beside it, and what registers instances there."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

SERVERS = Path(os.environ.get("SYNOPTIC_SERVERS", Path(__file__).parent / "servers")) / "nacos"
VERSION = "2.2.4"
START_TIMEOUT_S = 600
BEAT_EVERY_S = 3.0
USER = PASSWORD = "nacos"


@dataclass
class Nacos:
    """A server that can be stopped and started again on the same port with the same data."""

    folder: Path
    port: int
    token_ttl_s: int
    pid: int = 0

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Nacos:
        """Starts it; returns when it answers. The first start downloads it. On a busy machine its database may give up
        after ten seconds, which ends the server: then it is started again."""
        environ = {**os.environ, "NACOS_AUTH": "1", "NACOS_TTL": str(self.token_ttl_s), "NACOS_HEAP": "384m"}
        for last in (False, False, True):
            began = subprocess.run([str(SERVERS / "start"), VERSION, str(self.port), str(self.folder)], check=False,
                                   capture_output=True, text=True, timeout=START_TIMEOUT_S, env=environ)  # fmt: skip
            if began.returncode == 0:
                break
            assert not last, began.stderr
        self.pid = json.loads(began.stdout)["pid"]
        return self

    def stop(self) -> None:
        """Ends it."""
        subprocess.run([str(SERVERS / "stop"), str(self.pid)], check=True)


@contextmanager
def running(folder: Path, token_ttl_s: int) -> Iterator[Nacos]:
    """A server with login. Skips where there cannot be one (no Java, no Maven), but never where CI is set."""
    missing = [tool for tool in ("java", "javac", "mvn", "curl") if shutil.which(tool) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"a real Nacos needs {', '.join(missing)}")
    server = Nacos(folder, _free_port(), token_ttl_s).start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    """A port for HTTP such that those which Nacos adds by itself are free too, and below those that a system hands out
    by itself."""
    while True:
        port = random.randrange(12_000, 31_000)
        with suppress(OSError):
            for one in (port, port - 1000, port + 1000, port + 1001):
                socket.create_server(("127.0.0.1", one)).close()
            return port


@dataclass
class Registrar:
    """Registers instances over HTTP and sends their beats until they are told to die."""

    server: Nacos
    _alive: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._http = httpx.Client(base_url=f"{self.server.url}/nacos", timeout=10)
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def register(self, name: str, ip: str, *, beats: bool = True, **said: str) -> None:
        """Registers an instance at port 8080, or registers it anew as something else; `said` are parameters of Nacos's
        API. (This build cannot change one by PUT: that needs Raft.)"""
        told = {"serviceName": name, "ip": ip, "port": "8080", **said}
        self._ask("POST", "/v1/ns/instance", told).raise_for_status()
        with self._lock:
            self._alive = [one for one in self._alive if (one["serviceName"], one["ip"]) != (name, ip)]
            self._alive += [told] * beats

    def listed(self, version: int, name: str) -> list[str]:
        """The addresses that a list of instances tells."""
        reply = self._ask("GET", f"/v{version}/ns/instance/list", {"serviceName": name}).json()
        return sorted(one["ip"] for one in reply.get("data", reply)["hosts"])

    def close(self) -> None:
        """Ends the beats."""
        self._stop.set()
        self._thread.join()
        self._http.close()

    def _run(self) -> None:
        while not self._stop.wait(BEAT_EVERY_S):
            with self._lock:
                alive = list(self._alive)
            for one in alive:
                with suppress(httpx.HTTPError, ValueError, KeyError):  # a server that is starting says strange things
                    self._ask("PUT", "/v1/ns/instance/beat", one)

    def _ask(self, method: str, path: str, told: dict[str, str]) -> httpx.Response:
        form = {"username": USER, "password": PASSWORD}
        token = self._http.post("/v1/auth/login", data=form).json()["accessToken"]
        return self._http.request(method, path, params=told, headers={"accessToken": token})


def soon_s(look: object, within_s: float) -> float:
    """After how many seconds `look()` is true; AssertionError when that takes longer."""
    began_s = time.monotonic()
    while not look():  # type: ignore[operator]
        assert time.monotonic() - began_s < within_s, f"not within {within_s} s"
        time.sleep(0.5)
    return time.monotonic() - began_s
