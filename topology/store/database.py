"""One DuckDB file in use: cursors for readers, one transaction at a time for the writer, and coming back
after an error that DuckDB itself does not survive."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from topology.errors import StoreDamaged, StoreError, StoreFull
from topology.store.failures import StoreInUse, is_fatal, translated
from topology.store.opening import Limits, connect, log_file, open_file, suspicion

Cursor = duckdb.DuckDBPyConnection
REOPEN_TRIES, REOPEN_PAUSE_S = 100, 0.02
RESTING_MB = 32
"""What may stay in memory when nobody reads or writes."""


class Database:
    """A file that this process has for itself until `close`. `notice` tells of a damaged file set aside."""

    def __init__(self, path: Path, limits: Limits, now_s: float) -> None:
        self.path = path
        self._limits = limits
        self._connection: Cursor | None
        self._connection, self.notice = open_file(path, limits, now_s)
        self._closed = False
        self._lock = threading.Lock()
        self._log_after_checkpoint = 0
        self._in_use = 0

    @contextmanager
    def reading(self) -> Iterator[Cursor]:
        """A cursor of its own; what the database says of failures becomes a StoreError."""
        source = self._source()
        try:
            cursor = source.cursor()
            try:
                yield cursor
            except duckdb.Error as error:
                _close(cursor)  # first: who opens the file again after a fatal error waits for it
                raise self._failed(error, source) from error
            finally:
                _close(cursor)
        finally:
            with self._lock:
                self._in_use -= 1

    @contextmanager
    def writing(self) -> Iterator[Cursor]:
        """A cursor in a transaction that is committed at the end, or rolled back by any exception."""
        with self.reading() as cursor:
            cursor.begin()
            try:
                yield cursor
                cursor.commit()
            except BaseException:
                with suppress(duckdb.Error):
                    cursor.rollback()
                raise

    def checkpoint_if_due(self) -> None:
        """Moves the log into the file when it has grown enough since the last try."""
        log_bytes = self._log_bytes()
        if log_bytes - self._log_after_checkpoint < self._limits.log_mb * 1024 * 1024:
            return
        self.checkpoint()
        self._log_after_checkpoint = self._log_bytes()

    def checkpoint(self) -> None:
        """Moves the log into the file, unless another transaction is writing or the disk is full: then the log,
        which has everything, stays."""
        with suppress(StoreFull), self.reading() as cursor, suppress(duckdb.TransactionException):
            cursor.execute("CHECKPOINT")

    def give_back_memory(self) -> None:
        """Gives back the memory of blocks that are only kept to be read again; without this the database takes all it
        may, some megabytes a minute. Nothing happens while the file is in use, and who comes meanwhile waits: under
        the low limit a query would fail."""
        with self._lock:
            if self._in_use or self._connection is None:
                return
            with suppress(duckdb.Error):
                self._connection.execute(f"SET memory_limit = '{RESTING_MB}MB'")
            self._connection.execute(f"SET memory_limit = '{self._limits.memory_mb}MB'")

    def _log_bytes(self) -> int:
        log = log_file(self.path)
        return log.stat().st_size if log.exists() else 0

    def close(self) -> None:
        """Gives the file back."""
        with self._lock:
            self._closed = True
            self._drop()

    def _source(self) -> Cursor:
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.path} is closed")
            if self._connection is None:
                self._connection = self._reconnect()
            self._in_use += 1
            return self._connection

    def _reconnect(self) -> Cursor:
        """Opens the file again. Readers of the failed database hold it until they have failed too, which is soon."""
        for _ in range(REOPEN_TRIES):
            try:
                return connect(self.path, self._limits)
            except StoreInUse:
                time.sleep(REOPEN_PAUSE_S)
        return connect(self.path, self._limits)

    def _failed(self, error: duckdb.Error, source: Cursor) -> StoreError:
        failure = translated(error, self.path)
        if isinstance(failure, StoreDamaged):
            with suppress(OSError):
                suspicion(self.path).touch()
        if is_fatal(error):
            with self._lock:
                if self._connection is source:
                    self._drop()
        return failure

    def _drop(self) -> None:
        """The next cursor opens the file anew; its log brings back every commit."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _close(connection)


def _close(cursor: Cursor) -> None:
    with suppress(duckdb.Error):
        cursor.close()
