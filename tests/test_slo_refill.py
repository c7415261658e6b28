"""The past of objectives is counted beside what is in force: ticks, requests and pages go on meanwhile."""

import threading
from contextlib import contextmanager

from engine_run import Run
from test_slo_live import EXAMPLE, count, house

from topology.errors import StoreError
from topology.store.memory import MemoryStore

SLICED = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders-slices}
spec:
  service: orders
  indicator:
    metadata: {name: orders-sliced}
    spec:
      ratioMetric:
        counter: true
        good:  {metricSource: {type: synoptic, spec: {service: orders, events: successes}}}
        total: {metricSource: {type: synoptic, spec: {service: orders, events: calls}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Timeslices
  objectives: [{displayName: answered, target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 1m}]
"""


class SlowStore(MemoryStore):
    """A store whose frozen moment is read only once `gate` is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    @contextmanager
    def frozen(self):
        """A moment that waits for the gate."""
        with super().frozen() as moment:
            yield Gated(moment, self)


class Gated:
    """Reads when the gate is open."""

    def __init__(self, moment, store: SlowStore) -> None:
        self._moment, self._store = moment, store

    def seen(self, *args):
        """Waits, then reads."""
        self._store.gate.wait(30)
        if self._store.broken:
            raise StoreError("the disk is gone")
        return self._moment.seen(*args)

    def rollups(self, *args, **kwargs):
        """Reads."""
        return self._moment.rollups(*args, **kwargs)


def ended(run: Run) -> Run:
    """Lets the past be read, then ticks."""
    run.store.gate.set()
    refill = run.engine.parts.objectives._refill
    assert refill is None or refill.wait(30)
    return run.step()


def figures(run: Run, name: str = "orders-availability") -> tuple[float, float]:
    """(good, total) of an objective."""
    entry = run.engine.slo(name)
    return entry["good"], entry["total"]


def test_start_does_not_wait_for_the_past(tmp_path):
    """While a large past is counted the product takes requests and draws, is not ready, and says of every objective
    that nothing is known yet; then everything is counted, what came and was stored meanwhile too, once; an alert that
    was open is still open."""
    store = SlowStore()
    run = Run(tmp_path, store=store, config=house(tmp_path, orders=EXAMPLE))
    count(run, 1000, failed=400).settle(20)
    alerts = {(one["slo"], one["long"], one["since"]) for one in run.engine.alerts()}
    assert alerts
    store.gate.clear()
    run._again["patience_s"] = 0.0
    again = run.crashed()
    assert (again.engine.ready(), again.node("orders")["health"]) == (False, "no_data")
    count(again, 500, failed=1).settle(20)
    (entry,) = [one for one in again.engine.slos() if one["name"] == "orders-availability"]
    assert (entry["state"], entry["total"], entry["budget_left"]) == ("no_data", 0, None)
    assert "being counted" in entry["why"]["en"]
    assert "being counted" in again.node("orders")["why"]["en"]
    assert again.node("orders", 60)["calls_per_s"] > 0
    assert not {"slo-alerts", "slo-slices"} & set(again.engine.parts.objectives.checkpoints(0))
    ended(again)
    assert (again.engine.ready(), figures(again)) == (True, (1099, 1500))
    assert again.node("orders")["health"] == "burning"
    assert alerts <= {(one["slo"], one["long"], one["since"]) for one in again.engine.alerts(open_only=False)}


def test_reload_keeps_the_verdicts_until_the_past_is_counted(tmp_path):
    """An objective over slices has everything counted anew; until that is done the list stays as it was and goes on,
    and afterwards nothing is missing and nothing is there twice, over commits as well."""
    store = SlowStore()
    run = count(Run(tmp_path, store=store, patience_s=0.0, config=house(tmp_path, orders=EXAMPLE)), 1000, failed=5)
    ended(run).settle(20)
    store.gate.clear()
    (tmp_path / "slos" / "slices.yaml").write_text(SLICED, encoding="utf-8")
    run.step()
    assert run.engine.slo("orders-slices") is None
    for _ in range(8):
        count(run, 100).step(8)
    assert figures(run) == (1795, 1800)
    ended(run)
    assert figures(run) == (1795, 1800)
    run.settle(180)
    assert run.engine.slo("orders-slices")["total"] >= 2
    assert figures(run) == (1795, 1800)


def test_service_that_comes_while_the_past_is_counted_is_counted_once(tmp_path):
    """What the store did not know when it was read, and what the other objectives of it are new for, is in once."""
    store = SlowStore()
    store.gate.clear()
    run = Run(tmp_path, store=store, patience_s=0.0, config=house(tmp_path, orders=EXAMPLE))
    count(run, 1000, failed=5).settle(20)
    ended(count(run, 100))
    assert figures(run) == (1095, 1100)
    assert figures(count(run, 10)) == (1105, 1110)


def test_counters_only_grow_over_a_refill(tmp_path):
    """What a Prometheus takes begins at zero and counts every event since, over everything being counted anew, over
    other objectives, and over corrections."""
    store = SlowStore()
    store.gate.clear()
    run = count(Run(tmp_path, store=store, patience_s=0.0, config=house(tmp_path, orders=EXAMPLE)), 1000, failed=5)

    def counters(run: Run = run) -> tuple[float, float]:
        entry = run.engine.slo("orders-availability")
        return entry["events_good"], entry["events_total"]

    assert counters(ended(run)) == (0, 0)
    assert counters(count(run, 100, failed=10)) == (90, 100)
    store.gate.clear()
    (tmp_path / "slos" / "slices.yaml").write_text(SLICED, encoding="utf-8")
    run.step()
    assert counters(count(run, 100)) == (190, 200)
    count(run, 50)
    assert counters(ended(run)) == (240, 250)
    assert run.engine.slo("orders-slices") is not None
    assert counters(count(run, 10)) == (250, 260)


def test_objectives_that_come_meanwhile_are_in_force_at_once_and_afterwards(tmp_path):
    """A file that comes while the past is counted for another one counts too, with its own past."""
    store = SlowStore()
    run = count(Run(tmp_path, store=store, patience_s=0.0, config=house(tmp_path)), 1000, failed=5)
    ended(run).settle(20)
    store.gate.clear()
    (tmp_path / "slos" / "slices.yaml").write_text(SLICED, encoding="utf-8")
    run.step()
    (tmp_path / "slos" / "orders.yaml").write_text(EXAMPLE, encoding="utf-8")
    run.step()
    ended(run).step()
    for _ in range(3):
        if run.engine.parts.objectives._refill:
            ended(run)
    assert figures(run) == (995, 1000)
    assert run.engine.slo("orders-slices") is not None


def test_past_that_cannot_be_read_is_tried_again(tmp_path):
    """A store that fails leaves the product working and not ready; a minute later all is there."""
    store = SlowStore()
    run = count(Run(tmp_path, store=store, config=house(tmp_path, orders=EXAMPLE)), 1000, failed=5).settle(20)
    store.broken = True
    again = run.crashed()
    assert not again.step().engine.ready()
    store.broken = False
    again.step(61)
    assert (again.engine.ready(), figures(again)) == (True, (995, 1000))


def test_end_does_not_wait_for_the_past(tmp_path):
    """Who stops while the past is counted stops as soon as the read in progress is over, and it reads no more."""
    store = SlowStore()
    run = count(Run(tmp_path, store=store, config=house(tmp_path, orders=EXAMPLE)), 1000).settle(20)
    store.gate.clear()
    run._again["patience_s"] = 0.0
    again = run.crashed()
    refill = again.engine.parts.objectives._refill
    threading.Timer(0.05, store.gate.set).start()
    again.engine.parts.objectives.stop()
    assert refill.wait(0)
    again.step()
    assert not again.engine.ready()
