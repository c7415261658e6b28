"""The rules of OTLP/HTTP that need no connection: what a request head asks for, and how an answer is written.

opentelemetry-proto docs/specification.md 1.11; RFC 9110.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from google.rpc import code_pb2

from collectors.contract import Signal
from collectors.otlp import answers
from collectors.otlp.reception import UNAUTHENTICATED
from collectors.receiving.refusal import Refusal

PROTOBUF = b"application/x-protobuf"
JSON = b"application/json"
PATHS = {b"/v1/traces": Signal.TRACES, b"/v1/logs": Signal.LOGS, b"/v1/metrics": Signal.METRICS}
READ_HEADERS = frozenset((b"content-type", b"content-encoding", b"content-length", b"transfer-encoding",
                          b"authorization", b"expect"))

NOT_FOUND = Refusal(code_pb2.NOT_FOUND, 404, "post to /v1/traces, /v1/logs or /v1/metrics", "misdirected")
NOT_POST = Refusal(
    code_pb2.UNIMPLEMENTED, 405, "only POST is understood here", "misdirected", headers=(("allow", "POST"),)
)
WRONG_TYPE = Refusal(
    code_pb2.INVALID_ARGUMENT, 415, "the content type must be application/x-protobuf or application/json",
    "unsupported", headers=(("accept", "application/x-protobuf, application/json"),),
)
WRONG_ENCODING = Refusal(
    code_pb2.INVALID_ARGUMENT, 400, "the content encoding must be gzip or identity",
    "unsupported", headers=(("accept-encoding", "gzip, identity"),),
)
HEADERS_TOO_LARGE = Refusal(code_pb2.RESOURCE_EXHAUSTED, 431, "the request head is too large", "too_large")
NOT_HTTP = Refusal(code_pb2.INVALID_ARGUMENT, 400, "not an HTTP/1.1 request", "malformed")


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of an acceptable request says. `json` also decides the type of the answer."""

    signal: Signal
    json: bool
    gzip: bool


def too_large(max_body_bytes: int) -> Refusal:
    """The refusal of a body over the size limit."""
    return Refusal(code_pb2.RESOURCE_EXHAUSTED, 413, f"the body is over {max_body_bytes} bytes", "too_large")


def speaks_json(headers: Mapping[bytes, bytes]) -> bool:
    """Whether errors are answered as JSON: always, except to a sender of protobuf."""
    return _media_type(headers.get(b"content-type", b"")) != PROTOBUF


def judge(method: bytes, target: bytes, headers: Mapping[bytes, bytes], admitted: bool) -> Head | Refusal:
    """What a request head asks for, or why it is refused. `headers` have lower-case names."""
    return _judged(method, target, headers.get(b"content-type", b""), headers.get(b"content-encoding", b""), admitted)


@lru_cache(maxsize=64)
def _judged(method: bytes, target: bytes, content_type: bytes, content_encoding: bytes,
            admitted: bool) -> Head | Refusal:
    """A sender says the same with every request."""
    signal = PATHS.get(_path(target))
    if signal is None:
        return NOT_FOUND
    if method != b"POST":
        return NOT_POST
    if not admitted:
        return UNAUTHENTICATED
    media_type = _media_type(content_type)
    if media_type not in (PROTOBUF, JSON):
        return WRONG_TYPE
    encoding = content_encoding.strip().lower()
    if encoding not in (b"", b"identity", b"gzip", b"x-gzip"):
        return WRONG_ENCODING
    return Head(signal, media_type == JSON, encoding.endswith(b"gzip"))


def _path(target: bytes) -> bytes:
    """The path of a request target, also of one in absolute form (RFC 9112 3.2.2)."""
    if not target.startswith(b"/"):
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return target.partition(b"?")[0]


def _media_type(content_type: bytes) -> bytes:
    """The content type without parameters such as charset, in lower case."""
    return content_type.partition(b";")[0].strip().lower()


def announced_bytes(headers: Mapping[bytes, bytes]) -> int:
    """The Content-Length; 0 without one. The HTTP parser has refused anything that is no number."""
    return int(headers.get(b"content-length", b"0"))


class ResponseWriter:
    """Writes whole HTTP/1.1 responses; the Date header is rendered once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._date = b""

    def response(self, status: int, body: bytes, json: bool, keep_alive: bool,
                 headers: tuple[tuple[str, str], ...] = ()) -> bytes:
        """The bytes of one response."""
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers) if headers else ""
        return b"%b%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n%b" % (
            _status_line(status), self._date_line(), JSON if json else PROTOBUF, len(body), extra.encode(),
            b"" if keep_alive else b"connection: close\r\n", body,
        )

    def refusal(self, refusal: Refusal, json: bool, keep_alive: bool) -> bytes:
        """The response to a refused request: a google.rpc.Status in its encoding."""
        headers = refusal.headers
        if refusal.retry_after_s is not None:
            headers += (("retry-after", str(math.ceil(refusal.retry_after_s))),)
        body = answers.status_json(refusal) if json else answers.status_protobuf(refusal)
        return self.response(refusal.http_status, body, json, keep_alive, headers)

    def _date_line(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._date = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._date


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
