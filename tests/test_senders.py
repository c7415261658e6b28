"""Who sent it and whom it called, as the house sees it: zones, names, addresses, and a catalogue that changes."""

import os
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from engine_run import Run
from traffic import SECOND, add, call, request, spans_of

from app.configuration import follow, load
from app.house import House
from app.product import _sources
from app.slo.definitions import definitions_of


def calls(run: Run, number: int = 1) -> Run:
    """Takes in so many calls web -> orders that ended just now, and draws them."""
    rng = random.Random(run.clock.now_s)
    run.take(request(*(block for _ in range(number) for block in call(rng, run.clock.ns() - SECOND))))
    return run.step()


def unnamed(run: Run, *resources: Mapping[str, str | int]) -> Run:
    """Takes in a request served by each of several processes that give no name, and draws them."""
    blocks = []
    for number, resource in enumerate(resources):
        told = spans_of("unknown_service:python")
        for key, value in resource.items():
            kept = told.resource.attributes.add(key=key).value
            setattr(kept, "int_value" if isinstance(value, int) else "string_value", value)
        add(told, bytes([number + 1]) * 16, b"s" * 8, b"", 2, "GET /", run.clock.ns() - SECOND)
        blocks.append(told)
    run.take(request(*blocks))
    return run.step()


def rewrite(file: Path, text: str) -> None:
    """Another content, written a second after the one before."""
    written_s = file.stat().st_mtime + 1 if file.exists() else 1_000_000_000
    file.write_text(text, encoding="utf-8")
    os.utime(file, (written_s, written_s))


def test_catalogue_in_the_configuration_is_followed(tmp_path):
    """Written in the main file it takes effect without a restart, variables and the environment's overrides included;
    nothing else there is looked at."""
    config = tmp_path / "own.yaml"
    rewrite(config, "catalogue: {services: [{match: orders, title: One}]}")
    run = calls(Run(tmp_path, config=config, TEAM="Team A", SYNOPTIC__CATALOGUE__HIDE="[user]"))
    assert run.node("orders")["title"]["en"] == "One"
    rewrite(config, "server: 7\ncatalogue: {services: [{match: orders, title: Two, owner: '${TEAM}'}]}")
    run.step()
    assert (run.node("orders")["title"]["en"], run.node("orders")["owner"]) == ("Two", "Team A")
    assert "user" not in run.names()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("catalogue: {services: [{match: orders, titel: Bad}]}", "catalogue.services[0].titel: expected a known key"),
        ("catalogue: {services: [{match: orders, title: '${NOBODY}'}]}", "the environment variable NOBODY"),
        ("catalogue: {file: own.yaml}", "catalogue.file: expected the entries here, as at the start"),
        ("catalogue: [", "expected a YAML document"),
    ],
)
def test_bad_section_leaves_the_catalogue_and_is_told(tmp_path, text, complaint):
    """What cannot be read changes nothing and is on the sources page, until it is repaired."""
    config, good = tmp_path / "own.yaml", "catalogue: {services: [{match: orders, title: Good}]}"
    rewrite(config, good)
    settings = load(config, {})
    house = House(settings, follow(config, settings, {}))
    rewrite(config, text)
    assert not house.reload()
    assert house.entries.services[0].title.en == "Good"
    (row,) = [row for row in _sources([], house, definitions_of(settings), settings) if row["name"] == "catalogue"]
    assert row["state"] == "degraded"
    assert complaint in row["last_error"]
    rewrite(config, good)
    house.reload()
    assert house.file.faults == ()


def test_zone_of_the_catalogue_where_spans_name_none(tmp_path):
    """A service whose resource names no zone is counted in the catalogue's; one that names a zone stays there; and
    calls between two zones are known as such."""
    config = tmp_path / "own.yaml"
    rewrite(config, "catalogue: {services: [{match: orders, zone: west}, {match: web, zone: east}]}")
    run = Run(tmp_path, config=config)
    told = spans_of("web", **{"cloud.availability_zone": "north"})
    add(told, b"t" * 16, b"s" * 8, b"", 2, "GET /", run.clock.ns() - SECOND)
    run.take(request(told))
    calls(run, 3)
    assert run.node("orders")["zones"] == ["west"]
    assert run.node("web")["zones"] == ["east", "north"]
    assert run.edge("web", "orders")["cross_zone_calls"] == 3


def test_new_zone_or_attribute_of_the_catalogue_holds_from_the_next_span(tmp_path):
    """A changed catalogue asks again who sends: a new zone, and a condition on an attribute that it never asked for,
    hold without a restart; what was counted stays where it was."""
    config = tmp_path / "own.yaml"
    rewrite(config, "catalogue: {services: [{match: orders, zone: west}]}")
    run = calls(Run(tmp_path, config=config), 2)
    rewrite(config, "catalogue: {services: [{attribute: {service.name: 'ord*'}, zone: south, owner: Us}]}")
    calls(run.step(), 3)
    assert run.node("orders")["zones"] == ["south", "west"]
    assert run.node("orders")["owner"] == "Us"




