"""What every store promises about changes, and that files of older versions take them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_store_duckdb import FIRST_VERSION

from topology.changes import Change, ChangeKind, Outcome
from topology.model import Kind, Service
from topology.store.contract import EVERYTHING, ChangeQuery, Commit, Store
from topology.store.duckdb import DuckDBStore
from topology.store.memory import MemoryStore
from topology.store.tiers import DAY_S, Retention, Tier

NOON_S = 1_800_000_000.0
PAY, LEDGER = Service("prod", "bank", "pay"), Service("prod", "bank", "ledger", Kind.DATABASE)
FULL = Change("gitlab:1", NOON_S, ChangeKind.DEPLOYMENT, "1.4.1 → 1.4.2", "gitlab", PAY, "1.4.2", "chen",
              "https://ci.example/1", Outcome.FAILED, NOON_S + 90.5)
BARE = Change("x", NOON_S - 60, ChangeKind.OTHER, "a new network", "api")


@pytest.fixture(params=["memory", "duckdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each make that keeps everything for two days."""
    retention = Retention((Tier(10, 3600), Tier(3600, 2 * DAY_S)))
    made: Store = (MemoryStore(retention) if request.param == "memory"
                   else DuckDBStore(tmp_path / "x.duckdb", 0.0, retention))
    yield made
    made.close()


def uids(store: Store, **asked: object) -> list[str]:
    """The uids of what is found, in the order found."""
    return [change.uid for change in store.changes(ChangeQuery(**{"from_s": 0, "to_s": 4e9} | asked))]  # type: ignore[arg-type]


def test_a_change_comes_back_as_it_was_told(store: Store) -> None:
    """Every field is read back equal, also where a change says hardly anything, newest first."""
    store.commit(Commit(changes=[BARE, FULL]))
    assert store.changes(ChangeQuery(0, 4e9)) == [FULL, BARE]


def test_a_change_told_again_is_replaced(store: Store) -> None:
    """What is told last holds, within one commit and over several; others stay."""
    ended = replace(FULL, outcome=Outcome.SUCCEEDED, ended_s=NOON_S + 5, at_s=NOON_S - 90, service=LEDGER)
    store.commit(Commit(changes=[FULL, BARE, replace(FULL, outcome=Outcome.RUNNING)]))
    assert store.changes(ChangeQuery(0, 4e9)) == [replace(FULL, outcome=Outcome.RUNNING), BARE]
    store.commit(Commit(changes=[ended]))
    assert store.changes(ChangeQuery(0, 4e9)) == [BARE, ended]


def test_what_is_asked_restricts_what_is_found(store: Store) -> None:
    """Span, services (EVERYTHING for changes of none), kinds and limit restrict; the end of a span is not in it."""
    store.commit(Commit(changes=[FULL, BARE, replace(BARE, uid="l", service=LEDGER, at_s=NOON_S + 1)]))
    assert uids(store) == ["l", "gitlab:1", "x"]
    assert uids(store, limit=2) == ["l", "gitlab:1"]
    assert uids(store, from_s=NOON_S - 60, to_s=NOON_S) == ["x"]
    assert uids(store, services=[PAY.id]) == ["gitlab:1"]
    assert uids(store, services={LEDGER.id, EVERYTHING}) == ["l", "x"]
    assert uids(store, services=[]) == []
    assert uids(store, kinds=[ChangeKind.DEPLOYMENT, ChangeKind.RESTART]) == ["gitlab:1"]


def test_changes_are_kept_as_long_as_counts_by_the_hour(store: Store) -> None:
    """A compaction drops what is older than the last tier keeps, says how many, and leaves the rest."""
    store.commit(Commit(changes=[FULL, replace(BARE, uid="old", at_s=NOON_S - 2 * DAY_S - 1)]))
    assert store.compact(NOON_S).changes == 1
    assert (uids(store), store.compact(NOON_S).changes) == (["gitlab:1"], 0)


def test_foreign_text_in_changes_is_stored_not_interpreted(store: Store) -> None:
    """Quotes, line ends, NUL and half a surrogate pair never stop a commit."""
    nasty = "'; DROP TABLE changes; -- \x00\n\U0001f4a9"
    store.commit(Commit(changes=[replace(FULL, uid=nasty, title=nasty, author=nasty, link=nasty, version=nasty),
                                 replace(BARE, uid="half \ud83d", title="half \ud83d")]))
    assert store.changes(ChangeQuery(NOON_S, NOON_S + 1))[0].title == nasty
    assert len(uids(store)) == 2


@settings(max_examples=8, deadline=None)
@given(told=st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50)), max_size=4), max_size=5))
def test_the_last_of_each_uid_is_found(told: list[list[tuple[int, int]]]) -> None:
    """However changes are told and told again, both stores answer with the last of each uid, newest first."""
    last: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        stores: list[Store] = [MemoryStore(), DuckDBStore(Path(folder) / "x.duckdb", 0.0)]
        for commit in told:
            changes = [replace(BARE, uid=str(uid), at_s=float(at_s)) for uid, at_s in commit]
            last.update({change.uid: change.at_s for change in changes})
            for one in stores:
                one.commit(Commit(changes=changes))
        found = [[(change.uid, change.at_s) for change in one.changes(ChangeQuery(0, 100))] for one in stores]
        stores[1].close()
    assert found == [sorted(last.items(), key=lambda item: (-item[1], item[0]))] * 2


def test_a_file_of_the_version_before_takes_changes(tmp_path: Path) -> None:
    """A file that the first release wrote keeps its counts, gets the table, and keeps changes over the next opening."""
    path = tmp_path / "old.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute(FIRST_VERSION)
    store = DuckDBStore(path, 0.0)
    assert store.changes(ChangeQuery(0, 4e9)) == []
    store.commit(Commit(changes=[FULL]))
    store.close()
    store = DuckDBStore(path, 0.0)
    assert (store.changes(ChangeQuery(0, 4e9)), len(store.seen(0, 4e9))) == ([FULL], 1)
    store.close()


def test_a_backup_has_the_changes(tmp_path: Path) -> None:
    """The copy answers as the original did when it was made."""
    store = DuckDBStore(tmp_path / "x.duckdb", 0.0)
    store.commit(Commit(changes=[FULL]))
    store.backup(tmp_path / "copy.duckdb")
    store.commit(Commit(changes=[BARE]))
    copy = DuckDBStore(tmp_path / "copy.duckdb", 0.0)
    assert (copy.changes(ChangeQuery(0, 4e9)), uids(store)) == ([FULL], ["gitlab:1", "x"])
    copy.close()
    store.close()


def test_changes_are_committed_while_others_read(store: Store) -> None:
    """Readers see a commit's changes all or not at all."""
    stop, wrong = threading.Event(), []

    def reading() -> None:
        while not stop.is_set():
            found = uids(store)
            wrong.extend([found] if len(found) % 3 else [])

    reader = threading.Thread(target=reading)
    reader.start()
    for turn in range(20):
        store.commit(Commit(changes=[replace(BARE, uid=f"{turn}-{n}") for n in range(3)]))
    stop.set()
    reader.join()
    assert (wrong, len(uids(store))) == ([], 60)
