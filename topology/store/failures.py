"""What the database says when it fails, in the words of this project."""

from __future__ import annotations

from pathlib import Path

import duckdb

from topology.errors import StoreDamaged, StoreError, StoreFull

FULL = ("No space left on device", "File too large", "Disk quota exceeded")
IN_USE = ("Could not set lock", "different configuration than existing connections")
DAMAGED = (
    "not a valid DuckDB database file", "Corrupt database file", "Could not read enough bytes", "checksum",
    "replaying WAL", "Failed to deserialize", "Failed to load metadata",
)
NEWER = ("version number",)


class StoreInUse(StoreError):
    """Another process, or another part of this one, has the file."""


def translated(error: duckdb.Error, path: Path) -> StoreError:
    """The StoreError that stands for an error of the database."""
    said = str(error)
    if _any(FULL, said):
        return StoreFull(f"no space is left for {path}: nothing was written ({said})")
    if _any(IN_USE, said):
        return StoreInUse(f"{path} is in use by another process; only one may open it ({said})")
    if _any(NEWER, said):
        return StoreError(f"{path} was written by another version of DuckDB ({said})")
    if _any(DAMAGED, said) or isinstance(error, duckdb.SerializationException):
        return StoreDamaged(f"{path} cannot be read: {said}")
    return StoreError(f"{path}: {said}")


def is_fatal(error: duckdb.Error) -> bool:
    """Whether the database must be opened anew before it can be used again."""
    return isinstance(error, duckdb.FatalException | duckdb.InternalException) or "invalidated" in str(error)


def _any(signs: tuple[str, ...], said: str) -> bool:
    return any(sign in said for sign in signs)
