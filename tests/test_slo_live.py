"""Objectives in the running engine: from request bytes to list, map, sentence, alerts; over reloads and restarts."""

import random
import time
from pathlib import Path

import pytest
import yaml
from engine_run import NOW_S, Run
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from running import product, soon
from traffic import ORDERS, SECOND, add, call, request, spans_of

from topology.slo.ledger import Ledger
from topology.slo.objectives import WINDOWS_S

DAY_S = 86_400
EXAMPLE = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders-availability}
spec:
  service: orders
  indicator:
    metadata: {name: orders-good}
    spec:
      ratioMetric:
        counter: true
        good:  {metricSource: {type: synoptic, spec: {service: orders, events: successes}}}
        total: {metricSource: {type: synoptic, spec: {service: orders, events: calls}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: answered, target: 0.99}]
"""
QUICK = EXAMPLE.replace("orders-availability", "orders-quick").replace(
    "events: successes", "events: faster_than, threshold_ms: 200"
)


def house(directory: Path, **files: str) -> Path:
    """A configuration whose objectives are these documents."""
    folder = directory / "slos"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    config = directory / "synoptic.yaml"
    config.write_text(f"slo: {{directory: {folder}}}\n", encoding="utf-8")
    return config


def begun(directory: Path, **files: str) -> Run:
    """An engine with these documents."""
    return Run(directory, config=house(directory, **files))


def served(at_ns: int, n: int, failed: int = 0, took_ms: float = 20.0, service: str = "orders") -> bytes:
    """A request with so many calls that a service answered, some of them in vain."""
    rng = random.Random(f"{at_ns} {n} {failed} {service}")
    block = spans_of(service)
    for number in range(n):
        add(block, rng.randbytes(16), rng.randbytes(8), b"", Span.SPAN_KIND_SERVER, "POST /orders", at_ns, took_ms,
            number < failed)  # fmt: skip
    return request(block)


def count(run: Run, n: int, failed: int = 0, took_ms: float = 20.0) -> Run:
    """Takes in so many calls of orders that ended just now, and ticks."""
    run.take(served(run.clock.ns() - SECOND, n, failed, took_ms))
    return run.step()


def test_example_of_the_contract_to_the_letter(tmp_path):
    """The document and the calls of api.md give its figures: 9,900 of 10,000, no budget left, a burn of 1 everywhere,
    exhausted; the list, the one, the map and the sentence agree."""
    run = count(begun(tmp_path, orders=EXAMPLE), 10_000, failed=100)
    (entry,) = [one for one in run.engine.slos() if one["name"] == "orders-availability"]
    expected = {"target": "0.99", "window": "30d", "method": "Occurrences", "good": 9900, "total": 10_000,
                "ratio": 0.99, "budget_left": 0.0, "exhausted_in_s": None, "burn": dict.fromkeys(WINDOWS_S, 1.0),
                "state": "exhausted", "default": False, "service": ORDERS}  # fmt: skip
    assert {key: entry[key] for key in expected} == expected
    assert isinstance(entry["good"], int)
    one = run.engine.slo("orders-availability")
    assert {key: one[key] for key in expected} == expected
    assert one["document"]["metadata"] == {"name": "orders-availability"}
    node = run.node("orders")
    assert (node["health"], node["slo"], node["budget_left"]) == ("exhausted", "orders-availability", 0.0)
    assert node["slo_kind"] == "availability"
    for part in ("orders-availability (99 %)", "1 % of calls failed", "1.0x", "nothing is left of the 30-day budget"):
        assert part in entry["why"]["en"], entry["why"]["en"]
    assert "预算耗尽" in entry["why"]["zh"]
    assert "orders-availability" in node["why"]["en"]


def test_default_comes_back_when_the_document_goes(tmp_path):
    """A service is judged by what is written, by the default once the file is gone, and again when it is back; what
    was counted before the file came counts for it too."""
    run = count(begun(tmp_path), 1000, failed=20)
    assert run.node("orders")["slo"] == "default"
    document = tmp_path / "slos" / "orders.yaml"
    document.write_text(EXAMPLE, encoding="utf-8")
    run.step()
    assert (run.node("orders")["slo"], run.engine.slo("orders-availability")["total"]) == ("orders-availability", 1000)
    document.unlink()
    run.step()
    assert run.node("orders")["slo"] == "default"
    assert run.engine.slo("orders-availability") is None


def test_bad_document_leaves_what_was_in_force(tmp_path):
    """A new version at fault changes nothing but the list of faults."""
    run = count(begun(tmp_path, orders=EXAMPLE), 1000, failed=5)
    before = run.engine.slo("orders-availability")["budget_left"]
    (tmp_path / "slos" / "orders.yaml").write_text(EXAMPLE.replace("0.99}", "1.99}"), encoding="utf-8")
    run.step()
    assert run.engine.slo("orders-availability")["budget_left"] == before == 0.5
    (fault,) = [one for one in run.engine.slo_faults() if one["level"] == "error"]
    assert (fault["line"] > 0, "target" in fault["path"]) == (True, True)


def test_fault_of_judging_loses_no_calls(tmp_path, monkeypatch):
    """When counting for objectives fails, calls are still counted and drawn, the fault is told, and a minute later
    everything is counted anew: nothing is missing."""
    run = count(begun(tmp_path, orders=EXAMPLE), 1000, failed=5)
    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "add", lambda *_: (_ for _ in ()).throw(MemoryError("no room")))
        count(run, 500)
    assert (run.node("orders")["calls"], run.engine.parts.objectives.failure) == (1500, "MemoryError: no room")
    run.settle(80)
    assert (run.engine.slo("orders-availability")["total"], run.engine.parts.objectives.failure) == (1500, "")


FLOOR = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders-traffic, annotations: {synoptic/missing: bad}}
spec:
  service: orders
  indicator:
    metadata: {name: orders-calls}
    spec:
      thresholdMetric: {metricSource: {type: synoptic, spec: {service: orders, measure: calls_per_s}}}
  timeWindow: [{duration: 7d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: heard, op: gte, value: 0.01, target: 0.95}]
"""