def test_zone_of_a_store_is_the_one_of_the_catalogue(tmp_path):
    """A node that sends no spans stands in the zone that the catalogue gives it."""
    config = tmp_path / "own.yaml"
    rewrite(config, "catalogue: {services: [{match: ledger, zone: west}]}")
    run = Run(tmp_path, config=config)
    told = spans_of("web")
    span = add(told, b"t" * 16, b"s" * 8, b"", 3, "SELECT", run.clock.ns() - SECOND)
    for key, value in {"db.system": "mysql", "db.name": "ledger"}.items():
        span.attributes.add(key=key).value.string_value = value
    run.take(request(told))
    assert run.step().node("ledger")["zones"] == ["west"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"service.instance.id": "a", "host.name": "h"}, {"service.instance.id": "b", "host.name": "h"}),
        ({"k8s.pod.name": "pod-1"}, {"k8s.pod.name": "pod-2"}),
        ({"container.id": "c1"}, {"container.id": "c2"}),
        ({"host.name": "h1", "process.pid": 7}, {"host.name": "h2", "process.pid": 7}),
        ({"host.id": "h1", "process.pid": 7}, {"host.id": "h1", "process.pid": 8}),
    ],
)
def test_services_without_a_name_are_told_apart_by_who_sends(tmp_path, one, other):
    """Two processes that give no name are two nodes, both titled as they were sent; one of them twice is one node."""
    run = unnamed(Run(tmp_path), one, other, one)
    nodes = [node for node in run.engine.snapshot(300)["nodes"] if node["kind"] == "service"]
    assert sorted(node["calls"] for node in nodes) == [1, 2]
    assert {node["title"]["en"] for node in nodes} == {"unknown_service:python"}


def test_services_without_a_name_or_a_sender_are_one(tmp_path):
    """Where nothing tells them apart they are one node of the name that was sent."""
    run = unnamed(Run(tmp_path), {}, {"service.version": "2"})
    assert run.node("unknown_service:python")["calls"] == 2


def test_catalogue_means_services_without_a_name_by_what_they_sent(tmp_path):
    """An entry for the name as it was sent is about each of them, and they can be drawn as one."""
    config = tmp_path / "own.yaml"
    rewrite(config, "catalogue: {merge: [{match: 'unknown_service:python', into: scripts}]}")
    run = unnamed(Run(tmp_path, config=config), {"host.name": "a"}, {"host.name": "b"})
    assert run.node("scripts")["calls"] == 2


ALIASES = """aliases:
  - {address: "10.20.*:8080", name: ledger-core, namespace: accounts}
  - {address: "shop", name: shop-front}
  - {address: "shop:9000", name: shop-back}
  - {address: "[fd00::?]:443", name: six}
  - {address: "10.*", name: anything}
"""


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"server.address": "10.20.1.5", "server.port": 8080}, "ledger-core"),
        ({"server.address": "10.20.1.5", "server.port": "8080"}, "ledger-core"),
        ({"server.address": "10.20.1.5", "server.port": 8081}, "anything"),
        ({"server.address": "10.20.1.5"}, "anything"),
        ({"net.peer.name": "10.20.1.5", "net.peer.port": 8080}, "ledger-core"),
        ({"network.peer.address": "10.20.1.5", "network.peer.port": 8080}, "ledger-core"),
        ({"net.peer.ip": "10.20.1.5", "net.sock.peer.port": 8080, "db.system": "mysql"}, "ledger-core"),
        ({"server.port": 8080, "network.peer.port": 1, "server.address": "10.20.1.5"}, "ledger-core"),
        ({"net.peer.name": "10.20.1.5:8080"}, "ledger-core"),
        ({"server.address": "shop", "server.port": 9000}, "shop-front"),
        ({"server.address": "fd00::1", "server.port": 443}, "six"),
        ({"server.address": "elsewhere", "server.port": 8080}, "elsewhere"),
    ],
)
def test_alias_fits_an_address_with_or_without_port(tmp_path, attributes, name):
    """The first alias that fits the address, or the address with its port, is the service called; without an alias
    the node goes by the address alone."""
    config = tmp_path / "own.yaml"
    rewrite(config, ALIASES)
    assert name in calling(Run(tmp_path, config=config), attributes).names()


def calling(run: Run, attributes: Mapping[str, str | int]) -> Run:
    """Takes in a call that nobody answered, and waits until that is known."""
    told = spans_of("web")
    span = add(told, b"t" * 16, b"s" * 8, b"", 3, "GET", run.clock.ns() - SECOND)
    for key, value in attributes.items():
        setattr(span.attributes.add(key=key).value, "int_value" if isinstance(value, int) else "string_value", value)
    run.take(request(told))
    return run.settle(36)


def test_calls_to_several_ports_of_one_address_are_one_path(tmp_path):
    """Without an alias the port makes no node of its own, also where an alias for another address asks for ports."""
    config = tmp_path / "own.yaml"
    rewrite(config, ALIASES)
    run = Run(tmp_path, config=config)
    for number, port in enumerate((80, 443, 8080)):
        told = spans_of("web")
        span = add(told, bytes([number + 1]) * 16, b"s" * 8, b"", 3, "GET", run.clock.ns() - SECOND)
        span.attributes.add(key="server.address").value.string_value = "elsewhere"
        span.attributes.add(key="server.port").value.int_value = port
        run.take(request(told))
    assert run.settle(36).edge("web", "elsewhere")["calls"] == 3
