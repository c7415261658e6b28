"""OTLP over gRPC: raw bytes in, no message objects made.

The completion queue of gRPC's core is polled here, in one thread, which takes the messages in, too: grpcio's own
servers hand every call from thread to thread, which costs more than receiving it (ADR 0012).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from google.rpc import code_pb2
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # has no stubs

from collectors.contract import Signal
from collectors.otlp.config import Config
from collectors.otlp.group_commit import GroupCommit, is_quick
from collectors.otlp.grpc_export import Event, Export, refuse
from collectors.otlp.inflate import is_compressed
from collectors.otlp.reception import TOO_SLOW, UNAUTHENTICATED, Reception
from collectors.receiving import tls
from collectors.receiving.refusal import Refusal
from topology.errors import ConfigurationError, Fault, Overloaded

logger = logging.getLogger(__name__)

_SERVICE = "/opentelemetry.proto.collector."
METHODS = {
    f"{_SERVICE}trace.v1.TraceService/Export": Signal.TRACES,
    f"{_SERVICE}logs.v1.LogsService/Export": Signal.LOGS,
    f"{_SERVICE}metrics.v1.MetricsService/Export": Signal.METRICS,
}
_SIGNALS = {method.encode(): signal for method, signal in METHODS.items()}
UNKNOWN_METHOD = Refusal(code_pb2.UNIMPLEMENTED, 404, "only traces, logs and metrics are exported here", "misdirected")
NO_MESSAGE = Refusal(code_pb2.UNIMPLEMENTED, 400, "an Export has exactly one message", "malformed")
STREAMS_PER_CONNECTION = 100
MAX_FRAME_BYTES = 1 << 20
MIN_PING_INTERVAL_MS = 10_000
PING_AFTER_MS = 60_000
PING_ANSWER_MS = 20_000
CONNECTION_AGE_MS = 600_000
SWEEP_S = 1.0
EVENTS_AT_ONCE = 8


class GrpcServer:
    """Listens for OTLP/gRPC from construction to `stop`; `port` is the bound port.

    ConfigurationError when the address cannot be listened on or the certificates cannot be used.
    """

    def __init__(self, config: Config, reception: Reception) -> None:
        self._config, self._reception = config, reception
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(_channel_options(config), False)
        self._server.register_completion_queue(self._queue)
        self.port = _bind(self._server, config)
        self._steps: deque[Callable[[], object]] = deque()
        self._commit = GroupCommit(reception.intake, "otlp-grpc", soon=self._soon, back=_at_once)
        self._reading: dict[Export, None] = {}
        self._queued: deque[Export] = deque()
        self._asking = threading.Lock()
        self._stopping = False
        self._gone = threading.Event()
        self._server.start()
        self._ask()
        self._thread = threading.Thread(target=self._serve, name="otlp-grpc", daemon=True)
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Takes no more calls and gives running ones `grace_s` to end."""
        with self._asking:
            self._stopping = True
            self._server.shutdown(self._queue, lambda _: self._gone.set())
        if not self._gone.wait(grace_s):
            self._server.cancel_all_calls()
        self._thread.join()
        self._commit.close()
        self._server.destroy()

    # ---- the thread that polls

    def _serve(self) -> None:
        done, next_sweep_s = 0, 0.0
        # gRPC's core tells that the server is gone when it has told the end of every call
        while not self._gone.is_set():
            event = self._queue.poll(time.time() + (0.0 if self._steps else SWEEP_S))
            if event.tag is not None:
                _tell(event)
                done += 1
            if event.tag is None or done >= EVENTS_AT_ONCE:
                self._take_steps()
                done = 0
            # what it holds of a call must not wait for the next one
            event = None
            if time.monotonic() >= next_sweep_s:
                next_sweep_s = time.monotonic() + SWEEP_S
                self._sweep()

    def _soon(self, step: Callable[[], object]) -> None:
        """Leaves a step for when nothing more has arrived, so that what was taken in is written together. Another
        thread takes it itself: this one may be waiting."""
        if threading.current_thread() is self._thread:
            self._steps.append(step)
        else:
            step()

    def _take_steps(self) -> None:
        while self._steps:
            self._steps.popleft()()

    def _sweep(self) -> None:
        """Gives up messages that take longer than they may, so that others are read."""
        now_s = time.monotonic()
        for export in [export for export in self._reading if export.deadline_s < now_s]:
            export.deadline_s = float("inf")
            self._reception.count(TOO_SLOW)
            export.cancel(TOO_SLOW)

    def _ask(self) -> None:
        with self._asking:
            if not self._stopping:
                self._server.request_call(self._queue, self._queue, self._arrived)

    # ---- one call; every step is the event of the one before

    def _arrived(self, event: Event) -> None:
        if not event.success:
            return
        self._ask()
        signal = _SIGNALS.get(event.call_details.method)
        if signal is None:
            refuse(event.call, self._reception.count(UNKNOWN_METHOD))
        elif self._reception.guarded and not self._reception.admits(_authorization(event.invocation_metadata)):
            refuse(event.call, self._reception.count(UNAUTHENTICATED))
        else:
            self._queued.append(Export(event.call, signal, self._reception))
            self._read_next()

    def _read_next(self) -> None:
        if self._queued and len(self._reading) < self._config.grpc_messages:
            export = self._queued.popleft()
            self._reading[export] = None
            export.read(time.monotonic() + self._config.request_timeout_s, partial(self._read, export))

    def _read(self, export: Export, event: Event) -> None:
        del self._reading[export]
        self._read_next()
        message = event.batch_operations[0].message()
        if message is None:
            # also of a sender that has gone, or whose message gRPC refused, and who is not told this
            export.refuse(NO_MESSAGE)
            return
        try:
            export.keep(message)
        except Overloaded as error:
            export.answer(error)
            return
        quick = is_quick(export.signal, len(message), compressed=is_compressed(message))
        self._commit.receive(export.take, export.answer, quick=quick)