def test_trouble_that_late_data_takes_back_is_not_shown_on(tmp_path):
    """Minutes that seemed empty burn a floor; when their calls arrive late the state is ok at once, not held."""
    run = count(begun(tmp_path, orders=FLOOR), 5).settle(300)
    assert run.engine.slo("orders-traffic")["state"] == "burning"
    for minute in range(1, 8):
        run.take(served(run.clock.ns() - minute * 60 * SECOND, 5))
    run.settle(40)
    entry = run.engine.slo("orders-traffic")
    assert (entry["state"], entry["burn"]["5m"]) == ("ok", 0.0)
    assert {alert["until"] is None for alert in run.engine.alerts(open_only=False)} == {False}, "raised, kept, and over"


def test_budget_overspent_by_too_few_is_said_so(tmp_path):
    """A healthy sentence does not say "overspent" without saying why that does not count."""
    run = count(begun(tmp_path, orders=EXAMPLE), 100, failed=2)
    entry = run.engine.slo("orders-availability")
    assert (entry["state"], entry["budget_left"]) == ("ok", -1.0)
    assert entry["why"]["en"].endswith("overspent by 100 %, but by fewer than the 3 bad events that count.")


def test_alert_opens_with_its_burn_and_ends_and_is_remembered(tmp_path):
    """A failing hour pages; ten good minutes later the page is over, and the history has it with its peak."""
    run = begun(tmp_path, orders=EXAMPLE)
    for _ in range(20):
        count(run, 30).step(28)
    assert run.engine.alerts() == []
    count(run, 300, failed=150).step(4)
    firing = {(one["severity"], one["long"], one["short"]) for one in run.engine.alerts()}
    assert ("page", "1h", "5m") in firing
    assert run.node("orders", 300)["health"] == "burning"
    assert run.engine.slo("orders-availability")["alerts"] != []
    for _ in range(40):
        count(run, 300).step(28)
    assert [one for one in run.engine.alerts() if (one["long"], one["short"]) == ("1h", "5m")] == []
    (ended,) = [one for one in run.engine.alerts(open_only=False) if (one["long"], one["short"]) == ("1h", "5m")]
    assert (ended["state"], ended["slo"]) == ("ended", "orders-availability")
    assert ended["since"] < ended["until"]
    assert ended["peak_burn"] >= 14.4


