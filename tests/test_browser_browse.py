"""The map in a real browser over the real product: seen, chosen, found, sorted, read in two languages, never moved."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from browsing import (
    Shop,
    Visitor,
    drawn,
    eventually,
    node,
    panel,
    picture,
    place_of,
    rows,
    title,
    visiting,
)
from playwright.sync_api import Browser, Page, expect
from running import ROOT, product, soon
from shop_traffic import HOSTILE, HOSTILE_ERROR, HOSTILE_LINK, HOSTILE_OPERATION, HOSTILE_VALUE

pytestmark = pytest.mark.browser

TICKS = 10
MARKUP = "[onerror], [onload], [src=x], iframe, [href^='javascript'], b:text-is('bold')"
QUERY = r"[a-z0-9]+[:~>][a-z0-9%]+|and、or、not"
LATIN = re.compile(r"[A-Za-z]{3,}")
TECHNICAL = {
    "Synoptic", "CSV", "PNG", "SVG", "JSON", "UTC", "health", "burning", "err", "otlp", "east", "Enter", "Esc", "POST",
    "stock", "orders", "mailer", "web", "mails", "checkout", "GET", "PUT", "UPDATE", "items", "http", "postgresql",
    "Checkout", "prod", "span", "OpenTelemetry", "SLO",
}  # fmt: skip
POSITIONS = """() => { const map = document.querySelector("synoptic-map"), { boxes } = map.scene.layout;
  const places = map.snapshot.nodes.map((n) => [n.id, [n.x, n.y, boxes.get(n.id).x, boxes.get(n.id).y]]);
  return { seq: map.snapshot.seq, camera: map.camera, places: Object.fromEntries(places) } }"""


@pytest.fixture
def visitor(browser: Browser, shop: Shop) -> Iterator[Visitor]:
    """Somebody who comes to the shop's map; nothing forbidden may happen on any page."""
    with visiting(browser, shop.running.http) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def watched(browser: Browser, shop: Shop) -> Iterator[tuple[Page, dict[str, Any]]]:
    """A map that stays open beside all tests here, and where everything stood when it was opened."""
    with visiting(browser, shop.running.http) as visitor:
        page = drawn(visitor.open("/"))
        yield page, page.evaluate(POSITIONS)


def address(page: Page) -> dict[str, list[str]]:
    """The parameters in the address of the page."""
    return parse_qs(urlsplit(page.url).query)


def why(shop: Shop, name: str, language: str = "en") -> str:
    """The sentence with which the interface for programs explains the health of a service."""
    service = shop.running.get("/api/v1/services/" + quote(shop.node(name)["id"], safe=""))
    sentence: str = service["why"][language]
    return sentence


def test_names_figures_and_health_are_on_the_map(shop: Shop, visitor: Visitor, watched: Any) -> None:
    """The map holds what the interface for programs says, and the table beside it tells the same in words."""
    page = drawn(visitor.open("/?table=1"))
    told = shop.running.get("/api/v1/graph")
    kept = ("name", "kind", "domain", "health", "x", "y")
    assert [{key: n[key] for key in kept} for n in picture(page)["nodes"]] == [
        {key: n[key] for key in kept} for n in told["nodes"]
    ]
    found = rows(page)
    assert found["mailer"][0] == "burning"
    assert found["mailer"][6] == "50.0 %"
    assert found["stock"][0] == "healthy"
    assert found["stock"][2:5] == ["service", "Goods", "east 1"]
    assert found["stock"][8] == "10 ms"
    assert found["stock-db"][2] == "database"
    assert re.fullmatch(r"\d\.\d/s", found["web"][5])
    expect(page.locator(".says")).to_contain_text("2 burning: ")
    expect(page.locator(".env")).to_have_text("prod")
    expect(page.locator(".live")).to_have_text("Live")


def test_a_click_opens_the_panel_and_back_closes_it(shop: Shop, visitor: Visitor) -> None:
    """The panel of a clicked card says why in the words of the interface, with charts and callers; Back undoes it."""
    page = drawn(visitor.open("/"))
    page.mouse.click(*place_of(page, "orders"))
    eventually(lambda: panel(page).locator(".why").inner_text(), why(shop, "orders"))
    expect(title(page)).to_have_text("orders")
    expect(panel(page).locator(".js-plotly-plot")).to_have_count(3)
    expect(panel(page).locator(f"a[data-select='{shop.node('web')['id']}']")).to_have_text("web")
    assert address(page)["select"] == [shop.node("orders")["id"]]
    panel(page).get_by_role("link", name="mailer").click()
    expect(title(page)).to_have_text("mailer")
    page.go_back()
    expect(title(page)).to_have_text("orders")
    page.go_back()
    expect(panel(page)).to_be_hidden()
    assert "select" not in address(page)
    page.go_forward()
    expect(title(page)).to_have_text("orders")


