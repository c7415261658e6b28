"""What a registry tells, seen in a real browser over the real product: cards, table, panel, sources page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Visitor, drawn, eventually, node, panel, rows, visiting
from fake_nacos import FakeNacos, Registered, nacos
from playwright.sync_api import Browser, Page, expect
from running import Running, product, soon
from shop_traffic import HOSTILE_VALUE, Traffic

pytestmark = pytest.mark.browser

CONFIGURATION = """
environment: prod
pairing: {horizon: 10s}
registry: {old_after: 15s}
collectors:
  registry: {kind: nacos, url: "%s", pace: {interval: 5s}}
"""


def registered() -> list[Registered]:
    """Orders in two zones, one instance of it silent and one disabled; stock as it speaks; a ledger nobody heard of."""
    return [
        Registered("orders", "10.0.0.1", metadata={"pod": "orders-1", "zone": "east", "version": "1.2"}),
        Registered("orders", "10.0.0.2", metadata={"zone": "west", "version": "1.2"}),
        Registered("orders", "10.0.0.3", metadata={"zone": "west"}, enabled=False),
        Registered("stock", "10.0.0.4", metadata={"pod": "stock-1", "zone": "east"}),
        Registered("ledger", "10.0.0.5", metadata={"zone": HOSTILE_VALUE}),
        Registered("Mailer_Service", "10.0.0.6"),
    ]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, FakeNacos]]:
    """A shop whose services are registered, in a product of its own."""
    directory: Path = tmp_path_factory.mktemp("registered")
    with nacos(FakeNacos(registered())) as fake:
        config = directory / "synoptic.yaml"
        config.write_text(CONFIGURATION % fake.url, encoding="utf-8")
        with product(directory, "--config", str(config)) as running:
            traffic = Traffic(running.otlp_http).start()
            try:
                assert soon(lambda: (told(running, "orders").get("registration") or {}).get("silent"), 40)
                yield running, fake
            finally:
                traffic.close()


def told(running: Running, name: str) -> dict[str, Any]:
    """What the interface for programs says about a service; empty when it is not there."""
    return next((one for one in running.get("/api/v1/graph")["nodes"] if one["name"] == name), {})


@pytest.fixture
def visitor(browser: Browser, shop: tuple[Running, FakeNacos]) -> Iterator[Visitor]:
    """Somebody who looks at that shop."""
    with visiting(browser, shop[0].http) as visitor:
        yield visitor


def in_zones(page: Page, body: str, argument: Any) -> Any:
    """What a piece of script answers with the words for zones (`m`) and the page's map (`map`) in scope."""
    url = (
        "performance.getEntriesByType('resource').map((one) => one.name).find((one) => one.endsWith('/map/zones.mjs'))"
    )
    scope = f"const m = await import({url}), map = document.querySelector('synoptic-map');"
    return page.evaluate(f"async (it) => {{ {scope} {body} }}", argument)


def card_words(page: Page, name: str) -> str:
    """What the card of a service says about zones."""
    words: str = in_zones(
        page, "return m.zoneWords(map.snapshot.nodes.find((n) => n.name === it), map.scene.zones)", name
    )
    return words


def zone(registered: int, speaking: int, disabled: int = 0) -> dict[str, int]:
    """The counts of a zone."""
    return {"registered": registered, "speaking": speaking, "disabled": disabled}


QUARREL, OLD = ({"silent": 1, "unregistered": 0, "old": old} for old in (False, True))
WORDS = [
    ("two zones without a registry", {"instances_by_zone": {"b": 2, "a": 3}}, ["a", "b"], "a 3 · b 2"),
    ("one zone on the whole map is no news", {"instances_by_zone": {"a": 3}}, ["a"], ""),
    ("all that is enabled speaks", {"registered": {"a": zone(3, 2, 1)}}, ["a", "b"], "a 2"),
    ("a quarrel in one zone", {"registered": {"a": zone(3, 2)}, "registration": QUARREL}, ["a"], "≠ a 2/3"),
    ("what is old is no quarrel", {"registered": {"a": zone(3, 2)}, "registration": OLD}, ["a", "b"], "a 2/3"),
    ("no zone known", {"registered": {"": zone(3, 2)}, "registration": QUARREL}, [], "≠ 2/3"),
    ("zones begin alike", {"instances_by_zone": {"cn-sha-a": 1, "cn-sha-b": 2}}, ["cn-sha-a", "cn-sha-b"], "a 1 · b 2"),
    ("many zones", {"instances_by_zone": dict.fromkeys("abcde", 1)}, list("abcde"), "a 1 · b 1 · c 1 +2"),
    ("a long name", {"instances_by_zone": {"x" * 30: 1, "y": 1}}, ["x" * 30, "y"], "x" * 13 + "… 1 · y 1"),
    ("a folded group", {"members": [], "instances_by_zone": {"a": 1, "b": 1}}, ["a", "b"], ""),
]