def test_restart_brings_back_figures_alerts_and_states(tmp_path):
    """After a crash the objective stands as before at once: counts, budget, burn, the open alert and since when."""
    run = begun(tmp_path, orders=EXAMPLE, quick=QUICK)
    for minute in range(30):
        count(run, 100, failed=40 if minute > 20 else 0, took_ms=500.0 if minute % 3 else 20.0).step(58)
    run.settle(20)
    before = {one["name"]: one for one in run.engine.slos()}
    alerts = run.engine.alerts()
    assert alerts
    again = run.crashed(down_s=2.0)
    after = {one["name"]: one for one in again.engine.slos()}
    same = ("good", "total", "ratio", "budget_left", "burn", "state", "since", "alerts", "strip")
    for name, entry in before.items():
        assert {key: after[name][key] for key in same} == {key: entry[key] for key in same}, name
    assert again.engine.alerts() == alerts
    assert again.node("orders")["health"] == run.node("orders")["health"]


def test_past_moment_is_judged_by_objectives_too(tmp_path):
    """An hour ago the service was burning; now it is not, and the map says both."""
    run = count(begun(tmp_path, orders=EXAMPLE), 100)
    for _ in range(5):
        count(run, 100, failed=60).step(58)
    bad_s = run.clock.now_s - 10
    for _ in range(120):
        count(run, 3000).step(58)
    run.settle(20)
    then = {n["name"]: n for n in run.engine.snapshot(300, bad_s)["nodes"]}["orders"]
    assert (then["health"], then["slo"]) == ("burning", "orders-availability")
    assert run.node("orders", 300)["health"] != "burning"


def test_two_objectives_the_worst_decides_with_its_sentence(tmp_path):
    """A service that fails never and answers too late is judged by its latency; the budget that is shown is that of the
    objective that the sentence names."""
    run = count(begun(tmp_path, orders=EXAMPLE, quick=QUICK), 1000, failed=0, took_ms=900)
    assert run.node("orders")["slo"] == "orders-quick"
    assert "longer than 200 ms" in run.node("orders")["why"]["en"]
    lefts = {one["name"]: one["budget_left"] for one in run.engine.slos() if one["service"] == ORDERS}
    assert run.node("orders")["budget_left"] == pytest.approx(lefts["orders-quick"], abs=1e-4)
    assert lefts["orders-availability"] == 1.0


def test_sentence_names_where_the_failures_began(tmp_path):
    """Web fails because what it calls fails: the sentence says so, on the map and of the objective alike, and still
    when the failures have left the window of the map."""
    document = EXAMPLE.replace("service: orders", "service: web").replace("orders-", "web-")
    run = begun(tmp_path, web=document)
    rng = random.Random(4)
    blocks = [block for _ in range(60) for block in call(rng, run.clock.ns() - SECOND, failed=True)]
    run.take(request(*blocks))
    run.settle(60)
    for _ in range(2):
        told = run.engine.slo("web-availability")["why"]
        assert "100 % of the failures originate in orders." in told["en"]
        assert run.node("web")["why"] == told
        run.settle(600)
    assert [node["errors"] for node in run.engine.snapshot(300)["nodes"] if node["name"] == "web"] == [0]


def test_pace_of_another_window_is_named(tmp_path):
    """A ticket speaks of a day, and the time to exhaustion is told at the pace of the hour: the sentence says both, so
    that it can be checked by hand (60 of 5,000 in the hour, 60 of 15,000 in the day)."""
    run = count(begun(tmp_path), 10_000)
    run.settle().step(3 * 3600)
    count(run, 5000, failed=60).settle(20)
    entry = run.engine.slo("default-availability:orders")
    assert (entry["state"], entry["burn"]["1h"], entry["burn"]["1d"]) == ("at_risk", 12.0, 4.0)
    assert "in the last 24 h, 4.0x the budgeted rate (at or above 3x)" in entry["why"]["en"]
    assert "; at the pace of the last hour the 30-day budget is spent in 2 d 11 h." in entry["why"]["en"]
    assert entry["exhausted_in_s"] == pytest.approx(entry["budget_left"] * 30 * DAY_S / 12, rel=1e-5)


