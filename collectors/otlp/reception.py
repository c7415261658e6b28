"""The desk both servers share: who may enter, the byte budget, the hand-over, the counters."""

from __future__ import annotations

import hmac
import logging

from google.rpc import code_pb2

from collectors.config import Secret
from collectors.contract import Body, Intake, Receipt, Signal
from collectors.receiving.budget import Budget, Hold
from collectors.receiving.refusal import Refusal, refusal_of
from collectors.receiving.traffic import Traffic

logger = logging.getLogger(__name__)

UNAUTHENTICATED = Refusal(
    code_pb2.UNAUTHENTICATED, 401, "a bearer token is required", "unauthenticated",
    headers=(("www-authenticate", 'Bearer realm="otlp"'),),
)
TOO_SLOW = Refusal(code_pb2.DEADLINE_EXCEEDED, 408, "the request took too long to arrive", "too_slow")


class Reception:
    """Hands whole requests to the intake and counts what becomes of them. Thread-safe."""

    def __init__(self, intake: Intake, budget: Budget, traffic: Traffic, max_body_bytes: int,
                 token: Secret | None = None) -> None:
        self.intake = intake
        self.budget = budget
        self.traffic = traffic
        self.max_body_bytes = max_body_bytes
        self._credential = f"bearer {token.reveal()}".encode() if token is not None else b""

    @property
    def guarded(self) -> bool:
        """Whether a token is asked for."""
        return bool(self._credential)

    def hold(self) -> Hold:
        """An empty hold on the byte budget, for one request."""
        return Hold(self.budget)

    def admits(self, authorization: bytes) -> bool:
        """Whether the value of an authorization header shows the token (or none is asked for)."""
        if not self._credential:
            return True
        scheme, _, token = authorization.partition(b" ")
        return hmac.compare_digest(scheme.lower() + b" " + token.strip(), self._credential)

    def take(self, signal: Signal, body: Body) -> Receipt:
        """Hands one request to the intake; raises what the intake raises."""
        receipt = self.intake.take(signal, body)
        self.traffic.accepted(signal.name.lower(), len(body), receipt.rejected, receipt.message)
        return receipt

    def refuse(self, error: Exception) -> Refusal:
        """Counts a failed request and says how it is answered; errors nobody foresaw are logged."""
        refusal = refusal_of(error)
        if refusal.why == "failed":
            logger.error("a request failed", exc_info=error)
        return self.count(refusal)

    def count(self, refusal: Refusal) -> Refusal:
        """Counts a request refused for a reason known beforehand, and returns that."""
        self.traffic.refused(refusal.why, refusal.message)
        return refusal
