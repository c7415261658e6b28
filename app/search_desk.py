"""The threads in which a source is searched: few, its own, and no hindrance when the process ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue

THREADS_EACH = 3
"""How many searches one source answers at once. More wait for their turn, and that is part of their time."""


class Desk:
    """The few threads that ask one source, begun when they are needed.

    Daemons, which those of an executor are not: a source that hangs must not hold up the end of the process."""

    def __init__(self, name: str) -> None:
        self._name, self._threads = name, 0
        self._work: SimpleQueue[tuple[Future[None], Callable[[], None]] | None] = SimpleQueue()

    def ask(self, work: Callable[[], None]) -> Future[None]:
        """Does the work when one of the threads is free."""
        future: Future[None] = Future()
        self._work.put((future, work))
        if self._threads < THREADS_EACH:
            self._threads += 1
            threading.Thread(target=self._serve, name=f"search-{self._name}", daemon=True).start()
        return future

    def close(self) -> None:
        """Ends the threads when they have done what they were given."""
        for _ in range(self._threads):
            self._work.put(None)

    def _serve(self) -> None:
        while (given := self._work.get()) is not None:
            future, work = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - it is raised again where the answer is waited for
                future.set_exception(error)
            else:
                future.set_result(None)
