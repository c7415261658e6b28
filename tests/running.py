"""The real product in a process of its own: started on free ports, asked, killed, started again."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import httpx

ROOT = Path(__file__).parent.parent
STARTS_WITHIN_S = 60.0
T = TypeVar("T")


def free_ports(number: int) -> list[int]:
    """Ports on which nobody listens. They lie below those that the system hands out by itself, and every worker of
    the tests has a thousand of its own, so that none is taken before somebody listens there."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 10_000 + 1_000 * (worker % 20)
    shuffled = random.SystemRandom().sample(range(first, first + 1_000), 1_000)
    return list(islice(filter(_is_free, shuffled), number))


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@dataclass
class Running:
    """One product: the same ports and data over all its starts."""

    directory: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    ports: list[int] = field(default_factory=lambda: free_ports(3))
    process: subprocess.Popen[bytes] | None = None
    scheme: str = "http"

    @property
    def http(self) -> str:
        """Where the page and the interface for programs are."""
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def otlp_grpc(self) -> str:
        """Where OTLP comes in over gRPC."""
        return f"{self.scheme}://127.0.0.1:{self.ports[1]}"

    @property
    def otlp_http(self) -> str:
        """Where OTLP comes in over HTTP."""
        return f"{self.scheme}://127.0.0.1:{self.ports[2]}"

    @property
    def log(self) -> str:
        """Everything it wrote."""
        return (self.directory / "output.txt").read_text(encoding="utf-8")

    def start(self, *, wait: bool = True) -> Running:
        """Starts it, and waits until it is ready."""
        self.directory.mkdir(parents=True, exist_ok=True)
        web, grpc, http = (f"127.0.0.1:{port}" for port in self.ports)
        command = [
            sys.executable,
            "-m",
            "app",
            "serve",
            "--data-dir",
            str(self.directory / "data"),
            "--http",
            web,
            "--otlp-grpc",
            grpc,
            "--otlp-http",
            http,
            *self.arguments,
        ]
        with (self.directory / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **self.environ}, stdout=output, stderr=subprocess.STDOUT
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Returns when `/readyz` says so and OTLP is answered; AssertionError with its output when it ended."""
        assert self.process is not None
        until = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < until:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log}"
            if self._answers():
                return
            time.sleep(0.03)
        raise AssertionError(f"not ready after {STARTS_WITHIN_S} s:\n{self.log}")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.ports[2]), 1):
                return httpx.get(f"{self.http}/readyz").status_code == 200
        except (OSError, httpx.TransportError):
            return False

    def kill(self) -> None:
        """Ends it as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """Asks it to end; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of an address; AssertionError for anything but success."""
        answer = httpx.get(self.http + path, params=query, timeout=20)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, body: bytes, signal_name: str = "traces", **headers: str) -> int:
        """Sends one OTLP request over HTTP; the status of the answer. TransportError when there is none."""
        kind = {"content-type": "application/x-protobuf"}
        return httpx.post(f"{self.otlp_http}/v1/{signal_name}", content=body, headers=kind | headers).status_code


@contextmanager
def product(directory: Path, *arguments: str, **environ: str) -> Iterator[Running]:
    """A product that is ready; killed at the end if it still runs."""
    running = Running(directory, environ, arguments)
    try:
        yield running.start()
    finally:
        if running.process is not None and running.process.poll() is None:
            running.kill()


def soon(look: Callable[[], T], within_s: float = 12.0) -> T:
    """What `look` returns as soon as that is true; the last of it when the time is over."""
    until = time.monotonic() + within_s
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return found
