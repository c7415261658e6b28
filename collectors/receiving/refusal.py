"""Why a request is not taken, in the words of both protocols.

Codes and retry rules: opentelemetry-proto, docs/specification.md 1.11; google.rpc.Code.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.rpc import code_pb2

from topology.errors import MalformedInput, Overloaded, StoreError

STORE_RETRY_AFTER_S = 5.0


class TooLarge(MalformedInput):
    """A body over the size limit, as sent or after decompression."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal: the google.rpc code, the HTTP status, what the sender is told, and a counter's name.

    `retry_after_s` is set when the same request is welcome later; `headers` are extra HTTP headers.
    """

    code: int
    http_status: int
    message: str
    why: str
    retry_after_s: float | None = None
    headers: tuple[tuple[str, str], ...] = ()


def refusal_of(error: Exception) -> Refusal:
    """How an exception is answered; what is not ours becomes an internal error without details."""
    if isinstance(error, TooLarge):
        return Refusal(code_pb2.RESOURCE_EXHAUSTED, 413, str(error), "too_large")
    if isinstance(error, MalformedInput):
        return Refusal(code_pb2.INVALID_ARGUMENT, 400, str(error), "malformed")
    if isinstance(error, Overloaded):
        return Refusal(code_pb2.UNAVAILABLE, 503, str(error), "overloaded", error.retry_after_s)
    if isinstance(error, (StoreError, OSError)):
        return Refusal(code_pb2.UNAVAILABLE, 503, f"cannot be stored now: {error}", "unstored", STORE_RETRY_AFTER_S)
    return Refusal(code_pb2.INTERNAL, 500, "internal error", "failed")
