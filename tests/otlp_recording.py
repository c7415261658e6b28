"""Stands for the engine behind the contract in the tests of the OTLP receiver, and speaks HTTP byte by byte."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from collectors.config import Address
from collectors.contract import Body, Receipt, Signal
from collectors.otlp.config import Config
from collectors.otlp.json_request import REQUESTS
from collectors.otlp.receiver import OtlpReceiver
from topology.errors import MalformedInput

ANYWHERE = Address("127.0.0.1", 0)
SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "otlp"


def sample(name: str) -> bytes:
    """One of the example requests of opentelemetry-proto; the test is skipped, loudly, where they are not at hand."""
    if not SAMPLES.is_dir():
        pytest.skip("the example requests of opentelemetry-proto are not at hand")
    return (SAMPLES / name).read_bytes()


@dataclass
class Recorder:
    """An intake that keeps every valid request. Set `refusal`, `unsettled` or `rejected` to make it behave badly;
    clear `disk` to hold back every answer."""

    requests: list[tuple[Signal, Any]] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    refusal: Exception | None = None
    unsettled: Exception | None = None
    rejected: tuple[int, str] = (0, "")
    disk: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.disk.set()

    def take(self, signal: Signal, body: Body) -> Receipt:
        """Keeps a request, see `Intake.take`."""
        if self.refusal is not None:
            raise self.refusal
        request = REQUESTS[signal]()
        try:
            request.ParseFromString(bytes(body))
        except DecodeError as error:
            raise MalformedInput(str(error)) from error
        with self._lock:
            self.requests.append((signal, request))
            return Receipt(len(self.requests), *self.rejected)

    def settle(self, ticket: int) -> None:
        """Waits for `disk`, see `Intake.settle`."""
        self.disk.wait(10)
        if self.unsettled is not None:
            raise self.unsettled
        self.settled.append(ticket)

    def of(self, signal: Signal) -> list[Any]:
        """The requests of one signal."""
        return [request for kind, request in self.requests if kind is signal]

    def span_names(self) -> set[str]:
        """The names of all spans received."""
        return set().union(*(span_names(request) for request in self.of(Signal.TRACES)))


def span_names(request: Any) -> set[str]:
    """The names of all spans of a request."""
    return {span.name for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans}


@contextmanager
def listening(recorder: Recorder, **settings: Any) -> Iterator[OtlpReceiver]:
    """A receiver on free ports, stopped at the end."""
    receiver = OtlpReceiver(Config(**{"grpc": ANYWHERE, "http": ANYWHERE, **settings}), recorder)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()


@dataclass(frozen=True)
class Answer:
    """An HTTP response; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def post(receiver: OtlpReceiver, path: str, body: Any = b"", method: str = "POST", **headers: str) -> Answer:
    """One request on a connection of its own; underscores in header names are hyphens."""
    connection = http.client.HTTPConnection("127.0.0.1", receiver.http_port or 0, timeout=20)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        return answer_of(connection)
    finally:
        connection.close()


def answer_of(connection: http.client.HTTPConnection) -> Answer:
    """The next answer on a connection."""
    response = connection.getresponse()
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


@contextmanager
def raw(receiver: OtlpReceiver) -> Iterator[socket.socket]:
    """A connection to write any bytes to."""
    with socket.create_connection(("127.0.0.1", receiver.http_port or 0), timeout=20) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits for a condition; fails when it takes too long."""
    deadline_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
