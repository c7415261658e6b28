"""An append-only log of requests: what was acknowledged survives the process.

Fixed-size segments, recycled so that their room on disk is already theirs. A record is a header (magic, length,
ticket, arrival, signal, checksum) and the body. Reading stops at the first record that is not
whole and next in order: that cuts a torn tail, and what an older use of the segment left behind.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from topology.errors import Overloaded
from topology.interning import K1, K2
from topology.machine import JIT, compiled, load_u8, load_u64

HEADER = struct.Struct("<IIQQQQ")
MAGIC = 0x53594E31
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
RETRY_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class Record:
    """One request: its place in the order, what it is, when it came (epoch ns), and its bytes."""

    ticket: int
    signal: int
    arrival_ns: int
    body: bytes


@dataclass(slots=True)
class Segment:
    """One file of the log: the tickets it holds are [first, last]."""

    path: Path
    first: int
    last: int
    used: int
    places: list[tuple[int, int]]


@compiled(**JIT)
def _checksum(p, n, seed):  # type: ignore[no-untyped-def]
    """A 64-bit checksum in four independent lanes, as fast as memory can be read."""
    a, b, c, d = seed, seed ^ K1, seed ^ K2, seed + K1
    end = p + (n & ~31)
    while p < end:
        a = (a ^ load_u64(p)) * K1
        b = (b ^ load_u64(p + 8)) * K1
        c = (c ^ load_u64(p + 16)) * K1
        d = (d ^ load_u64(p + 24)) * K1
        p += 32
    for k in range(n & 31):
        a = (a ^ np.uint64(load_u8(p + k))) * K1
    h = a ^ (b >> np.uint64(7)) ^ (c >> np.uint64(13)) ^ (d >> np.uint64(29)) ^ np.uint64(n)
    h = (h ^ b) * K2
    h = (h ^ c) * K2
    return (h ^ d) * K2


def checksum(body: bytes, ticket: int) -> int:
    """The checksum of a body under its ticket, so that a stale record never fits a new place."""
    raw = np.frombuffer(body, np.uint8)
    return int(_checksum(int(raw.ctypes.data), len(body), np.uint64(ticket * 0x9E3779B97F4A7C15 & (1 << 64) - 1)))


class Journal:
    """The log in one directory. `append` is for one thread at a time; `settle` and `read` for any."""

    def __init__(self, directory: Path, *, sync: bool = True, segment_bytes: int = 64 << 20,
                 max_bytes: int = 4 << 30) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._sync = directory, sync
        self._segment_bytes, self._max_bytes = segment_bytes, max_bytes
        self._segments: list[Segment] = []
        self._spare: list[Path] = []
        self._file = -1
        self._sync_lock = threading.Lock()
        self._settled = 0
        self._unsafe = (0, 0)
        self._least = 1
        self._open()

    def _open(self) -> None:
        for path in sorted(self._directory.glob("*.log")):
            segment = Segment(path, int(path.stem), int(path.stem) - 1, 0, [])
            for record, offset in _scan(path, segment.first):
                segment.last, segment.used = record.ticket, offset + HEADER.size + len(record.body)
                segment.places.append((offset, len(record.body)))
            self._segments.append(segment)
        for path in self._directory.glob("*.spare"):
            self._spare.append(path)
        if self._segments:
            self._file = os.open(self._segments[-1].path, os.O_WRONLY)
            # What a torn write left behind must not look like a record later.
            os.ftruncate(self._file, self._segments[-1].used)
            self._settle_file()
        self._settled = self.last

    @property
    def last(self) -> int:
        """The newest ticket; 0 before the first."""
        return self._segments[-1].last if self._segments else 0

    @property
    def bytes_used(self) -> int:
        """How much the log takes."""
        return sum(segment.used for segment in self._segments)

    def append(self, signal: int, arrival_ns: int, body: bytes) -> int:
        """Writes a request and returns its ticket; Overloaded, with nothing written, when disk or log are full."""
        size = HEADER.size + len(body)
        if not self._fits(size):
            self._next_segment(size)
        segment = self._segments[-1]
        ticket = segment.last + 1
        header = HEADER.pack(MAGIC, len(body), ticket, arrival_ns, signal, checksum(body, ticket))
        try:
            written = os.pwritev(self._file, (header, body), segment.used)
        except OSError as error:
            raise self._refusal(error) from error
        if written != size:
            raise Overloaded("the disk is full", RETRY_AFTER_S)
        segment.places.append((segment.used, len(body)))
        segment.last, segment.used = ticket, segment.used + size
        return ticket

    def _fits(self, size: int) -> bool:
        """Whether the newest segment has room, goes on with the next ticket, and is known to reach the disk."""
        if not self._segments:
            return False
        newest = self._segments[-1]
        follows = newest.last + 1 >= self._least and newest.first > self._unsafe[1]
        return follows and newest.used + size <= self._segment_bytes

    def _next_segment(self, size: int) -> None:
        if self.bytes_used + max(size, self._segment_bytes) > self._max_bytes:
            raise Overloaded("the journal is full: the store does not keep up", RETRY_AFTER_S)
        try:
            self._begin(max(self.last + 1, self._least), max(size, self._segment_bytes))
        except OSError as error:
            raise self._refusal(error) from error

    def _begin(self, first: int, size: int) -> None:
        # Whoever settles must not find the file closed under its hands.
        with self._sync_lock:
            self._settle_file()
            path = self._directory / f"{first:020d}.log"
            file = self._new_file(path, size)
            if self._file >= 0:
                os.close(self._file)
            self._file = file
            if self._segments and self._segments[-1].path == path:
                self._segments.pop()
            self._segments.append(Segment(path, first, first - 1, 0, []))
            self._settle_directory()

    def _settle_directory(self) -> None:
        """A file that is on disk is lost with its name."""
        if self._sync:
            directory = os.open(self._directory, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def skip_to(self, ticket: int) -> None:
        """Never gives out tickets up to `ticket` again: they are counted elsewhere, even if the log has lost them."""
        self._least = max(self._least, ticket + 1)

    def _new_file(self, path: Path, size: int) -> int:
        if self._spare and size == self._segment_bytes:
            self._spare.pop().replace(path)
            return os.open(path, os.O_WRONLY)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            # Reserves the room, so that a later write cannot fail for want of it.
            os.posix_fallocate(file, 0, size)
        except OSError:
            os.close(file)
            path.unlink()
            raise
        return file

    def _refusal(self, error: OSError) -> Exception:
        return Overloaded("the disk is full", RETRY_AFTER_S) if error.errno in FULL_DISK else error

    def settle(self, ticket: int) -> None:
        """Returns when everything up to `ticket` is on disk. Whoever waits longest syncs for all who came meanwhile.

        OSError when the disk failed under it. The kernel tells that once and then forgets the pages, so those tickets
        stay unsafe for good, and what comes next goes to another segment.
        """
        if not self._sync:
            return
        if self._settled < ticket:
            with self._sync_lock:
                if self._settled < ticket:
                    self._settle_file()
        if self._unsafe[0] < ticket <= self._unsafe[1]:
            raise OSError(errno.EIO, "the disk failed while a request was written")

    def _settle_file(self) -> None:
        last = self.last
        if self._file >= 0 and self._sync:
            try:
                os.fdatasync(self._file)
                # What is on disk gives its pages back, so that the next requests are written into the same warm memory:
                # fresh pages cost more than everything else that is done to a request.
                os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)
            except OSError:
                self._unsafe = (self._settled, last)
                raise
        self._settled = max(self._settled, last)

    def read(self, first: int = 0) -> Iterator[Record]:
        """Every record from ticket `first` on, in order."""
        for segment in list(self._segments):
            if segment.last >= first:
                for record, _ in _scan(segment.path, segment.first):
                    if first <= record.ticket <= segment.last:
                        yield record

    def body(self, ticket: int, start: int = 0, most: int | None = None) -> bytes | None:
        """The bytes of one request, or `most` of them from `start` on; None when it was dropped."""
        for segment in self._segments:
            if segment.first <= ticket <= segment.last:
                offset, size = segment.places[ticket - segment.first]
                wanted = size - start if most is None else min(most, size - start)
                with segment.path.open("rb", buffering=0) as file:
                    return os.pread(file.fileno(), max(wanted, 0), offset + HEADER.size + start)
        return None

    def drop(self, before: int) -> None:
        """Gives up segments that hold only tickets below `before`; one is kept to be used again."""
        while len(self._segments) > 1 and self._segments[0].last < before:
            segment = self._segments.pop(0)
            spare = segment.path.with_suffix(".spare")
            if len(self._spare) < 4 and segment.path.stat().st_size == self._segment_bytes:
                segment.path.replace(spare)
                self._spare.append(spare)
            else:
                segment.path.unlink()

    def close(self) -> None:
        """Ends the use of the log, everything settled."""
        if self._file >= 0:
            with self._sync_lock:
                self._settle_file()
                os.close(self._file)
                self._file = -1


def _scan(path: Path, first: int) -> Iterator[tuple[Record, int]]:
    """The whole records of a segment with their offsets, up to the first that is not whole and next in order."""
    expected, offset = first, 0
    with path.open("rb") as file:
        while len(header := file.read(HEADER.size)) == HEADER.size:
            magic, size, ticket, arrival_ns, signal, check = HEADER.unpack(header)
            if magic != MAGIC or ticket != expected:
                return
            body = file.read(size)
            if len(body) != size or checksum(body, ticket) != check:
                return
            yield Record(ticket, signal, arrival_ns, body), offset
            expected, offset = expected + 1, offset + HEADER.size + size
