"""Opening a store's file: one process at a time, and a damaged file never stops the start."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from topology.errors import StoreDamaged, StoreError
from topology.store.failures import translated
from topology.store.schema import upgrade


@dataclass(frozen=True, slots=True)
class Limits:
    """What the database may take of the machine. It checkpoints when its log has grown by `log_mb`.

    A second thread would read in a fifth to a quarter less time; but half a second after every use it gives back to
    the system all that is free in the process, the collectors' memory too, which then is cleared page by page again
    (ADR 0004).
    """

    memory_mb: int = 512
    threads: int = 1
    log_mb: int = 64


def connect(path: Path, limits: Limits) -> duckdb.DuckDBPyConnection:
    """A connection to the file, which is made if it is not there. StoreError when another process has it,
    StoreDamaged when it cannot be read."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{limits.memory_mb}MB",
        "threads": limits.threads,
        "temp_directory": f"{path}.tmp",
        # a checkpoint that fails inside a commit leaves open whether the commit is durable: they are done apart
        "checkpoint_threshold": "1TB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # a second opening in this process has another name, and is refused like one from another process
        "custom_user_agent": f"synoptic {uuid.uuid4()}",
    }
    try:
        return duckdb.connect(path, config=config)
    except duckdb.Error as error:
        raise translated(error, path) from error


def open_file(path: Path, limits: Limits, now_s: float) -> tuple[duckdb.DuckDBPyConnection, str | None]:
    """(a connection to a readable file of today's version, what happened to a damaged one if there was one)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _checked(path, limits), None
    except StoreDamaged as damage:
        aside = _set_aside(path, now_s)
        return _checked(path, limits), f"{damage}. It was set aside as {aside.name}; a new file was begun."


def _checked(path: Path, limits: Limits) -> duckdb.DuckDBPyConnection:
    connection = connect(path, limits)
    try:
        if suspicion(path).exists() or _is_short(connection, path):
            _read_everything(connection)
            suspicion(path).unlink(missing_ok=True)
        upgrade(connection)
    except duckdb.Error as error:
        connection.close()
        raise translated(error, path) from error
    except StoreError as error:
        connection.close()
        raise type(error)(f"{path}: {error}") from error
    return connection


def _is_short(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """Whether blocks are missing at the end: a file cut short opens well and fails when they are read.
    After a kill unused blocks may be missing, so this alone is no damage."""
    ((expected,),) = connection.execute("SELECT block_size * total_blocks FROM pragma_database_size()").fetchall()
    return path.stat().st_size < int(expected)


def _read_everything(connection: duckdb.DuckDBPyConnection) -> None:
    """Reads every block, whose checksums tell damage."""
    for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        connection.execute(f"SELECT bit_xor(hash(t)) FROM {table} AS t").fetchall()


def suspicion(path: Path) -> Path:
    """The mark that damage was met while the file was in use: the next opening reads all of it."""
    return path.with_name(path.name + ".suspect")


def _set_aside(path: Path, now_s: float) -> Path:
    """Renames the file and its log, so that nothing is lost and the name is free."""
    moment = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{moment}")
    suspicion(path).unlink(missing_ok=True)
    path.replace(aside)
    log = log_file(path)
    if log.exists():
        log.replace(log_file(aside))
    return aside


def log_file(path: Path) -> Path:
    """Where the database keeps what is committed and not yet in the file."""
    return path.with_name(path.name + ".wal")
