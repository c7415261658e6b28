"""A copy of a store's file while it is in use."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import duckdb

from topology.errors import StoreError
from topology.store.database import Cursor, Database
from topology.store.opening import log_file


def copy_to(database: Database, path: Path) -> None:
    """Writes what is committed now to a new file; it gets its name when it is whole.
    StoreError when the name is taken, StoreFull when the disk is full: then no file is left."""
    if path.exists():
        raise StoreError(f"{path} exists already; a backup never overwrites")
    unfinished = path.with_name(path.name + ".part")
    _remove(unfinished)
    try:
        with database.reading() as cursor:
            _copy(cursor, unfinished)
        unfinished.replace(path)
    finally:
        _remove(unfinished)


def _copy(cursor: Cursor, path: Path) -> None:
    ((name,),) = cursor.execute("SELECT current_database()").fetchall()
    cursor.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS backup")
    try:
        cursor.execute(f'COPY FROM DATABASE "{name}" TO backup')
        cursor.execute("CHECKPOINT backup")
    finally:
        with suppress(duckdb.Error):
            cursor.execute("DETACH backup")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    log_file(path).unlink(missing_ok=True)
