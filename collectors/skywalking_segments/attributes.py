"""What a span says of itself and of whom it called, under the names of OpenTelemetry's semantic conventions.

Pairing and every screen read these names; what has none keeps SkyWalking's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from collectors.skywalking_segments.components import SYSTEMS, system_named
from collectors.skywalking_segments.protocol.skywalking_pb2 import (
    MQ,
    Cache,
    Database,
    Exit,
    Http,
    KeyStringValuePair,
    RPCFramework,
    SpanObject,
)

Attributes = dict[str, str | int]
_RENAMED: Mapping[str, str] = {
    "http.method": "http.request.method",
    "http.status_code": "http.response.status_code",
    "url": "url.full",
    "http.url": "url.full",
    "db.statement": "db.query.text",
    "db.instance": "db.namespace",
    "rpc.status_code": "rpc.response.status_code",
    "grpc.status_code": "rpc.response.status_code",
}
_HOST_AND_PORT = re.compile(r"(?:\w+://)?(?:[^@/]*@)?(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/,;]+))(?::(\d{1,5}))?(?:/.*)?")


def attributes(span: SpanObject) -> Attributes:
    """The attributes of a span, without its kind, status and times."""
    tags = texts(span.tags)
    found = _named(tags, span.spanLayer == Http)
    if span.componentId:
        found["skywalking.component_id"] = span.componentId
    if span.spanLayer == MQ:
        _tell_queue(span, tags, found)
    elif span.spanLayer in (Database, Cache) or "db.type" in tags or "cache.type" in tags:
        _tell_store(span, tags, found)
    elif span.spanLayer == RPCFramework and span.componentId in SYSTEMS:
        found["rpc.system"] = SYSTEMS[span.componentId]
    _tell_address(span, tags, found)
    return found


def texts(pairs: Iterable[KeyStringValuePair]) -> dict[str, str]:
    """Pairs by their key; the last of equal keys counts."""
    return {pair.key: pair.value for pair in pairs}


def _named(tags: Mapping[str, str], http: bool) -> Attributes:
    found: Attributes = {_RENAMED.get(key, key): value for key, value in tags.items() if key}
    code = found.get("http.response.status_code", tags.get("status_code", "") if http else "")
    if isinstance(code, str) and re.fullmatch(r"[0-9]{3}", code):
        found["http.response.status_code"] = int(code)
    return found


def _tell_store(span: SpanObject, tags: Mapping[str, str], found: Attributes) -> None:
    told = tags.get("cache.type") or tags.get("db.type") or ""
    unknown = "other_sql" if span.spanLayer == Database else "cache"
    found["db.system.name"] = system_named(told) or SYSTEMS.get(span.componentId) or unknown


def _tell_queue(span: SpanObject, tags: Mapping[str, str], found: Attributes) -> None:
    """A queue is its topic; where a plug-in tells none, both its ends know the broker."""
    if span.componentId in SYSTEMS:
        found["messaging.system"] = SYSTEMS[span.componentId]
    destination = tags.get("mq.topic") or tags.get("mq.queue") or tags.get("mq.broker") or span.peer
    if destination:
        found["messaging.destination.name"] = destination


def _tell_address(span: SpanObject, tags: Mapping[str, str], found: Attributes) -> None:
    """Of a caller's span the peer is whom it called; of an inbound one it is who called, or the broker."""
    peer = span.peer or (tags.get("mq.broker", "") if span.spanLayer == MQ else "")
    if not peer:
        return
    side = "server" if span.spanType == Exit or span.spanLayer == MQ else "client"
    host, port = host_and_port(peer)
    found[f"{side}.address"] = host
    if port:
        found[f"{side}.port"] = port


def host_and_port(peer: str) -> tuple[str, int]:
    """A peer as host and port (0 for none told); several addresses, or what is no address, stay one name."""
    told = _HOST_AND_PORT.fullmatch(peer)
    if told is None or int(told[3] or 0) > 65535:
        return peer, 0
    return told[1] or told[2], int(told[3] or 0)
