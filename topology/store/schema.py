"""The tables of a store's file and how older files become today's.

Version n is what the first n migrations make. A migration that was ever released is never edited;
what changes is a further one. Tiers are tables of their own (`rollups_<window>s`), made when first used,
since their windows are configured.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from topology.errors import StoreError
from topology.rollup import COUNTS

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE series (id INTEGER NOT NULL, kind VARCHAR NOT NULL, fields VARCHAR[] NOT NULL);
    CREATE TABLE bounds (id SMALLINT NOT NULL, upper_us BIGINT NOT NULL);
    CREATE TABLE entities (id VARCHAR PRIMARY KEY, first_seen_s DOUBLE NOT NULL, last_seen_s DOUBLE NOT NULL);
    CREATE TABLE checkpoints (name VARCHAR PRIMARY KEY, value BLOB NOT NULL);
    CREATE TABLE positions (id VARCHAR PRIMARY KEY, x DOUBLE NOT NULL, y DOUBLE NOT NULL);
    CREATE TABLE traces (id VARCHAR NOT NULL, payload BLOB NOT NULL);
    CREATE TABLE examples (trace_id VARCHAR NOT NULL, service_id VARCHAR NOT NULL, operation VARCHAR NOT NULL,
        start_s DOUBLE NOT NULL, duration_ms DOUBLE NOT NULL, failed BOOLEAN NOT NULL, span_count INTEGER NOT NULL);
    """,
    """
    CREATE TABLE changes (uid VARCHAR PRIMARY KEY, at_s DOUBLE NOT NULL, kind VARCHAR NOT NULL, title VARCHAR NOT NULL,
        source VARCHAR NOT NULL, service_id VARCHAR NOT NULL, version VARCHAR NOT NULL, author VARCHAR NOT NULL,
        link VARCHAR NOT NULL, outcome VARCHAR NOT NULL, ended_s DOUBLE);
    """,
)


def upgrade(cursor: duckdb.DuckDBPyConnection, migrations: Sequence[str] = MIGRATIONS) -> int:
    """Brings a file to today's version in one transaction, and returns the version it had (0: new).
    StoreError when a newer program wrote it, or another one."""
    version = _version(cursor)
    if version > len(migrations):
        raise StoreError(f"its version is {version}, this program knows {len(migrations)}: use a newer program")
    if version < len(migrations):
        cursor.begin()
        for migration in migrations[version:]:
            cursor.execute(migration)
        cursor.execute("CREATE OR REPLACE TABLE schema_version AS SELECT ?::INTEGER AS version", [len(migrations)])
        cursor.commit()
    return version


def _version(cursor: duckdb.DuckDBPyConnection) -> int:
    tables = {name for (name,) in cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables:
        return 0
    if "schema_version" not in tables:
        raise StoreError("it is a database of another program")
    ((version,),) = cursor.execute("SELECT version FROM schema_version").fetchall()
    return int(version)


def tier_table(window_s: int) -> str:
    """The name of the table of the tier with this window."""
    return f"rollups_{window_s}s"


def create_tier(cursor: duckdb.DuckDBPyConnection, window_s: int) -> None:
    """Makes the table of a tier if it is not there. Its histograms are lists: bound numbers and their counts."""
    counts = ", ".join(f"{name} DOUBLE NOT NULL" for name in COUNTS)
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {tier_table(window_s)} (start_s BIGINT NOT NULL, "
                   f"series INTEGER NOT NULL, {counts}, bounds SMALLINT[] NOT NULL, ns DOUBLE[] NOT NULL)")


def tier_windows(cursor: duckdb.DuckDBPyConnection) -> list[int]:
    """The windows of the tiers that the file has."""
    names = cursor.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'rollups\\_%s' ESCAPE '\\'")
    return sorted(int(name.removeprefix("rollups_").removesuffix("s")) for (name,) in names.fetchall())
