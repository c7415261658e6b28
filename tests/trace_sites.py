"""Small Jaegers and Tempos over real HTTP: they hold OTLP requests, one a trace, and answer as their documents say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from stored_spans import api_trace, pairs

Reply = tuple[int, str, bytes]
PAGE: Reply = (200, "text/html", b"<!doctype html><title>Jaeger UI</title>")


@dataclass
class Site:
    """Traces by their id of 32 digits, as OTLP; what was asked, as (path, parameters, headers). `troubles` are replies
    in place of the next ones."""

    traces: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    troubles: list[Reply | None] = field(default_factory=list)
    url: str = ""

    def put(self, body: bytes) -> None:
        """Keeps the spans of one trace."""
        _, span = next(pairs(body))
        self.traces[span.trace_id.hex()] = body

    def answer(self, path: str, params: dict[str, str], headers: dict[str, str]) -> Reply:
        """The reply to a request."""
        self.asked.append((path, params, headers))
        trouble = self.troubles.pop(0) if self.troubles else None
        return trouble or self.reply(path, params)

    def reply(self, path: str, params: Mapping[str, str]) -> Reply:
        """The reply when nothing is wrong."""
        raise NotImplementedError

    def started(self, from_ns: int, to_ns: int, service: str = "") -> list[str]:
        """The traces with a span (of a service) that started in [from, to]."""
        return [trace for trace, body in self.traces.items()
                if any(from_ns <= span.start_time_unix_nano <= to_ns and service in ("", sender["service.name"])
                       for sender, span in pairs(body))]

    def services(self) -> list[str]:
        """The services that sent anything."""
        return sorted({sender["service.name"] for body in self.traces.values() for sender, _ in pairs(body)})


@dataclass
class Jaeger(Site):
    """With version 3 of its interface, or without."""

    v3: bool = True
    most: int = 100_000

    def reply(self, path: str, params: Mapping[str, str]) -> Reply:
        """An unknown path is a page."""
        if path.startswith("/api/v3/") and not self.v3:
            return PAGE
        if path == "/api/v3/services":
            return _text({"services": self.services()})
        if path == "/api/services":
            return _json({"data": self.services(), "total": 0, "errors": None})
        if path.startswith("/api/v3/traces"):
            return self._v3(path.removeprefix("/api/v3/traces").strip("/"), params)
        if path.startswith("/api/traces"):
            return self._internal(path.removeprefix("/api/traces").strip("/"), params)
        return PAGE

    def _v3(self, trace: str, params: Mapping[str, str]) -> Reply:
        found = [trace] if trace in self.traces else []
        if not trace:
            times = [int(datetime.fromisoformat(params[f"query.start_time_{end}"]).timestamp() * 1e6) * 1000
                     for end in ("min", "max")]
            depth = int(params["query.num_traces"])
            if not 0 < depth < self.most:
                return _text({"error": {"httpCode": 500, "message": "search depth must be"}}, 500)
            found = self.started(times[0], times[1] + 999, params["query.service_name"])[:depth]
        if not found:
            return _text({"error": {"httpCode": 404, "message": "No traces found"}}, 404)
        groups = [group for one in found for group in otlp_json(self.traces[one])]
        return _text({"result": {"resourceSpans": groups}})

    def _internal(self, trace: str, params: Mapping[str, str]) -> Reply:
        if trace:
            found = [trace.zfill(32)] if trace.zfill(32) in self.traces else []
            if not found:
                return _json({"data": None, "errors": [{"code": 404, "msg": "trace not found"}]}, 404)
        else:
            found = self.started(int(params["start"]) * 1000, int(params["end"]) * 1000 + 999, params["service"])
        found = found[: int(params.get("limit", 100))]
        return _json({"data": [api_trace(self.traces[one]) for one in found], "errors": None})


@dataclass
class Tempo(Site):
    """`partial` traces are told to be so; without `v2` only the older path is known."""

    partial: set[str] = field(default_factory=set)
    v2: bool = True

    def reply(self, path: str, params: Mapping[str, str]) -> Reply:
        """An unknown path is 404."""
        if path == "/api/search":
            return _json({"traces": self._search(params), "metrics": {}})
        for prefix, known in (("/api/v2/traces/", self.v2), ("/api/traces/", True)):
            trace = path.removeprefix(prefix)
            if known and path.startswith(prefix) and trace in self.traces:
                return 200, "application/protobuf", self._whole(trace) if "v2" in prefix else self.traces[trace]
        return 404, "text/plain", b"404 page not found"

    def _whole(self, trace: str) -> bytes:
        content = self.traces[trace]
        found = b"\x0a" + _varint(len(content)) + content
        return found + (b"\x18\x01\x22\x04some" if trace in self.partial else b"")

    def _search(self, params: Mapping[str, str]) -> list[dict[str, Any]]:
        found = self.started(int(params["start"]) * 10**9, int(params["end"]) * 10**9 - 1)
        return [self._row(one) for one in found[: int(params["limit"])]]

    def _row(self, trace: str) -> dict[str, Any]:
        made = list(pairs(self.traces[trace]))
        start = min(span.start_time_unix_nano for _, span in made)
        end = max(span.end_time_unix_nano for _, span in made)
        sender, root = made[0]
        failed = sum(span.status.code == 2 for _, span in made)
        stats = {sender["service.name"]: {"spanCount": len(made), "errorCount": failed}}
        return {"traceID": trace.lstrip("0"), "rootServiceName": sender["service.name"], "rootTraceName": root.name,
                "startTimeUnixNano": str(start), "durationMs": (end - start) // 1_000_000, "serviceStats": stats,
                "spanSets": [{"spans": [], "matched": len(made)}]}


def otlp_json(body: bytes) -> list[dict[str, Any]]:
    """The resource spans of a request in the JSON of OTLP: hexadecimal ids, enumerations as numbers."""
    groups = MessageToDict(ExportTraceServiceRequest.FromString(body), use_integers_for_enums=True)["resourceSpans"]
    parsed = ExportTraceServiceRequest.FromString(body).resource_spans
    for group, original in zip(groups, parsed, strict=True):
        for scope, own in zip(group["scopeSpans"], original.scope_spans, strict=True):
            for span, made in zip(scope["spans"], own.spans, strict=True):
                span |= {"traceId": made.trace_id.hex(), "spanId": made.span_id.hex(),
                         "parentSpanId": made.parent_span_id.hex()}
                for link, linked in zip(span.get("links", ()), made.links, strict=True):
                    link |= {"traceId": linked.trace_id.hex(), "spanId": linked.span_id.hex()}
    return groups


def _varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def _text(document: Any, status: int = 200) -> Reply:
    return status, "text/plain; charset=utf-8", json.dumps(document).encode()


def _json(document: Any, status: int = 200) -> Reply:
    return status, "application/json", json.dumps(document).encode()


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """The site on a free port; its address is in `url`."""
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # in one packet, or the reader waits for the second

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, kind, data = site.answer(unquote(parts.path), dict(parse_qsl(parts.query)), headers)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
