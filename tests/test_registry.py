"""The registry beside the spans: what a node, its details and the interface say, now, later and after a restart."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from engine_run import Run
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from traffic import SECOND, add, request, spans_of

from app.registry import CHECKPOINT, Registries
from collectors.contract import Signal
from topology.model import Service
from topology.registry import Instance

ORDERS = Service("default", "", "orders")
NODE = ORDERS.id


def at(host: str, zone: str = "", service: Service = ORDERS, **keys: object) -> Instance:
    """A registered instance."""
    return Instance(service, host, 8080, zone, source="nacos", **keys)  # type: ignore[arg-type]


REGISTERED = (
    at("10.0.0.1", "a"), at("10.0.0.2", "a"), at("10.0.0.3", "b"), at("10.0.0.4", "b", enabled=False),
    at("10.0.1.1", "a", Service("default", "", "ledger")),
)  # fmt: skip


def speak(run: Run, *instances: str, calls: int = 30, namespace: str = "", zone: str = "") -> None:
    """Every instance of orders answers some calls, and all of them are counted."""
    rng = random.Random(1)
    for instance in instances:
        said = {"service.instance.id": instance, "service.namespace": namespace, "cloud.availability_zone": zone}
        block = spans_of("orders", **{key: value for key, value in said.items() if value})
        for _ in range(calls):
            ids = rng.randbytes(16), rng.randbytes(8)
            add(block, *ids, b"", Span.SPAN_KIND_SERVER, "POST /orders", run.clock.ns() - SECOND)
        run.take(request(block))
    run.settle()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """An engine that heard orders from two addresses, one of which is registered, and was told what is registered."""
    file = tmp_path / "synoptic.yaml"
    file.write_text("collectors: {nacos: {kind: nacos, url: 'http://127.0.0.1:9'}}\nregistry: {old_after: 2m}", "utf-8")
    found = Run(tmp_path, config=file)
    speak(found, "10.0.0.1:8080", "uuid@10.0.9.9")
    found.engine.parts.registry.take("nacos", REGISTERED, found.clock())
    return found.step()


def test_a_node_says_who_is_registered_and_who_speaks_by_zone(run):
    """Two zones of the registry and the one that nobody knows; silent and unregistered instances are counted."""
    node = run.node("orders")
    assert node["registration"] == {"silent": 2, "unregistered": 1, "old": False}
    counts = {zone: {key: n for key, n in one.items() if n} for zone, one in node["registered"].items()}
    assert counts == {
        "": {"speaking": 1, "unregistered": 1},
        "a": {"registered": 2, "healthy": 2, "speaking": 1, "silent": 1},
        "b": {"registered": 2, "healthy": 1, "disabled": 1, "silent": 1},
    }


def test_an_instance_without_zone_is_in_the_zone_that_is_registered(run):
    """The span names no zone, the registry does: it counts there, on the map and in the details."""
    node = run.node("orders")
    assert (node["instances_by_zone"], node["zones"]) == ({"": 1, "a": 1}, ["a"])
    found = run.engine.service(NODE, 3600)
    assert {row["instance"]: row["zone"] for row in found["instances"]} == {"10.0.0.1:8080": "a", "uuid@10.0.9.9": ""}


def test_the_zone_of_the_spans_goes_before_that_of_the_registry(tmp_path):
    """Who says himself where he is, is there."""
    run = Run(tmp_path)
    speak(run, "10.0.0.1:8080", zone="c")
    run.engine.parts.registry.take("nacos", REGISTERED, run.clock())
    node = run.step().node("orders")
    assert (node["instances_by_zone"], node["zones"]) == ({"c": 1}, ["c"])
    assert node["registered"]["c"]["speaking"] == 1


def test_details_say_of_every_instance_whether_it_is_registered_and_how_that_is_known(run):
    """True with the rule, false for an address that is not registered, and null for a name that tells nothing."""
    speak(run, "some-random-id")
    found = run.engine.service(NODE, 3600)
    told = {row["instance"]: (row["registered"], row["registered_by"]) for row in found["instances"]}
    assert told == {"10.0.0.1:8080": (True, "address"), "uuid@10.0.9.9": (False, None), "some-random-id": (None, None)}
    rest = {row["host"]: (row["zone"], row["standing"]) for row in found["registered_only"]}
    assert rest == {"10.0.0.2": ("a", "unknown"), "10.0.0.3": ("b", "unknown"), "10.0.0.4": ("b", "disabled")}
    assert [(one["source"], one["old"]) for one in found["registry"]] == [("nacos", False)]


def test_an_instance_that_tells_its_saturation_only_is_heard(tmp_path):
    """It answers no calls, but it speaks: on the map and in the details it is not among those nobody hears."""
    run = Run(tmp_path)
    speak(run, "10.0.0.1:8080")
    sent = ExportMetricsServiceRequest()
    block = sent.resource_metrics.add()
    for key, value in (("service.name", "orders"), ("service.instance.id", "10.0.0.2:8080")):
        block.resource.attributes.add(key=key).value.string_value = value
    metric = block.scope_metrics.add().metrics.add(name="process.cpu.utilization")
    metric.gauge.data_points.add(time_unix_nano=run.clock.ns() - SECOND, as_double=0.25)
    run.take(sent.SerializeToString(), Signal.METRICS)
    run.settle(20).engine.parts.registry.take("nacos", REGISTERED[:3], run.clock())
    assert run.step().node("orders")["registration"]["silent"] == 1
    assert [row["host"] for row in run.engine.service(NODE, 3600)["registered_only"]] == ["10.0.0.3"]


def test_what_two_registries_have_at_one_address_is_one_instance(run):
    """Two clusters that copy from each other tell of the same instances: they count once."""
    copied = [replace(one, source="nacos-2", zone="z") for one in REGISTERED]
    run.engine.parts.registry.take("nacos-2", [*copied, replace(copied[0], host="10.0.0.8")], run.clock())
    zones = run.step().node("orders")["registered"]
    assert {zone: count["registered"] for zone, count in zones.items()} == {"": 0, "a": 2, "b": 2, "z": 1}


def test_facts_grow_old_and_say_so(run):
    """Nothing told for two minutes: the facts stay, marked, and their age is told."""
    for _ in range(61):
        run.step()
    assert run.node("orders")["registration"]["old"]
    (told,) = run.engine.service(NODE, 3600)["registry"]
    assert (told["old"], told["age_s"]) == (True, 124.0)
    run.engine.parts.registry.take("nacos", REGISTERED, run.clock())
    assert not run.step().node("orders")["registration"]["old"]


@pytest.mark.parametrize("end", [Run.crashed, Run.stopped])
def test_what_was_registered_survives_a_restart_with_its_age(run, end):
    """After a crash or a clean end the same is registered, as old as it is, never newer."""
    run.engine.parts.registry.take("nacos", REGISTERED, run.clock())
    told_s = run.clock()
    run.settle(20)
    parts = end(run, 60.0).engine.parts
    assert parts.registry.of(ORDERS) == REGISTERED[:4]
    age_s = parts.registry.ages_s(parts.clock())["nacos"]
    assert parts.clock() - told_s <= age_s <= parts.clock() - told_s + 60


def test_a_registry_that_is_no_longer_configured_is_forgotten():
    """What it told before the restart is not taken back, nor is what cannot be read."""
    kept = Registries()
    kept.take("nacos", REGISTERED, 10.0)
    content = kept.content()
    again = Registries(["other"])
    again.restore(content)
    assert again.of(ORDERS) == ()
    again.restore({CHECKPOINT + "other": b"{", "state": b"x"})
    assert again.facts().instances == {}
    again.restore({CHECKPOINT + "other": content[CHECKPOINT + "nacos"]})
    assert again.of(ORDERS) == REGISTERED[:4]


def test_content_is_written_anew_only_when_it_says_something_new():
    """The same object while nothing changes, for a minute; another one for another instance."""
    kept = Registries()
    kept.take("nacos", REGISTERED, 10.0)
    first = kept.content()
    kept.take("nacos", REGISTERED, 40.0)
    assert kept.content()[CHECKPOINT + "nacos"] is first[CHECKPOINT + "nacos"]
    kept.take("nacos", REGISTERED, 70.0)
    assert kept.content() != first
    kept.take("nacos", REGISTERED[1:], 71.0)
    again = Registries()
    again.restore(kept.content())
    assert again.of(ORDERS) == REGISTERED[1:4]


def test_an_instance_that_is_gone_from_the_registry_is_gone_from_the_map(run):
    """The next pull holds; a service whose registration ended says nothing of registries."""
    run.engine.parts.registry.take("nacos", REGISTERED[:1], run.clock())
    assert sum(zone["registered"] for zone in run.step().node("orders")["registered"].values()) == 1
    run.engine.parts.registry.take("nacos", (), run.clock())
    node = run.step().node("orders")
    assert (node["registered"], node["registration"]) == (None, None)


def test_a_service_in_another_namespace_is_found_by_its_name_alone_if_there_is_one(tmp_path):
    """Registered without a namespace, speaking in one: the same service, unless two have that name."""
    run = Run(tmp_path)
    speak(run, "10.0.0.1:8080", namespace="shop")
    run.engine.parts.registry.take("nacos", REGISTERED, run.clock())
    assert run.step().node("orders")["registration"] is not None
    speak(run, "10.0.0.2:8080", namespace="bank")
    said = {node["namespace"]: node["registration"] for node in run.engine.snapshot(300)["nodes"]
            if node["name"] == "orders"}
    assert said == {"shop": None, "bank": None}
    assert {row["id"]: row["node"] for row in run.engine.registry()["services"]}[NODE] is None


def test_services_that_never_spoke_are_listed_and_drawn_only_when_asked(tmp_path):
    """Ledger is registered and was never heard of: listed with its zones, and on the map only with `show_silent`."""
    run = Run(tmp_path / "listed")
    speak(run, "10.0.0.1:8080")
    run.engine.parts.registry.take("nacos", REGISTERED, run.clock())
    run.step()
    assert "ledger" not in run.names()
    services = {row["id"]: row for row in run.engine.registry()["services"]}
    assert services["default//ledger"]["node"] is None
    assert services["default//ledger"]["zones"]["a"]["registered"] == 1
    assert services[NODE]["node"] == NODE
    run = Run(tmp_path / "drawn", SYNOPTIC__REGISTRY__SHOW_SILENT="true")
    run.engine.parts.registry.take("nacos", REGISTERED[-1:], run.clock())
    node = run.step().node("ledger", 300)
    assert (node["health"], node["last_seen"], node["registered"]["a"]["registered"]) == ("no_data", None, 1)


def test_merged_and_hidden_services_are_so_in_the_registry_too(tmp_path):
    """What the catalogue shows as one is registered as one, and what it hides is not listed."""
    file = tmp_path / "synoptic.yaml"
    file.write_text("catalogue: {merge: [{match: 'ord*', into: orders}], hide: [ledger]}", encoding="utf-8")
    run = Run(tmp_path, config=file)
    speak(run, "10.0.0.1:8080")
    other = at("10.0.0.7", "b", Service("default", "", "ordering"))
    run.engine.parts.registry.take("nacos", (*REGISTERED, other), run.clock())
    assert run.step().node("orders")["registered"]["b"]["registered"] == 3
    assert [row["id"] for row in run.engine.registry()["services"]] == [NODE]


def test_of_another_moment_nothing_is_registered(run):
    """A picture of the past has the zones that addresses are in, and no word on what is registered now."""
    then_s = run.clock()
    for _ in range(200):
        run.step()
    (node,) = (one for one in run.engine.snapshot(300, then_s)["nodes"] if one["id"] == NODE)
    assert (node["registered"], node["registration"], node["instances_by_zone"]) == (None, None, {"": 1, "a": 1})
    found = run.engine.service(NODE, 300, then_s)
    assert (found["registered_only"], found["registry"]) == ([], [])
