"""The engine: what it answers while services come, go quiet and leave, now and in the past."""

import json
import os
import random
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pytest
from engine_run import NOW_S, Clock, Run
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from traffic import EDGE, ORDERS, SECOND, WEB, add, call, request, spans_of

from collectors.contract import Signal
from topology.errors import StoreError
from topology.store.duckdb import DuckDBStore


def calls(run: Run, number: int, seed: int = 1, failed: bool = False, took_ms: float = 20.0) -> Run:
    """Takes in so many calls that ended just now."""
    rng = random.Random(f"{seed} {run.clock.now_s}")
    blocks = [block for _ in range(number) for block in call(rng, run.clock.ns() - SECOND, failed, took_ms)]
    run.take(request(*blocks))
    return run


def test_service_is_on_the_map_after_one_tick(tmp_path):
    """A call is there at the next tick, with both services, the user and both paths."""
    run = calls(Run(tmp_path), 3).step()
    assert sorted(run.names()) == ["orders", "user", "web"]
    assert run.edge("web", "orders", 300)["calls"] == 3
    assert run.engine.snapshot()["data_age_s"] == pytest.approx(3, abs=0.1)


def test_quiet_service_is_no_data_then_stale_then_gone(tmp_path):
    """After the configured times the service is stale, and leaves with its paths; without calls in the short window of
    its objectives there is nothing to judge, whatever window is looked at."""
    run = calls(Run(tmp_path, SYNOPTIC__HEALTH__STALE_AFTER="90s", SYNOPTIC__HEALTH__LEAVE_AFTER="20m"), 3).step()
    assert (run.node("orders", 60)["health"], run.node("orders", 60)["stale"]) == ("ok", False)
    run.step(70)
    assert (run.node("orders", 60)["health"], run.node("orders", 60)["stale"]) == ("ok", False)
    assert run.node("orders", 60)["calls"] == 0
    run.step(60)
    assert run.node("orders", 60)["stale"]
    assert run.edge("web", "orders", 60)["stale"]
    run.step(180)
    assert {run.node("orders", window_s)["health"] for window_s in (60, 3600)} == {"no_data"}
    run.step(1120)
    assert run.names(300) == []
    assert run.engine.snapshot(300)["edges"] == []
    calls(run, 1).step()
    assert run.node("orders")["stale"] is False


def test_overall_state_of_an_empty_map_is_no_data(tmp_path):
    """Before the first span nothing is healthy: there is no data, and its age is not known."""
    picture = Run(tmp_path).step().engine.snapshot()
    assert (picture["overall"]["state"], picture["data_age_s"], picture["nodes"]) == ("no_data", None, [])


def test_age_of_the_data_is_known_after_a_restart(tmp_path):
    """A restart without new spans does not forget how old the newest data is."""
    run = calls(Run(tmp_path), 3).settle(20).stopped(down_s=100)
    assert run.step().engine.snapshot()["data_age_s"] == pytest.approx(123, abs=12)


def test_burning_service_has_its_reason_and_its_time(tmp_path):
    """Failing calls burn; the problem is listed with the time since when, which stays, and the sentence."""
    run = calls(Run(tmp_path), 50, failed=True).step()
    (problem,) = [p for p in run.engine.snapshot()["problems"] if p["id"] == ORDERS]
    assert problem["health"] == "burning"
    assert problem["text"] == run.node("orders", 300)["why"]
    calls(run, 50, failed=True).step(10)
    (later,) = [p for p in run.engine.snapshot()["problems"] if p["id"] == ORDERS]
    assert later["since"] == problem["since"]
    assert run.node("orders", 300)["origin"] is True
    assert run.node("web", 300)["feels"] == ORDERS
    assert run.edge("web", "orders", 300)["impact"] is True


@pytest.mark.parametrize("minute", [0, 3, 9, 11, 30, 59])
def test_restart_finds_its_last_hour_at_any_minute(minute, tmp_path):
    """Whatever has moved to longer windows, the counts of the last hour are there again after a restart, each once."""
    run = Run(tmp_path, Clock(NOW_S + 60 * minute - 7200))
    for _ in range(24):
        calls(run, 2).step()
        run.step(298)
    run.store.compact(run.clock.now_s)
    before = {window: run.node("orders", window)["calls"] for window in (60, 900, 3600)}
    total = sum(n or 0 for n in series(run, ORDERS, "calls", 7300)["calls"])
    run = run.stopped(down_s=0)
    assert {window: run.node("orders", window)["calls"] for window in (60, 900, 3600)} == before
    assert sum(n or 0 for n in series(run, ORDERS, "calls", 7300)["calls"]) == total == 48


