"""Services that look the same under different names: found, with reasons, where no source tells them apart."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology.alike import FEWEST_NEIGHBOURS, Known, Pair, Why, suggestions
from topology.model import Kind, Service

SPANS, OAP, NACOS = frozenset({"otlp"}), frozenset({"oap"}), frozenset({"registry"})


def named(name: str, namespace: str = "", environment: str = "prod") -> Service:
    """A service."""
    return Service(environment, namespace, name)


def itself(service: Service) -> Service:
    """A catalogue that merges nothing."""
    return service


def whys(*known: Known) -> dict[tuple[str, str], list[Why]]:
    """The reasons of every suggested pair, by name."""
    found = suggestions(known, itself)
    return {(pair.one.name, pair.other.name): [reason.why for reason in pair.reasons] for pair in found}


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (named("orders", "shop"), named("orders"), Why.SAME_NAME),
        (named("Order_Core"), named("order-core"), Why.SPELLING),
        (named("orderCore"), named("order.core"), Why.SPELLING),
        (named("orders"), named("orders-service"), Why.WORDS),
        (named("orders-svc"), named("ordersApp"), Why.WORDS),
        (named("shop::orders"), named("orders"), Why.GROUP),
        (named("SHOP@@orders"), named("orders-service"), Why.GROUP),
        (named("orders", "shop"), named("shop-orders"), Why.GROUP),
    ],
)
def test_names_that_mean_the_same_are_suggested(one, other, why):
    """Case, separators, empty words at the end, and a group in front do not tell two services apart."""
    (pair,) = suggestions([Known(one, SPANS), Known(other, OAP)], itself)
    assert {pair.one, pair.other} == {one, other}
    assert [reason.why for reason in pair.reasons] == [why]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (named("orders"), named("order")), (named("service"), named("api")), (named("orders"), named("stock")),
        (named("orders"), named("orders", environment="test")), (named("order-1"), named("order-2")),
        (named("orders"), Service("prod", "", "orders", Kind.DATABASE)),
    ],
)  # fmt: skip
def test_other_names_are_not_suggested(one, other):
    """Other words, another environment, another kind are another thing; a name of empty words alone is kept."""
    assert suggestions([Known(one, SPANS), Known(other, OAP)], itself) == []


def test_a_source_that_knows_both_tells_them_apart():
    """Spans come from orders and from orders-service: these are two."""
    assert whys(Known(named("orders"), SPANS | OAP), Known(named("orders-service"), SPANS)) == {}


def test_shared_addresses_and_equal_neighbours_are_reasons_of_their_own():
    """Other names, but instances at the same address, or all callers and callees the same, by their plain names."""
    at = frozenset({"10.0.0.1:8080", "10.0.0.2:8080"})
    near = frozenset({named("web"), named("portal")})
    other_near = frozenset({named("web-service"), named("Portal")})
    core = frozenset({named("stock")})
    found = suggestions([
        Known(named("payments"), SPANS, addresses=at), Known(named("zahlung"), NACOS, addresses=frozenset({min(at)})),
        Known(named("ledger"), SPANS, near, core), Known(named("buch"), OAP, other_near, core),
    ], itself)  # fmt: skip
    told = {(pair.one.name, pair.other.name): pair.reasons for pair in found}
    assert [(r.why, r.shared, r.example) for r in told["payments", "zahlung"]] == [(Why.ADDRESSES, 1, "10.0.0.1:8080")]
    assert [(r.why, r.shared) for r in told["buch", "ledger"]] == [(Why.NEIGHBOURS, FEWEST_NEIGHBOURS)]
    assert found[0].one.name == "payments", "an address tells more than neighbours"


def test_reasons_add_up_and_the_likeliest_comes_first():
    """A name and an address together go before a name alone."""
    at = frozenset({"10.0.0.1:8080"})
    found = suggestions([
        Known(named("a-core"), SPANS), Known(named("A_core"), OAP),
        Known(named("orders"), SPANS, addresses=at), Known(named("orders-app"), OAP, addresses=at),
    ], itself)  # fmt: skip
    assert [[reason.why for reason in pair.reasons] for pair in found] == [[Why.ADDRESSES, Why.WORDS], [Why.SPELLING]]


def test_names_that_many_have_and_long_lists_are_bounded():
    """Twenty services of one plain name tell nothing; no more pairs than asked for."""
    crowd = [Known(named("gateway", f"n{n}"), frozenset({f"s{n}"})) for n in range(20)]
    assert suggestions(crowd, itself) == []
    pairs = [Known(named(f"x{n}{end}"), source) for n in range(30) for end, source in (("", SPANS), ("-app", OAP))]
    assert len(suggestions(pairs, itself, most=7)) == 7


WORDS = st.sampled_from(["orders", "Orders", "orders-service", "order_s", "shop-orders", "shop::orders", "stock"])
SERVICES = st.builds(Service, st.sampled_from(["prod", "test"]), st.sampled_from(["", "shop"]), WORDS)
KNOWN = st.builds(
    Known, SERVICES, st.frozensets(st.sampled_from(["otlp", "oap", "registry"]), min_size=1),
    st.frozensets(SERVICES, max_size=3), st.frozensets(SERVICES, max_size=3),
    st.frozensets(st.sampled_from(["10.0.0.1:80", "10.0.0.2:80"])),
)  # fmt: skip


@given(known=st.lists(KNOWN, max_size=12, unique_by=lambda one: one.service), into=SERVICES, data=st.data())
def test_suggestions_are_symmetric_and_respect_the_catalogue(known, into, data):
    """The order of the services changes nothing; no pair twice or with itself; none that is one already; and no source
    knows both ends."""
    sources = {one.service: one.sources for one in known}
    chosen = data.draw(st.sets(st.sampled_from([one.service for one in known]))) if known else set()

    def merged(service: Service) -> Service | None:
        return into if service in chosen else service

    found: list[Pair] = suggestions(known, merged)
    assert found == suggestions(data.draw(st.permutations(known)), merged)
    ends = [(pair.one, pair.other) for pair in found]
    assert len(set(ends)) == len(ends)
    assert all(one < other and not sources[one] & sources[other] for one, other in ends)
    assert all(merged(one) != merged(other) for one, other in ends)
    assert all(pair.reasons for pair in found)


def test_two_thousand_services_are_compared_at_once():
    """A thousand services that two sources name differently: all pairs are found, in well under a second."""
    near = [frozenset({named(f"service-{n - 1}"), named(f"service-{n - 2}")}) for n in range(1000)]
    known = [Known(named(f"service-{n}"), SPANS, near[n], frozenset({named(f"db-{n}")})) for n in range(1000)]
    known += [Known(named(f"Service_{n}_app"), OAP, near[n], frozenset({named(f"db-{n}")})) for n in range(1000)]
    began_s = time.process_time()
    found = suggestions(known, itself, most=5000)
    assert len(found) == 1000
    assert time.process_time() - began_s < 2.0
