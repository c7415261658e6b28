"""The tables of a DuckDB file that fit into memory: names of series and bounds, entities, checkpoints, positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa  # type: ignore[import-untyped]

from topology.model import Entity
from topology.store.bounds import Bounds
from topology.store.database import Cursor
from topology.store.keys import Row, text


def series(cursor: Cursor, from_number: int = 0) -> list[tuple[int, str, list[str]]]:
    """(number, kind, fields) of every series, or of those numbered last."""
    return cursor.execute("SELECT id, kind, fields FROM series WHERE id >= ?", [from_number]).fetchall()


def add_series(cursor: Cursor, new: Mapping[Row, int]) -> None:
    """Names series."""
    if new:
        _insert(cursor, "INSERT INTO series", {
            "id": list(new.values()), "kind": [kind for kind, _ in new], "fields": [list(fields) for _, fields in new],
        })


def bounds(cursor: Cursor) -> Bounds:
    """The numbers of bounds."""
    return Bounds(dict(cursor.execute("SELECT upper_us, id FROM bounds").fetchall()))


def add_bounds(cursor: Cursor, new: Mapping[int, int]) -> None:
    """Numbers bounds."""
    if new:
        _insert(cursor, "INSERT INTO bounds", {"id": list(new.values()), "upper_us": list(new)})


def entities(cursor: Cursor) -> list[Entity]:
    """Everything ever seen and not yet expired."""
    return [Entity(*row) for row in cursor.execute("SELECT id, first_seen_s, last_seen_s FROM entities").fetchall()]


def put_entities(cursor: Cursor, seen: Sequence[Entity]) -> None:
    """Widens when each entity was seen."""
    spans: dict[str, tuple[float, float]] = {}
    for entity in seen:
        first, last = spans.get(text(entity.key), (entity.first_seen_s, entity.last_seen_s))
        spans[text(entity.key)] = min(first, entity.first_seen_s), max(last, entity.last_seen_s)
    if spans:
        _insert(cursor, "INSERT INTO entities", {
            "id": list(spans), "first": [float(first) for first, _ in spans.values()],
            "last": [float(last) for _, last in spans.values()],
        }, "ON CONFLICT DO UPDATE SET first_seen_s = least(first_seen_s, excluded.first_seen_s), "
           "last_seen_s = greatest(last_seen_s, excluded.last_seen_s)")


def drop_entities(cursor: Cursor, before_s: float) -> None:
    """Forgets entities not seen since, with their positions."""
    cursor.execute("DELETE FROM positions WHERE id IN (SELECT id FROM entities WHERE last_seen_s < ?)", [before_s])
    cursor.execute("DELETE FROM entities WHERE last_seen_s < ?", [before_s])


def put_checkpoints(cursor: Cursor, checkpoints: Mapping[str, bytes]) -> None:
    """Replaces checkpoints by name."""
    if checkpoints:
        _insert(cursor, "INSERT OR REPLACE INTO checkpoints",
                {"name": list(checkpoints), "value": pa.array(checkpoints.values(), pa.binary())})


def put_positions(cursor: Cursor, positions: Mapping[str, tuple[float, float]]) -> None:
    """Replaces positions by id."""
    if positions:
        _insert(cursor, "INSERT OR REPLACE INTO positions", {
            "id": [text(id_) for id_ in positions], "x": [float(x) for x, _ in positions.values()],
            "y": [float(y) for _, y in positions.values()],
        })


def _insert(cursor: Cursor, into: str, columns: Mapping[str, object], conflict: str = "") -> None:
    cursor.register("incoming", pa.table(columns))
    cursor.execute(f"{into} SELECT * FROM incoming {conflict}")
    cursor.unregister("incoming")