def series(run: Run, of: str, signals: str, ago_s: float, step_s: int = 60) -> dict:
    """Columns from `ago_s` until now."""
    now_s = run.clock.now_s
    found = run.engine.series(of, signals.split(","), now_s - ago_s, now_s, step_s)
    assert found is not None
    return found


def test_past_moment_shows_what_was_shown_then(tmp_path):
    """Asked later, a moment has the figures, states and sentences that were on the screen; also after a restart.
    (Self time and where failures began are known a pairing horizon later, so the past knows them better.)"""
    run = Run(tmp_path, Clock(NOW_S + 3.5))
    for number in range(60):
        calls(run, 5, failed=number > 40, took_ms=20 + number).step()
        run.step(8)
    shown, at_s = run.engine.snapshot(300), run.clock.now_s
    for _ in range(30):
        calls(run.step(10), 50).step(0)
    run = run.settle(12).stopped()
    past = run.engine.snapshot(300, at_s)
    kept = ("id", "calls", "errors", "p50_ms", "p95_ms", "health", "why", "budget_left", "x", "y", "zones")
    assert [{k: n[k] for k in kept} for n in past["nodes"]] == [{k: n[k] for k in kept} for n in shown["nodes"]]
    kept = ("id", "calls", "errors", "client_p95_ms", "server_p95_ms", "health", "why", "cross_zone_calls")
    assert [{k: e[k] for k in kept} for e in past["edges"]] == [{k: e[k] for k in kept} for e in shown["edges"]]
    assert past["overall"] == shown["overall"]
    assert past["at"] == shown["at"]


def test_failures_never_originate_in_users(tmp_path):
    """However failures look to the callers, the sentence names a node that failed by itself."""
    run = calls(Run(tmp_path), 50, failed=True).settle(40)
    for name in ("user", "web", "orders"):
        assert run.node(name, 300)["why"]["en"].endswith("100 % of the failures originate in orders.")


def test_past_knows_nobody_from_the_future(tmp_path):
    """A service that came later is not on the map of an earlier moment."""
    run = calls(Run(tmp_path), 3).settle(20)
    at_s = run.clock.now_s
    run.step(600)
    late = spans_of("latecomer")
    add(late, b"t" * 16, b"s" * 8, b"", Span.SPAN_KIND_SERVER, "x", run.clock.ns() - SECOND)
    run.take(request(late))
    run.settle(20)
    assert "latecomer" in run.names()
    assert "latecomer" not in [n["name"] for n in run.engine.snapshot(300, at_s)["nodes"]]


def test_series_are_columns_with_gaps_where_nothing_was(tmp_path):
    """Calls, errors and quantiles by step; a step without calls is None in every column."""
    run = calls(Run(tmp_path), 4).step()
    run.step(118)
    calls(run, 6, failed=True, took_ms=100).step()
    for of in (ORDERS, EDGE):
        found = series(run, of, "calls,errors,p95", 240)
        assert len({len(column) for column in found.values()}) == 1
        counted = [(c, e) for c, e in zip(found["calls"], found["errors"], strict=True) if c is not None]
        assert counted == [(4, 0), (6, 6)]
        assert [p is None for p in found["p95"]] == [c is None for c in found["calls"]]
        assert max(p for p in found["p95"] if p) == pytest.approx(100, rel=0.06)
        assert [b - a for a, b in zip(found["times"], found["times"][1:], strict=False)] == [60] * (
            len(found["times"]) - 1
        )


def test_series_of_old_hours_count_every_call_once(tmp_path):
    """A chart over many hours, of which the store has some by the minute and the ring the rest, adds up to all calls,
    whatever the step."""
    run = Run(tmp_path, Clock(NOW_S - 6 * 3600 + 1234))
    for _ in range(6 * 12):
        calls(run, 1).step(300)
    run.store.compact(run.clock.now_s)
    for step_s in (60, 600, 3600):
        assert sum(n or 0 for n in series(run, ORDERS, "calls", 7 * 3600, step_s)["calls"]) == 72
        assert sum(n or 0 for n in series(run, EDGE, "calls", 7 * 3600, step_s)["calls"]) == 72


@pytest.mark.parametrize("of", ["nothing/at/all", "", "no-id", "a>b", "a/b/c/~nonsense"])
def test_unknown_id_has_no_series_and_no_service(of, tmp_path):
    """What is not known, or no id at all, is None and never an error."""
    run = Run(tmp_path).step()
    assert run.engine.series(of, ["calls"], NOW_S - 60, NOW_S, 10) is None
    assert run.engine.service(of) is None


