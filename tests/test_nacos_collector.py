"""The Nacos collector against a small Nacos over HTTP: what it reads by which API, and what it does when that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fake_nacos import FakeNacos, Registered, nacos

from collectors.config import Secret
from collectors.contract import Context
from collectors.nacos.config import Config
from collectors.nacos.source import KEPT_S, LOOK_AGAIN_S, NacosRegistry, build
from topology.errors import SourceUnavailable
from topology.histogram import ladder
from topology.masking import mask
from topology.model import Service
from topology.registry import Instance

ORDERS = Service("prod", "", "orders")


class Clock:
    """Time that is set."""

    def __init__(self) -> None:
        self.now_s = time.time()

    def __call__(self) -> float:
        """The time now."""
        return self.now_s


@pytest.fixture
def fake() -> Iterator[FakeNacos]:
    """A server with three instances of orders, one of them disabled, and one of gateway in another group."""
    registered = [
        Registered("orders", "10.1.0.1", cluster="zone-a", metadata={"version": "1.2"}),
        Registered("orders", "10.1.0.2", cluster="zone-b", weight=2.5, healthy=False, metadata={"zone": "b"}),
        Registered("orders", "10.1.0.3", enabled=False),
        Registered("gateway", "10.1.0.5", 80, group="EDGE"),
        Registered("orders", "10.2.0.1", namespace="staging"),
    ]
    with nacos(FakeNacos(registered)) as server:
        yield server


@pytest.fixture
def puller() -> Iterator[Callable[..., NacosRegistry]]:
    """Makes collectors that ask a server; they are closed in the end."""
    with ExitStack() as closing:

        def make(fake: FakeNacos, clock: Clock | None = None, **keys: Any) -> NacosRegistry:
            config = Config(keys.pop("url", fake.url), **keys)
            made = build(config, "registry", Context("prod", ladder(()), mask, clock or Clock()))
            closing.callback(made.close)
            return made

        yield make


def pulled(asked: NacosRegistry) -> dict[str, Instance]:
    """What one pull brings, by address."""
    instances = asked.pull(0, 60).instances
    assert instances is not None
    return {one.host: one for one in instances}


@pytest.mark.parametrize(("speaks", "version"), [({1, 2, 3}, 3), ({3}, 3), ({1, 2}, 2), ({1}, 1)])
def test_every_generation_tells_the_same_instances(fake, puller, speaks, version):
    """v3, v2 and v1 with their catalogue give all instances, the disabled one included, and the newest is used."""
    fake.speaks = speaks
    asked = puller(fake)
    found = pulled(asked)
    assert asked.counters()["api_version"] == version
    assert asked.counters()["catalogue"] == 1
    assert sorted(found) == ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.5"]
    assert found["10.1.0.1"] == Instance(ORDERS, "10.1.0.1", 8080, "zone-a", "zone-a", version="1.2",
                                         metadata={"version": "1.2"}, source="registry")  # fmt: skip
    assert (found["10.1.0.2"].zone, found["10.1.0.2"].healthy, found["10.1.0.2"].weight) == ("b", False, 2.5)
    assert (found["10.1.0.3"].zone, found["10.1.0.3"].enabled) == ("", False)
    assert found["10.1.0.5"].service == Service("prod", "EDGE", "gateway")


@pytest.mark.parametrize("speaks", [{1, 2}, {1}])
def test_without_catalogue_lists_have_to_do_and_it_is_said(fake, puller, speaks):
    """Where the catalogue does not answer, the lists are read, and a fault says that they hide disabled instances."""
    fake.speaks, fake.catalogue = speaks, False
    asked = puller(fake, groups=("DEFAULT_GROUP", "EDGE"))
    answer = asked.pull(0, 60)
    assert sorted(one.host for one in answer.instances or ()) == ["10.1.0.1", "10.1.0.2", "10.1.0.5"]
    assert [fault for fault in answer.faults if "disabled instances are not told" in fault]
    assert asked.counters()["catalogue"] == 0


def test_groups_that_cannot_be_listed_are_said(fake, puller):
    """With lists only, `*` means the default group, and a fault says which groups were read."""
    fake.speaks, fake.catalogue = {1, 2}, False
    answer = puller(fake).pull(0, 60)
    assert "10.1.0.5" not in {one.host for one in answer.instances or ()}
    assert [fault for fault in answer.faults if "groups cannot be listed; read: DEFAULT_GROUP" in fault]


def test_an_api_that_vanishes_is_replaced_by_the_next(fake, puller):
    """After an upgrade that takes the API away another one is used, without a pull that fails."""
    asked = puller(fake)
    assert pulled(asked)
    fake.speaks = {1, 2}
    assert len(pulled(asked)) == 4
    assert asked.counters()["api_version"] == 2
    fake.speaks = {3}
    assert len(pulled(asked)) == 4
    assert asked.counters()["api_version"] == 3


def test_the_api_in_use_is_remembered_and_a_newer_one_is_found_in_time(fake, puller):
    """Only what answered is asked again; once an hour it is looked for something newer."""
    clock = Clock()
    fake.speaks = {1, 2}
    asked = puller(fake, clock)
    pulled(asked)
    fake.speaks = {1, 2, 3}
    fake.asked.clear()
    pulled(asked)
    assert not [path for path in fake.asked if path.startswith("/v3")]
    clock.now_s += LOOK_AGAIN_S + 1
    pulled(asked)
    assert asked.counters()["api_version"] == 3


@pytest.mark.parametrize(("speaks", "pages_from"), [({3}, 1), ({2}, 1), ({1}, 0), ({1}, 1)])
def test_pages_are_read_to_the_end(fake, puller, speaks, pages_from):
    """Twenty-five services come whole in pages of ten, from a server that counts pages from 0 and from one that counts
    from 1."""
    fake.instances = [Registered(f"service-{n:02}", f"10.3.0.{n}") for n in range(25)]
    fake.speaks, fake.pages_from = speaks, pages_from
    assert len(pulled(puller(fake, page_size=10))) == 25
    fake.instances = fake.instances[:20]
    assert len(pulled(puller(fake, page_size=10))) == 20


def test_lists_are_read_page_by_page(fake, puller):
    """Lists of services come in pages too, up to the count they tell."""
    fake.instances = [Registered(f"service-{n:02}", f"10.3.0.{n}") for n in range(25)]
    fake.speaks, fake.catalogue = {1, 2}, False
    assert len(pulled(puller(fake, page_size=10))) == 25


def test_what_the_registry_says_of_environment_and_namespace_follows_the_rules(fake, puller):
    """A Nacos namespace may be the environment and a group the namespace, under names of the house; `public` and
    DEFAULT_GROUP say nothing."""
    asked = puller(fake, namespaces=("public", "staging"), environment_from="namespace", namespace_from="group",
                   called={"staging": "test", "EDGE": "web"})  # fmt: skip
    found = pulled(asked)
    assert found["10.1.0.1"].service == ORDERS
    assert found["10.2.0.1"].service == Service("test", "", "orders")
    assert found["10.1.0.5"].service == Service("prod", "web", "gateway")
    plain = pulled(puller(fake, namespace_from="none"))
    assert plain["10.1.0.5"].service == Service("prod", "", "gateway")


def test_zones_come_from_metadata_or_the_cluster_under_the_names_of_the_spans(fake, puller):
    """The first key that is there counts, then the cluster where that is wanted; `zones` renames."""
    fake.change("10.1.0.2", metadata={"idc": "SH", "zone": "b"})
    asked = puller(fake, zone_keys=("idc", "zone"), zones={"SH": "a", "zone-a": "z"})
    found = pulled(asked)
    assert (found["10.1.0.2"].zone, found["10.1.0.1"].zone) == ("a", "z")
    assert pulled(puller(fake, zone_from_cluster=False))["10.1.0.1"].zone == ""


def test_metadata_is_masked(fake, puller):
    """A mobile number or a password in the metadata of an instance is not kept."""
    fake.change("10.1.0.1", metadata={"owner": "13812345678", "db.password": "hunter2", "empty": ""})
    told = pulled(puller(fake))["10.1.0.1"].metadata
    assert told["owner"] == "138****5678"
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("speaks", [{1, 2}, {3}])
def test_a_token_is_fetched_sent_as_header_and_renewed_in_time(fake, puller, speaks):
    """The login is made once, the token is never in an address, and it is renewed after 80 % of its life."""
    clock = Clock()
    fake.speaks, fake.password, fake.token_ttl_s = speaks, "secret-1", 100
    asked = puller(fake, clock, username="nacos", password=Secret("secret-1"))
    assert len(pulled(asked)) == 4
    assert len(pulled(asked)) == 4
    assert asked.counters()["logins"] == 1
    assert fake.said[-1]["Authorization"] == "Bearer token-1"
    clock.now_s += 81
    assert len(pulled(asked)) == 4
    assert (asked.counters()["logins"], fake.said[-1]["Authorization"]) == (2, "Bearer token-2")


def test_a_token_that_the_server_forgot_is_renewed_once(fake, puller):
    """A 403 before the time brings a new login and the same question again; a second 403 is an answer."""
    fake.speaks, fake.password = {1, 2}, "secret-1"
    asked = puller(fake, username="nacos", password=Secret("secret-1"))
    pulled(asked)
    fake.tokens = set()
    assert len(pulled(asked)) == 4
    assert asked.counters()["logins"] == 2
    fake.forbidden = {"public"}
    with pytest.raises(SourceUnavailable, match="not permitted"):
        asked.pull(0, 60)


def test_a_refused_login_is_said_without_the_password(fake, puller):
    """A wrong password makes the source unavailable, to be asked again after a minute, and is in no message."""
    fake.password = "secret-1"
    with pytest.raises(SourceUnavailable, match="login was refused") as refused:
        puller(fake, username="nacos", password=Secret("wrong-word")).pull(0, 60)
    assert refused.value.retry_after_s == 60
    assert "wrong-word" not in str(refused.value)


def test_no_login_where_one_is_needed_is_said(fake, puller):
    """Without a user a protected server answers 403 everywhere, and the reason says so."""
    fake.password = "secret-1"
    with pytest.raises(SourceUnavailable, match=r"not permitted \(HTTP 403\)"):
        puller(fake).pull(0, 60)


def test_another_server_of_the_cluster_takes_over(fake, puller):
    """When the first server is away or broken the next answers, and goes on being asked."""
    with nacos(FakeNacos(fake.instances, broken="503")) as broken:
        asked = puller(fake, url="http://127.0.0.1:9", other_urls=(broken.url, fake.url), timeout_s=2.0)
        assert len(pulled(asked)) == 4
        seen = len(broken.asked)
        assert len(pulled(asked)) == 4
        assert (len(broken.asked), seen) == (1, 1)
        assert asked.counters()["failovers"] == 2


def test_a_cluster_that_is_away_is_unavailable_with_a_reason_per_server(fake, puller):
    """All servers gone: one sentence names each with what it did, without any path or credential."""
    fake.broken = "500"
    with pytest.raises(SourceUnavailable) as gone:
        puller(fake, url="http://127.0.0.1:9", other_urls=(fake.url,)).pull(0, 60)
    assert "127.0.0.1:9: no connection" in str(gone.value)
    assert "HTTP 500" in str(gone.value)


def test_a_page_that_is_no_api_is_not_taken_for_one(fake, puller):
    """An address at which something else answers 200 is no registry."""
    fake.answer = lambda *_: {"hello": "world"}  # type: ignore[method-assign]
    with pytest.raises(SourceUnavailable, match="no API answers"):
        puller(fake).pull(0, 60)


def test_one_namespace_that_is_refused_keeps_the_others(fake, puller):
    """What may be read is read; what was known of the refused one is kept for a while, then dropped, and said."""
    clock = Clock()
    asked = puller(fake, clock, namespaces=("public", "staging"))
    assert len(pulled(asked)) == 5
    fake.forbidden = {"staging"}
    answer = asked.pull(0, 60)
    assert len(answer.instances or ()) == 5
    assert answer.faults == ["namespace staging: not permitted (HTTP 403)"]
    clock.now_s += KEPT_S + 1
    answer = asked.pull(0, 60)
    assert len(answer.instances or ()) == 4
    assert [fault for fault in answer.faults if "left out" in fault]


def test_the_ceiling_stops_a_pull_and_the_next_goes_on_where_it_stopped(fake, puller):
    """With a request a service and twelve requests a pull, all of thirty services are known after a few pulls."""
    fake.instances = [Registered(f"service-{n:02}", f"10.3.0.{n}") for n in range(30)]
    fake.speaks, fake.catalogue = {1, 2}, False
    clock = Clock()
    asked = puller(fake, clock, max_requests=16, namespaces=("public",))
    counts = []
    for _ in range(4):
        fake.asked.clear()
        answer = asked.pull(0, 60)
        counts.append(len(answer.instances or ()))
        assert len(fake.asked) <= 16
        clock.now_s += 30
    assert counts[0] < 30
    assert counts[-1] == 30
    assert [fault for fault in answer.faults if "stopped at 16 requests" in fault]


def test_what_is_gone_from_the_registry_is_gone(fake, puller):
    """An instance, and a service, that are no longer registered are not told any more."""
    asked = puller(fake)
    pulled(asked)
    fake.instances = [one for one in fake.instances if one.ip not in ("10.1.0.1", "10.1.0.5")]
    assert sorted(pulled(asked)) == ["10.1.0.2", "10.1.0.3"]
    fake.instances = []
    assert pulled(asked) == {}
