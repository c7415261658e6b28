"""A small Nacos over real HTTP: it answers v1, v2 and v3 in the shapes of the real documents, from a list of instances.

The shapes of v1 and v2 are those of a real 2.2.4; those of v3 are written after the sources of Nacos 3.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Registered:
    """One instance as it is registered."""

    name: str
    ip: str
    port: int = 8080
    namespace: str = "public"
    group: str = "DEFAULT_GROUP"
    cluster: str = "DEFAULT"
    healthy: bool = True
    enabled: bool = True
    weight: float = 1.0
    metadata: dict[str, str] = field(default_factory=dict)


class Gone(Exception):
    """What is asked for is answered with this status."""


@dataclass
class FakeNacos:
    """What is registered, and how the server behaves. `pages_from` is 0 for the catalogue of a 1.x, 1 for a 2.x."""

    instances: list[Registered] = field(default_factory=list)
    speaks: set[int] = field(default_factory=lambda: {1, 2, 3})
    catalogue: bool = True
    pages_from: int = 1
    password: str = ""
    token_ttl_s: int = 18000
    tokens: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    broken: str = ""
    asked: list[str] = field(default_factory=list)
    said: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    _issued: int = 0

    def change(self, ip: str, **to: Any) -> None:
        """Changes how the instance at an address is registered."""
        self.instances = [replace(one, **to) if one.ip == ip else one for one in self.instances]

    def services(self, namespace: str, group: str = "") -> list[tuple[str, str]]:
        """Group and name of every service, in the order of registration."""
        all_of = ((one.group, one.name) for one in self.instances if one.namespace == namespace)
        return [key for key in dict.fromkeys(all_of) if group in ("", key[0])]

    def hosts(self, namespace: str, group: str, name: str) -> list[Registered]:
        """The instances of a service, those that are disabled too."""
        key = (namespace, group, name)
        return [one for one in self.instances if (one.namespace, one.group, one.name) == key]

    def answer(self, path: str, asked: dict[str, str]) -> Any:
        """The document at a path; Gone with the status otherwise."""
        namespace = asked.get("namespaceId", "public")
        if namespace in self.forbidden:
            raise Gone(403)
        version = int(path[2]) if path[:2] == "/v" else 0
        if version not in self.speaks and path != "/v1/ns/catalog/services":
            raise Gone(404)
        routes = {
            "/v3/admin/ns/service/list": self._v3, "/v1/ns/catalog/services": self._v1_catalogue,
            "/v2/ns/service/list": self._v2_services, "/v1/ns/service/list": self._v1_services,
            "/v2/ns/instance/list": self._v2_instances, "/v1/ns/instance/list": self._v1_instances,
        }  # fmt: skip
        if path not in routes:
            raise Gone(404)
        return routes[path](namespace, asked)

    def _v3(self, namespace: str, asked: dict[str, str]) -> Any:
        found = self.services(namespace)
        items = [self._detail(namespace, *key, v3=True) for key in _page(found, asked, 1)]
        return _enveloped({"totalCount": len(found), "pageNumber": int(asked["pageNo"]), "pagesAvailable": 1,
                           "pageItems": items})  # fmt: skip

    def _v1_catalogue(self, namespace: str, asked: dict[str, str]) -> Any:
        if not self.catalogue or not self.speaks & {1, 2}:
            raise Gone(404)
        return [self._detail(namespace, *key) for key in _page(self.services(namespace), asked, self.pages_from)]

    def _detail(self, namespace: str, group: str, name: str, v3: bool = False) -> Any:
        clusters: dict[str, Any] = {}
        for one in self.hosts(namespace, group, name):
            host = _host(one) if v3 else {
                "valid": one.healthy, "metadata": one.metadata, "port": one.port, "ip": one.ip, "weight": one.weight,
                "enabled": one.enabled,
            }  # fmt: skip
            empty = {"clusterName": None, "healthChecker": None, "metadata": None, "hosts": []}
            clusters.setdefault(one.cluster, empty)["hosts"].append(host)
        return {"namespace": None, "serviceName": name, "groupName": group, "clusterMap": clusters, "metadata": {},
                "protectThreshold": 0.0, "selector": None, "ephemeral": None}  # fmt: skip

    def _v2_services(self, namespace: str, asked: dict[str, str]) -> Any:
        found = self.services(namespace, asked.get("groupName", "DEFAULT_GROUP"))
        return _enveloped({"count": len(found), "services": [name for _, name in _page(found, asked, 1)]})

    def _v1_services(self, namespace: str, asked: dict[str, str]) -> Any:
        if "pageNo" not in asked:
            raise Gone(400)
        found = self.services(namespace, asked.get("groupName", "DEFAULT_GROUP"))
        return {"count": len(found), "doms": [name for _, name in _page(found, asked, 1)]}

    def _v2_instances(self, namespace: str, asked: dict[str, str]) -> Any:
        return _enveloped(self._listed(namespace, asked.get("groupName", "DEFAULT_GROUP"), asked["serviceName"]))

    def _v1_instances(self, namespace: str, asked: dict[str, str]) -> Any:
        group, _, name = asked["serviceName"].rpartition("@@")
        return self._listed(namespace, group or "DEFAULT_GROUP", name)

    def _listed(self, namespace: str, group: str, name: str) -> Any:
        shown = [_host(one) for one in self.hosts(namespace, group, name) if one.enabled]
        return {"name": f"{group}@@{name}", "groupName": group, "clusters": "", "cacheMillis": 10000, "hosts": shown,
                "lastRefTime": 1795237299274, "checksum": "", "allIPs": False, "reachProtectionThreshold": False,
                "valid": True}  # fmt: skip

    def log_in(self, path: str, form: dict[str, str]) -> Any:
        """A token, under `data` for v3."""
        if not self.password or int(path[2]) not in self.speaks:
            raise Gone(404)
        if form != {"username": "nacos", "password": self.password}:
            raise Gone(403)
        self._issued += 1
        self.tokens = {f"token-{self._issued}"}
        told = {"accessToken": f"token-{self._issued}", "tokenTtl": self.token_ttl_s, "globalAdmin": True}
        return _enveloped(told) if path.startswith("/v3") else {**told, "username": "nacos"}


def _page(found: list[Any], asked: dict[str, str], first: int) -> list[Any]:
    """A page as Nacos cuts it: before the first comes the first again (2.x) or nothing else (1.x counts from 0)."""
    size = int(asked.get("pageSize", 20))
    start = max(0, int(asked.get("pageNo", first)) - first) * size
    return found[start : start + size]


def _host(one: Registered) -> dict[str, Any]:
    grouped = f"{one.group}@@{one.name}"
    return {
        "instanceId": f"{one.ip}#{one.port}#{one.cluster}#{grouped}", "ip": one.ip, "port": one.port,
        "weight": one.weight, "healthy": one.healthy, "enabled": one.enabled, "ephemeral": True,
        "clusterName": one.cluster, "serviceName": grouped, "metadata": one.metadata,
        "instanceHeartBeatTimeOut": 15000, "ipDeleteTimeout": 30000, "instanceHeartBeatInterval": 5000,
    }  # fmt: skip


def _enveloped(data: Any) -> Any:
    return {"code": 0, "message": "success", "data": data}


class _Handler(BaseHTTPRequestHandler):
    state: FakeNacos
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together, or every answer waits for an acknowledgement

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/nacos")
        self.state.asked.append(path)
        self.state.said.append(dict(self.headers))
        if self.state.broken:
            return self._send(int(self.state.broken), {"error": "caused: broken;"})
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.state.password and given not in self.state.tokens:
            return self._send(403, {"status": 403, "error": "Forbidden"})
        return self._reply(lambda: self.state.answer(path, {k: v[0] for k, v in parse_qs(parts.query).items()}))

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        path = urlsplit(self.path).path.removeprefix("/nacos")
        self.state.asked.append(path)
        self._reply(lambda: self.state.log_in(path, {k: v[0] for k, v in form.items()}))

    def _reply(self, make: Any) -> None:
        try:
            self._send(200, make())
        except Gone as gone:
            self._send(int(gone.args[0]), {"status": gone.args[0]})

    def _send(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keeps quiet."""


@contextmanager
def nacos(state: FakeNacos, tls: ssl.SSLContext | None = None) -> Iterator[FakeNacos]:
    """Serves on a free port of loopback until the end of the block; `state` may change meanwhile."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
