"""Two ways to send one request: by the official client, and as plain JSON for servers which that client refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol
from urllib.parse import urlsplit

import elastic_transport
import orjson
from elastic_transport import ConnectionTimeout, NodeConfig, SerializationError, TlsError, TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError
from elasticsearch.serializer import OrjsonSerializer

from collectors.elastic.connection import Connection
from collectors.elastic.refusals import TOO_LARGE
from topology.errors import SourceUnavailable, Why

JSON = "application/json"
CONNECTIONS_PER_HOST = 4
Decode = Callable[[bytes], Any]
"""Makes of the bytes of a reply what is handed on; ValueError where they are no JSON."""
MAX_REPLY_BYTES = 12 << 20
"""Decoded, a reply takes about four times as much memory as it has bytes: all in all less than 64 MiB."""
PIECE_BYTES = 1 << 20
_decode: ContextVar[Decode] = ContextVar("decode", default=orjson.loads)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Reply:
    """The status, the decoded body, and whether the server says of itself that it is Elasticsearch."""

    status: int
    body: Any
    genuine: bool


class Transport(Protocol):
    """Sends requests to one of the hosts. Thread-safe."""

    def ask(
        self, method: str, target: str, body: Mapping[str, Any] | None = None, decode: Decode = orjson.loads
    ) -> Reply:
        """The reply, whatever its status; SourceUnavailable when there was none, or none in JSON."""
        ...

    def close(self) -> None:
        """Ends all connections."""
        ...


class _Bounded(elastic_transport.Urllib3HttpNode):
    """Reads no reply beyond MAX_REPLY_BYTES."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self.pool: Any = _BoundedPool(self.pool)


class _BoundedPool:
    """A connection pool whose replies that are too large stand for an error of their own."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.close = pool.close

    def urlopen(self, *arguments: Any, **named: Any) -> Any:
        """The reply with its whole body in `data`."""
        reply = self._pool.urlopen(*arguments, preload_content=False, **named)
        data = _whole(reply)
        if data is None:
            reply.close()
            reply.release_conn()  # or the pool would wait for it for ever
            error = b'{"error": {"type": "%s"}}' % TOO_LARGE.encode()
            return SimpleNamespace(status=413, headers={"content-type": JSON}, data=error)
        reply.release_conn()
        return SimpleNamespace(status=reply.status, headers=reply.headers, data=data)


def _whole(reply: Any) -> bytes | None:
    """The body, read in pieces so that no more memory is set aside than it needs; None when it is too large."""
    pieces: list[bytes] = []
    while piece := reply.read(PIECE_BYTES):
        pieces.append(piece)
        if len(pieces) * PIECE_BYTES > MAX_REPLY_BYTES + PIECE_BYTES:
            return None
    whole = b"".join(pieces)
    return whole if len(whole) <= MAX_REPLY_BYTES else None


class _Serializer(OrjsonSerializer):
    """Decodes every reply as whoever waits for it in this thread wants it."""

    def json_loads(self, data: bytes) -> Any:
        """The document in a reply; ValueError when it is none."""
        decode = _decode.get()
        try:
            return decode(data)
        except ValueError:
            # One document with half a character would cost all of its page.
            return decode(_ESCAPED.sub(_mended, data))


_ESCAPED = re.compile(rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F]\w\w")
"""An escaped backslash, an escaped pair of surrogates, or an escaped surrogate by itself, which is no character."""
HALF = 6
"""How long an escaped surrogate is that has no other half."""


def _mended(found: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if len(found[0]) == HALF else found[0]


@contextmanager
def _decoding(decode: Decode) -> Iterator[None]:
    before = _decode.set(decode)
    try:
        yield
    finally:
        _decode.reset(before)


class PlainJson:
    """Understood by every server; nothing is checked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transport = _Quiet(
            _nodes(connection), node_class=_Bounded, max_retries=len(connection.hosts), retry_on_status=(),
            meta_header=False,
            serializers={JSON: _Serializer()},
        )

    def ask(
        self, method: str, target: str, body: Mapping[str, Any] | None = None, decode: Decode = orjson.loads
    ) -> Reply:
        """See Transport."""
        headers = _headers(self._connection, body)
        try:
            with _decoding(decode):
                meta, answer = self._transport.perform_request(method, target, headers=headers, body=body)
        except TransportError as error:
            raise silence(error, self._connection.timeout_s) from None
        return Reply(meta.status, answer, _genuine(meta))

    def close(self) -> None:
        """See Transport."""
        self._transport.close()


class OfficialClient:
    """The client of Elastic, which negotiates the version of the interface and refuses every other product."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        serializer = _Serializer()
        self._client = Elasticsearch(
            _nodes(connection), transport_class=_Quiet, node_class=_Bounded, max_retries=len(connection.hosts),
            retry_on_status=(), serializers={JSON: serializer, "application/vnd.elasticsearch+json": serializer},
        )

    def ask(
        self, method: str, target: str, body: Mapping[str, Any] | None = None, decode: Decode = orjson.loads
    ) -> Reply:
        """See Transport."""
        headers = _headers(self._connection, body)
        try:
            with _decoding(decode):
                reply = self._client.perform_request(method, target, headers=headers, body=body)
        except UnsupportedProductError:
            raise SourceUnavailable("what answers there is not Elasticsearch", why=Why.STRANGER) from None
        except ApiError as error:
            return Reply(error.meta.status, error.body, _genuine(error.meta))
        except TransportError as error:
            raise silence(error, self._connection.timeout_s) from None
        return Reply(reply.meta.status, reply.body, _genuine(reply.meta))

    def close(self) -> None:
        """See Transport."""
        self._client.close()


class _Quiet(elastic_transport.Transport):
    """Without what servers warn about in every reply (security that is off), which the client would warn of again."""

    def perform_request(self, *arguments: Any, **named: Any) -> Any:
        """The reply as the client gives it, its header `warning` taken away."""
        reply = super().perform_request(*arguments, **named)
        reply.meta.headers.pop("warning", None)
        return reply


def silence(error: TransportError, timeout_s: float) -> SourceUnavailable:
    """Why there was no reply, without what a reply or a request may have held."""
    if isinstance(error, ConnectionTimeout):
        return SourceUnavailable(f"no answer within {timeout_s:g} s", why=Why.SLOW)
    if isinstance(error, TlsError):
        untrusted = "no secure connection: the server's certificate is not trusted, or it speaks no TLS"
        return SourceUnavailable(untrusted, why=Why.UNTRUSTED)
    if isinstance(error, SerializationError):
        return SourceUnavailable("what answers there speaks no JSON", why=Why.STRANGER)
    return SourceUnavailable("cannot be reached: no connection to any of its hosts", why=Why.UNREACHABLE)


def _headers(connection: Connection, body: Mapping[str, Any] | None) -> dict[str, str]:
    """Who asks may have changed since the last request: a password that was wrong is put right in its file."""
    content = {} if body is None else {"content-type": JSON}
    return {"accept": JSON, **content, **connection.authorization()}


def _genuine(meta: Any) -> bool:
    return bool(meta.headers.get("x-elastic-product") == "Elasticsearch")


def _nodes(connection: Connection) -> list[NodeConfig]:
    return [_node(url, connection) for url in connection.hosts]


def _node(url: str, connection: Connection) -> NodeConfig:
    parts = urlsplit(url)
    return NodeConfig(
        parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme], path_prefix=parts.path.rstrip("/"),
        connections_per_node=CONNECTIONS_PER_HOST, request_timeout=connection.timeout_s,
        ca_certs=str(connection.ca) if connection.ca else None,
    )