def test_alerts_of_one_objective_stand_newest_first(tmp_path):
    """What fires stands first, a ticket below a page is marked, and what ended follows, the newest first."""
    run = begun(tmp_path, orders=EXAMPLE)
    for _ in range(2):
        count(run, 100, failed=60).settle(20)
        run.settle(2400)
    count(run, 100, failed=90).settle(20)
    history = run.engine.slo("orders-availability")["alert_history"]
    states = [one["state"] for one in history]
    assert states == sorted(states, key=["firing", "suppressed", "ended"].index)
    assert {(one["severity"], one["state"]) for one in history} == {
        ("page", "firing"), ("ticket", "suppressed"), ("page", "ended")}  # fmt: skip
    ended = [one["since"] for one in history if one["state"] == "ended"]
    assert ended == sorted(ended, reverse=True)
    assert len(set(ended)) > 1
    assert run.engine.slo_what_if("orders-availability", "0.999", None)["notes"] == ["hours"]


@pytest.mark.parametrize("most", [5000, 1])
def test_chinese_sentence_names_the_origin_by_its_chinese_title(tmp_path, most):
    """A written objective, a default one, and the judgement of who has none: each names where the failures began in
    the language of the sentence."""
    (tmp_path / "slos").mkdir()
    config = tmp_path / "synoptic.yaml"
    config.write_text(f"slo: {{directory: {tmp_path / 'slos'}, max_slos: {most}}}\n"
                      "catalogue: {services: [{match: orders, title: {en: Ordering, zh: 订单}}]}\n",
                      encoding="utf-8")  # fmt: skip
    run = Run(tmp_path, config=config)
    rng = random.Random(4)
    run.take(request(*[block for _ in range(400) for block in call(rng, run.clock.ns() - SECOND, failed=True)]))
    run.settle(60)
    for name in ("web", "user"):
        said = run.node(name)["why"]
        assert "originate in Ordering" in said["en"], (name, said)
        assert "失败源自 订单" in said["zh"], (name, said)


def test_composite_names_all_that_it_judges(tmp_path):
    """Whoever looks at the second service of a composite finds the objective that gives it its colour."""
    parts = yaml.safe_load(EXAMPLE)
    indicator = parts["spec"].pop("indicator")
    other = yaml.safe_load(yaml.safe_dump(indicator).replace("service: orders", "service: web"))
    named = {name: {**sli, "metadata": {"name": name}} for name, sli in (("a", indicator), ("b", other))}
    parts["spec"]["objectives"] = [{"displayName": name, "target": 0.99, "indicator": sli}
                                   for name, sli in named.items()]  # fmt: skip
    run = begun(tmp_path, both=yaml.safe_dump(parts))
    run.take(served(run.clock.ns() - SECOND, 100, service="web"))
    count(run, 100, failed=50)
    assert run.node("web")["slo"] == "orders-availability"
    judged = [one["name"] for one in run.engine.slos() if run.node("web")["id"] in one["judges"]]
    assert judged == ["orders-availability"]


def test_sentence_about_slow_calls_names_no_origin_of_failures(tmp_path):
    """Where failures began says nothing of why calls were slow: the sentence of a latency objective leaves it out."""
    run = count(begun(tmp_path, orders=EXAMPLE, quick=QUICK), 1000, failed=2, took_ms=900)
    assert (run.node("orders")["slo"], run.node("orders")["errors"]) == ("orders-quick", 2)
    assert "originate" not in run.node("orders")["why"]["en"]
    assert "源自" not in run.node("orders")["why"]["zh"]


