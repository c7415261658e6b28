"""Who is who in an OAP's topology: the same thing on several layers, and addresses of which nobody knows yet whose they
are."""

from __future__ import annotations

from dataclasses import dataclass, field

from fake_oap import FakeOap, asking
from known_segments import Calls
from oap_rows import answered, instances, paths

from collectors.contract import MINUTE_S
from collectors.skywalking.hierarchy import grouped
from topology.model import Service

NOON = 1_795_262_400
LEVELS = {"GENERAL": 3, "MESH": 3, "K8S_SERVICE": 0}
SHOP, MESH_SHOP, POD_SHOP = ("shop", "GENERAL"), ("shop.ns", "MESH"), ("k::shop.ns", "K8S_SERVICE")


@dataclass
class Clock:
    """A time that a test sets."""

    now_s: float = field(default=float(NOON))

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def test_the_uppermost_layer_leads() -> None:
    """What agent, mesh and cluster tell of is one; the agent's name stands for it."""
    hierarchy = grouped([(SHOP, POD_SHOP), (MESH_SHOP, POD_SHOP)], LEVELS)
    assert {name: hierarchy.leader(name) for name in ("shop", "shop.ns", "k::shop.ns", "other")} == {
        "shop": "shop", "shop.ns": "shop", "k::shop.ns": "shop", "other": "other"}
    assert [hierarchy.place(name) for name in ("shop", "shop.ns", "k::shop.ns", "other")] == [0, 1, 2, 0]


def test_two_services_of_one_layer_are_never_the_same() -> None:
    """Two agents' services that the cluster calls alike stay two, and so does the cluster's."""
    hierarchy = grouped([(SHOP, POD_SHOP), (("shop-b", "GENERAL"), POD_SHOP)], LEVELS)
    assert [hierarchy.leader(name) for name in ("shop", "shop-b", "k::shop.ns")] == ["shop", "shop-b", "k::shop.ns"]


def test_calls_seen_on_two_layers_count_once() -> None:
    """Services, paths and instances of the mesh speak only for minutes of which the agents say nothing."""
    oap = FakeOap()
    shop, stock = oap.service("shop"), oap.service("stock")
    mesh_shop, mesh_stock = oap.service("shop.ns", "MESH"), oap.service("stock.ns", "MESH")
    oap.relations += [((shop, "GENERAL"), (mesh_shop, "MESH")), ((stock, "GENERAL"), (mesh_stock, "MESH"))]
    oap.path(shop, stock, ["SERVER"])
    oap.path(mesh_shop, mesh_stock, ["SERVER"])
    oap.instances = {told: [{"name": name, "attributes": []}] for told, name in ((stock, "agent"), (mesh_stock, "pod"))}
    oap.tell("service_instance", "stock/agent", 10)
    oap.tell("service_instance", "stock.ns/pod", 11)
    silent_s = NOON - 540
    for family, who, cpm in (("server", "shop>stock", lambda at: None if at >= silent_s else 10),
                             ("service", "stock", lambda at: None if at >= silent_s else 10),
                             ("server", "shop.ns>stock.ns", 11), ("service", "stock.ns", 11)):  # fmt: skip
        oap.tell(family, who, cpm)
    with asking(oap, Clock()) as source:
        first, second = source.pull(NOON - 600, NOON - 480).readings
    ends = (("shop", "service"), ("stock", "service"))
    assert paths(first) == {ends: Calls(10, 0, None, 20)}
    assert paths(second) == {ends: Calls(11, 0, None, 20)}
    assert (answered(first), answered(second)) == ({"stock": (10, 0)}, {"stock": (11, 0)})
    assert instances(first) == {("stock", "", "agent", ""): (10, 0)}


def calling(address: str, cpm: float = 6) -> tuple[FakeOap, str]:
    """A shop that calls an address; the address's id."""
    oap = FakeOap()
    peer = oap.peer(address)
    oap.path(oap.service("shop"), peer, ["CLIENT"])
    oap.tell("client", f"shop>{address}", cpm)
    return oap, peer


def test_an_address_that_turns_out_to_be_a_service_was_never_shown() -> None:
    """The OAP shows the address for ten seconds, then the service: no pull told of the address."""
    oap, peer = calling("10.0.0.2:8080")
    clock = Clock()
    with asking(oap, clock) as source:
        (reading,) = source.pull(NOON - 120, NOON - 60).readings
        assert (paths(reading), reading.complete, reading.withheld) == ({}, True, True)
        assert source.counters()["addresses_held_back"] == 1
        clock.now_s += 10
        stock = oap.service("stock")
        oap.nodes = [node for node in oap.nodes if node["id"] != peer]
        oap.calls.clear()
        oap.path(oap.listed[0]["id"], stock)
        oap.tell("server", "shop>stock", 6, ms=4)
        (reading,) = source.pull(NOON - 120, NOON - 60).readings
    assert paths(reading) == {(("shop", "service"), ("stock", "service")): Calls(6, 0, None, 4)}
    assert reading.withheld is False


def test_an_address_that_stays_one_is_shown_after_a_while() -> None:
    """When the OAP shows it a minute later still, its minutes are told, those before too; new ones then at once."""
    oap, _ = calling("mail.example:443")
    clock = Clock()
    told = {(("shop", "service"), ("mail.example:443", "external")): Calls(6, 0, 20, None)}
    with asking(oap, clock) as source:
        assert paths(source.pull(NOON - 120, NOON - 60).readings[0]) == {}
        clock.now_s += 60
        later = source.pull(NOON - 120, NOON).readings
    assert [paths(reading) for reading in later] == [told, told]


def test_minutes_that_are_not_read_again_are_believed_at_once() -> None:
    """Of a past that is read only once an address is told as it is."""
    oap, _ = calling("mail.example:443")
    with asking(oap, Clock()) as source:
        (reading,) = source.pull(NOON - 7200, NOON - 7200 + MINUTE_S).readings
    assert len(paths(reading)) == 1


def test_what_an_address_is_called_is_masked() -> None:
    """A caller may name anything: a mail address in a peer is not shown."""
    oap, _ = calling("bob@example.com:25")
    with asking(oap, Clock(), address_learning_s=0.0) as source:
        (row,) = source.pull(NOON - 120, NOON - 60).readings[0].rows
    assert row.key.callee == Service("prod", "", "b***@example.com:25", row.key.callee.kind)
