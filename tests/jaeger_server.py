"""A real Jaeger, started by the script in tests/servers: spans in by OTLP, traces out by its query interfaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from running import free_ports

SERVER = Path(os.environ.get("SYNOPTIC_SERVERS", Path(__file__).parent / "servers")) / "jaeger"
START_S = 900
"""A first start builds the server."""


@dataclass(frozen=True)
class Jaeger:
    """Where it takes spans, and where it is asked."""

    otlp: str
    query: str

    def take(self, request: bytes) -> None:
        """Sends an OTLP request, which has to be taken."""
        answer = httpx.post(f"{self.otlp}/v1/traces", content=request, timeout=30,
                            headers={"content-type": "application/x-protobuf"})
        assert answer.status_code == 200, answer.text


@contextmanager
def jaeger(elasticsearch: str = "") -> Iterator[Jaeger]:
    """A Jaeger that keeps traces in memory, or in an Elasticsearch. Skips where there is no Go, but never where CI is
    set."""
    if shutil.which("go") is None and not os.environ.get("CI"):
        pytest.skip("a real Jaeger needs Go")
    names = ("--grpc", "--http", "--query", "--query-grpc", "--health")
    ports = [word for name, port in zip(names, free_ports(len(names)), strict=True) for word in (name, str(port))]
    config = ["--config", str(SERVER / "config" / "elasticsearch.yaml")] if elasticsearch else []
    done = subprocess.run([str(SERVER / "start"), *config, *ports], capture_output=True, text=True, timeout=START_S,
                          env={**os.environ, "ES_URL": elasticsearch}, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    try:
        yield Jaeger(told["otlp_http"], told["query"])
    finally:
        subprocess.run([str(SERVER / "stop"), str(told["pid"])], check=True, timeout=60)
