"""The log in a directory: fixed-size segments, recycled so that their room on disk is already theirs."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from topology.errors import Overloaded
from topology.journal.records import HEADER, Record, header, scan
from topology.journal.spares import SpareFiles
from topology.journal.writing import BLOCK, GroupWriter, ThroughWriter, Writer, takes_direct_writes

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
RETRY_AFTER_S = 5.0
MOST_WAIT_S = 5.0
"""For the disk, where a request finds no room in memory."""


@dataclass(slots=True)
class Segment:
    """One file of the log: the tickets it holds are [first, last]."""

    path: Path
    first: int
    last: int
    used: int
    places: list[tuple[int, int]]


class Journal:
    """The log in one directory. `append` is for one thread at a time; `settle`, `read` and `body` for any.

    With `sync` a request is gathered in memory and on disk once `settle` returned; without, the operating system has
    it once `append` returned, and writes it when it likes.
    """

    def __init__(self, directory: Path, *, sync: bool = True, segment_bytes: int = 64 << 20,
                 max_bytes: int = 4 << 30) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._sync = directory, sync
        self._segment_bytes, self._max_bytes = _blocks(segment_bytes), max_bytes
        self._segments: list[Segment] = []
        self._spare = SpareFiles(directory, self._segment_bytes)
        self._sync_lock = threading.Lock()
        self._writer: Writer = GroupWriter(direct=takes_direct_writes(directory)) if sync else ThroughWriter()
        self._settled = 0
        self._refused = False
        self._unsafe: list[tuple[int, int]] = []
        self._least = 1
        self._open()

    def _open(self) -> None:
        for path in sorted(self._directory.glob("*.log")):
            segment = Segment(path, int(path.stem), int(path.stem) - 1, 0, [])
            for record, offset in scan(path, segment.first):
                segment.last, segment.used = record.ticket, offset + HEADER.size + len(record.body)
                segment.places.append((offset, len(record.body)))
            self._segments.append(segment)
        self._spare.find(self._most_spare())
        if self._segments:
            self._cut(self._segments[-1])
            self._writer.begin(self._segments[-1].path, self._segments[-1].used)
        self._settled = self.last

    def _most_spare(self) -> int:
        """How many files may wait to be used again: the bound holds for the disk."""
        return self._max_bytes // self._segment_bytes - len(self._segments)

    def _cut(self, segment: Segment) -> None:
        """What a torn write left behind must not look like a record later."""
        file = os.open(segment.path, os.O_WRONLY)
        try:
            os.ftruncate(file, segment.used)
            with contextlib.suppress(OSError):
                os.posix_fallocate(file, 0, max(self._segment_bytes, _blocks(segment.used)))
            if self._sync:
                os.fsync(file)
        finally:
            os.close(file)

    @property
    def directory(self) -> Path:
        """Where it is."""
        return self._directory

    @property
    def last(self) -> int:
        """The newest ticket; 0 before the first."""
        return self._segments[-1].last if self._segments else 0

    @property
    def bytes_used(self) -> int:
        """How much the log takes."""
        return sum(segment.used for segment in self._segments)

    def append(self, signal: int, arrival_ns: int, body: bytes | memoryview) -> int:
        """Takes a request and returns its ticket; Overloaded, with nothing taken, when disk, log or memory are full."""
        size = HEADER.size + len(body)
        if not self._fits(size):
            self._next_segment(size)
        if self._refused or not self._writer.fits(size):
            self._drain()
        segment = self._segments[-1]
        ticket = segment.last + 1
        try:
            self._writer.put(ticket, header(ticket, signal, arrival_ns, body), body)
        except OSError as error:
            raise _refusal(error) from error
        segment.places.append((segment.used, len(body)))
        segment.last, segment.used = ticket, segment.used + size
        return ticket

    def _fits(self, size: int) -> bool:
        """Whether the newest segment has room, goes on with the next ticket, and is known to reach the disk."""
        if not self._segments:
            return False
        newest = self._segments[-1]
        failed = self._unsafe and newest.first <= self._unsafe[-1][1]
        return not failed and newest.last + 1 >= self._least and newest.used + size <= self._segment_bytes

    def _next_segment(self, size: int) -> None:
        if self.bytes_used + max(size, self._segment_bytes) > self._max_bytes:
            raise Overloaded("the journal is full: the store does not keep up", RETRY_AFTER_S)
        try:
            self._begin(max(self.last + 1, self._least), max(_blocks(size), self._segment_bytes))
        except OSError as error:
            raise _refusal(error) from error

    def _begin(self, first: int, size: int) -> None:
        # Whoever settles must not find the file closed under its hands.
        with self._sync_lock:
            self._write()
            path = self._directory / f"{first:020d}.log"
            self._prepare(path, size)
            self._writer.begin(path, 0)
            if self._segments and self._segments[-1].path == path:
                self._segments.pop()
            self._segments.append(Segment(path, first, first - 1, 0, []))
            self._settle_directory()

    def _prepare(self, path: Path, size: int) -> None:
        if size == self._segment_bytes and self._spare.take(path):
            return
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            # Reserves the room, so that a later write cannot fail for want of it.
            os.posix_fallocate(file, 0, size)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(file)

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

    def settle(self, ticket: int) -> None:
        """Returns when everything up to `ticket` is on disk. Whoever waits longest writes for all who came meanwhile.

        Overloaded when the disk is full: what is gathered is tried again, and nothing more is taken before it is
        written. OSError when the disk failed: those tickets stay unsafe for good, because a later sync says nothing
        about them, and what comes next goes to another segment.
        """
        if not self._sync:
            return
        if self._settled < ticket:
            with self._sync_lock:
                if self._settled < ticket:
                    self._write()
        if self._is_unsafe(ticket):
            raise OSError(errno.EIO, "the disk failed while a request was written")

    def _drain(self) -> None:
        if not self._sync_lock.acquire(timeout=MOST_WAIT_S):
            raise Overloaded("the disk does not keep up", RETRY_AFTER_S)
        try:
            self._write()
        finally:
            self._sync_lock.release()

    def _write(self) -> None:
        try:
            self._settled = max(self._settled, self._writer.write())
            self._refused = False
        except OSError as error:
            refusal = _refusal(error)
            self._refused = refusal is not error
            if not self._refused:
                self._unsafe.append((self._settled, self._writer.abandon()))
            raise refusal from error

    def _is_unsafe(self, ticket: int) -> bool:
        return any(settled < ticket <= newest for settled, newest in self._unsafe)

    def read(self, first: int = 0) -> Iterator[Record]:
        """Every record from ticket `first` on, in order. What is not on disk yet is written before."""
        self._drain()
        for segment in list(self._segments):
            if segment.last >= first:
                for record, _ in scan(segment.path, segment.first):
                    if first <= record.ticket <= segment.last:
                        yield record

    def body(self, ticket: int, start: int = 0, most: int | None = None) -> bytes | None:
        """The bytes of one request, or `most` of them from `start` on; None when it was dropped or the disk failed."""
        for segment in self._segments:
            if segment.first <= ticket <= segment.last and not self._is_unsafe(ticket):
                offset, size = segment.places[ticket - segment.first]
                wanted = size - start if most is None else min(most, size - start)
                return self._bytes(segment.path, offset + HEADER.size + start, max(wanted, 0))
        return None

    def _bytes(self, path: Path, offset: int, size: int) -> bytes:
        pending = self._writer.pending(path, offset, size)
        if pending is not None:
            return pending
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, offset)

    def drop(self, before: int, now_s: float) -> None:
        """Gives up segments that hold only tickets below `before`; some wait to be used again, see `SpareFiles`."""
        while len(self._segments) > 1 and self._segments[0].last < before:
            segment = self._segments.pop(0)
            if len(self._spare) < self._most_spare():
                self._spare.put(segment.path, now_s)
            else:
                segment.path.unlink()
        self._spare.delete_old(now_s)
        if self._unsafe:
            with self._sync_lock:
                self._unsafe = [failed for failed in self._unsafe if failed[1] >= self._segments[0].first]

    def close(self) -> None:
        """Ends the use of the log, everything settled."""
        with self._sync_lock:
            try:
                self._write()
            finally:
                self._writer.close()


def _blocks(size: int) -> int:
    """So many bytes and what fills the last block."""
    return -(-size // BLOCK) * BLOCK


def _refusal(error: OSError) -> Exception:
    return Overloaded("the disk is full", RETRY_AFTER_S) if error.errno in FULL_DISK else error