def test_words_for_zones_are_few_and_calm(visitor: Visitor) -> None:
    """Counts by zone, speaking of registered where these differ, a mark where that is certain, and nothing else."""
    page = drawn(visitor.open("/"))
    cases = [[node, zones] for _, node, zones, _ in WORDS]
    found = in_zones(page, "return it.map(([node, zones]) => m.zoneWords(node, zones))", cases)
    assert dict(zip([case[0] for case in WORDS], found, strict=True)) == {case[0]: case[3] for case in WORDS}


def test_a_card_counts_instances_by_zone_and_marks_a_quarrel(visitor: Visitor) -> None:
    """Orders speaks in the east and is silent in the west, which is marked; stock is as it should be."""
    page = drawn(visitor.open("/"))
    eventually(lambda: bool(node(page, "orders").get("registration")), True)
    assert card_words(page, "orders") == "≠ east 1 · west 0/1"
    assert card_words(page, "stock") == "east 1"
    page.keyboard.press("t")
    expect(page.locator(".twin")).to_be_visible()
    eventually(lambda: rows(page)["orders"][4], "east 1, west 0/1")


@pytest.mark.parametrize(
    ("language", "silent", "disabled", "sentence"),
    [
        ("en", "silent", "disabled", "Registered instances that answer no calls: at least 1."),
        ("zh", "静默", "已禁用", "已注册但没有应答任何调用的实例：至少 1 个。"),
    ],
)
def test_the_panel_lists_instances_by_zone(
    visitor: Visitor, shop: tuple[Running, FakeNacos], language: str, silent: str, disabled: str, sentence: str
) -> None:
    """Zone by zone what speaks and is registered, the instances that nobody heard, and how old that knowledge is."""
    page = drawn(visitor.open(f"/?lang={language}&select=" + told(shop[0], "orders")["id"]))
    table = panel(page).locator(".by-zone")
    expect(table).to_be_visible()
    cells = table.locator("tbody tr").evaluate_all("(rows) => rows.map((r) => [...r.cells].map((c) => c.textContent))")
    assert cells == [["east", "1", "1", "0", "0"], ["west", "0", "2", "1", "1"]]
    expect(panel(page).get_by_text(sentence)).to_be_visible()
    for address, word in (("10.0.0.2:8080", silent), ("10.0.0.3:8080", disabled)):
        line = panel(page).locator("tr", has_text=address)
        expect(line).to_contain_text(word)
    expect(panel(page).locator("p", has_text="registry").last).to_be_visible()


def test_a_registered_service_that_nobody_heard_is_on_the_sources_page(visitor: Visitor) -> None:
    """Its name, its zone as plain text whatever it holds, and the registry that knows it; it is not on the map."""
    page = visitor.open("/sources")
    line = page.locator("table.registered tr", has_text="ledger")
    expect(line).to_contain_text(HOSTILE_VALUE)
    expect(line).to_contain_text("registry")
    assert page.locator("table.registered [onload]").count() == 0
    assert node(drawn(visitor.open("/")), "ledger") == {}


@pytest.mark.parametrize(
    ("language", "reason"),
    [("en", "the names differ only in words such as service or app"), ("zh", "名称只差 service、app 之类的词")],
)
def test_services_that_look_the_same_are_suggested_with_a_rule(visitor: Visitor, language: str, reason: str) -> None:
    """The reason in words, and the rule as text that can be copied into the catalogue."""
    page = visitor.open(f"/sources?lang={language}")
    said = page.locator(".alike li")
    expect(said).to_have_count(1)
    expect(said).to_contain_text(reason)
    rule = '- {match: "Mailer_Service", namespace: "", into: "mailer"}'
    expect(said.locator("pre")).to_have_text(rule)


def test_a_registry_that_is_away_grows_old_and_is_said_so(visitor: Visitor, shop: tuple[Running, FakeNacos]) -> None:
    """After `old_after` the panel says that what is registered may be out of date, and the card marks no quarrel."""
    running, fake = shop
    page = drawn(visitor.open("/?select=" + told(running, "orders")["id"]))
    expect(panel(page).locator(".by-zone")).to_be_visible()
    fake.broken = "503"
    try:
        assert soon(lambda: told(running, "orders")["registration"]["old"], 40)
        expect(panel(page).get_by_text("may be out of date")).to_be_visible(timeout=20_000)
        eventually(lambda: card_words(page, "orders"), "east 1 · west 0/1")
        (row,) = [one for one in running.get("/api/v1/sources") if one["name"] == "registry"]
        assert "HTTP 503" in str(row["last_error"])
    finally:
        fake.broken = ""