def test_service_has_neighbours_operations_and_instances(tmp_path):
    """One node comes with whom it calls, who calls it, its operations and its instances by zone and version."""
    run = Run(tmp_path)
    rng = random.Random(1)
    for number, zone in enumerate(("a", "a", "b")):
        block = spans_of(
            "orders", **{"service.instance.id": f"i{number}", "service.version": "1.2", "cloud.availability_zone": zone}
        )
        for operation in ("pay", "list")[: number + 1]:
            add(
                block,
                rng.randbytes(16),
                rng.randbytes(8),
                b"",
                Span.SPAN_KIND_SERVER,
                operation,
                run.clock.ns() - SECOND,
            )
        run.take(request(block))
    calls(run, 2).step()
    found = run.engine.service(ORDERS)
    assert found is not None
    assert [e["source"] for e in found["callers"]] == ["default//user/~user", WEB]
    assert found["callees"] == []
    assert {o["operation"]: o["calls"] for o in found["operations"]} == {"pay": 3, "list": 2, "POST /orders": 2}
    assert {(i["instance"], i["zone"], i["version"], i["calls"]) for i in found["instances"]} >= {
        ("i0", "a", "1.2", 1),
        ("i1", "a", "1.2", 2),
        ("i2", "b", "1.2", 2),
    }
    assert found["zones"] == ["a", "b"]


def test_past_service_is_the_one_of_then(tmp_path):
    """Operations and instances of an earlier moment are those of then."""
    run = calls(Run(tmp_path), 4).settle(30)
    at_s = run.clock.now_s
    run.step(20)
    for _ in range(40):
        calls(run, 9).step(10)
    found = run.engine.service(ORDERS, 300, at_s)
    assert found is not None
    assert (found["calls"], [o["calls"] for o in found["operations"]]) == (4, [4])


def logs(time_ns: int, levels: Iterable[int]) -> bytes:
    """Lines of orders with these severity numbers."""
    block = ExportLogsServiceRequest()
    resource = block.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "orders"
    for number in levels:
        record = resource.scope_logs.add().log_records.add(time_unix_nano=time_ns, severity_number=number)
        record.body.string_value = "card 4111 1111 1111 1111 refused"
    return block.SerializeToString()


def test_log_lines_are_counted_by_level_and_errors_kept_masked(tmp_path):
    """Lines are counted by level and step, live and after a restart; the newest error lines are there, masked."""
    run = calls(Run(tmp_path), 1)
    run.take(logs(run.clock.ns() - SECOND, [9, 9, 13, 17]), Signal.LOGS)
    run.step()
    (line,) = run.engine.logs(ORDERS)
    assert (line["level"], line["service"]) == ("error", ORDERS)
    assert "4111 1111" not in line["body"]
    for life in (run, run.settle(20).stopped()):
        now_s = life.clock.now_s
        found = life.engine.log_counts(ORDERS, now_s - 120, now_s, 60)["levels"]
        assert {level: sum(counts) for level, counts in found.items() if any(counts)} == {
            "info": 2,
            "warn": 1,
            "error": 1,
        }
        assert sum(life.engine.log_counts("default//web", now_s - 120, now_s, 60)["levels"]["info"]) == 0


def test_saturation_is_the_mean_of_its_samples(tmp_path):
    """Gauges of a service become one column between 0 and 1; without samples it is None."""
    run = calls(Run(tmp_path), 1)
    for value in (0.25, 0.75):
        block = ExportMetricsServiceRequest()
        resource = block.resource_metrics.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "orders"
        metric = resource.scope_metrics.add().metrics.add(name="process.cpu.utilization")
        metric.gauge.data_points.add(time_unix_nano=run.clock.ns() - SECOND, as_double=value)
        run.take(block.SerializeToString(), Signal.METRICS)
    found = series(run.step(), ORDERS, "saturation", 120)["saturation"]
    assert [value for value in found if value is not None] == [0.5]


def test_catalogue_is_followed_while_it_runs(tmp_path):
    """A changed catalogue file renames, hides and merges at the next tick; a broken one changes nothing and is told."""
    file, config = tmp_path / "names.yaml", tmp_path / "config.yaml"
    config.write_text("catalogue: {file: names.yaml}\n")
    file.write_text("catalogue: {services: [{match: orders, title: {en: Orders, zh: 订单}, owner: Team A}]}\n")
    run = calls(Run(tmp_path, config=config), 3).step()
    assert (run.node("orders")["title"], run.node("orders")["owner"]) == ({"en": "Orders", "zh": "订单"}, "Team A")
    rewrite(file, "catalogue: {services: [{match: orders, title: Renamed}], hide: [{match: web}]}\n")
    run.step()
    assert run.node("orders")["title"]["en"] == "Renamed"
    assert "web" not in run.names()
    rewrite(file, "catalogue: {services: [{match: orders, titel: Broken}]}\n")
    run.step()
    assert run.node("orders")["title"]["en"] == "Renamed"
    rewrite(file, "catalogue: {merge: [{match: web, into: orders}]}\n")
    run.step()
    assert sorted(run.names()) in (["orders", "user"], ["orders"])


