"""The two sides of the race: how each is started, and which calls each found."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.fleet import BROKER, REDIS
from benchmarks.process import Server, free_ports, start

ROOT = Path(__file__).parent.parent
OTELCOL = ROOT / "tests" / "servers" / "otelcol"
HORIZON_S, FLUSH_S, TICK_S = 30, 5, 2
SERVER_CORE, SENDER_CORE = 1, 0

Calls = dict[tuple[str, str], tuple[int, int]]
"""(caller, callee) -> calls, errors."""


class Collector:
    """The OpenTelemetry collector with its service-graph and span-metrics connectors."""

    name = "collector"
    wait_s = HORIZON_S + 2 + FLUSH_S + 1
    """Time to live, its expiry loop, the flush."""

    def __init__(self, folder: Path, connectors: str = "[servicegraph, spanmetrics]") -> None:
        built = subprocess.run([OTELCOL / "build"], stdout=subprocess.PIPE, text=True, check=True)
        self._binary, self._folder, self._connectors = built.stdout.strip(), folder, connectors

    def start(self) -> Server:
        """A new process, with room for every span of a run."""
        ports = dict(zip(("grpc", "http", "metrics", "self"), free_ports(4), strict=True))
        environment = {f"{name.upper()}_PORT": str(port) for name, port in ports.items()} | {
            "GOMAXPROCS": "1",
            "STORE_TTL": f"{HORIZON_S}s",
            "STORE_ITEMS": "10000000",
            "FLUSH": f"{FLUSH_S}s",
            "CONNECTORS": self._connectors,
        }
        command = [self._binary, "--config", str(OTELCOL / "config" / "servicegraph.yaml")]
        return start(command, ports, environment, self._folder / "collector.log", SERVER_CORE)

    def calls(self, server: Server) -> Calls:
        """What its Prometheus page tells. Redis goes by the number of its database there."""
        page = _get(server, "metrics", "/metrics").decode()
        found: dict[tuple[str, str], list[int]] = {}
        for labels, value in re.findall(r"^traces_service_graph_request_total\{(.*)\} ([0-9.e+]+)", page, re.MULTILINE):
            label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if label["connection_type"] == "messaging_system":
                continue
            counts = found.setdefault((label["client"], REDIS if label["server"] == "0" else label["server"]), [0, 0])
            counts[0] += int(float(value))
            counts[1] += int(float(value)) * (label["failed"] == "true")
        return {key: (calls, errors) for key, (calls, errors) in found.items()}


class Synoptic:
    """The product as `synoptic serve` starts it: default configuration, journal on, page up."""

    name = "synoptic"
    wait_s = HORIZON_S + 2 * TICK_S + 4

    def __init__(self, folder: Path, sync: str = "group") -> None:
        self._folder, self._sync = folder, sync

    def start(self, core: int | None = SERVER_CORE) -> Server:
        """A new process with an empty data folder."""
        data = self._folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        ports = dict(zip(("web", "grpc", "http"), free_ports(3), strict=True))
        command = [str(Path(sys.executable).parent / "synoptic"), "serve", "--data-dir", str(data)]
        for flag, name in (("--http", "web"), ("--otlp-grpc", "grpc"), ("--otlp-http", "http")):
            command += [flag, f"127.0.0.1:{ports[name]}"]
        server = start(command, ports, {"SYNOPTIC__JOURNAL__SYNC": self._sync}, self._folder / "synoptic.log", core)
        for _ in range(100):
            try:
                _get(server, "web", "/readyz")
                break
            except OSError:
                time.sleep(0.2)
        return server

    def calls(self, server: Server) -> Calls:
        """What its graph of the last quarter of an hour tells."""
        graph = json.loads(_get(server, "web", "/api/v1/graph?window=15m"))
        names = {node["id"]: node["name"] for node in graph["nodes"]}
        return {
            (names[edge["source"]], names[edge["target"]]): (edge["calls"], edge["errors"]) for edge in graph["edges"]
        }


def quality(server: Server) -> dict[str, Any]:
    """The counters of Synoptic."""
    return dict(json.loads(_get(server, "web", "/api/v1/quality")))


def _get(server: Server, port: str, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports[port]}{path}", timeout=30) as reply:
        return bytes(reply.read())


def without_queues(calls: Calls, topics: Iterable[str]) -> Calls:
    """The calls that both sides see alike: one draws the topic between producer and consumer, the other does not, and
    only one draws callers that were lost."""
    left_out = {BROKER, "unknown", "warm-up", *topics}
    return {key: value for key, value in calls.items() if not left_out & set(key)}


def sender() -> Path:
    """The sender, built when it is missing or older than its source."""
    source, binary = ROOT / "benchmarks" / "sender", ROOT / "build" / "sender"
    if not binary.exists() or binary.stat().st_mtime < (source / "main.go").stat().st_mtime:
        binary.parent.mkdir(exist_ok=True)
        proxy = subprocess.run(["go", "env", "GOPROXY"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        environment = {**os.environ, "GOPROXY": proxy.removesuffix(",direct"), "CGO_ENABLED": "0"}
        subprocess.run(["go", "build", "-trimpath", "-o", binary, "."], cwd=source, env=environment, check=True)
    return binary
