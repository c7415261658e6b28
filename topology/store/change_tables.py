"""Changes in a DuckDB file: one row a uid."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa  # type: ignore[import-untyped]

from topology.changes import Change, ChangeKind, Outcome
from topology.model import Service
from topology.store.contract import EVERYTHING, ChangeQuery
from topology.store.database import Cursor
from topology.store.keys import text

_TEXTS = ("kind", "title", "source", "service_id", "version", "author", "link", "outcome")


def put(cursor: Cursor, changes: Sequence[Change]) -> None:
    """Adds changes; one told before with the same uid is replaced."""
    rows = {text(change.uid): change for change in changes}
    columns = zip(*(_texts(change) for change in rows.values()), strict=True)
    cursor.register("incoming", pa.table({
        "uid": list(rows), "at_s": [float(change.at_s) for change in rows.values()],
        **dict(zip(_TEXTS, map(list, columns), strict=True)),
        "ended_s": pa.array([change.ended_s for change in rows.values()], pa.float64()),
    }))
    cursor.execute(f"INSERT OR REPLACE INTO changes (uid, at_s, {', '.join(_TEXTS)}, ended_s) SELECT * FROM incoming")
    cursor.unregister("incoming")


def _texts(change: Change) -> tuple[str, ...]:
    service = change.service.id if change.service else EVERYTHING
    return (change.kind.value, text(change.title), text(change.source), text(service), text(change.version),
            text(change.author), text(change.link), change.outcome.value)


def find(cursor: Cursor, query: ChangeQuery) -> list[Change]:
    """The changes that match, newest first."""
    asked = {"from_s": query.from_s, "to_s": query.to_s, "limit": query.limit,
             "services": None if query.services is None else [text(id_) for id_ in query.services],
             "kinds": None if query.kinds is None else [kind.value for kind in query.kinds]}
    rows = cursor.execute(
        f"SELECT uid, at_s, {', '.join(_TEXTS)}, ended_s FROM changes WHERE at_s >= $from_s AND at_s < $to_s "
        "AND ($services::VARCHAR[] IS NULL OR list_contains($services::VARCHAR[], service_id)) "
        "AND ($kinds::VARCHAR[] IS NULL OR list_contains($kinds::VARCHAR[], kind)) "
        "ORDER BY at_s DESC, uid LIMIT $limit", asked).fetchall()
    return [_change(*row) for row in rows]


def _change(uid: str, at_s: float, kind: str, title: str, source: str, service: str,
            version: str, author: str, link: str, outcome: str, ended_s: float | None) -> Change:
    return Change(uid, at_s, ChangeKind(kind), title, source, Service.from_id(service) if service else None,
                  version, author, link, Outcome(outcome), ended_s)


def drop(cursor: Cursor, before_s: float) -> int:
    """Forgets what was changed before a moment and returns how many changes that were."""
    ((rows,),) = cursor.execute("DELETE FROM changes WHERE at_s < ?", [before_s]).fetchall()
    return int(rows)
