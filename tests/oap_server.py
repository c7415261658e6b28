"""A real OAP server for tests, started by the script beside it."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collectors.contract import Context
from collectors.skywalking.config import Config, Limits
from collectors.skywalking.source import OapSource, build
from topology.histogram import ladder
from topology.masking import mask

SERVERS = Path(os.environ.get("SYNOPTIC_SERVERS", Path(__file__).parent / "servers")) / "skywalking"
START_TIMEOUT_S = 600
LEARNT_S = 20.0
"""After how long an address is known, on a busy machine too: an OAP stores every 5 s, and two such periods and the
reload of a cache are 13 s."""


@dataclass(frozen=True)
class Oap:
    """Where a running server answers."""

    pid: int
    graphql: str
    http: str
    grpc: str


@contextmanager
def running(version: str, folder: Path, zone: str = "UTC", port: int | None = None) -> Iterator[Oap]:
    """A server with an empty store in memory, on this machine only, its clock in the zone. The first start of a
    version downloads it. Skips where that cannot be (no Java, no Maven), but never where CI is set."""
    missing = [tool for tool in ("java", "mvn", "curl") if shutil.which(tool) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"a real OAP needs {', '.join(missing)}")
    began = subprocess.run(
        [str(SERVERS / "start"), version, str(port or free_port()), str(folder)], check=False, capture_output=True,
        text=True, timeout=START_TIMEOUT_S, env={**os.environ, "OAP_ZONE": zone, "OAP_HEAP": "512m"},
    )  # fmt: skip
    assert began.returncode == 0, began.stderr
    said = json.loads(began.stdout)
    oap = Oap(said["pid"], said["graphql"], said["http"], said["grpc"])
    try:
        yield oap
    finally:
        subprocess.run([str(SERVERS / "stop"), str(oap.pid)], check=True)


def free_port() -> int:
    """A port that is free, and the next one too: GraphQL's and gRPC's. None of those that systems give to connections,
    because a server takes its own only seconds later."""
    while True:
        port = random.randrange(20_000, 32_000, 2)
        try:
            for each in (port, port + 1):
                socket.create_server(("127.0.0.1", each)).close()
        except OSError:
            continue
        return port


def zone_with_midnight_at(time_s: float) -> str:
    """A zone of Java's in which this time, a whole minute, is midnight."""
    past = datetime.fromtimestamp(time_s, UTC)
    minutes = past.hour * 60 + past.minute
    sign, away = ("-", minutes) if minutes <= 12 * 60 else ("+", 24 * 60 - minutes)
    return f"GMT{sign}{away // 60:02d}:{away % 60:02d}"


def half_hour_zone(time_s: float) -> str:
    """A zone half an hour off in which it is not about midnight: the store has no tables of another day."""
    zones = ("Asia/Kolkata", "Australia/Darwin", "America/St_Johns")
    return next(zone for zone in zones if 3 <= datetime.fromtimestamp(time_s, ZoneInfo(zone)).hour < 23)


def source(graphql: str, timeout_s: float = 15.0, **said: object) -> OapSource:
    """A source that asks this address as often as it likes."""
    config = Config(url=graphql, limits=Limits(requests_per_s=200.0, timeout_s=timeout_s), **said)  # type: ignore[arg-type]
    return build(config, "oap", Context(environment="prod", ladder=ladder(), mask=mask, clock=time.time))


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Returns when it holds; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.5)
