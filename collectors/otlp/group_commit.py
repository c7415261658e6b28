"""Requests are taken in where they arrive, made durable in groups, and then answered."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue

from collectors.contract import Intake, Receipt, Signal

logger = logging.getLogger(__name__)

INLINE_SPANS_BYTES = 2 * 1024 * 1024
INLINE_OTHER_BYTES = 64 * 1024
INLINE_GZIP_BYTES = 256 * 1024

Outcome = Receipt | Exception
Then = Callable[[Outcome], None]
Group = list[tuple[Receipt, Then]]
Step = Callable[[], object]


def is_quick(signal: Signal, size: int, *, compressed: bool) -> bool:
    """Whether a request is taken in within less time than other connections may wait: else it gets a thread."""
    limit = INLINE_SPANS_BYTES if signal is Signal.TRACES else INLINE_OTHER_BYTES
    return size <= (min(limit, INLINE_GZIP_BYTES) if compressed else limit)


class GroupCommit:
    """Settles tickets for many requests at once: one blocking call at a time, for the newest ticket.

    Requests that arrive while a call runs wait for the next one. Thread-safe. `soon` lets a step wait for what else
    has already arrived; `back` does a step where outcomes are told, which may be another thread than the disk's.
    """

    def __init__(self, intake: Intake, name: str, *, soon: Callable[[Step], object],
                 back: Callable[[Step], object]) -> None:
        self._intake, self._soon, self._back = intake, soon, back
        self._lock = threading.Lock()
        self._waiting: Group = []
        self._running = False
        self._groups: SimpleQueue[Group | None] = SimpleQueue()
        self._decoding = ThreadPoolExecutor(1, f"{name}-decode")
        self._thread = threading.Thread(target=self._run, name=f"{name}-disk", daemon=True)
        self._thread.start()

    def receive(self, take: Callable[[], Receipt], then: Then, *, quick: bool) -> None:
        """Takes a request in, at once or, when that is not quick, in a thread of its own; `then` is told its receipt
        once that is durable, or the error that prevented it."""
        if quick:
            self._taken(_outcome(take), then)
        else:
            self._decoding.submit(lambda: self._back(partial(self._taken, _outcome(take), then)))

    def _taken(self, outcome: Outcome, then: Then) -> None:
        if isinstance(outcome, Exception):
            _tell(then, outcome)
            return
        with self._lock:
            self._waiting.append((outcome, then))
            if self._running:
                return
            self._running = True
        self._soon(self._begin)

    def close(self) -> None:
        """Ends the threads after what they were given."""
        self._decoding.shutdown(wait=False, cancel_futures=True)
        self._groups.put(None)
        self._thread.join()

    def _begin(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting, []
        self._groups.put(group)

    def _run(self) -> None:
        while (group := self._groups.get()) is not None:
            error: Exception | None = None
            try:
                self._intake.settle(max(receipt.ticket for receipt, _ in group))
            except Exception as failure:  # noqa: BLE001 - every failure is answered
                error = failure
            self._back(partial(self._end, group, error))

    def _end(self, group: Group, error: Exception | None) -> None:
        with self._lock:
            self._running = bool(self._waiting)
            more = self._running
        if more:
            self._begin()
        for receipt, then in group:
            _tell(then, error or receipt)


def _outcome(take: Callable[[], Receipt]) -> Outcome:
    try:
        return take()
    except Exception as error:  # noqa: BLE001 - every failure is answered
        return error


def _tell(then: Then, outcome: Outcome) -> None:
    """Who cannot be answered must not keep the others from it."""
    try:
        then(outcome)
    except Exception:
        logger.exception("an answer failed")
