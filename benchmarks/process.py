"""Processes under measure: where they listen, what they used."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback nobody listens on; all different."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def pinned(core: int | None) -> list[str]:
    """What to put before a command so that it stays on one core; nothing for None or on a machine with only one."""
    cores = sorted(os.sched_getaffinity(0))
    return [] if core is None or len(cores) < 2 else ["taskset", "--cpu-list", str(cores[core % len(cores)])]


@dataclass
class Server:
    """A running server process."""

    process: subprocess.Popen[bytes]
    ports: Mapping[str, int]

    @property
    def cpu_s(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def memory_mib(self, word: str = "VmRSS") -> float:
        """Resident memory; with `VmHWM` its peak."""
        found = re.search(rf"{word}:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    def stop(self) -> None:
        """Ends it, by force after a while."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(
    command: Sequence[str], ports: Mapping[str, int], environment: Mapping[str, str], log: Path, core: int | None = None
) -> Server:
    """Starts a server and waits until it listens on all of its ports; RuntimeError when it does not."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [*pinned(core), *command], env={**os.environ, **environment}, stdout=errors, stderr=errors
        )
    server = Server(process, ports)
    for port in ports.values():
        _wait_for(port, server, log)
    return server


def _wait_for(port: int, server: Server, log: Path) -> None:
    end_s = time.monotonic() + 120
    while time.monotonic() < end_s:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server stopped:\n{log.read_text(errors='replace')[-2000:]}")
        with socket.socket() as one:
            one.settimeout(1)
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    server.stop()
    raise RuntimeError(f"nothing listens on port {port}")
