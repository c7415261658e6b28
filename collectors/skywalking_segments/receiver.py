"""The receiver of SkyWalking segments as one source: both servers in one thread, their state and their counters."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from collectors.contract import Intake
from collectors.receiving.budget import Budget
from collectors.receiving.status import row
from collectors.receiving.traffic import Traffic
from collectors.skywalking_segments import grpc_server, http_server
from collectors.skywalking_segments.config import Config
from collectors.skywalking_segments.delivery import Delivery
from collectors.skywalking_segments.events import change
from collectors.skywalking_segments.instances import Instances
from collectors.skywalking_segments.keeping import keep, recall
from collectors.skywalking_segments.protocol.skywalking_pb2 import Event
from collectors.skywalking_segments.reception import Reception
from collectors.skywalking_segments.senders import Senders
from collectors.skywalking_segments.surroundings import Surroundings

KIND = "skywalking_segments"
GRACE_S = 1.0


class SegmentReceiver:
    """Receives what SkyWalking agents send and hands it to an intake as OTLP, from `start` to `stop`."""

    def __init__(self, config: Config, intake: Intake, name: str = KIND, around: Surroundings | None = None,
                 clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.name = name
        self.traffic = Traffic(clock)
        self.budget = Budget(config.in_flight_bytes, config.retry_after_s)
        self.instances = Instances(config.zone_attributes, config.version_attributes)
        self._intake, self._around = intake, around or Surroundings()
        self._senders = Senders(self.instances, self._around.zone_attribute, config.namespace_from_group)
        self._thread: threading.Thread | None = None
        self._end: Callable[[], object] = bool
        self._failure = ""
        self.grpc_port: int | None = None
        self.http_port: int | None = None

    def start(self) -> None:
        """Listens on both addresses; ConfigurationError when that is not possible, and then on none."""
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="skywalking-segments", daemon=True)
        self._thread.start()
        try:
            started.result()
        except Exception as error:
            self._failure = str(error)
            self._thread.join()
            self._thread = self.grpc_port = self.http_port = None
            raise

    def stop(self) -> None:
        """Refuses new messages, answers those under way (at most a second), and ends; harmless when repeated."""
        if self._thread is not None:
            self._end()
            self._thread.join()
        self._thread = self.grpc_port = self.http_port = None

    def status(self) -> dict[str, Any]:
        """The row of the sources page, see `receiving.status.row`."""
        return row(self.name, KIND, self.traffic, self.budget, listening=self._thread is not None,
                   failure=self._failure, counters={"instances": len(self.instances)})

    # ---- in the thread

    def _run(self, started: Future[None]) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(started))

    async def _serve(self, started: Future[None]) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._end = lambda: loop.call_soon_threadsafe(stop.set)
        async with AsyncExitStack() as closing:
            try:
                await self._listen(closing)
            except Exception as error:  # noqa: BLE001 - told to whoever starts it
                started.set_exception(error)
                return
            started.set_result(None)
            await stop.wait()

    def _note(self, event: Event) -> None:
        told = change(event, self.name, self._around.environment, self.config, self._around.mask)
        if told is None:
            self.traffic.add("left_out")
            return
        self._around.note([told])
        self.traffic.accepted("events", event.ByteSize())

    async def _listen(self, closing: AsyncExitStack) -> None:
        delivery = Delivery(self._intake, self._senders.fill, self.traffic)
        closing.push_async_callback(delivery.close)
        if self._around.kept is not None:
            recall(self.instances, self._around.kept)
            keeping = asyncio.create_task(keep(self.instances, self._around.kept))
            closing.push_async_callback(_cancel, keeping)
        reception = Reception(self.config, delivery, self.instances, self.traffic, self.budget, self._note)
        if self.config.http is not None:
            web = http_server.server(self.config, reception, GRACE_S)
            listening = http_server.bind(self.config)
            serving = asyncio.create_task(web.serve(sockets=[listening]))
            closing.push_async_callback(_end_web, web, serving)
            self.http_port = int(listening.getsockname()[1])
        if self.config.grpc is not None:
            server, self.grpc_port = await grpc_server.listen(self.config, reception)
            closing.push_async_callback(server.stop, GRACE_S)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _end_web(web: http_server.Server, serving: asyncio.Task[None]) -> None:
    web.should_exit = True
    await serving
