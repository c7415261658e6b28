"""What a SkyWalking OAP tells of a minute becomes rows, each call counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fake_oap import MQE_9, VALUES_8, FakeOap, asking
from known_segments import Calls
from oap_rows import answered, endpoints, instances, paths

from collectors.contract import MINUTE_S, Pulled, Reading
from collectors.skywalking.config import Limits
from collectors.skywalking.source import LOST, OapSource
from topology.errors import SourceUnavailable
from topology.model import EdgeKey, Kind, Service, Side

NOON = 1_795_262_400
"""Noon of a day, UTC, a whole minute."""
Ask = Callable[..., OapSource]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Makes sources that ask a fake OAP; it is noon unless said otherwise."""
    with ExitStack() as opened:
        yield lambda oap, now_s=lambda: float(NOON), **said: opened.enter_context(asking(oap, now_s, **said))


def minute(source: OapSource, at_s: int = NOON - 600) -> Reading:
    """The reading of one minute."""
    (reading,) = source.pull(at_s, at_s + MINUTE_S).readings
    return reading


def pair(oap: FakeOap) -> str:
    """Two services, of which one calls the other; how OAP's figures call that."""
    oap.path(oap.service("shop"), oap.service("stock"))
    return "shop>stock"


def test_a_path_seen_from_both_ends_is_counted_once(ask: Ask) -> None:
    """Calls and errors are the callee's, latencies those of each end; nothing is added."""
    oap = FakeOap()
    oap.tell("server", pair(oap), 90, 9000, ms=20)
    oap.tell("client", "shop>stock", 91, 9010, ms=25)
    assert paths(minute(ask(oap))) == {(("shop", "service"), ("stock", "service")): Calls(90, 9, 25, 20)}


def test_failures_that_only_the_caller_saw_count(ask: Ask) -> None:
    """Connections that were refused reached no callee: the caller's count holds in such a minute."""
    oap = FakeOap()
    oap.tell("server", pair(oap), 50, 10_000)
    oap.tell("client", "shop>stock", 100, 5000)
    assert paths(minute(ask(oap)))[("shop", "service"), ("stock", "service")].errors == 50
    assert paths(minute(ask(oap)))[("shop", "service"), ("stock", "service")].calls == 100


def test_a_minute_of_which_only_the_caller_tells_is_counted_by_it(ask: Ask) -> None:
    """A callee that is down counts nothing in its minutes; those before are its own."""
    oap = FakeOap()
    down_s = NOON - 540
    oap.tell("server", pair(oap), lambda at: None if at >= down_s else 10)
    oap.tell("client", "shop>stock", 12, lambda at: 0 if at >= down_s else 10_000)
    source = ask(oap)
    before, after = (next(iter(paths(each).values())) for each in source.pull(NOON - 600, NOON - 480).readings)
    assert (before.calls, before.errors, after.calls, after.errors) == (10, 0, 12, 12)


def test_an_address_learnt_late_leaves_the_caller_silent(ask: Ask) -> None:
    """The path lists the caller, but what it counted stays under the address for good: the callee's count is told."""
    oap = FakeOap()
    oap.tell("server", pair(oap), 8, 10_000, ms=4)
    assert paths(minute(ask(oap))) == {(("shop", "service"), ("stock", "service")): Calls(8, 0, None, 4)}


def test_no_data_is_no_row(ask: Ask) -> None:
    """Null, and before expressions zero, is no data: no row, but a reading that is complete."""
    for queries in (None, VALUES_8):
        oap = FakeOap(**({"queries": queries, "version": "8.9.1"} if queries else {}))
        pair(oap)
        reading = minute(ask(oap))
        assert (reading.rows, reading.complete) == ([], True)


