"""How records reach a file: gathered in memory and written in groups that are on disk, or handed on one by one."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

BLOCK = 4096
GATHERED_BYTES = 4 << 20


class Writer(Protocol):
    """Appends to one file at a time. `put` and `begin` are for one thread at a time, `write` too, `pending` for any."""

    def begin(self, path: Path, used: int) -> None:
        """Goes on in another file, of which `used` bytes are records. Everything put before must be written."""

    def fits(self, size: int) -> bool:
        """Whether so many bytes can be put before the next `write`."""

    def put(self, ticket: int, header: bytes, body: bytes | memoryview) -> None:
        """Appends a record; OSError, with nothing appended, when that is impossible."""

    def write(self) -> int:
        """Writes what was put before the call; returns the newest ticket that is written. OSError when the disk
        refuses: the next call tries all of it again."""

    def abandon(self) -> int:
        """Forgets what is not written and takes nothing more for this file; returns the newest ticket that was put."""

    def pending(self, path: Path, offset: int, size: int) -> bytes | None:
        """Bytes of a file that may not be in it yet; None when they are."""

    def close(self) -> None:
        """Closes the file."""


class ThroughWriter:
    """Hands every record to the operating system when it is put, which writes it when it likes."""

    def __init__(self) -> None:
        self._file = -1
        self._used = self._newest = 0

    def begin(self, path: Path, used: int) -> None:
        """See `Writer`."""
        file = os.open(path, os.O_WRONLY)
        self.close()
        self._file, self._used = file, used

    def fits(self, size: int) -> bool:
        """Always."""
        return True

    def put(self, ticket: int, header: bytes, body: bytes | memoryview) -> None:
        """See `Writer`."""
        _whole(os.pwritev(self._file, (header, body), self._used), len(header) + len(body))
        self._used += len(header) + len(body)
        self._newest = ticket

    def write(self) -> int:
        """Nothing is left to do."""
        return self._newest

    def abandon(self) -> int:
        """See `Writer`."""
        return self._newest

    def pending(self, path: Path, offset: int, size: int) -> bytes | None:
        """Nothing ever is."""
        return None

    def close(self) -> None:
        """See `Writer`."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@dataclass(slots=True)
class Group:
    """Bytes of a file from `at` on, of which `used` are records; `newest` is the last ticket put, 0 when all of it is
    in the file already."""

    memory: memoryview
    at: int = 0
    used: int = 0
    newest: int = 0

    def bytes_at(self, offset: int, size: int) -> bytes | None:
        """A stretch of the file; None when it is not all here."""
        start = offset - self.at
        return bytes(self.memory[start : start + size]) if start >= 0 and start + size <= self.used else None


class GroupWriter:
    """Gathers records in memory; `write` puts them on disk as one group, past the page cache where that is possible.

    Whole blocks are written: the last one is filled up with zeros, and the next group begins with it again. The bytes
    that are written twice are the same, so a torn second write cannot harm them. While one group is written the next
    is gathered in the other memory.
    """

    def __init__(self, *, direct: bool) -> None:
        self._direct, self._block = direct, BLOCK if direct else 1
        self._lock = threading.Lock()
        self._file, self._path = -1, Path()
        self._gathered, self._spare = Group(_memory(GATHERED_BYTES)), _memory(GATHERED_BYTES)
        self._taken: Group | None = None
        self._newest = self._written = 0

    def begin(self, path: Path, used: int) -> None:
        """See `Writer`."""
        at = used - used % self._block
        with path.open("rb") as old:
            rest = os.pread(old.fileno(), used - at, at)
        file = os.open(path, os.O_WRONLY | (os.O_DIRECT if self._direct else 0))
        with self._lock:
            self.close()
            self._file, self._path = file, path
            self._gathered = Group(self._gathered.memory, at, used - at)
            self._gathered.memory[: used - at] = rest

    def fits(self, size: int) -> bool:
        """Whether there is room, or nothing gathered: a request as large as that gets memory of its own."""
        return self._gathered.newest == 0 or self._room(size)

    def _room(self, size: int) -> bool:
        return self._gathered.used + size + self._block <= len(self._gathered.memory)

    def put(self, ticket: int, header: bytes, body: bytes | memoryview) -> None:
        """See `Writer`."""
        with self._lock:
            if self._file < 0:
                raise OSError(errno.EIO, "the disk failed under this file")
            if not self._room(len(header) + len(body)):
                self._grow(len(header) + len(body))
            group = self._gathered
            start, end = group.used + len(header), group.used + len(header) + len(body)
            group.memory[group.used : start] = header
            group.memory[start:end] = body
            group.used, group.newest, self._newest = end, ticket, ticket

    def _grow(self, size: int) -> None:
        group = self._gathered
        larger = _memory(group.used + size + self._block)
        larger[: group.used] = group.memory[: group.used]
        group.memory = larger

    def write(self) -> int:
        """See `Writer`."""
        if self._taken is not None:
            self._write(self._taken)
        if (taken := self._take()) is not None:
            self._write(taken)
        return self._written

    def _take(self) -> Group | None:
        """Makes what was gathered the group to write; gathering goes on in the other memory, from its last block."""
        with self._lock:
            group = self._gathered
            if group.newest == 0:
                return None
            whole = group.used - group.used % self._block
            self._gathered = Group(self._spare, group.at + whole, group.used - whole)
            self._spare[: group.used - whole] = group.memory[whole : group.used]
            self._taken = group
            return group

    def _write(self, group: Group) -> None:
        end = -(-group.used // self._block) * self._block
        group.memory[group.used : end] = bytes(end - group.used)
        _whole(os.pwritev(self._file, (group.memory[:end],), group.at, os.RWF_DSYNC), end)
        if not self._direct:
            # What is on disk gives its pages back, so that the next group is written into the same warm memory: fresh
            # pages cost more than everything else that is done to a request.
            os.posix_fadvise(self._file, group.at, end, os.POSIX_FADV_DONTNEED)
        with self._lock:
            self._release(group)
            self._written = group.newest

    def _release(self, group: Group) -> None:
        self._taken = None
        self._spare = group.memory if len(group.memory) == GATHERED_BYTES else _memory(GATHERED_BYTES)

    def abandon(self) -> int:
        """See `Writer`."""
        with self._lock:
            if self._taken is not None:
                self._release(self._taken)
            self._gathered = Group(self._gathered.memory)
            self.close()
            return self._newest

    def pending(self, path: Path, offset: int, size: int) -> bytes | None:
        """See `Writer`."""
        with self._lock:
            groups = [group for group in (self._taken, self._gathered) if group and path == self._path]
            found = (group.bytes_at(offset, size) for group in groups)
            return next((part for part in found if part is not None), None)

    def close(self) -> None:
        """See `Writer`."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def takes_direct_writes(directory: Path) -> bool:
    """Whether files of this directory can be written past the page cache, found out by doing it."""
    path = directory / "direct.probe"
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o600)
        try:
            # Not at the beginning: a file system of larger blocks must refuse.
            return os.pwritev(file, (_memory(BLOCK),), BLOCK, os.RWF_DSYNC) == BLOCK
        finally:
            os.close(file)
    except OSError:
        return False
    finally:
        path.unlink(missing_ok=True)


def _memory(size: int) -> memoryview:
    """Memory that begins at a page, as direct writing needs it; in huge pages where there are any, which a write pins
    at once."""
    memory = mmap.mmap(-1, size)
    with contextlib.suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(memory)


def _whole(written: int, size: int) -> None:
    if written != size:
        raise OSError(errno.ENOSPC, "only a part was written")