def _tell(event: Event) -> None:
    """Whatever goes wrong with one call, the others are served."""
    try:
        event.tag(event)
    except Exception:
        logger.exception("a call failed")


def _at_once(step: Callable[[], object]) -> None:
    step()


def _authorization(metadata: Iterable[tuple[str, str | bytes]]) -> bytes:
    for key, value in metadata:
        if key == "authorization":
            return value if isinstance(value, bytes) else str(value).encode()
    return b""


def _channel_options(config: Config) -> tuple[tuple[str, int], ...]:
    return (
        ("grpc.max_receive_message_length", config.max_body_bytes),
        # messages arrive as sent: libdeflate takes a third of the time of gRPC's zlib, under our own cap
        ("grpc.per_message_decompression", 0),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.max_frame_size", MAX_FRAME_BYTES),
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        # one that vanished in the middle of a message is noticed before its message is given up
        ("grpc.keepalive_time_ms", PING_AFTER_MS),
        ("grpc.keepalive_timeout_ms", PING_ANSWER_MS),
        ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
        ("grpc.max_connection_age_grace_ms", round(config.request_timeout_s * 1000)),
    )


def _bind(server: Any, config: Config) -> int:
    address = str(config.grpc).encode()
    try:
        credentials = () if config.tls is None else (_core(tls.grpc_credentials(config.tls)),)
        port = int(server.add_http2_port(address, *credentials))
    except (RuntimeError, OSError) as error:
        raise _unusable(f"{config.grpc}: {error}") from error
    if not port:
        raise _unusable(f"{config.grpc}: gRPC cannot listen there")
    return port


def _core(credentials: Any) -> Any:
    return credentials._credentials


def _unusable(found: str) -> ConfigurationError:
    return ConfigurationError((Fault("grpc", "an address to listen on, and readable certificates", found),))