@pytest.mark.parametrize(("version", "queries"), [("10.1.0", None), ("9.6.0", MQE_9), ("8.9.1", VALUES_8)])
def test_every_version_is_asked_in_its_words(ask: Ask, version: str, queries: tuple[str, ...] | None) -> None:
    """Services, instances, endpoints and paths are read from versions that know different queries."""
    oap = FakeOap(version, **({"queries": queries} if queries else {}))
    oap.tell("server", pair(oap), 60, 9500, ranks=[20, 30, 40, 50, 90])
    stock = oap.listed[1]["id"]
    oap.instances[stock] = [{"name": "stock-1", "attributes": [{"name": "zone", "value": "north"}]}]
    oap.endpoints["stock"] = ["/get"]
    for family, who in (("service", "stock"), ("service_instance", "stock/stock-1"), ("endpoint", "stock/get")):
        oap.tell(family, who.replace("stock/get", "stock//get"), 60, 9500)
    reading = minute(ask(oap))
    assert (answered(reading), reading.complete) == ({"stock": (60, 3)}, True)
    assert instances(reading) == {("stock", "north", "stock-1", ""): (60, 3)}
    assert endpoints(reading) == {("stock", "/get"): (60, 3)}
    (server,) = [row for row in reading.rows if isinstance(row.key, EdgeKey) and row.key.side is Side.SERVER]
    assert sum(server.buckets.values()) == 60
    assert len(server.buckets) > 3


def test_an_endpoint_that_is_told_later_is_not_waited_for(ask: Ask) -> None:
    """An OAP that lists a service before its endpoints is asked for them again with the next minute; once it has told
    them it is not, and what is switched off is never asked for."""
    oap = FakeOap()
    pair(oap)
    oap.tell("endpoint", "stock//get", 60)
    for service in oap.listed:
        oap.instances[service["id"]] = [{"name": "one", "attributes": []}]
    source, without = ask(oap), ask(oap, endpoints=0)
    assert endpoints(minute(source)) == {}
    oap.endpoints |= {"shop": ["/buy"], "stock": ["/get"]}
    assert endpoints(minute(source)) == {("stock", "/get"): (60, 0)}
    asked = len(oap.requests("top_n"))
    assert endpoints(minute(source, NOON - 540)) == {("stock", "/get"): (60, 0)}
    assert endpoints(minute(without)) == {}
    assert (asked, len(oap.requests("top_n"))) == (2, 2)


def test_virtual_nodes_have_their_kind(ask: Ask) -> None:
    """Databases, caches, queues, the user and an address of somebody else's are told apart, with and without layers."""
    kinds = {"db:3306": ("VIRTUAL_DATABASE", "Mysql", Kind.DATABASE),
             "redis:6379": ("VIRTUAL_CACHE", "Redis", Kind.CACHE), "kafka:9092": ("VIRTUAL_MQ", "Kafka", Kind.QUEUE),
             "gate:80": ("VIRTUAL_GATEWAY", "Nginx", Kind.EXTERNAL),
             "User": ("UNDEFINED", "USER", Kind.USER)}  # fmt: skip
    for layers in (True, False):
        oap = FakeOap()
        shop, mail = oap.service("shop"), oap.peer("mail.example:443")
        for name, (layer, kind, _) in kinds.items():
            oap.path(shop, oap.service(name, layer if layers else "", real=False, kind=kind), ["CLIENT"])
            oap.tell("client", f"shop>{name}", 5)
        oap.path(shop, mail, ["CLIENT"])
        oap.tell("client", "shop>mail.example:443", 5)
        callees = {callee for _, callee in paths(minute(ask(oap)))}
        told = {("user" if name == "User" else name, str(kind)) for name, (_, _, kind) in kinds.items()}
        assert callees == {*told, ("mail.example:443", "external")}


def test_figures_that_failed_are_missing_and_said(ask: Ask) -> None:
    """A reply in which some aliases failed gives the others, an incomplete reading and one fault."""
    oap = FakeOap(fails=lambda metric, who: metric == "service_sla" and who == "stock")
    oap.tell("server", pair(oap), 10)
    for name in ("shop", "stock"):
        oap.tell("service", name, 10)
    pulled = ask(oap).pull(NOON - 600, NOON - 540)
    assert answered(pulled.readings[0]) == {"shop": (10, 0)}
    assert not pulled.readings[0].complete
    assert pulled.faults == ["Exception while fetching data: the store is slow (1 figures)"]


def test_batches_that_are_refused_are_halved(ask: Ask) -> None:
    """An OAP that takes fewer aliases is asked again in halves, later batches are small at once, and all is read."""
    oap = FakeOap(most_aliases=20)
    names = [f"s{at}" for at in range(100)]
    for name in names:
        oap.service(name)
        oap.tell("service", name, 7)
    source = ask(oap)
    assert answered(minute(source)) == dict.fromkeys(names, (7, 0))
    refused = source.counters()["requests_refused"]
    assert 0 < refused < 10
    assert answered(minute(source, NOON - 540)) == dict.fromkeys(names, (7, 0))
    assert source.counters()["requests_refused"] == refused


