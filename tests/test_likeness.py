"""From services that look the same to a rule of the catalogue, and what the rule does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from engine_run import Run
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from traffic import SECOND, add, request, spans_of

from app.catalogue import Catalogue, Entries
from app.engine.likeness import rule
from app.reading import Reader
from topology.model import Service
from topology.registry import Instance

ORDERS = Service("default", "shop", "orders")


def registered(name: str, host: str = "10.0.0.1") -> Instance:
    """An instance of a service that a registry knows."""
    return Instance(Service("default", "", name), host, 8080, source="nacos")


def heard(folder: Path, config: Path | None = None) -> Run:
    """An engine that heard orders in the namespace shop at an address that is registered for another name."""
    run, rng = Run(folder, config=config), random.Random(1)
    block = spans_of("orders", **{"service.namespace": "shop", "service.instance.id": "10.0.0.1:8080"})
    add(block, rng.randbytes(16), rng.randbytes(8), b"", Span.SPAN_KIND_SERVER, "POST", run.clock.ns() - SECOND)
    run.take(request(block))
    run.settle().engine.parts.registry.take("nacos", [registered("Orders-Service")], run.clock())
    return run.step()


def test_a_service_that_a_registry_calls_differently_is_suggested_until_it_is_merged(tmp_path: Path) -> None:
    """The name of the spans stays; the rule that is suggested, written in the catalogue, makes the two one."""
    (pair,) = heard(tmp_path / "before").engine.alike()
    assert (pair["into"]["id"], pair["from"]["id"]) == (ORDERS.id, "default//Orders-Service")
    assert [(one["why"], one["shared"]) for one in pair["reasons"]] == [("addresses", 1), ("words", 0)]
    file = tmp_path / "synoptic.yaml"
    file.write_text(f"catalogue:\n  merge:\n    {pair['rule']}\n", encoding="utf-8")
    run = heard(tmp_path / "after", file)
    assert run.engine.alike() == []
    assert run.node("orders")["registered"][""]["speaking"] == 1


def test_a_registered_service_that_is_a_node_is_no_second_one(tmp_path: Path) -> None:
    """What the registry calls as the spans do, but for the namespace, is found without any rule."""
    run = heard(tmp_path)
    run.engine.parts.registry.take("nacos", [registered("orders")], run.clock())
    assert run.step().engine.alike() == []


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        (Service("prod", "", "orders-service"), Service("prod", "shop", "orders")),
        (Service("prod", "shop", "a*b [x]?"), Service("prod", "shop", "it's: \"q\" #1")),
        (Service("prod", "", "订单"), Service("prod", "", "yes")),
    ],
)
def test_a_rule_means_exactly_the_service_it_was_made_for(goes: Service, stays: Service) -> None:
    """Read as YAML it merges that service into the other, and no other: signs of patterns and of YAML are only text."""
    entries = Reader(Path()).record(Entries, {"merge": yaml.safe_load(rule(goes, stays))}, "catalogue")
    assert entries is not None
    catalogue = Catalogue(entries)
    assert catalogue.merged(goes) == stays
    for other in (Service("prod", "elsewhere", goes.name), Service("prod", goes.namespace, goes.name + "-2")):
        assert catalogue.merged(other) == other
