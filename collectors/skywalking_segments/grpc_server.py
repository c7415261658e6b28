"""SkyWalking's protocol v3 over gRPC.

On grpcio's asyncio server: agents keep streams open for as long as they live, and a stream must not keep a thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import grpc
import grpc.aio

from collectors.contract import Signal
from collectors.receiving import tls
from collectors.receiving.refusal import Refusal
from collectors.skywalking_segments import reading
from collectors.skywalking_segments.config import Config
from collectors.skywalking_segments.delivery import Read
from collectors.skywalking_segments.protocol.skywalking_pb2 import Event, InstancePingPkg, InstanceProperties
from collectors.skywalking_segments.reception import UNAUTHENTICATED, Reception
from topology.errors import ConfigurationError, Fault

STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}
PACKAGES = ("skywalking.v3.", "")
"""Older agents call the same services without a package (the Compat files of the protocol)."""
NO_COMMANDS = b""
"""The answer of every method: an empty `Commands`."""
ASKED = ("ConfigurationDiscoveryService/fetchConfigurations", "ProfileTask/getProfileTaskCommands",
         "ProfileTask/reportTaskFinish")  # fmt: skip
"""What agents ask for: there is nothing to be told."""
LEFT_OUT = (
    "JVMMetricReportService/collect", "CLRMetricReportService/collect", "MeterReportService/collect",
    "MeterReportService/collectBatch", "SpanAttachedEventReportService/collect",
    "ProfileTask/collectSnapshot",
)  # fmt: skip
"""What agents send and nobody keeps: it is read to its end, so that they go on."""
UNANSWERED_PER_STREAM = 256
"""A stream with more messages that are not yet on disk is not read on."""
PING_AFTER_MS = 60_000
PING_ANSWER_MS = 20_000
MIN_PING_INTERVAL_MS = 10_000

Context = grpc.aio.ServicerContext[Any, Any]
Work = Callable[[AsyncIterator[bytes]], Awaitable[None]]


class Services(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic for the type checker only
    """The methods that agents and satellites call; every other method is UNIMPLEMENTED.

    One message is a stream of one, so all of them have one shape.
    """

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        works: dict[str, Work] = dict(self._works())
        self._handlers = {
            f"/{package}{method}": grpc.stream_unary_rpc_method_handler(partial(self._answer, work))
            for package in PACKAGES for method, work in works.items()
        }  # fmt: skip
        self._denied = grpc.stream_unary_rpc_method_handler(self._deny)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of a method, or None."""
        handler = self._handlers.get(details.method)
        admitted = handler is None or self._reception.admits(_authentication(details))
        return handler if admitted else self._denied

    def _works(self) -> Iterator[tuple[str, Work]]:
        yield "TraceSegmentReportService/collect", partial(self._collect, Signal.TRACES, lambda: reading.segment)
        yield "TraceSegmentReportService/collectInSync", partial(
            self._collect, Signal.TRACES, lambda: reading.collection)
        yield "LogReportService/collect", partial(self._collect, Signal.LOGS, lambda: reading.LogStream().line)
        yield "ManagementService/reportInstanceProperties", self._learn
        yield "ManagementService/keepAlive", self._keep
        yield "EventService/collect", self._note
        yield from ((method, self._skip) for method in ASKED)
        yield from ((method, self._leave_out) for method in LEFT_OUT)

    async def _answer(self, work: Work, messages: AsyncIterator[bytes], context: Context) -> bytes:
        try:
            await work(messages)
        except Exception as error:  # noqa: BLE001 - every failure is answered
            await _refuse(context, self._reception.refuse(error))
        return NO_COMMANDS

    async def _deny(self, _: AsyncIterator[bytes], context: Context) -> bytes:
        await _refuse(context, self._reception.count(UNAUTHENTICATED))
        return NO_COMMANDS

    async def _collect(self, signal: Signal, reader: Callable[[], Read], messages: AsyncIterator[bytes]) -> None:
        """Ends when all that was sent is on disk."""
        read, unanswered = reader(), deque[asyncio.Future[None]]()
        try:
            async for body in messages:
                unanswered.append(self._reception.hand_in(signal, body, read, self._reception.hold(len(body))))
                while len(unanswered) > UNANSWERED_PER_STREAM or (unanswered and unanswered[0].done()):
                    await unanswered.popleft()
        finally:
            answers = await asyncio.gather(*unanswered, return_exceptions=True)
        for failure in answers:
            if failure is not None:
                raise failure

    async def _learn(self, messages: AsyncIterator[bytes]) -> None:
        async for body in messages:
            self._reception.learn(reading.from_protobuf(InstanceProperties, body))

    async def _keep(self, messages: AsyncIterator[bytes]) -> None:
        async for body in messages:
            self._reception.keep(reading.from_protobuf(InstancePingPkg, body))

    async def _note(self, messages: AsyncIterator[bytes]) -> None:
        async for body in messages:
            await asyncio.to_thread(self._reception.note, reading.from_protobuf(Event, body))

    async def _skip(self, messages: AsyncIterator[bytes]) -> None:
        async for _ in messages:
            pass

    async def _leave_out(self, messages: AsyncIterator[bytes]) -> None:
        async for _ in messages:
            self._reception.leave_out()


def _authentication(details: grpc.HandlerCallDetails) -> bytes:
    for key, value in details.invocation_metadata:
        if key == "authentication":
            return value if isinstance(value, bytes) else str(value).encode()
    return b""


async def _refuse(context: Context, refusal: Refusal) -> None:
    await context.abort(STATUS_CODES[refusal.code], refusal.message)


async def listen(config: Config, reception: Reception) -> tuple[grpc.aio.Server, int]:
    """A server that listens, and its port; ConfigurationError when the address cannot be listened on."""
    server = grpc.aio.server(handlers=(Services(reception),), options=_options(config))
    try:
        if config.tls is None:
            port = server.add_insecure_port(str(config.grpc))
        else:
            port = server.add_secure_port(str(config.grpc), tls.grpc_credentials(config.tls))
    except (RuntimeError, OSError) as error:
        fault = Fault("grpc", "an address to listen on, and readable certificates", f"{config.grpc}: {error}")
        raise ConfigurationError((fault,)) from error
    await server.start()
    return server, port


def _options(config: Config) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.max_body_bytes),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        # the streams of an agent that vanished must not stay open for good
        ("grpc.keepalive_time_ms", PING_AFTER_MS),
        ("grpc.keepalive_timeout_ms", PING_ANSWER_MS),
    ]
