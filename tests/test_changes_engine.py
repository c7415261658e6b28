"""Changes in the engine: seen at once, durable when acknowledged or committed, found in the data, shown on the map."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_run import NOW_S, Clock, Run
from traffic import ORDERS, SECOND, request, spans_of
from traffic import add as add_span

from app.changes.book import MOST_RECENT, ChangeBook
from app.changes.told import Told
from topology.changes import Change, ChangeKind, Outcome
from topology.deployments import SETTLES_S
from topology.errors import StoreError
from topology.model import Service
from topology.store.contract import ChangeQuery
from topology.store.duckdb import DuckDBStore
from topology.store.memory import MemoryStore

SERVICE = Service("default", "", "orders")
CHANGE = Change("oap/1", NOW_S - 60, ChangeKind.RESTART, "restarted by 13812345678", "oap", SERVICE)
CLIENT = 3


def told(subject: str = "orders", **given: Any) -> Told:
    """A deployment that somebody tells of, a minute ago."""
    usual: dict[str, Any] = {"at_s": NOW_S - 60, "kind": ChangeKind.DEPLOYMENT, "title": "1 → 2", "source": "api"}
    return Told(subject, **usual | given)


def changes(run: Run, services: Any = None, kinds: Any = None, limit: int = 100) -> list[str]:
    """The titles of what was changed in the last ten days."""
    now_s = run.clock.now_s
    return [one["title"] for one in run.engine.changes(services, kinds, now_s - 864_000, now_s + 1, limit)]


def works(run: Run, version: str, calls: int = 5, service: str = "orders", **resource: str) -> Run:
    """Takes in so many calls that an instance of this version answered just now, then ticks."""
    rng = random.Random(f"{version} {service} {run.clock.now_s}")
    block = spans_of(service, **{"service.version": version, "service.instance.id": f"{service}-{version}"} | resource)
    for _ in range(calls):
        add_span(block, rng.randbytes(16), rng.randbytes(8), b"", 2, "POST /x", run.clock.ns() - SECOND)
    run.take(request(block))
    return run.step(2)


def test_what_a_source_brings_is_seen_at_once_and_durable_with_the_next_commit(tmp_path: Path) -> None:
    """Before the commit the store does not have it, afterwards it does; personal data is masked before either."""
    run = Run(tmp_path).step()
    run.engine.note_changes([CHANGE])
    assert changes(run) == ["restarted by 138****5678"]
    assert run.store.changes(ChangeQuery(0, 4e9)) == []
    run.settle(20)
    assert [one.title for one in run.store.changes(ChangeQuery(0, 4e9))] == ["restarted by 138****5678"]
    assert changes(run.crashed()) == ["restarted by 138****5678"]


def test_a_change_noted_again_is_one(tmp_path: Path) -> None:
    """A source that is read again, and one that tells how it ended, replaces what it said of the same uid."""
    run = Run(tmp_path).step()
    run.engine.note_changes([CHANGE, replace(CHANGE, title="x")])
    run.settle(20)
    run.engine.note_changes([replace(CHANGE, title="done", outcome=Outcome.SUCCEEDED)])
    assert changes(run) == ["done"]
    run.settle(20)
    assert changes(run.crashed()) == ["done"]


def test_what_somebody_tells_is_durable_when_it_is_answered(tmp_path: Path) -> None:
    """A crash right after the answer loses nothing, without any commit of the engine."""
    store = DuckDBStore(tmp_path / "x.duckdb", 0.0)
    run = Run(tmp_path, store=store).step()
    (kept,) = run.engine.record_changes([told(author="li@bank.example")])
    assert (kept["service"], kept["author"], kept["at"]) == (ORDERS, "l***@bank.example", "2027-01-15T07:59:00.000Z")
    assert changes(run.crashed()) == ["1 → 2"]
    store.close()


def test_a_store_that_refuses_keeps_nothing_of_what_is_told_and_everything_of_what_is_noted(tmp_path: Path) -> None:
    """Whoever tells hears of it and tells again; what a source brought waits for the next commit."""
    run = Run(tmp_path).step()
    works, run.store.commit = run.store.commit, _refuse  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        run.engine.record_changes([told()])
    run.engine.note_changes([CHANGE])
    run.settle(20)
    assert changes(run) == ["restarted by 138****5678"]
    run.store.commit = works  # type: ignore[method-assign]
    run.settle(20)
    assert len(run.store.changes(ChangeQuery(0, 4e9))) == 1


def _refuse(_commit: object) -> None:
    raise StoreError("full")


def test_names_mean_services_of_the_map(tmp_path: Path) -> None:
    """The service that speaks under the name; rules of the configuration; what they ignore is left out."""
    config = tmp_path / "c.yaml"
    config.write_text("changes: {services: [{match: 'deploy-*', service: '*'}, {match: old, ignore: true}]}\n"
                      "catalogue: {merge: [{match: 'orders-canary', into: orders}]}\n")
    run = works(Run(tmp_path, config=config), "1", **{"service.namespace": "shop"})
    names = ("orders", "ORDERS", "deploy-orders", "default/shop/orders", "new", "orders-canary", "old", "")
    kept = run.engine.record_changes([told(name, uid=name or "all") for name in names])
    known = "default/shop/orders"
    assert [one["service"] for one in kept] == [known, known, known, known, "default//new", "default//orders", None]


def test_a_flag_stays_for_half_an_hour(tmp_path: Path) -> None:
    """The node says what was changed last and when; a picture of the past shows the flag of its time."""
    run = works(Run(tmp_path), "1")
    assert (run.node("orders")["change"], run.node("orders")["changed_at"]) == (None, None)
    run.engine.record_changes([told(title="newer"), told(title="older", at_s=NOW_S - 600), told("", title="network")])
    flag = {"uid": run.node("orders")["change"]["uid"], "kind": "deployment", "title": "newer", "outcome": "unknown"}
    assert run.node("orders")["change"] == flag
    assert run.node("orders")["changed_at"] == "2027-01-15T07:59:00.000Z"
    works(run.step(1700), "1")
    assert run.node("orders")["change"]["title"] == "newer"
    works(run.step(60), "1")
    assert run.node("orders")["change"] is None
    past = {n["name"]: n for n in run.engine.snapshot(3600, NOW_S + 600)["nodes"]}
    assert past["orders"]["change"]["title"] == "newer"


def test_a_new_version_in_the_data_is_a_deployment_also_over_a_restart(tmp_path: Path) -> None:
    """The first version is none, a new one is one, the same one after a restart is none."""
    run = works(Run(tmp_path), "1.4.1")
    works(run.step(SETTLES_S + 20), "1.4.1")
    assert changes(run) == []
    run = works(run.settle(20).stopped(), "1.4.1")
    works(run.step(10), "1.4.2")
    works(run.step(10), "1.4.2")
    assert changes(run.settle(20)) == ["1.4.1 → 1.4.2"]
    (found,) = run.engine.changes([ORDERS], ["deployment"], 0, 4e9, 9)
    assert (found["source"], found["version"], found["outcome"]) == ("data", "1.4.2", "unknown")
    assert run.node("orders")["change"]["title"] == "1.4.1 → 1.4.2"
    again = works(run.settle(20).crashed(), "1.4.2")
    assert changes(again) == ["1.4.1 → 1.4.2"]


def test_what_is_asked_restricts_what_is_found(tmp_path: Path) -> None:
    """Service, kind, span and limit; what is older than a day comes from the store, newest first all the same."""
    run = Run(tmp_path).step()
    run.engine.note_changes([replace(CHANGE, uid=title, title=title, at_s=NOW_S - int(title) * 86_400)
                             for title in "01234"])
    run.engine.note_changes([replace(CHANGE, uid="other", title="other", service=None, kind=ChangeKind.SCALING)])
    for again in (run, run.settle(20).crashed()):
        assert changes(again) == ["0", "other", "1", "2", "3", "4"]
        assert changes(again, [""]) == changes(again, kinds=["scaling"]) == ["other"]
        assert changes(again, [ORDERS], limit=2) == ["0", "1"]


def test_memory_is_bounded_and_the_store_has_the_rest() -> None:
    """More changes in a day than are held are found all the same."""
    store, book = MemoryStore(), None
    book = ChangeBook(store, str)
    book.load(NOW_S)
    many = [replace(CHANGE, uid=str(n), at_s=NOW_S - 80_000 + n) for n in range(MOST_RECENT + 10)]
    book.record(many, NOW_S)
    assert len(book._recent) <= MOST_RECENT
    found = book.find(ChangeQuery(NOW_S - 81_000, NOW_S, limit=10**6))
    assert [one.uid for one in found] == [one.uid for one in reversed(many)]
    again = ChangeBook(store, str)
    again.load(NOW_S)
    assert len(again.find(ChangeQuery(NOW_S - 81_000, NOW_S, limit=10**6))) == len(many)
    book.forget(NOW_S + 80_000)
    assert len(book._recent) < MOST_RECENT // 2


def test_what_waits_to_be_committed_is_found_however_old_it_is() -> None:
    """A change of last week is there when it was noted, while it is committed, and when that failed; what is recorded
    of it meanwhile is not overwritten."""
    store = MemoryStore()
    book = ChangeBook(store, str)
    book.load(NOW_S)
    old = replace(CHANGE, at_s=NOW_S - 7 * 86_400)
    week = ChangeQuery(NOW_S - 8 * 86_400, NOW_S)
    book.note([old], NOW_S)
    assert book.find(week) == [old]
    assert book.take() == book.find(week) == [old]
    book.give_back()
    assert book.find(week) == [old]
    book.record([replace(old, title="newer")], NOW_S)
    assert (book.take(), [one.title for one in book.find(week)]) == ([], ["newer"])


def test_told_ahead_of_time_no_flag_yet(tmp_path: Path) -> None:
    """A change that is still to come raises its flag when its time has come."""
    run = works(Run(tmp_path), "1")
    run.engine.record_changes([told(at_s=run.clock.now_s + 30)])
    assert works(run, "1").node("orders")["change"] is None
    assert works(run.step(40), "1").node("orders")["change"]["title"] == "1 → 2"


def test_a_fresh_engine_reads_the_last_day(tmp_path: Path) -> None:
    """Flags of before the restart are there right after it."""
    run = works(Run(tmp_path, Clock()), "1")
    run.engine.record_changes([told()])
    again = works(run.settle(20).crashed(), "1")
    assert again.node("orders")["change"]["title"] == "1 → 2"
