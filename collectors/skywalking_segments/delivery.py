"""From what many senders hand in to whole requests: read, made one OTLP request a signal, journalled and counted
together, and only then answered.

Agents send one segment a message. Together they cost a fraction of what they would cost alone, most of all on disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from collectors.contract import Intake, Receipt, Signal
from collectors.receiving.budget import Hold
from collectors.receiving.traffic import Traffic
from collectors.skywalking_segments.logs import logs_request
from collectors.skywalking_segments.senders import Fill
from collectors.skywalking_segments.spans import traces_request

BATCH_BYTES = 1 << 20
Read = Callable[[bytes], Sequence[Any]]
"""From the bytes of a message to segments or log lines; MalformedInput when they are none."""
_WRITE: Mapping[Signal, Callable[[Sequence[Any], Fill], bytes]] = {
    Signal.TRACES: traces_request, Signal.LOGS: logs_request,
}  # fmt: skip


@dataclass(slots=True)
class Letter:
    """What one sender handed in, what it holds of the byte budget until it is answered, and the error it is answered
    with, if any."""

    signal: Signal
    body: bytes
    read: Read
    hold: Hold
    error: Exception | None = None


class Delivery:
    """Takes letters in one event loop, and works on them in a thread of its own, as many at once as have come
    meanwhile."""

    def __init__(self, intake: Intake, fill: Fill, traffic: Traffic) -> None:
        self._intake, self._fill, self._traffic = intake, fill, traffic
        self._waiting: deque[tuple[Letter, asyncio.Future[None]]] = deque()
        self._thread = ThreadPoolExecutor(1, "skywalking-delivery")
        self._running: asyncio.Task[None] | None = None

    def hand_in(self, letter: Letter) -> asyncio.Future[None]:
        """Done when what was handed in would survive a crash; raises MalformedInput, Overloaded or StoreError.
        Letters are read in the order in which they are handed in, and what they hold is released at the end."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((letter, future))
        if self._running is None:
            self._running = asyncio.create_task(self._work())
        return future

    async def close(self) -> None:
        """Ends when everything that was handed in is answered."""
        if self._running is not None:
            await self._running
        self._thread.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = self._batch()
            await loop.run_in_executor(self._thread, self._deliver, [letter for letter, _ in batch])
            for letter, future in batch:
                letter.hold.release()
                _answer(future, letter.error)
        self._running = None

    def _batch(self) -> list[tuple[Letter, asyncio.Future[None]]]:
        """The letters that waited longest, about as many as fit into one request; at least one."""
        batch, size = [self._waiting.popleft()], 0
        while self._waiting and (size := size + len(batch[-1][0].body)) < BATCH_BYTES:
            batch.append(self._waiting.popleft())
        return batch

    # ---- in the thread

    def _deliver(self, letters: Sequence[Letter]) -> None:
        """Makes letters durable; every one has its error afterwards, or none."""
        newest = max(self._take(signal, [one for one in letters if one.signal is signal]) for signal in _WRITE)
        try:
            if newest:
                self._intake.settle(newest)
        except Exception as error:  # noqa: BLE001 - every failure is answered
            _fail(letters, error)

    def _take(self, signal: Signal, letters: Sequence[Letter]) -> int:
        """The ticket of the request that holds what is in these letters; 0 where there is none."""
        items = [item for letter in letters for item in _read(letter)]
        if not items:
            return 0
        try:
            receipt = self._intake.take(signal, _WRITE[signal](items, self._fill))
        except Exception as error:  # noqa: BLE001 - every failure is answered
            _fail(letters, error)
            return 0
        self._note(signal, letters, items, receipt)
        return receipt.ticket

    def _note(self, signal: Signal, letters: Sequence[Letter], items: Sequence[Any], receipt: Receipt) -> None:
        for letter in letters:
            if letter.error is None:
                self._traffic.accepted(signal.name.lower(), len(letter.body))
        self._traffic.add("segments" if signal is Signal.TRACES else "log_lines", len(items))
        if receipt.rejected:
            self._traffic.rejected(receipt.rejected, receipt.message)


def _read(letter: Letter) -> Sequence[Any]:
    try:
        return letter.read(letter.body)
    except Exception as error:  # noqa: BLE001 - every failure is answered
        letter.error = error
        return ()


def _fail(letters: Sequence[Letter], error: Exception) -> None:
    """Letters that could not be read keep the error that says so."""
    for letter in letters:
        letter.error = letter.error or error


def _answer(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
