"""Who was seen when: those that speak, their paths, and those that only others tell of."""

from __future__ import annotations

from app.engine.presence import Presence
from topology.members import Members
from topology.model import EdgeKey, Kind, OperationKey, Service
from topology.rollup import from_rows

WEB, ORDERS = Service("prod", "bank", "web"), Service("prod", "bank", "orders")
LEDGER_DB = Service("prod", "", "ledger-db", Kind.DATABASE)
KEYS = [
    OperationKey(WEB, "a", "GET /"),
    EdgeKey(WEB, "a", ORDERS, "", "http"),
    EdgeKey(WEB, "a", LEDGER_DB, "", "mysql"),
    EdgeKey(ORDERS, "a", LEDGER_DB, "", "mysql"),
]
CALL = [1.0, 0.0, 0.0, 0.0, 1000.0, 0.0, 1.0]


def noted(*rows: tuple[int, int], now_s: float = 1000.0) -> Presence:
    """What is known after one batch of (start_s, number of the series) with a call each."""
    members, presence = Members(), Presence()
    members.extend(KEYS)
    presence.note(members, from_rows(10, ((start_s, series, CALL, {}) for start_s, series in rows)), now_s)
    return presence


def test_who_sends_nothing_is_seen_by_its_callers() -> None:
    """A database is seen from its first caller's first window to its last caller's last; a service that was called, but
    said nothing itself, is not."""
    seen = noted((900, 0), (910, 2), (940, 2), (890, 3), (920, 1)).seen
    assert seen[LEDGER_DB.id] == (890, 950)
    assert seen[WEB.id] == (900, 910)
    assert ORDERS.id not in seen
    assert seen[f"{WEB.id}>{LEDGER_DB.id}"] == (910, 950)
    assert seen[f"{ORDERS.id}>{LEDGER_DB.id}"] == (890, 900)


def test_nobody_is_seen_later_than_now() -> None:
    """The end of a window in progress is not reached yet; windows without calls change nothing."""
    presence = noted((990, 0), (990, 2), now_s=993.0)
    assert {last_s for _, last_s in presence.seen.values()} == {993.0}
    before = dict(presence.seen)
    presence.take_changes()
    members = Members()
    members.extend(KEYS)
    presence.note(members, from_rows(10, []), 999.0)
    assert presence.seen == before
    assert not presence.changed
