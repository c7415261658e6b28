"""The Nacos collector and a real Nacos 2.2.4: instances die, are disabled, move; tokens expire; the server restarts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nacos_server import PASSWORD, USER, Nacos, Registrar, running, soon_s
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from running import product
from traffic import SECOND, add, request, spans_of

from collectors.config import Secret
from collectors.contract import Context
from collectors.nacos.config import Config
from collectors.nacos.source import NacosRegistry, build
from topology.errors import SourceUnavailable
from topology.histogram import ladder
from topology.masking import mask
from topology.model import Service
from topology.registry import Instance

pytestmark = pytest.mark.real

TOKEN_TTL_S = 6
CONFIGURATION = """
environment: default
collectors:
  registry: {{kind: nacos, url: "{url}", username: nacos, password: "${{NACOS_PASSWORD}}", pace: {{interval: 5s}}}}
"""
Ask = Callable[..., NacosRegistry]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nacos]:
    """One server for the module; its tokens live for six seconds."""
    with running(tmp_path_factory.mktemp("nacos"), TOKEN_TTL_S) as started:
        yield started


@pytest.fixture
def registrar(server: Nacos) -> Iterator[Registrar]:
    """Who registers instances and keeps them alive."""
    made = Registrar(server)
    yield made
    made.close()


@pytest.fixture
def ask(server: Nacos) -> Iterator[Ask]:
    """Makes collectors that ask the server; they are closed in the end."""
    with ExitStack() as closing:

        def make(clock: Callable[[], float] = time.time, **keys: Any) -> NacosRegistry:
            config = Config(server.url, username=USER, password=Secret(PASSWORD), **keys)
            made = build(config, "registry", Context("prod", ladder(()), mask, clock))
            closing.callback(made.close)
            return made

        yield make


def pulled(asked: NacosRegistry, name: str) -> dict[str, Instance]:
    """What one pull brings of a service, by address; nothing may have gone wrong."""
    answer = asked.pull(0, 60)
    assert answer.faults == []
    return {one.host: one for one in answer.instances or () if one.service.name == name}


def test_an_instance_whose_beats_stay_away_is_unhealthy_and_then_gone(registrar: Registrar, ask: Ask) -> None:
    """Unhealthy after about 18 s, gone after about 33 s, while the one that beats stays as it is."""
    registrar.register("dying", "10.1.0.1")
    registrar.register("dying", "10.1.0.2", beats=False)
    asked, began_s = ask(), time.monotonic()
    assert {host: one.healthy for host, one in pulled(asked, "dying").items()} == {"10.1.0.1": True, "10.1.0.2": True}
    soon_s(lambda: not pulled(asked, "dying")["10.1.0.2"].healthy, 30)
    unhealthy_s = time.monotonic() - began_s
    soon_s(lambda: "10.1.0.2" not in pulled(asked, "dying"), 30)
    gone_s = time.monotonic() - began_s
    assert 14 < unhealthy_s < 25
    assert 29 < gone_s < 45
    assert pulled(asked, "dying")["10.1.0.1"].healthy
    assert asked.counters()["logins"] >= 3, "tokens of six seconds were renewed meanwhile"


def test_a_disabled_instance_is_told_although_both_lists_hide_it(registrar: Registrar, ask: Ask) -> None:
    """It is registered as disabled: the lists of v1 and v2 leave it out, the catalogue and so the collector do not."""
    registrar.register("draining", "10.2.0.1")
    registrar.register("draining", "10.2.0.2")
    registrar.register("draining", "10.2.0.2", enabled="false")
    asked = ask()
    soon_s(lambda: not pulled(asked, "draining")["10.2.0.2"].enabled, 10)
    assert registrar.listed(1, "draining") == registrar.listed(2, "draining") == ["10.2.0.1"]
    assert pulled(asked, "draining")["10.2.0.1"].enabled
    assert (asked.counters()["api_version"], asked.counters()["catalogue"]) == (2, 1)


def test_an_instance_that_changes_its_zone_is_in_the_new_one(registrar: Registrar, ask: Ask) -> None:
    """The zone follows the metadata, and without any the cluster."""
    registrar.register("moving", "10.3.0.1", metadata='{"zone":"a","version":"1.2"}')
    registrar.register("moving", "10.3.0.2", clusterName="zone-c")
    asked = ask()
    found = pulled(asked, "moving")
    assert (found["10.3.0.1"].zone, found["10.3.0.1"].version, found["10.3.0.2"].zone) == ("a", "1.2", "zone-c")
    registrar.register("moving", "10.3.0.1", metadata='{"zone":"b","version":"1.3"}')
    soon_s(lambda: pulled(asked, "moving")["10.3.0.1"].zone == "b", 10)
    assert pulled(asked, "moving")["10.3.0.1"].version == "1.3"


def test_a_token_that_expired_unnoticed_is_renewed(registrar: Registrar, ask: Ask) -> None:
    """For a collector whose clock stands still every token is fresh: the server's 403 makes it log in again."""
    registrar.register("guarded", "10.4.0.1")
    asked = ask(clock=lambda: 1.0)
    assert "10.4.0.1" in pulled(asked, "guarded")
    time.sleep(TOKEN_TTL_S + 1.5)
    assert "10.4.0.1" in pulled(asked, "guarded")
    assert asked.counters()["logins"] == 2


