"""A small OAP over real HTTP: it answers the queries of its version, in the shapes of real replies, from a table of
figures; it refuses what is too big and fails where it is told to. An OAP answers 503 to what takes it too long."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from collectors.contract import MINUTE_S, Context
from collectors.skywalking.config import Config, Limits
from collectors.skywalking.events import service_id
from collectors.skywalking.source import OapSource, build
from topology.histogram import ladder
from topology.masking import mask

MQE_10 = ("execExpression", "listServices", "listInstances", "getServiceHierarchy", "listLayerLevels", "queryEvents",
          "getAlarm", "queryLogs", "supportQueryLogsByKeywords")
MQE_9 = ("execExpression", "listServices", "listInstances", "queryEvents", "getAlarm", "queryLogs")
VALUES_8 = ("getAllServices", "getServiceInstances", "readMetricsValues", "readLabeledMetricsValues", "getAlarm",
            "queryLogs")
ALIAS = re.compile(r'(\w+):(\w+)\((?:condition:\{name:"(\w+)",entity:\$(\w+)\}|expression:"([^"]+)",entity:\$(\w+)'
                   r'|duration:\$d,serviceId:\$(\w+)|serviceId:\$(\w+),layer:"(\w+)"|condition:\{name:"endpoint_cpm",'
                   r"parentService:\$(\w+))")
Value = float | None | Callable[[int], float | None]
"""A figure of every minute, or by the minute (its start in UTC epoch seconds)."""


@dataclass
class FakeOap:
    """What the server knows, and how it behaves. `figures` are by metric and by whom: `a`, `a>b`, `a/instance` or
    `a/endpoint`; percentiles by rank are lists."""

    version: str = "10.1.0"
    queries: Sequence[str] = MQE_10
    introspects: bool = True
    zone_minutes: int = 0
    listed: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[tuple[str, str], Any] = field(default_factory=dict)
    instances: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    endpoints: dict[str, list[str]] = field(default_factory=dict)
    relations: list[tuple[tuple[str, str], tuple[str, str]]] = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=dict)
    fails: Callable[[str, str], bool] = lambda _metric, _who: False
    most_aliases: int = 10_000
    slow_over: int = 10_000
    status: int = 200
    body: bytes | None = None
    delay_s: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    url: str = ""

    def service(self, name: str, layer: str = "GENERAL", real: bool = True, kind: str = "SpringMVC") -> str:
        """A service that is listed and in the topology; its id."""
        told = service_id(name, real)
        self.listed.append({"id": told, "name": name, "layers": [layer], "normal": real})
        self.nodes.append({"id": told, "name": name, "type": kind, "isReal": real, "layers": [layer]})
        return told

    def peer(self, name: str) -> str:
        """An address that callers name; its id."""
        told = service_id(name)
        self.nodes.append({"id": told, "name": name, "type": None, "isReal": True, "layers": ["UNDEFINED"]})
        return told

    def path(self, source: str, target: str, points: Sequence[str] = ("CLIENT", "SERVER")) -> None:
        """A path of the topology."""
        self.calls.append({"source": source, "target": target, "sourceComponents": ["HttpClient"],
                           "targetComponents": ["SpringMVC"], "detectPoints": [*points]})  # fmt: skip

    def tell(self, family: str, who: str, cpm: Value, sla: Value = 10_000, ms: Value = 20, ranks: Any = None) -> None:
        """Figures of one thing: `family` is service, service_instance, endpoint, client or server."""
        of_path = family in ("client", "server")
        prefix, share = (f"service_relation_{family}", "call_sla") if of_path else (family, "sla")
        told = {"cpm": cpm, share: sla, "resp_time": ms, "percentile": ranks or [ms] * 5}
        self.figures.update({(f"{prefix}_{name}", who): value for name, value in told.items()})

    def requests(self, word: str) -> list[dict[str, Any]]:
        """The requests in which a word occurs."""
        return [each for each in self.asked if word in each["query"]]

    def answer(self, query: str, variables: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and document of the reply to a query."""
        if "__type" in query:
            return self._introspection(query)
        unknown = [name for name in re.findall(r"\b(\w+)(?=[({])", query) if name in {*MQE_10, *VALUES_8}
                   and name not in self.queries]  # fmt: skip
        if unknown:
            return 400, _error(f"Validation error (FieldUndefined@[{unknown[0]}])")
        aliases = ALIAS.findall(query)
        if len(aliases) > self.most_aliases:
            return 200, _error("maximum query complexity exceeded 3012 > 3000")
        if len(aliases) > self.slow_over:
            return 503, None
        if aliases:
            return 200, self._figures(aliases, variables)
        named = {name: answer for name, answer in self._plain().items() if re.search(rf"\b{name}\b", query)}
        return 200, {"data": named}

    def _plain(self) -> dict[str, Any]:
        hours, minutes = divmod(abs(self.zone_minutes), 60)
        away = f"{'-' if self.zone_minutes < 0 else '+'}{hours:02d}{minutes:02d}"
        return {
            "version": self.version, "getTimeInfo": {"timezone": away}, "listServices": self.listed,
            "getAllServices": self.listed, "getGlobalTopology": {"nodes": self.nodes, "calls": self.calls},
            "listLayerLevels": [{"layer": "GENERAL", "level": 3}, {"layer": "MESH", "level": 3},
                                {"layer": "K8S_SERVICE", "level": 0}],
            "queryEvents": {"events": []}, "getAlarm": {"msgs": []}, **self.documents,
        }  # fmt: skip

    def _introspection(self, query: str) -> tuple[int, Any]:
        if not self.introspects:
            return 400, _error("introspection is switched off")
        if query.count("__type") > 1:
            return 200, _error("This request is not asking for introspection in good faith")
        if '"Node"' in query:
            layers = [{"name": "layers"}] if "getServiceHierarchy" in self.queries else []
            return 200, {"data": {"n": {"fields": [{"name": "id"}, *layers]}}}
        fields = [{"name": name, "args": []} for name in self.queries]
        return 200, {"data": {"version": self.version, "q": {"fields": fields}}}

    def _figures(self, aliases: Sequence[tuple[str, ...]], variables: Mapping[str, Any]) -> Any:
        data, errors = {}, []
        for alias, query, name, entity, expression, thing, owner, member, layer, parent in aliases:
            metric = name or expression or "endpoint_cpm" * bool(parent)
            who = _who(variables.get(entity or thing or owner or member or parent))
            if self.fails(metric, who):
                data[alias] = None
                errors.append({"message": "Exception while fetching data: the store is slow", "path": [alias]})
            elif owner:
                data[alias] = self.instances.get(who, [])
            elif member:
                data[alias] = {"relations": [_relation(*pair) for pair in self.relations if (member, layer) and any(
                    variables[member] == end[0] for end in pair)]}
            else:
                data[alias] = self._series(query, metric, who, variables["d"])
        return {"data": data, **({"errors": errors} if errors else {})}

    def _series(self, query: str, metric: str, who: str, duration: Mapping[str, str]) -> Any:
        if "endpoint_cpm" in metric and (query == "sortMetrics" or "top_n" in metric):
            named = self.endpoints.get(who, [])
            if query == "sortMetrics":
                return [{"name": name, "value": "5"} for name in named]
            return {"error": None, "results": [{"values": [{"id": name, "value": "5"} for name in named]}]}
        told = self.figures.get((metric.partition("{")[0], who))
        minutes = _minutes(duration, self.zone_minutes)
        if query == "readMetricsValues":
            return {"values": {"values": [{"value": _at(told, minute) or 0} for minute in minutes]}}
        labelled = metric.endswith("}") or query == "readLabeledMetricsValues"
        ranks = (told or [None] * 5) if labelled else [told]
        points = [[_at(rank, minute) for minute in minutes] for rank in ranks]
        if query == "readLabeledMetricsValues":
            return [{"label": str(at), "values": {"values": [{"value": value or 0} for value in each]}}
                    for at, each in enumerate(points)]
        style = re.search(r"'([\d,]+)'", metric)
        labels = style[1].split(",") if style else [""]
        return {"error": None, "results": [
            {"metric": {"labels": [{"value": label}] if label else []},
             "values": [{"value": None if value is None else str(value)} for value in each]}
            for label, each in zip(labels, points, strict=True)]}


