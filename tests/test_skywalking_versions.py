"""Whatever version an OAP is, it is asked in its own words; real replies of three versions tell which."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fake_oap import MQE_9, MQE_10, VALUES_8, FakeOap, serving

from collectors.skywalking.client import GraphQL
from collectors.skywalking.config import Config
from collectors.skywalking.server_time import Stretch
from collectors.skywalking.topology import read_services, read_topology
from collectors.skywalking.versions import Abilities, Percentiles, by_version, detect
from topology.model import Kind

SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "skywalking-live"
STRETCH = Stretch(1_795_236_120, 3, "2026-11-21 0442", "2026-11-21 0444")
real = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the replies of real servers are not beside this checkout")


class Replaying(FakeOap):
    """Answers with replies that a real server gave, chosen by a word of the query."""

    def replay(self, version: str) -> None:
        """The replies of this version."""
        self.told = {name: json.loads((SAMPLES / version / f"{name}.json").read_text()) for name in (
            "query-fields", "version", "services-no-layer", "services", "layers", "global-topology")}

    def answer(self, query: str, variables: Any) -> tuple[int, Any]:
        """The real reply."""
        if '"Node"' in query:
            layers = "layers" in json.dumps(self.told["global-topology"]["reply"])
            return 200, {"data": {"n": {"fields": [{"name": "layers"}] if layers else []}}}
        if "__type" in query:
            return 200, {"data": {"version": self.told["version"]["reply"]["data"]["version"],
                                  "q": self.told["query-fields"]["reply"]["data"]["__type"]}}
        if "l0:listServices" in query:
            return 200, self.told["services"]["reply"]
        names = {"listServices": "services-no-layer", "listLayers": "layers", "getGlobalTopology": "global-topology"}
        found = self.told[next(told for word, told in names.items() if word in query)]
        return found["httpStatus"], found["reply"]


@contextmanager
def client(oap: FakeOap) -> Iterator[GraphQL]:
    """Asks the server without any source around it."""
    with serving(oap):
        asking = GraphQL(Config(url=oap.url))
        try:
            yield asking
        finally:
            asking.close()


def detected(oap: FakeOap) -> Abilities:
    """What the server is found to be able to."""
    with client(oap) as asking:
        return detect(asking)


@real
@pytest.mark.parametrize(("version", "style"), [
    ("9.2.0", Percentiles.VALUES), ("9.6.0", Percentiles.UNDERSCORE), ("10.1.0", Percentiles.P)])
def test_real_replies_tell_what_a_version_can(version: str, style: Percentiles) -> None:
    """Percentiles, services and the topology of a real server's replies are read in the way of its version."""
    oap = Replaying()
    oap.replay(version)
    with client(oap) as asking:
        abilities = detect(asking)
        services = read_services(asking, abilities, STRETCH)
        topology = read_topology(asking, abilities, STRETCH, services)
    kinds = {node.name: node.kind for node in topology.nodes.values()}
    assert abilities.percentiles is style
    assert kinds == {
        "User": Kind.USER, "gateway": Kind.SERVICE, "orders": Kind.SERVICE, "payments": Kind.SERVICE,
        "worker": Kind.SERVICE, "kafka:9092": Kind.QUEUE, "cache:6379": Kind.CACHE, "db-orders:3306": Kind.DATABASE,
        "mail.example:443": Kind.EXTERNAL,
    }  # fmt: skip
    both = {(topology.nodes[call.source].name, topology.nodes[call.target].name)
            for call in topology.calls if call.client and call.server}  # fmt: skip
    assert both == {("gateway", "orders"), ("gateway", "payments")}


@pytest.mark.parametrize(("version", "queries", "style"), [
    ("10.3.0-SNAPSHOT-3f2a", MQE_10, Percentiles.P), ("9.7.0", MQE_9, Percentiles.UNDERSCORE),
    ("9.5.0", MQE_9, Percentiles.LABEL), ("8.9.1", VALUES_8, Percentiles.VALUES),
    ("", MQE_10, Percentiles.P), ("house build", VALUES_8, Percentiles.VALUES)])  # fmt: skip
def test_what_an_oap_tells_counts_more_than_its_version(version: str, queries: tuple[str, ...],
                                                        style: Percentiles) -> None:
    """Suffixes, versions that nobody knows and none at all: the queries it lists decide."""
    assert detected(FakeOap(version, queries)).percentiles is style


@pytest.mark.parametrize(("version", "style"), [
    ("10.4.0", Percentiles.P), ("9.6.0", Percentiles.UNDERSCORE), ("9.5.0", Percentiles.LABEL),
    ("9.2.0", Percentiles.VALUES), ("8.9.1", Percentiles.VALUES), ("", Percentiles.VALUES), ("11", Percentiles.VALUES)])
def test_without_introspection_the_version_decides(version: str, style: Percentiles) -> None:
    """A gateway that hides the schema leaves the version, and without one the oldest is assumed."""
    found = detected(FakeOap(version, introspects=False))
    assert (found.version, found.percentiles) == (version, style)
    assert found.knows("getGlobalTopology")


def test_every_version_has_what_older_ones_have() -> None:
    """A newer version knows more queries, never fewer."""
    versions = ["8.3.0", "8.9.1", "9.2.0", "9.4.0", "9.5.0", "10.0.0", "10.3.0"]
    known: list[set[str]] = [set(by_version(version).queries) for version in versions]
    assert all(older <= newer for older, newer in pairwise(known))
    assert known[0] < known[-1]


def test_layers_that_are_no_names_are_not_put_into_a_query() -> None:
    """What an OAP calls its layers goes into a document only when it is a plain word."""
    oap = FakeOap("9.2.0", ("listLayers", "listServices", "getGlobalTopology"))
    oap.documents["listLayers"] = ["GENERAL", 'X"){id} evil(a:"']
    with client(oap) as asking:
        abilities = Abilities("9.2.0", {"listLayers": frozenset(), "listServices": frozenset({"layer"})})
        read_services(asking, abilities, STRETCH)
    assert "evil" not in oap.requests("l0:listServices")[0]["query"]