def test_groups_namespaces_clusters_and_pages(registrar: Registrar, ask: Ask) -> None:
    """Thirty services of two groups come whole in pages of ten; another namespace is read when it is named."""
    for number in range(30):
        group = "EDGE" if number % 3 == 0 else "DEFAULT_GROUP"
        registrar.register(f"page-{number:02}", f"10.5.0.{number}", groupName=group)
    registrar.register("page-staging", "10.6.0.1", namespaceId="staging")
    asked = ask(page_size=10, namespaces=("public", "staging"), environment_from="namespace")
    services = {one.service for one in asked.pull(0, 60).instances or () if one.service.name.startswith("page-")}
    assert len(services) == 31
    assert Service("staging", "", "page-staging") in services
    assert {one.namespace for one in services} == {"", "EDGE"}
    only = ask(groups=("EDGE",), page_size=10)
    assert {one.service.namespace for one in only.pull(0, 60).instances or ()} == {"EDGE"}


def test_the_map_says_who_is_registered_and_who_speaks(registrar: Registrar, server: Nacos, tmp_path: Path) -> None:
    """The whole way: two instances are registered, one of them calls itself by its address and answers; the other is
    silent until it is taken out, and the zone of the registry is that of the speaking one."""
    registrar.register("billing", "10.8.0.1", metadata='{"zone":"a"}')
    registrar.register("billing", "10.8.0.2", metadata='{"zone":"b"}')
    config = tmp_path / "synoptic.yaml"
    config.write_text(CONFIGURATION.format(url=server.url), encoding="utf-8")
    with product(tmp_path, "--config", str(config), NACOS_PASSWORD=PASSWORD) as started:
        rng, block = random.Random(1), spans_of("billing", **{"service.instance.id": "10.8.0.1:8080"})
        for _ in range(60):
            ids = rng.randbytes(16), rng.randbytes(8)
            add(block, *ids, b"", Span.SPAN_KIND_SERVER, "POST /bills", time.time_ns() - SECOND)
        assert started.post(request(block)) == 200

        def billing() -> dict[str, Any]:
            nodes = started.get("/api/v1/graph")["nodes"]
            return next((one for one in nodes if one["name"] == "billing"), {})

        soon_s(lambda: (billing().get("registration") or {}).get("silent") == 1, 40)
        assert (billing()["zones"], billing()["instances_by_zone"]) == (["a"], {"a": 1})
        registrar.register("billing", "10.8.0.2", metadata='{"zone":"b"}', enabled="false")
        soon_s(lambda: billing()["registration"]["silent"] == 0, 20)
        assert billing()["registered"]["b"]["disabled"] == 1


def test_a_restart_of_the_server_is_survived(registrar: Registrar, ask: Ask, server: Nacos) -> None:
    """Away it is unavailable; back, the same collector reads on, and what beats is registered again."""
    registrar.register("lasting", "10.7.0.1")
    asked = ask(timeout_s=2.0)
    assert "10.7.0.1" in pulled(asked, "lasting")
    server.stop()
    with pytest.raises(SourceUnavailable, match="no connection"):
        asked.pull(0, 60)
    server.start()
    registrar.register("lasting", "10.7.0.1")
    soon_s(lambda: "10.7.0.1" in pulled(asked, "lasting"), 20)