def test_history_and_spenders_and_what_if_agree_with_the_entry(tmp_path):
    """The steps of the history add up to the total; the dearest interval is the one that failed; half the failures
    allowed is twice the spending; another threshold is counted from the stored histograms."""
    run = begun(tmp_path, orders=EXAMPLE, quick=QUICK)
    for minute in range(30):
        count(run, 100, failed=10 if minute == 12 else 0, took_ms=150.0 if minute % 2 else 500.0).step(58)
    run.settle(20)
    entry = run.engine.slo("orders-availability")
    told = run.engine.slo_history("orders-availability", NOW_S - 60, run.clock.now_s, 60)
    assert sum(n or 0 for n in told["total"]) == entry["total"] == 3000
    assert sum(n or 0 for n in told["good"]) == entry["good"] == 2990
    assert told["budget_left"][-1] == pytest.approx(entry["budget_left"], abs=1e-4)
    assert set(told["burn"]) == set(WINDOWS_S)
    dearest = run.engine.slo_spenders("orders-availability")[0]
    assert (dearest["bad"], dearest["share"]) == (10, 1.0)
    assert dearest["from"] <= NOW_S + 12 * 60 < dearest["to"] + 60
    assert dearest["origins"][0]["id"] == ORDERS
    half = run.engine.slo_what_if("orders-availability", "0.995", None)
    assert 1 - half["budget_left"] == pytest.approx(2 * (1 - entry["budget_left"]), abs=1e-5)
    assert half["exact"] is True
    slower = run.engine.slo_what_if("orders-quick", None, 1000.0)
    assert (slower["good"], slower["total"], slower["exact"]) == (3000, 3000, True)
    assert run.engine.slo_what_if("orders-quick", None, 200.0)["good"] == run.engine.slo("orders-quick")["good"] == 1500
    with pytest.raises(ValueError, match="between 0 and 1"):
        run.engine.slo_what_if("orders-quick", "1.5", None)
    with pytest.raises(ValueError, match="threshold"):
        run.engine.slo_what_if("orders-availability", None, 100.0)
    assert run.engine.slo_history("nobody", 0, 1, 60) is run.engine.slo_what_if("nobody", None, None) is None


def test_strip_has_the_budget_of_every_day(tmp_path):
    """Nothing is known of days before the first call; a bad day stays in the strip of the days after it."""
    run = begun(tmp_path, orders=EXAMPLE)
    count(run, 1000, failed=5)
    for _ in range(3):
        run.step(DAY_S / 2)
        run.step(DAY_S / 2)
    count(run, 1000)
    strip = run.engine.slo("orders-availability")["strip"]
    assert len(strip) == 30
    assert strip[:26] == [None] * 26
    assert strip[-4:] == [0.5, 0.5, 0.5, 0.75]


def test_quiet_objective_is_no_data_and_keeps_its_budget(tmp_path):
    """Six minutes without calls are no data, never ok; what is left of the budget is still known."""
    run = count(begun(tmp_path, orders=EXAMPLE), 1000, failed=1)
    assert run.engine.slo("orders-availability")["state"] == "ok"
    entry = run.step(360).engine.slo("orders-availability")
    assert (entry["state"], entry["budget_left"], entry["burn"]["5m"]) == ("no_data", 0.9, None)
    assert entry["why"]["en"].startswith("No data: nothing was counted for orders-availability (99 %)")


def test_objectives_in_a_running_product(tmp_path):
    """The product on real ports: a document written while it runs, real calls over OTLP, the list over the API."""
    config = house(tmp_path)
    with product(tmp_path / "run", "--config", str(config)) as running:
        (tmp_path / "slos" / "orders.yaml").write_text(EXAMPLE, encoding="utf-8")
        assert running.post(served(time.time_ns() - SECOND, 1000, failed=10)) == 200

        def standing():
            found = {one["name"]: one for one in running.get("/api/v1/slos")}
            entry = found.get("orders-availability")
            return entry if entry and entry["total"] == 1000 else None

        entry = soon(standing, 20)
        assert entry, running.log
        assert (entry["good"], entry["budget_left"], entry["state"]) == (990, 0.0, "exhausted")
        nodes = {n["name"]: n for n in running.get("/api/v1/graph")["nodes"]}
        assert (nodes["orders"]["health"], nodes["orders"]["slo"]) == ("exhausted", "orders-availability")
