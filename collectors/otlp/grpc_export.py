"""One Export call over gRPC: its message is read, taken in, and answered once it is on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # has no stubs

from collectors.contract import Receipt, Signal
from collectors.otlp import answers
from collectors.otlp.inflate import plain
from collectors.otlp.reception import Reception
from collectors.receiving.refusal import Refusal

Event = Any
Tell = Callable[[Event], None]
"""Is told what gRPC completed."""
_NO_FLAGS = 0


def refuse(call: Any, refusal: Refusal) -> None:
    """Ends a call with the refusal's code, and RetryInfo where a sender may come back."""
    trailing = None
    if refusal.retry_after_s is not None:
        trailing = (("grpc-status-details-bin", answers.status_protobuf(refusal)),)
    details = answers.sendable(refusal.message).encode()
    _end(call, cygrpc.SendStatusFromServerOperation(trailing, refusal.code, details, _NO_FLAGS))


def _end(call: Any, *last: Any) -> None:
    call.start_server_batch((
        cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS), *last, cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),
    ), _ended)


def _ended(_: Event) -> None:
    """Nothing is left to do."""


class Export:
    """A call of one of the Export methods."""

    __slots__ = ("_call", "_hold", "_message", "_reception", "deadline_s", "signal")

    def __init__(self, call: Any, signal: Signal, reception: Reception) -> None:
        self._call, self.signal, self._reception = call, signal, reception
        self._hold = reception.hold()
        self._message = b""
        self.deadline_s = 0.0

    def read(self, deadline_s: float, then: Tell) -> None:
        """Asks for the message, which should be there at `deadline_s`."""
        self.deadline_s = deadline_s
        self._call.start_server_batch((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), then)

    def keep(self, message: bytes) -> None:
        """Keeps the message until it is answered; Overloaded when the bytes in flight have no room for it."""
        self._hold.add(len(message))
        self._message = message

    def take(self) -> Receipt:
        """Hands the message over to the intake; raises what the intake raises."""
        message, self._message = self._message, b""
        body = plain(message, self._reception.max_body_bytes)
        if body is not message:
            self._hold.add(len(body))
        return self._reception.take(self.signal, body)

    def answer(self, outcome: Receipt | Exception) -> None:
        """Tells the sender what became of its message."""
        if isinstance(outcome, Exception):
            self.refuse(self._reception.refuse(outcome))
        else:
            self._hold.release()
            response = answers.export_protobuf(self.signal, outcome)
            _end(self._call, cygrpc.SendMessageOperation(response, _NO_FLAGS),
                 cygrpc.SendStatusFromServerOperation(None, cygrpc.StatusCode.ok, b"", _NO_FLAGS))

    def refuse(self, refusal: Refusal) -> None:
        """Ends the call for a reason known beforehand."""
        self._hold.release()
        refuse(self._call, refusal)

    def cancel(self, refusal: Refusal) -> None:
        """Gives up waiting for the message; what was asked for is told without one."""
        self._call.cancel(refusal.code, answers.sendable(refusal.message))