def test_the_keyboard_alone_reaches_the_panel(shop: Shop, visitor: Visitor) -> None:
    """Arrows walk along the calls and are heard, Enter opens, Escape closes, `t` shows the table."""
    page = drawn(visitor.open(f"/?select={quote(shop.node('web')['id'])}"))
    expect(title(page)).to_have_text("web")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    heard = page.locator(".heard")
    expect(heard).to_contain_text("orders, service, healthy")
    expect(heard).to_contain_text("1 callers, 3 callees")
    page.keyboard.press("Enter")
    expect(title(page)).to_have_text("orders")
    page.keyboard.press("Escape")
    expect(panel(page)).to_be_hidden()
    page.keyboard.press("t")
    expect(page.locator(".twin")).to_be_visible()
    for _ in range(20):
        page.keyboard.press("ArrowDown")
    last = page.locator(".twin .t-row").last
    page.keyboard.press("Enter")
    expect(last).to_have_attribute("aria-selected", "true")
    expect(title(page)).to_have_text(last.locator("[role=gridcell]").nth(1).inner_text())


def test_a_deep_link_opens_what_it_names(shop: Shop, visitor: Visitor) -> None:
    """A link with a node shows its panel, one with a path that of the path, one to nowhere says so."""
    orders, mailer = shop.node("orders")["id"], shop.node("mailer")["id"]
    page = drawn(visitor.open(f"/?select={quote(mailer)}"))
    eventually(lambda: panel(page).locator(".why").inner_text(), why(shop, "mailer"))
    page.goto(f"{visitor.origin}/?select={quote(f'{orders}>{mailer}')}")
    expect(title(page)).to_have_text("orders → mailer")
    page.goto(f"{visitor.origin}/?select=prod//nobody")
    expect(panel(page)).to_contain_text("not in this window")


def test_find_narrows_the_map_and_a_bad_query_says_what_is_wrong(visitor: Visitor) -> None:
    """`/` goes to the box; a condition finds, is in the address, can hide; a mistake is named and changes nothing."""
    page = drawn(visitor.open("/?table=1"))
    page.keyboard.press("/")
    page.keyboard.type("err>1%")
    says = page.locator("#find-says")
    expect(says).to_have_text("2 of 7")
    assert address(page)["find"] == ["err>1%"]
    page.locator("#find").fill("err>>1%")
    expect(says).to_have_text("Expected a value, found “>”")
    expect(page.locator("#find")).to_have_attribute("aria-invalid", "true")
    page.locator("#find").fill("colour:red")
    expect(says).to_contain_text("Expected one of name, health")
    page.locator("#find").fill("库存")
    expect(says).to_have_text("2 of 7")
    page.get_by_role("button", name="Hide what is found").click()
    page.locator("#find").press("Escape")
    eventually(lambda: "stock" in rows(page), False)
    assert {"web", "mailer"} <= rows(page).keys()
    page.get_by_role("button", name="hidden: 库存").click()
    eventually(lambda: "stock" in rows(page), True)


