"""The desk both servers share: who may enter, the byte budget, what is handed in, what instances say, refusals."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable

from google.rpc import code_pb2

from collectors.contract import Signal
from collectors.receiving.budget import Budget, Hold
from collectors.receiving.refusal import Refusal, refusal_of
from collectors.receiving.traffic import Traffic
from collectors.skywalking_segments.attributes import texts
from collectors.skywalking_segments.config import Config
from collectors.skywalking_segments.delivery import Delivery, Letter, Read
from collectors.skywalking_segments.instances import Instances
from collectors.skywalking_segments.protocol.skywalking_pb2 import Event, InstancePingPkg, InstanceProperties

logger = logging.getLogger(__name__)

UNAUTHENTICATED = Refusal(
    code_pb2.UNAUTHENTICATED, 401, "the header Authentication must show the token", "unauthenticated"
)


class Reception:
    """Takes what agents send, and counts what becomes of it. Used from one event loop."""

    def __init__(self, config: Config, delivery: Delivery, instances: Instances, traffic: Traffic,
                 budget: Budget, note: Callable[[Event], None]) -> None:
        self.note = note
        self._delivery, self._instances, self._traffic, self._budget = delivery, instances, traffic, budget
        self._token = config.token.reveal().encode() if config.token is not None else b""

    def admits(self, shown: bytes) -> bool:
        """Whether the value of a header `Authentication` is the token (or none is asked for)."""
        return not self._token or hmac.compare_digest(shown, self._token)

    def hold(self, size: int = 0) -> Hold:
        """A hold of so many bytes on the budget, for one message; Overloaded where there is no room."""
        hold = Hold(self._budget)
        hold.add(size)
        return hold

    def hand_in(self, signal: Signal, body: bytes, read: Read, hold: Hold) -> asyncio.Future[None]:
        """Hands in one message and what it holds, see `Delivery.hand_in`."""
        return self._delivery.hand_in(Letter(signal, body, read, hold))

    def learn(self, told: InstanceProperties) -> None:
        """An instance reported its properties."""
        self._instances.learn(told.service, told.serviceInstance, texts(told.properties))
        self._traffic.accepted("properties", told.ByteSize())

    def keep(self, heard: InstancePingPkg) -> None:
        """An instance said that it lives."""
        self._instances.keep(heard.service, heard.serviceInstance)
        self._traffic.accepted("keep_alive", heard.ByteSize())

    def leave_out(self) -> None:
        """A message of a kind that is not kept came."""
        self._traffic.add("left_out")

    def refuse(self, error: Exception) -> Refusal:
        """Counts a message that is not taken and says how that is answered; errors nobody foresaw are logged."""
        refusal = refusal_of(error)
        if refusal.why == "failed":
            logger.error("a message failed", exc_info=error)
        return self.count(refusal)

    def count(self, refusal: Refusal) -> Refusal:
        """Counts a message refused for a reason known beforehand, and returns that."""
        self._traffic.refused(refusal.why, refusal.message)
        return refusal
