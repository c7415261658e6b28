"""OTLP over gRPC: raw bytes in, no message objects made.

The server is grpcio's synchronous one with a generic handler (grpc.aio costs more, see docs/collectors/otlp.md).
Its own concurrency cap is never used: its answer is final to a sender, so data would be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import grpc

from collectors.contract import Signal
from collectors.otlp import answers
from collectors.otlp.config import Config
from collectors.otlp.inflate import plain
from collectors.otlp.reception import UNAUTHENTICATED, Reception
from collectors.otlp.turns import Turns
from collectors.receiving import tls
from collectors.receiving.refusal import Refusal
from topology.errors import ConfigurationError, Fault

_SERVICE = "/opentelemetry.proto.collector."
METHODS = {
    f"{_SERVICE}trace.v1.TraceService/Export": Signal.TRACES,
    f"{_SERVICE}logs.v1.LogsService/Export": Signal.LOGS,
    f"{_SERVICE}metrics.v1.MetricsService/Export": Signal.METRICS,
}
STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}
STREAMS_PER_CONNECTION = 100
MAX_FRAME_BYTES = 1 << 20
MIN_PING_INTERVAL_MS = 10_000
PING_AFTER_MS = 60_000
PING_ANSWER_MS = 20_000
CONNECTION_AGE_MS = 600_000


class Exports(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic for the type checker only
    """The three Export methods; every other method is UNIMPLEMENTED."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._turns = Turns(reception)
        self._handlers = {
            method: grpc.unary_unary_rpc_method_handler(partial(self._export, signal))
            for method, signal in METHODS.items()
        }
        # a streaming handler, because it can answer without reading the message first
        self._denied = grpc.stream_unary_rpc_method_handler(self._deny)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of a method, or None."""
        handler = self._handlers.get(details.method)
        if handler is not None and self._reception.guarded and not self._reception.admits(_authorization(details)):
            return self._denied
        return handler

    def _export(self, signal: Signal, message: bytes, context: grpc.ServicerContext) -> bytes:
        reception = self._reception
        with reception.hold() as hold:
            try:
                hold.add(len(message))
                body = plain(message, reception.max_body_bytes)
                if body is not message:
                    hold.add(len(body))
                receipt = self._turns.receive(signal, body)
            except Exception as error:  # noqa: BLE001 - every failure is answered
                return _refuse(context, reception.refuse(error))
        return answers.export_protobuf(signal, receipt)

    def _deny(self, _: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self._reception.count(UNAUTHENTICATED)
        return _refuse(context, UNAUTHENTICATED)


def _authorization(details: grpc.HandlerCallDetails) -> bytes:
    for key, value in details.invocation_metadata:
        if key == "authorization":
            return value if isinstance(value, bytes) else str(value).encode()
    return b""


def _refuse(context: grpc.ServicerContext, refusal: Refusal) -> bytes:
    """Ends a call with the refusal's code, and RetryInfo where a sender may come back."""
    context.set_code(STATUS_CODES[refusal.code])
    context.set_details(answers.sendable(refusal.message))
    if refusal.retry_after_s is not None:
        context.set_trailing_metadata((("grpc-status-details-bin", answers.status_protobuf(refusal)),))
    return b""


class GrpcServer:
    """Listens for OTLP/gRPC from construction to `stop`; `port` is the bound port.

    ConfigurationError when the address cannot be listened on or the certificates cannot be used.
    """

    def __init__(self, config: Config, reception: Reception) -> None:
        assert config.grpc is not None
        self._pool = ThreadPoolExecutor(config.grpc_threads, thread_name_prefix="otlp-grpc")
        self._server = grpc.server(self._pool, options=_channel_options(config))
        self._server.add_generic_rpc_handlers((Exports(reception),))
        self.port = _bind(self._server, config)
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Takes no more calls and gives running ones `grace_s` to end."""
        self._server.stop(grace_s).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _channel_options(config: Config) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.max_body_bytes),
        # messages arrive as sent: libdeflate takes a third of the time of gRPC's zlib, under our own cap
        ("grpc.per_message_decompression", 0),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.max_frame_size", MAX_FRAME_BYTES),
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        # a thread waits for a message that has begun: a sender that vanished or stalls must not keep it
        ("grpc.keepalive_time_ms", PING_AFTER_MS),
        ("grpc.keepalive_timeout_ms", PING_ANSWER_MS),
        ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
        ("grpc.max_connection_age_grace_ms", round(config.request_timeout_s * 1000)),
    ]


def _bind(server: grpc.Server, config: Config) -> int:
    try:
        if config.tls is not None:
            return int(server.add_secure_port(str(config.grpc), tls.grpc_credentials(config.tls)))
        return int(server.add_insecure_port(str(config.grpc)))
    except (RuntimeError, OSError) as error:
        fault = Fault("grpc", "an address to listen on, and readable certificates",
                      f"{config.grpc}: {error}")
        raise ConfigurationError((fault,)) from error