def test_only_trouble_leaves_what_is_in_trouble(visitor: Visitor) -> None:
    """`o` keeps what burns and who feels it in the foreground, and takes the rest back."""
    page = drawn(visitor.open("/"))
    page.keyboard.press("o")
    expect(page.locator("#only")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("t")
    eventually(lambda: set(rows(page)), {"mailer", HOSTILE, "orders"})
    page.locator("#only").click()
    eventually(lambda: len(rows(page)), 7)


def test_the_table_sorts_and_is_exported(visitor: Visitor) -> None:
    """A column sorts up and down and says so; the file holds the same rows in the same order, harmless in a sheet."""
    page = drawn(visitor.open("/?table=1"))
    head = page.locator("[role=columnheader]", has_text="p95")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    slowest = list(rows(page))
    assert slowest[:2] in (["web", "users"], ["users", "web"])
    with page.expect_download() as waiting:
        page.locator(".csv").click()
    lines = list(csv.DictReader(Path(waiting.value.path()).read_text("utf-8-sig").splitlines()))
    assert [line["name"] for line in lines] == slowest
    assert [line["health"] for line in lines if line["name"] == "mailer"] == ["burning"]
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert list(rows(page))[-1] in ("web", "users")
    page.get_by_role("button", name="Call paths").click()
    expect(page.locator(".twin .t-row")).to_have_count(6)


def test_the_window_can_be_chosen(shop: Shop, visitor: Visitor) -> None:
    """Another window shows its own figures, is in the address, and the panel follows."""
    page = drawn(visitor.open(f"/?select={quote(shop.node('web')['id'])}"))
    assert picture(page)["window_s"] == 300
    page.locator("[data-window='1m']").click()
    eventually(lambda: picture(page)["window_s"], 60)
    assert address(page)["window"] == ["1m"]
    expect(page.locator("[data-window='1m']")).to_have_attribute("aria-pressed", "true")
    expect(title(page)).to_have_text("web")
    page.go_back()
    eventually(lambda: picture(page)["window_s"], 300)


def test_theme_is_switched_and_kept(visitor: Visitor) -> None:
    """The other theme is there at once, on the canvas too, and after a reload."""
    page = drawn(visitor.open("/"))
    ground = "() => getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Dark or light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    drawn(page)
    assert page.evaluate(ground) == light
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def words_of(page: Page) -> set[str]:
    """Every text a person can see, hear or hover on the page."""
    texts: list[str] = page.evaluate(
        """() => { const found = [], take = (text) => text?.trim() && found.push(text.trim());
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const foreign = "script, style, textarea, code, .attributes";
        while (walk.nextNode())
          if (!walk.currentNode.parentElement.closest(foreign)) take(walk.currentNode.textContent);
        for (const node of document.querySelectorAll("*")) for (const name of ["title", "aria-label", "placeholder"])
          take(node.getAttribute(name));
        return found }"""
    )
    return set(texts)


def test_no_english_is_left_over_in_chinese(shop: Shop, visitor: Visitor) -> None:
    """With 中文 chosen, no word of English stands on the map, in the table, the panel, on sources or a trace."""
    page = drawn(visitor.open("/"))
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    drawn(page)
    eventually(lambda: "网店" in page.locator(".twin").text_content() or page.keyboard.press("t"), True)
    page.locator(".twin .t-row", has_text="订单").click()
    eventually(lambda: panel(page).locator(".why").inner_text(), why(shop, "orders", "zh"))
    seen = words_of(page)
    assert shop.running.post(b"no spans at all") == 400
    page.goto(f"{visitor.origin}/sources")
    expect(page.locator("h1")).to_have_text("数据源")
    expect(page.locator(".chips").first).to_contain_text("无法读取的请求")
    seen |= words_of(page) - {shop.running.get("/api/v1/sources")[0]["last_error"]}
    (trace, *_) = soon(lambda: shop.running.get("/api/v1/traces", service=shop.node("orders")["id"]), 30)
    page.goto(f"{visitor.origin}/traces/{trace['trace_id']}")
    expect(page.locator("h1")).to_contain_text("网店")
    seen |= words_of(page)
    hostile = (HOSTILE, HOSTILE_OPERATION, HOSTILE_VALUE, HOSTILE_ERROR, HOSTILE_LINK)
    ours = {re.sub("|".join([*map(re.escape, hostile), QUERY]), "", text) for text in seen}
    # Short ids of spans and traces are hexadecimal, and some of them have letters enough to look like a word.
    words = {text for text in ours if not re.fullmatch(r"[0-9a-f]{8,32}", text)}
    assert {text for text in words if set(LATIN.findall(text)) - TECHNICAL} == set()
    keys = json.loads((ROOT / "assets" / "i18n" / "zh.json").read_text("utf-8")).keys()
    assert seen & keys == set()


def test_a_telephone_shows_everything_without_scrolling_sideways(shop: Shop, visitor: Visitor) -> None:
    """At 390x844 map, panel, table and sources fit the width, and the panel can be closed again."""
    page = drawn(visitor.open("/", viewport={"width": 390, "height": 844}, has_touch=True))
    paths = ["/", f"/?select={quote(shop.node('orders')['id'])}", "/?table=1", "/sources"]
    widths = {}
    for path in paths:
        page.goto(visitor.origin + path)
        page.locator(".bar .mark").wait_for()
        widths[path] = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
    assert widths == dict.fromkeys(paths, 390)
    page.goto(visitor.origin + paths[1])
    expect(title(page)).to_have_text("orders")
    panel(page).locator(".panel-close").tap()
    expect(panel(page)).to_be_hidden()


@pytest.mark.parametrize("width", [1600, 1280, 1100])
def test_the_footer_fits_beside_the_panel(shop: Shop, visitor: Visitor, width: int) -> None:
    """However narrow the panel makes the map, the clock and the age of the data stay in view."""
    path = f"/?select={quote(shop.node('orders')['id'])}"
    page = drawn(visitor.open(path, viewport={"width": width, "height": 800}))
    expect(title(page)).to_have_text("orders")
    found, room = page.locator(".foot").evaluate("(foot) => [foot.scrollWidth, foot.clientWidth]")
    assert found <= room < width


def test_what_others_wrote_stays_text(shop: Shop, visitor: Visitor) -> None:
    """Names, operations, attributes, errors and log lines made of markup are shown as they are, everywhere."""
    soon(lambda: shop.running.get("/api/v1/traces", service=shop.node(HOSTILE)["id"], errors="true"), 30)
    page = drawn(visitor.open(f"/?table=1&select={quote(shop.node(HOSTILE)['id'], safe='')}"))
    expect(title(page)).to_have_text(HOSTILE)
    assert HOSTILE in rows(page)
    for text in (HOSTILE_VALUE, HOSTILE_OPERATION, HOSTILE_ERROR):
        expect(panel(page)).to_contain_text(text)
    runbook = panel(page).get_by_role("link", name="Runbook").get_attribute("href")
    assert runbook is not None
    assert runbook.startswith("https://runbooks.example/")
    assert page.locator(MARKUP).count() == 0
    panel(page).locator(".traces a").first.click()
    line = page.locator(".trace details", has=page.get_by_text(HOSTILE, exact=True))
    line.locator("summary").click()
    for text in (HOSTILE_VALUE, HOSTILE_LINK, HOSTILE_ERROR):
        expect(line).to_contain_text(text)
    assert page.locator(MARKUP).count() == 0
    page.goto(f"{visitor.origin}/sources")
    expect(page.locator("h1")).to_have_text("Sources")
    assert page.locator(MARKUP).count() == 0


def test_sources_and_a_waterfall_open_from_the_map(shop: Shop, visitor: Visitor) -> None:
    """From the panel to the spans of one request and back, and to the sources with their counters, without a reload."""
    soon(lambda: shop.running.get("/api/v1/traces", service=shop.node("orders")["id"]), 30)
    page = drawn(visitor.open(f"/?select={quote(shop.node('orders')['id'])}"))
    panel(page).locator(".traces a").first.click()
    expect(page.locator("h1")).to_contain_text("GET /checkout")
    names = page.locator(".waterfall .name b").all_inner_texts()
    assert names[:6] == ["web", "web", "orders", "orders", "stock", "stock"]
    assert page.locator(".line.critical").count() >= 6
    page.go_back()
    drawn(page)
    expect(title(page)).to_have_text("orders")
    page.get_by_role("link", name="Sources").click()
    expect(page.locator(".source.state-ok, .source.state-at_risk")).to_contain_text("otlp")
    expect(page.locator(".counters")).to_contain_text("Spans counted")


def test_a_service_that_begins_to_fail_changes_colour_by_itself(shop: Shop, visitor: Visitor) -> None:
    """A healthy service turns burning on an open map within seconds, and the sentence in its panel says why."""
    page = drawn(visitor.open(f"/?select={quote(shop.node('stock')['id'])}"))
    page.evaluate("() => { window.notReloaded = true }")
    assert node(page, "stock")["health"] == "ok"
    expect(panel(page).locator(".why")).to_contain_text(re.compile("Healthy: .*0 % of calls failed"))
    shop.traffic.failing.add("stock")
    try:
        eventually(lambda: node(page, "stock")["health"], "burning", 20)
        expect(page.locator(".says")).to_contain_text("3 burning")
        expect(panel(page).locator(".why")).to_contain_text("Burning: ", timeout=15_000)
        expect(panel(page).locator(".why")).to_contain_text("of calls failed in the last hour")
        assert page.evaluate("window.notReloaded") is True
    finally:
        shop.traffic.failing.discard("stock")


def test_the_map_does_not_move_by_itself(shop: Shop, watched: tuple[Page, dict[str, Any]]) -> None:
    """Ten updates and a service that was never seen before leave every card and the camera where they were."""
    page, before = watched
    web = before["places"][shop.node("web")["id"]]
    shop.pin({shop.node("web")["id"]: {"x": web[0], "y": web[1]}})  # else a map arranges itself for its first 45 s
    shop.traffic.vouchers = True
    eventually(lambda: bool(node(page, "vouchers")), True, 20)
    assert soon(lambda: picture(page)["seq"] >= before["seq"] + TICKS, 25)
    after = page.evaluate(POSITIONS)
    assert {key: after["places"][key] for key in before["places"]} == before["places"]
    assert after["camera"] == before["camera"]


def test_an_empty_product_says_what_to_do_first(browser: Browser, tmp_path: Path) -> None:
    """Without data the page shows, ready to be copied, the variables that bring data to this very product."""
    with product(tmp_path) as running, visiting(browser, running.http) as visitor:
        page = visitor.open("/", permissions=["clipboard-read", "clipboard-write"])
        expect(page.locator(".notice h2")).to_have_text("Waiting for the first trace")
        page.get_by_role("button", name="Copy").first.click()
        expect(page.locator(".notice .done").first).to_have_text("Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == ("export OTEL_EXPORTER_OTLP_PROTOCOL=grpc\n"
                          f"export OTEL_EXPORTER_OTLP_ENDPOINT={running.otlp_grpc}\n"
                          "export OTEL_SERVICE_NAME=my-service")
        page.goto(f"{running.http}/sources")
        expect(page.locator(".first-step")).to_contain_text(running.otlp_grpc)