def test_an_oap_that_refuses_every_figure_is_not_asked_without_end(ask: Ask) -> None:
    """When no size is small enough the reading is incomplete after a few requests."""
    oap = FakeOap(most_aliases=0)
    for at in range(500):
        oap.service(f"s{at}")
    pulled = ask(oap).pull(NOON - 600, NOON - 540)
    assert not pulled.readings[0].complete
    assert len(oap.asked) < 80


def test_a_group_is_a_namespace_if_that_is_configured(ask: Ask) -> None:
    """`shop::cart` is the service cart of the namespace shop, or a service of that whole name."""
    for grouped, service in ((True, Service("prod", "shop", "cart")), (False, Service("prod", "", "shop::cart"))):
        oap = FakeOap()
        oap.service("shop::cart")
        oap.tell("service", "shop::cart", 3)
        (row,) = minute(ask(oap, namespace_from_group=grouped)).rows
        assert row.key.service == service


def test_what_does_not_fit_is_left_out_and_counted(ask: Ask) -> None:
    """Endpoints and instances go before the map does when a pull would take too many requests."""
    oap = FakeOap()
    names = [f"s{at}" for at in range(60)]
    for name in names:
        told = oap.service(name)
        oap.tell("service", name, 7)
        oap.instances[told] = [{"name": f"{name}-{at}", "attributes": []} for at in range(10)]
    source = ask(oap, limits=Limits(requests_per_s=1000, requests_per_pull=10, complexity=100))
    reading = minute(source)
    assert (len(answered(reading)), instances(reading), reading.complete) == (60, {}, True)
    assert source.counters()["left_out"] == 600


def test_minutes_of_an_emptied_store_are_incomplete(ask: Ask) -> None:
    """An OAP that tells fewer calls of a minute than before has lost its store: what it told before is kept."""
    oap = FakeOap()
    oap.service("shop")
    oap.tell("service", "shop", 10)
    source = ask(oap)
    assert minute(source).complete
    oap.tell("service", "shop", lambda at: None if at < NOON - 540 else 4)
    emptied: Pulled = source.pull(NOON - 600, NOON - 480)
    assert [reading.complete for reading in emptied.readings] == [False, True]
    assert emptied.faults == [LOST]


def test_figures_that_could_not_be_read_are_no_lost_store(ask: Ask) -> None:
    """Fewer calls than before because some could not be read: that is said, and nothing of the store."""
    oap = FakeOap()
    oap.service("shop")
    oap.tell("service", "shop", 10)
    source = ask(oap)
    assert minute(source).complete
    oap.fails = lambda metric, _who: metric == "service_cpm"
    troubled = source.pull(NOON - 600, NOON - 540)
    assert not troubled.readings[0].complete
    assert troubled.faults == ["Exception while fetching data: the store is slow (1 figures)"]


def test_an_oap_that_was_replaced_by_another_version_is_asked_anew(ask: Ask) -> None:
    """After a pull that failed it is asked again what it can be asked."""
    oap = FakeOap()
    oap.tell("server", pair(oap), 10)
    source = ask(oap)
    assert len(paths(minute(source))) == 1
    oap.version, oap.queries = "9.2.0", VALUES_8
    with pytest.raises(SourceUnavailable, match="listServices"):
        minute(source)
    assert len(paths(minute(source))) == 1


def test_a_slow_oap_is_asked_for_less_at_a_time(ask: Ask) -> None:
    """A batch that takes too long is asked again in halves; when those do, all is read."""
    oap = FakeOap(slow_over=150)
    for at in range(400):
        oap.service(f"s{at}")
        oap.tell("service", f"s{at}", 7)
    source = ask(oap)
    assert len(answered(minute(source))) == 400
    assert source.counters()["requests_failed"] > 0
    oap.slow_over = 0
    with pytest.raises(SourceUnavailable, match="503"):
        minute(source)


def test_an_oap_that_is_down_is_unavailable(ask: Ask) -> None:
    """What cannot be had at all is said so, and had again afterwards."""
    oap = FakeOap(status=503)
    oap.service("shop")
    oap.tell("service", "shop", 10)
    source = ask(oap)
    with pytest.raises(SourceUnavailable, match="503"):
        source.pull(NOON - 600, NOON - 540)
    oap.status = 200
    assert answered(minute(source)) == {"shop": (10, 0)}