def _who(entity: Any) -> str:
    if not isinstance(entity, Mapping):
        return str(entity)
    part = entity.get("serviceInstanceName") or entity.get("endpointName")
    other = entity.get("destServiceName")
    return str(entity["serviceName"]) + (f">{other}" if other else "") + (f"/{part}" if part else "")


def _at(value: Any, minute: int) -> Any:
    return value(minute) if callable(value) else value


def _minutes(duration: Mapping[str, str], zone_minutes: int) -> list[int]:
    zone = timezone(timedelta(minutes=zone_minutes))
    first, last = (datetime.strptime(duration[end], "%Y-%m-%d %H%M").replace(tzinfo=zone) for end in ("start", "end"))
    return list(range(int(first.timestamp()), int(last.timestamp()) + 1, MINUTE_S))


def _relation(upper: tuple[str, str], lower: tuple[str, str]) -> dict[str, Any]:
    return {"upperService": {"id": upper[0], "layer": upper[1]}, "lowerService": {"id": lower[0], "layer": lower[1]}}


def _error(message: str) -> dict[str, Any]:
    return {"errors": [{"message": message}]}


@contextmanager
def serving(oap: FakeOap, tls: ssl.SSLContext | None = None) -> Iterator[FakeOap]:
    """The server, listening on loopback, perhaps over TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            oap.asked.append(asked)
            oap.headers.append(dict(self.headers))
            time.sleep(oap.delay_s)
            status, document = oap.answer(asked["query"], asked["variables"])
            body = oap.body if oap.body is not None else json.dumps(document).encode()
            self.send_response(oap.status if oap.status != 200 else status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # whoever asked may have gone
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        oap.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/graphql"
        try:
            yield oap
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def asking(oap: FakeOap, now_s: Callable[[], float], limits: Limits | None = None, **said: Any) -> Iterator[OapSource]:
    """A source that asks the server, at a time of the test's own."""
    with serving(oap):
        config = Config(url=oap.url, limits=limits or Limits(requests_per_s=1000), **said)
        source = build(config, "oap", Context(environment="prod", ladder=ladder(), mask=mask, clock=now_s))
        try:
            yield source
        finally:
            source.close()
