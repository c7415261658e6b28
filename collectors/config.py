"""What a user may write in a configuration: quantities with their unit, addresses, files, secrets.

Every collector has a frozen dataclass `Config` made of these. An attribute whose name ends in `_s` or `_bytes` is
written without that ending, because the value carries the unit: `horizon_s` is `horizon: 30s`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_OCTETS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]iB|[kMG]B|B)")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]/]+)):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number, a duration in seconds or a size in bytes; both ends belong to it."""

    at_least: float = float("-inf")
    at_most: float = float("inf")


@dataclass(frozen=True, slots=True)
class Duration(Range):
    """Marks seconds that are written with a unit: `250ms`, `30s`, `1h30m`, `7d`."""


@dataclass(frozen=True, slots=True)
class Size(Range):
    """Marks bytes that are written with a unit: `64MiB`, `1GB`."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Marks text that has to match a pattern as a whole; `words` say in plain words what is expected."""

    pattern: str
    words: str


Name = Annotated[str, Matching(r"\S(.*\S)?", "text that is not empty")]
"""A word or a name of somebody else's choice."""


@dataclass(frozen=True, slots=True)
class FileOnDisk:
    """Marks a path that has to be a readable file when the program starts. A relative path starts at the folder of
    the configuration file."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a source is asked: every `interval` for the newest minutes and again for those of the last `overlap`,
    which may have changed. A minute is first asked for `settle` after its end. After an outage the last `catch_up` are
    read besides, newest first, in no more than `catch_up_share` of the time."""

    interval_s: Annotated[float, Duration(5, 3600)] = 30.0
    overlap_s: Annotated[float, Duration(120, 3600)] = 300.0
    settle_s: Annotated[float, Duration(0, 600)] = 5.0
    catch_up_s: Annotated[float, Duration(0, 7 * 86400)] = 86400.0
    catch_up_share: Annotated[float, Range(0.01, 1)] = 0.25

    def check(self) -> Iterator[tuple[str, str, str]]:
        """A minute is read at least twice while it may change, or else the past is read without end."""
        if self.catch_up_s and 2 * self.interval_s > self.overlap_s:
            yield "interval", f"at most half of overlap ({self.overlap_s:g} s)", f"{self.interval_s:g} s"


ReadableFile = Annotated[Path, FileOnDisk()]


@dataclass(frozen=True, slots=True)
class FolderToWatch:
    """Marks the path of a folder that need not exist. A relative one is looked for beside the configuration file
    first; if it is not there, it starts where the program is started."""


Folder = Annotated[Path, FolderToWatch()]


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where to listen or connect: a host name or IP address, and a port. Port 0 means any free one."""

    EXPECTED: ClassVar[str] = "an address such as 127.0.0.1:4317"
    host: str
    port: int

    @classmethod
    def from_text(cls, text: str) -> Address:
        """The address written as `host:port`, an IPv6 host in brackets; ValueError for anything else."""
        found = _HOST_AND_PORT.fullmatch(text)
        if found is None or int(found["port"]) > 65535:
            raise ValueError(text)
        return cls(found["v6"] or found["host"], int(found["port"]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Text that never shows in a log or a message. In the file it is `name: ${VARIABLE}` or `name_file: PATH`; then
    `file` is where it came from, and who reveals it gets what is written there now."""

    EXPECTED: ClassVar[str] = "text that is not empty"
    value: str
    file: Path | None = field(default=None, compare=False)

    @classmethod
    def from_text(cls, text: str, file: Path | None = None) -> Secret:
        """A secret of this text without the white space around it; ValueError when nothing is left."""
        if not text.strip():
            raise ValueError("empty")
        return cls(text.strip(), file)

    def reveal(self) -> str:
        """The text itself, for the one place that sends or compares it; while its file has none, that of the start."""
        if self.file is None:
            return self.value
        try:
            return self.file.read_text(encoding="utf-8").strip() or self.value
        except (OSError, UnicodeDecodeError):
            return self.value

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"


def seconds(text: str) -> float:
    """The length of a duration such as `1h30m`; ValueError for anything else."""
    return _sum_of(text, _DURATION, _SECONDS)


def octets(text: str) -> int:
    """The number of bytes of a size such as `64MiB`; ValueError for anything else."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return int(float(found[1]) * _OCTETS[found[2]])


def _sum_of(text: str, part: re.Pattern[str], units: dict[str, float]) -> float:
    if not text or part.sub("", text):
        raise ValueError(text)
    return sum(float(number) * units[unit] for number, unit in part.findall(text))
