"""The real SkyWalking Python agent sends what two programs do to a running product."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from running import Running, free_ports, product, soon

pytestmark = pytest.mark.real

AGENT = Path(os.environ.get("SYNOPTIC_SERVERS", Path(__file__).parent / "servers")) / "skywalking_agent"
COLLECTOR = "SYNOPTIC__COLLECTORS__AGENTS__"
SHOP, STOCK = "default//shop", "default//stock"
SENT, FAILED = 20, 4


@dataclass
class Program:
    """An instrumented program: where it answers, and what it wrote."""

    url: str
    output: Path


@pytest.fixture(scope="module")
def python() -> str:
    """The Python that has the agent; installed at first use."""
    environ = os.environ | {"PYTHON": sys.executable}
    built = subprocess.run([str(AGENT / "build")], check=True, stdout=subprocess.PIPE, text=True, env=environ)
    return built.stdout.strip()


@contextmanager
def program(python: str, folder: Path, name: str, backend: str, protocol: str, calls: str = "") -> Iterator[Program]:
    """A running program under the agent, which reports every second."""
    (port,) = free_ports(1)
    environ = os.environ | {
        "SW_AGENT_NAME": name, "SW_AGENT_INSTANCE_NAME": f"{name}-0", "SW_AGENT_PROTOCOL": protocol,
        "SW_AGENT_COLLECTOR_BACKEND_SERVICES": backend, "SW_AGENT_AUTHENTICATION": "s3cret",
        "SW_AGENT_INSTANCE_PROPERTIES_JSON": json.dumps({"zone": f"zone of {name}"}),
        "SW_AGENT_COLLECTOR_HEARTBEAT_PERIOD": "1", "SW_AGENT_METER_REPORTER_PERIOD": "1",
        "SW_AGENT_COLLECTOR_GET_PROFILE_TASK_INTERVAL": "1", "SW_AGENT_LOG_REPORTER_LEVEL": "ERROR",
    }  # fmt: skip
    output = folder / f"{name}.txt"
    command = [python, str(AGENT / "program.py"), name, str(port), *([calls] if calls else [])]
    with output.open("w") as written, subprocess.Popen(
            command, env=environ, stdout=written, stderr=subprocess.STDOUT) as process:  # fmt: skip
        try:
            yield Program(f"http://127.0.0.1:{port}/", output)
        finally:
            process.terminate()


def answers(url: str) -> bool:
    """Whether somebody listens there; nothing of the program runs."""
    try:
        return httpx.get(f"{url}static/nothing.css").status_code == 404
    except httpx.TransportError:
        return False


def counters(running: Running) -> dict[str, int]:
    """What the source counted."""
    (row,) = [row for row in running.get("/api/v1/sources") if row["name"] == "agents"]
    assert row["last_error"] is None
    found: dict[str, int] = row["counters"]
    return found


def drawn(running: Running) -> dict[str, tuple[int, int]]:
    """Calls and errors of every path."""
    graph = running.get("/api/v1/graph", window="15m")
    return {edge["id"]: (edge["calls"], edge["errors"]) for edge in graph["edges"]}


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_what_two_programs_do_is_drawn(tmp_path, python, protocol):
    """A program that asks another: every call and failure is on the map, in the zones the agents report, with the error
    lines of the one that failed, masked; agents find nothing wrong, and ask for nothing that is refused."""
    ports = dict(zip(("grpc", "http"), free_ports(2), strict=True))
    environ = {f"{COLLECTOR}{way.upper()}": f"127.0.0.1:{port}" for way, port in ports.items()}
    environ[f"{COLLECTOR}KIND"] = "skywalking_segments"
    if protocol == "grpc":  # over HTTP this agent shows no token
        environ[f"{COLLECTOR}TOKEN"] = "s3cret"
    backend = f"127.0.0.1:{ports[protocol]}"
    with product(tmp_path / "product", **environ) as running, ExitStack() as programs:
        stock = programs.enter_context(program(python, tmp_path, "stock", backend, protocol))
        shop = programs.enter_context(program(python, tmp_path, "shop", backend, protocol, stock.url))
        assert soon(lambda: answers(stock.url) and answers(shop.url), 30)
        assert soon(lambda: counters(running).get("instances") == 2, 20)
        for number in range(SENT):
            httpx.get(shop.url, params={"fail": "1"} if number % 5 == 0 else {})
        expected = {f"default//user/~user>{SHOP}": (SENT, FAILED), f"{SHOP}>{STOCK}": (SENT, FAILED)}
        assert soon(lambda: drawn(running) == expected, 20), drawn(running)
        nodes = {node["id"]: node for node in running.get("/api/v1/graph", window="15m")["nodes"]}
        assert (nodes[SHOP]["zones"], nodes[STOCK]["zones"]) == (["zone of shop"], ["zone of stock"])
        lines = soon(lambda: [line for line in running.get("/api/v1/logs", service=STOCK)
                              if "no stock left" in line["body"]])  # fmt: skip
        assert len(lines) == FAILED
        assert "4111111111111111" not in str(lines)
        assert counters(running)["segments"] == 2 * SENT
        for one in (shop, stock):
            assert "Traceback" not in one.output.read_text()
            assert "RpcError" not in one.output.read_text()
