"""Instances that speak and instances that are registered: which is which, who is silent, who is in which zone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology.model import Service
from topology.registry import Instance
from topology.speaking import Match, Rule, matches
from topology.standing import TELLING_CALLS, Speaking, Standing, ZoneCount, compared

ORDERS = Service("prod", "", "orders")
MANY = 1000.0


def at(host: str, port: int = 8080, **keys: object) -> Instance:
    """A registered instance of orders."""
    return Instance(ORDERS, host, port, **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("10.0.3.4:8080", Rule.ADDRESS),
        ("orders@10.0.3.4:8080", Rule.ADDRESS),
        ("10.0.3.4#8080#zone-a#DEFAULT_GROUP@@orders", Rule.ADDRESS),
        ("10.0.3.4:orders:8080", Rule.ADDRESS),
        ("5f0e9c1d2b@10.0.3.4", Rule.HOST),
        ("orders@10.0.3.4", Rule.HOST),
        ("10.0.3.4:9090", Rule.HOST),
        ("10.0.3.4", Rule.HOST),
        ("ip-10-0-3-4", Rule.HOST),
        ("10-0-3-4.prod.pod.cluster.local", Rule.HOST),
    ],
)
def test_a_name_with_an_address_is_found_by_it(name, rule):
    """Host and port first, then the host alone, in every way in which agents write an address."""
    assert matches([name], [at("10.0.3.5"), at("10.0.3.4")]) == [Match(1, rule, True)]


def test_ipv6_addresses_are_compared_however_they_are_written():
    """An address with brackets and port, and one without, in short and in long form."""
    registered = [at("fd00::1"), at("fd00:0:0::2")]
    assert [m.registered for m in matches(["[fd00:0::1]:8080", "uuid@fd00::2"], registered)] == [0, 1]


def test_pods_are_found_by_metadata_or_by_the_name_of_their_host():
    """The name of a pod stands in the metadata or is the first label of the host; a value as short as a zone's name
    says nothing."""
    registered = [at("10.0.3.4", metadata={"pod": "orders-7f9c-abcde", "zone": "a"}), at("orders-1.orders.prod")]
    found = matches(["orders-7f9c-abcde", "orders-1", "a"], registered)
    assert [(m.registered, m.rule) for m in found] == [(0, Rule.METADATA), (1, Rule.NAME), (None, None)]


def test_two_instances_of_one_host_are_told_apart_as_far_as_possible():
    """With ports both are certain; without them each takes one; two names of one instance take none from others."""
    two = [at("10.0.3.4", 8080), at("10.0.3.4", 8081)]
    assert [m.registered for m in matches(["10.0.3.4:8081", "uuid@10.0.3.4"], two)] == [1, 0]
    assert sorted(m.registered for m in matches(["x@10.0.3.4", "y@10.0.3.4"], two)) == [0, 1]  # type: ignore[type-var]
    assert [m.registered for m in matches(["10.0.3.4:8080", "uuid@10.0.3.4"], two[:1])] == [0, 0]


@pytest.mark.parametrize(
    ("name", "comparable"),
    [
        ("10.0.9.9:8080", True), ("uuid@10.0.9.9", True), ("7d5a1e60-77f0-4f0e-8a44-8f8a5a1c9b11", False),
        ("orders-7f9c-abcde", False), ("uuid@127.0.0.1", False), ("0.0.0.0:8080", False), ("999.1.1.1:80", False),
    ],
)  # fmt: skip
def test_only_a_name_that_tells_an_address_is_certainly_not_registered(name, comparable):
    """A random id or the name of a pod may be registered under an address that it does not tell."""
    assert matches([name], [at("10.0.3.4")]) == [Match(None, None, comparable)]


def test_no_name_is_missed_where_the_registry_knows_names_only():
    """An address cannot be held against hosts that are registered by name."""
    assert matches(["10.0.9.9:8080"], [at("orders-1")]) == [Match(None, None, False)]


def test_registered_speaking_silent_disabled_and_unregistered_are_told_apart():
    """Every registered instance stands as it does, and zones count everyone once."""
    registered = [
        at("10.0.0.1", zone="a"), at("10.0.0.2", zone="a"), at("10.0.0.3", zone="b", enabled=False),
        at("10.0.0.4", zone="b", healthy=False),
    ]  # fmt: skip
    told = compared(registered, [Speaking("10.0.0.1:8080"), Speaking("uuid@10.0.0.9")], MANY)
    assert told.standings == (Standing.SPEAKS, Standing.SILENT, Standing.DISABLED, Standing.SILENT)
    assert (told.silent, told.unregistered) == (2, 1)
    assert told.zones == {
        "": ZoneCount(speaking=1, unregistered=1),
        "a": ZoneCount(registered=2, healthy=2, speaking=1, silent=1),
        "b": ZoneCount(registered=2, disabled=1, silent=1),
    }


def test_the_zone_of_the_registry_holds_where_the_span_names_none():
    """An instance without a zone of its own is where the registry says; one with a zone is where it says itself."""
    registered = [at("10.0.0.1", zone="a"), at("10.0.0.2", zone="a")]
    told = compared(registered, [Speaking("10.0.0.1"), Speaking("10.0.0.2", "b")], MANY)
    assert told.zones_of_speaking == ("a", "b")
    assert {zone: (one.registered, one.speaking) for zone, one in told.zones.items()} == {"a": (1, 1), "b": (1, 1)}


def test_silence_is_said_only_when_it_means_something():
    """Not of a service with too few calls, not of an instance without weight, not when nobody names himself."""
    two = [at("10.0.0.1"), at("10.0.0.2")]
    speaking = [Speaking("10.0.0.1")]
    assert compared(two, speaking, 2 * TELLING_CALLS).silent == 1
    assert compared(two, speaking, 2 * TELLING_CALLS - 1).silent == 0
    assert compared([two[0], at("10.0.0.2", weight=0.0)], speaking, MANY).silent == 0
    assert compared(two, [], MANY).silent == 0
    assert compared(two, [], MANY).standings == (Standing.UNKNOWN, Standing.UNKNOWN)


def test_an_instance_that_cannot_be_compared_may_be_any_that_seems_silent():
    """Of three that seem silent and one random id that speaks at least two are silent; which, nobody can say."""
    registered = [at(f"10.0.0.{n}") for n in range(1, 5)]
    told = compared(registered, [Speaking("10.0.0.1"), Speaking("some-random-id")], MANY)
    assert told.silent == 2
    assert Standing.SILENT not in told.standings


HOSTS = st.sampled_from([f"10.0.0.{n}" for n in range(1, 6)] + ["orders-1.prod", "fd00::1"])
REGISTERED = st.lists(
    st.builds(at, HOSTS, st.sampled_from([80, 81]), zone=st.sampled_from(["", "a", "b"]), enabled=st.booleans(),
              healthy=st.booleans(), weight=st.sampled_from([0.0, 1.0, 2.5])), max_size=8)  # fmt: skip
NAMES = st.one_of(
    HOSTS, st.builds("{}:{}".format, HOSTS, st.sampled_from([80, 81, 99])), st.builds("uuid@{}".format, HOSTS),
    st.text(max_size=12),
)  # fmt: skip
SPEAKING = st.lists(st.builds(Speaking, NAMES, st.sampled_from(["", "a", "c"])), max_size=8, unique=True)


@given(registered=REGISTERED, speaking=SPEAKING, calls=st.floats(0, 1e6))
def test_nobody_is_counted_twice_or_lost(registered, speaking, calls):
    """Zones add up to what is registered and to who speaks; nobody is silent and heard; a match fits its rule."""
    told = compared(registered, speaking, calls)
    zones = told.zones.values()
    heard = {match.registered for match in told.matches if match.registered is not None}
    unmatched = sum(match.registered is None for match in told.matches)
    assert sum(zone.registered for zone in zones) == len(registered) == len(told.standings)
    assert sum(zone.speaking for zone in zones) == len(heard) + unmatched
    assert sum(zone.disabled for zone in zones) == sum(not one.enabled for one in registered)
    assert all((standing is Standing.SPEAKS) == (n in heard) for n, standing in enumerate(told.standings))
    assert 0 <= told.silent <= len(registered) - len(heard)
    for one, match in zip(speaking, told.matches, strict=True):
        if match.rule is Rule.ADDRESS:
            assert str(registered[match.registered].port) in one.instance


@given(registered=REGISTERED, speaking=SPEAKING)
def test_the_order_of_what_is_registered_does_not_change_the_counts(registered, speaking):
    """Counts of silent and unregistered instances are the same whatever order the registry tells."""
    forward, backward = (compared(order, speaking, MANY) for order in (registered, registered[::-1]))
    assert forward.unregistered == backward.unregistered
    assert sum(zone.speaking for zone in forward.zones.values()) == sum(
        zone.speaking for zone in backward.zones.values())  # fmt: skip