def rewrite(file: Path, text: str) -> None:
    """Another content, written a second after the one before."""
    written_s = file.stat().st_mtime + 1
    file.write_text(text)
    os.utime(file, (written_s, written_s))


def test_every_tick_is_told_and_pictures_are_strict_json(tmp_path):
    """Listeners hear every tick with a rising number until they leave; a picture has no NaN and no NumPy in it."""
    run, heard = calls(Run(tmp_path), 3), []
    leave = run.engine.subscribe(heard.append)
    run.step().step()
    leave()
    run.step()
    assert heard == [heard[0], heard[0] + 1]
    text = json.dumps(run.engine.snapshot(), allow_nan=False)
    assert json.loads(text) == run.engine.snapshot()


def test_store_that_refuses_for_a_while_loses_nothing(tmp_path):
    """While commits fail everything is kept, the journal too; when they work again all of it is committed once."""
    run = Run(tmp_path, segment_bytes=1 << 16)
    commit, full = run.store.commit, [True]

    def refusing(what: object) -> None:
        if full:
            raise StoreError("no room")
        commit(what)  # type: ignore[arg-type]

    run.store.commit = refusing  # type: ignore[method-assign]
    for _ in range(30):
        calls(run, 20).step(4)
    assert run.engine.figures["commit_failures"] > 5
    assert len(list(run.journal.read())) == 30
    full.clear()
    run.settle(20)
    assert run.crashed().node("orders")["calls"] == 600
    assert run.node("orders")["calls"] == 600


def test_database_on_disk_and_in_memory_answer_alike(tmp_path):
    """The same traffic over a DuckDB file gives the same pictures after a restart as over the memory's store."""
    pictures = []
    for name, store in (("memory", None), ("duckdb", DuckDBStore(tmp_path / "x.duckdb", NOW_S))):
        run = Run(tmp_path / name, store=store)
        for number in range(10):
            calls(run, 3, failed=number == 5).step(7)
        run = run.stopped()
        pictures.append((run.engine.snapshot(300), run.engine.snapshot(300, NOW_S + 30)))
        if store is not None:
            store.close()
    for memory, duckdb in zip(*pictures, strict=True):
        strip = ("seq", "quality", "problems")
        assert {k: v for k, v in memory.items() if k not in strip} == {
            k: v for k, v in duckdb.items() if k not in strip
        }


def test_since_when_a_node_burns_is_known_without_a_viewer_and_after_a_restart(tmp_path):
    """A node's state has a beginning also when nobody looked, and keeps it over a restart."""
    run = calls(Run(tmp_path), 50, failed=True).step(10).settle(60)
    run = run.stopped(down_s=10).step()
    (problem,) = [p for p in run.engine.snapshot()["problems"] if p["id"] == ORDERS]
    began_s = datetime.fromisoformat(problem["since"]).timestamp()
    assert NOW_S < began_s <= NOW_S + 70  # looked at once a minute


def test_self_time_is_unknown_until_no_child_can_come_any_more(tmp_path):
    """Right after a call its own time is unknown, not zero; later the figure is about settled calls only."""
    run = calls(Run(tmp_path), 5, took_ms=20).step()
    assert run.node("orders", 300)["self_ms"] is None
    run.settle(60)
    settled = run.node("orders", 300)["self_ms"]
    assert settled > 0
    calls(run, 50, took_ms=400).step()
    assert run.node("orders", 300)["self_ms"] == settled


def test_node_is_pinned_before_anybody_looked_at_the_map(tmp_path):
    """What was counted can be put somewhere though it was never drawn; of what nobody heard nothing is moved."""
    run = calls(Run(tmp_path), 3).step()
    run.engine.save_positions({ORDERS: (4321.0, 1234.0)})
    with pytest.raises(KeyError, match="nobody"):
        run.engine.save_positions({ORDERS: (1.0, 2.0), "nobody": (1.0, 2.0)})
    orders = run.node("orders")
    assert (orders["x"], orders["y"], orders["pinned"]) == (4321.0, 1234.0, True)
