"""Requests of many threads, handed over by one of them at a time and made durable together."""

from __future__ import annotations

import threading

from collectors.contract import Body, Receipt, Signal
from collectors.otlp.reception import Reception


class Turn:
    """One request, and what became of it once `done` is released."""

    __slots__ = ("body", "done", "error", "leads", "receipt", "signal")

    def __init__(self, signal: Signal, body: Body) -> None:
        self.signal, self.body = signal, body
        self.receipt: Receipt | None = None
        self.error: Exception | None = None
        self.leads = False
        self.done = threading.Lock()
        self.done.acquire()


class Turns:
    """Group commit among the threads that wait for it: the first hands over its own request and those that came
    meanwhile, waits for the disk once, and names its successor.

    Threads that took turns at the intake's lock and at the disk would wake each other several times a request.
    """

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._lock = threading.Lock()
        self._waiting: list[Turn] = []
        self._led = False

    def receive(self, signal: Signal, body: Body) -> Receipt:
        """Hands one request to the intake and returns when it is durable; raises what the intake raises."""
        mine = Turn(signal, body)
        with self._lock:
            self._waiting.append(mine)
            mine.leads, self._led = not self._led, True
        if not mine.leads:
            mine.done.acquire()
        if mine.leads:
            self._lead()
        if mine.receipt is None or mine.error is not None:
            raise mine.error or RuntimeError("a request was left without an answer")
        return mine.receipt

    def _lead(self) -> None:
        group: list[Turn] = []
        while turns := self._next():
            for turn in turns:
                self._take(turn)
            group += turns
        self._settle([turn for turn in group if turn.receipt is not None])
        with self._lock:
            successor = self._waiting[0] if self._waiting else None
            self._led = successor is not None
        if successor is not None:
            successor.leads = True
            successor.done.release()
        for turn in group:
            turn.done.release()

    def _next(self) -> list[Turn]:
        with self._lock:
            turns, self._waiting = self._waiting, []
        return turns

    def _take(self, turn: Turn) -> None:
        try:
            turn.receipt = self._reception.take(turn.signal, turn.body)
        except Exception as error:  # noqa: BLE001 - its own thread answers it
            turn.error = error

    def _settle(self, turns: list[Turn]) -> None:
        if not turns:
            return
        try:
            self._reception.intake.settle(max(turn.receipt.ticket for turn in turns if turn.receipt is not None))
        except Exception as error:  # noqa: BLE001 - each thread answers it
            for turn in turns:
                turn.error = error
