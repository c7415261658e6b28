"""Sources that are asked, in the engine: their minutes are counted once, whatever is told again, and by whom."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from engine_run import NOW_S, Clock, Run
from traffic import SECOND, call, request

from app.engine.asked import CHECKPOINT
from app.engine.deliveries import delivery
from collectors.contract import Reading, Row
from topology.errors import StoreError
from topology.model import EdgeKey, Kind, OperationKey, Service, Side
from topology.store.duckdb import DuckDBStore
from topology.store.memory import MemoryStore

OAP = {"SYNOPTIC__COLLECTORS__OAP__KIND": "skywalking"}
MINUTE = int(NOW_S) - 120
ENVIRONMENT = "default"


def service(name: str, kind: Kind = Kind.SERVICE) -> Service:
    """A service as a source that knows no namespaces tells it."""
    return Service(ENVIRONMENT, "", name, kind)


def row(key: object, calls: float, errors: float = 0, took_us: float = 1000, bucket: int = 30) -> Row:
    """What a source counted of one series."""
    return Row(key, (calls, errors, 0, 0, calls * took_us, 0, calls), {bucket: calls})  # type: ignore[arg-type]


def work(name: str, calls: float, errors: float = 0) -> Row:
    """The calls of a service as a whole."""
    return row(OperationKey(service(name), "", "", source="oap"), calls, errors)


def path(caller: str, callee: str, calls: float, errors: float = 0, kind: Kind = Kind.SERVICE,
         of: Kind = Kind.SERVICE) -> Row:  # fmt: skip
    """The calls over a path."""
    ends = service(caller, of), "", service(callee, kind), ""
    return row(EdgeKey(*ends, "http", Side.CLIENT, "oap"), calls, errors)


def tell(run: Run, rows: Mapping[int, list[Row]], *, complete: bool = True, checkpoint: bytes = b"1") -> Run:
    """The source tells some minutes, and the engine ticks until they are counted."""
    readings = [Reading(start_s, told, complete) for start_s, told in rows.items()]
    waiting = threading.Thread(target=run.engine.asked.offer, args=(delivery("oap", readings, checkpoint),))
    waiting.start()
    while waiting.is_alive():
        run.step(0)
        waiting.join(0.05)
    return run


def pictured(run: Run, name: str, window_s: int = 300) -> tuple[float, float]:
    """Calls and errors of a node."""
    node = run.node(name, window_s)
    return node["calls"], node["errors"]


def test_minutes_that_are_told_are_on_the_map(tmp_path):
    """Services and paths of a source that counts itself have its calls, errors and rates; what it cannot know is not
    known, and all of it is marked as not exact."""
    run = tell(Run(tmp_path, **OAP), {MINUTE: [work("orders", 120, 6), path("web", "orders", 120, 6)]})
    node, edge = run.node("orders", 60), run.edge("web", "orders", 60)
    assert (node["calls"], node["errors"], node["calls_per_s"]) == (120, 6, 2.0)
    assert (edge["calls"], edge["errors"], edge["calls_per_s"]) == (120, 6, 2.0)
    assert node["sources"] == edge["sources"] == ["oap"]
    assert (node["exact"], edge["exact"], node["complete"]) == (False, False, True)
    assert (node["self_ms"], node["originated_errors"], node["originated_ratio"]) == (None, None, None)
    assert node["p95_ms"] is not None
    assert node["stale"] is False


def test_newest_minutes_of_a_source_are_those_it_told(tmp_path):
    """A source that is a minute or two behind still fills a window: it is that of its own newest minutes."""
    run = tell(Run(tmp_path, **OAP), {MINUTE - 60 * i: [work("orders", 60)] for i in range(6)})
    assert [run.node("orders", window_s)["calls_per_s"] for window_s in (60, 300)] == [1.0, 1.0]
    assert run.node("orders", 900)["calls"] == 360


def test_source_that_went_away_leaves_the_window(tmp_path):
    """What it told last is not shown for ever: the windows go on without it."""
    run = tell(Run(tmp_path, **OAP), {MINUTE: [work("orders", 60)]})
    run.step(900)
    assert run.node("orders", 300)["calls"] == 0
    assert run.node("orders", 300)["stale"] is True


def test_minute_that_is_told_again_replaces_what_was_told(tmp_path):
    """Late figures correct the minute: nothing is added twice, what is no longer told is gone."""
    run = tell(Run(tmp_path, **OAP), {MINUTE: [work("orders", 100, 1), work("stock", 7)]})
    tell(run, {MINUTE: [work("orders", 120, 6)]})
    assert pictured(run, "orders") == (120, 6)
    assert pictured(run, "stock") == (0, 0)


def test_reading_that_is_not_complete_takes_nothing_away(tmp_path):
    """Where some figures could not be read, what was told of them stays, and the window is marked as partial."""
    run = tell(Run(tmp_path, **OAP), {MINUTE: [work("orders", 100), work("stock", 7)]})
    assert run.node("orders")["complete"] is True
    tell(run, {MINUTE: [work("orders", 120)]}, complete=False)
    assert (pictured(run, "orders"), pictured(run, "stock")) == ((120, 0), (7, 0))
    assert run.node("stock")["complete"] is False


def test_what_a_source_withholds_stays_and_is_not_marked(tmp_path):
    """While a source does not know yet whose some calls are, what it told of them stays; nothing is partial."""
    run = tell(Run(tmp_path, **OAP), {MINUTE: [work("orders", 100), work("stock", 7)]})
    withheld = Reading(MINUTE, [work("orders", 120)], withheld=True)
    waiting = threading.Thread(target=run.engine.asked.offer, args=(delivery("oap", [withheld], b"2"),))
    waiting.start()
    while waiting.is_alive():
        run.step(0)
        waiting.join(0.05)
    assert (pictured(run, "orders"), pictured(run, "stock")) == ((120, 0), (7, 0))
    assert run.node("stock")["complete"] is True


@pytest.mark.parametrize("stored", ["memory", "file"])
def test_minute_told_before_a_restart_is_replaced_after_it(tmp_path, stored):
    """What was told, the checkpoint that covers it and the pictures made of it are there after a crash; the same
    minutes told again replace what is stored."""
    clock = Clock()
    store = MemoryStore() if stored == "memory" else DuckDBStore(tmp_path / "store.duckdb", clock())
    run = tell(Run(tmp_path, clock, store, **OAP), {MINUTE: [work("orders", 100, 1)]}, checkpoint=b"reached")
    run = run.step(20).crashed()
    assert store.checkpoints()[CHECKPOINT + "oap"] == b"reached"
    assert pictured(run, "orders") == (100, 1)
    tell(run, {MINUTE: [work("orders", 130, 2)]})
    assert pictured(run, "orders") == (130, 2)
    run.step(20)
    kept = store.rollups(MINUTE, MINUTE + 60, 60, run.engine.parts.ladder)
    assert kept.batch.counts[:, :2].sum(axis=0).tolist() == [130, 2]
    store.close()


def test_past_that_is_told_hours_later_is_counted_once(tmp_path):
    """Minutes that left memory long ago are compared with what is stored of them."""
    run = tell(Run(tmp_path, **OAP), {MINUTE: [work("orders", 100, 1)]}).step(20)
    run = tell(run.step(7200), {MINUTE + 7200: [work("orders", 5)]}).step(20)
    run = tell(run, {MINUTE: [work("orders", 140, 2)], MINUTE + 60: [work("orders", 60)]}).step(20)
    kept = run.store.rollups(MINUTE, MINUTE + 120, 60, run.engine.parts.ladder)
    assert kept.batch.counts[:, :2].tolist() == [[140, 2], [60, 0]]


def test_delivery_waits_while_the_store_cannot_say_what_was_told(tmp_path, monkeypatch):
    """With a store that fails nothing is counted twice: the delivery is taken when it answers again."""
    run = tell(Run(tmp_path, **OAP), {MINUTE: [work("orders", 100)]}).step(20).crashed()
    working = run.store.rollups

    def failing(*_args, **_options):
        raise StoreError("the disk is away")

    monkeypatch.setattr(run.store, "rollups", failing)
    waiting = threading.Thread(target=run.engine.asked.offer,
                               args=(delivery("oap", [Reading(MINUTE, [work("orders", 120)])], b"2"),))  # fmt: skip
    waiting.start()
    run.step(2)
    assert waiting.is_alive()
    monkeypatch.setattr(run.store, "rollups", working)
    while waiting.is_alive():
        run.step(0)
        waiting.join(0.05)
    assert pictured(run, "orders") == (120, 0)


def test_what_is_not_stored_yet_is_not_told_from_the_store(tmp_path, monkeypatch):
    """While a commit fails, minutes of long ago that are told twice wait: the store knows the first time only later."""
    run = tell(Run(tmp_path, **OAP), {MINUTE: [work("orders", 5)]}).step(20)
    run = tell(run.step(7200), {MINUTE + 7200: [work("orders", 5)]}).step(20)
    old = MINUTE + 600
    tell(run, {old: [work("orders", 40)]})
    working = run.store.commit

    def failing(_commit):
        raise StoreError("the disk is full")

    monkeypatch.setattr(run.store, "commit", failing)
    waiting = threading.Thread(target=run.engine.asked.offer,
                               args=(delivery("oap", [Reading(old, [work("orders", 50)])], b"2"),))  # fmt: skip
    waiting.start()
    run.step(2).step(2)
    assert waiting.is_alive()
    monkeypatch.setattr(run.store, "commit", working)
    while waiting.is_alive():
        run.step(0)
        waiting.join(0.05)
    run.step(20)
    kept = run.store.rollups(old, old + 60, 60, run.engine.parts.ladder)
    assert kept.batch.counts[:, 0].tolist() == [50]


def exact_calls(run: Run, number: int) -> Run:
    """Calls user -> web -> orders (both of the namespace shop) whose spans arrive, made two minutes ago."""
    rng = random.Random(number)
    blocks = [block for _ in range(number) for block in call(rng, (MINUTE + 30) * SECOND, False, 20.0)]
    for block in blocks:
        block.resource.attributes.add(key="service.namespace").value.string_value = "shop"
    run.take(request(*blocks))
    return run


def test_exact_source_wins_and_nothing_is_added_twice(tmp_path):
    """Calls that spans tell of are counted from spans alone; what only the other source sees is counted by it; and
    the service of both is one node."""
    run = exact_calls(Run(tmp_path, **OAP), 3).settle(40)
    tell(run, {MINUTE: [work("orders", 500, 9), path("web", "orders", 500, 9), path("web", "ledger", 44),
                        work("ledger", 44), path("orders", "10.0.0.9:3306", 80, kind=Kind.DATABASE)]})  # fmt: skip
    assert run.edge("web", "orders", 900)["calls"] == 3
    assert pictured(run, "orders", 900) == (3, 0)
    assert (run.node("orders", 900)["exact"], run.node("ledger", 900)["exact"]) == (True, False)
    assert run.edge("web", "ledger", 900)["calls"] == 44
    assert run.names(900).count("orders") == 1
    assert "10.0.0.9:3306" not in run.names(900)


def test_spans_that_come_late_take_over_what_was_told(tmp_path):
    """A minute whose spans arrive after another source told it is corrected when that is told again."""
    run = tell(Run(tmp_path, **OAP), {MINUTE: [work("orders", 500, 9), path("web", "orders", 500, 9)]})
    assert pictured(run, "orders", 900) == (500, 9)
    exact_calls(run, 3).settle(40)
    tell(run, {MINUTE: [work("orders", 500, 9), path("web", "orders", 500, 9)]})
    assert pictured(run, "orders", 900) == (3, 0)
    assert run.edge("web", "orders", 900)["calls"] == 3


def test_service_without_namespace_is_the_one_that_speaks_under_its_name(tmp_path):
    """Where exactly one service of a name sends spans, a source that knows no namespace means that one, also when it
    was heard before the service spoke."""
    run = tell(Run(tmp_path, **OAP), {MINUTE - 60: [work("orders", 11)]})
    before = run.node("orders", 900)["id"]
    exact_calls(run, 3).settle(40)
    node = run.node("orders", 900)
    assert run.names(900).count("orders") == 1
    assert node["calls"] == 14
    assert node["sources"] == ["oap", "otlp"]
    assert (before, node["id"]) == ("default//orders", "default/shop/orders")


def test_operations_that_a_source_tells_besides_are_listed_and_not_added(tmp_path):
    """A service's total is the one its source tells; single operations of it are listed by name."""
    part = row(OperationKey(service("orders"), "", "GET /orders", source="oap", part=True), 40, 4)
    run = tell(Run(tmp_path, **OAP), {MINUTE: [work("orders", 100, 5), part]})
    found = run.engine.service(run.node("orders")["id"])
    assert (found["calls"], found["errors"]) == (100, 5)
    assert [(one["operation"], one["calls"], one["errors"]) for one in found["operations"]] == [("GET /orders", 40, 4)]


def test_charts_have_the_minutes_of_a_source(tmp_path):
    """A chart of a node that a source counts has its minutes, from memory and from the store alike."""
    run = tell(Run(tmp_path, **OAP), {MINUTE - 60: [work("orders", 60)], MINUTE: [work("orders", 120)]})
    of = run.node("orders")["id"]
    asked = of, ["calls", "calls_per_s"], MINUTE - 60, MINUTE + 60, 60
    first = run.engine.series(*asked)
    assert (first["calls"], first["calls_per_s"]) == ([60, 120], [1.0, 2.0])
    assert run.step(20).step(8000).engine.series(*asked) == first


def test_bound_on_series_holds_for_what_is_told(tmp_path):
    """A source cannot fill memory: series beyond the bound are refused and counted."""
    told = [work(f"s{number}", 1) for number in range(2300)]
    run = tell(Run(Path(tmp_path), **OAP), {MINUTE: told})
    assert len(run.series) <= 2000
    assert run.engine.asked.refused >= 300
