"""The machine a figure was measured on, in one line."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def machine() -> str:
    """Processor, cores, memory, Python, system and how busy it is: ratios of one run compare, rates of two do not."""
    cpu = re.search(r"model name\s*:\s*(.+)", _read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s+(\d+)", _read("/proc/meminfo"))
    name = cpu[1].strip() if cpu else platform.processor() or platform.machine()
    size = f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "memory unknown"
    return (
        f"{name}, {os.cpu_count()} cores, {size}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()}, load {os.getloadavg()[0]:.1f}"
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
