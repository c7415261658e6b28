"""The pages of SLOs in a real browser: a long list that stays smooth, one SLO with its budget, a past map."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import slo_entries
from browsing import Visitor, drawn, eventually, panel, title, visiting
from playwright.sync_api import Browser, Page, expect
from slo_entries import AT_S, GROUPS, entry, many
from snapshots import Shelf
from web_server import serving

from app.web import WebOptions

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="alert(1)">'
LATIN = re.compile(r"[A-Za-z]{3,}")
TECHNICAL = {
    "Synoptic", "SLO", "CSV", "UTC", "OpenSLO", "health", "burning", "budget", "ledger", "orders", "web", "mail",
    "availability", "latency", "img", "src", "onerror", "alert", "config", "slos", "bank", "yaml", "What", "customers",
    "feel", "when", "they", "pay", "shop",
}  # fmt: skip
SLOS = [
    entry("ledger-availability", "burning", domain="accounts", group=GROUPS["accounts"]),
    entry("web-availability", budget_left=0.8), entry("mail-availability", "no_data", default=True),
    entry("orders-latency", "at_risk", kind="latency", threshold_ms=250.0, title={"en": "within 250 ms",
                                                                                  "zh": "250 毫秒内"}),
    entry("shop/a:b", "exhausted", title=HOSTILE, service="prod/bank/shop"),
]  # fmt: skip
FAULTS = [
    {"file": "bank.yaml", "line": 14, "path": "spec.objectives[0].target", "rule": "target", "level": "error",
     "message": "expected a number between 0 and 1, found 99.9"},
    {"file": "cards.yaml", "line": 3, "path": "metadata.name", "rule": "name", "level": "warning", "message": HOSTILE},
]  # fmt: skip
VISIBLE = """() => { const box = document.querySelector(".g-scroll").getBoundingClientRect();
  return [...document.querySelectorAll(".g-row")].filter((row) => { const { y } = row.getBoundingClientRect();
    return y >= box.y + 40 && y < box.y + box.height }).sort((a, b) => a.getBoundingClientRect().y -
    b.getBoundingClientRect().y).map((row) => row.dataset.key) }"""


class House:
    """A web side over fixed SLOs, whose clock a test moves."""

    def __init__(self, shelf: Shelf, base: str = "/") -> None:
        self.shelf, self.base, self.now_s = shelf, base, AT_S
        self.origin = ""

    def later(self, page: Page) -> None:
        """Time goes on, and the page looks again at once instead of in ten seconds."""
        self.now_s += 20
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@contextmanager
def house(slos: list[Any], base: str = "/", faults: list[Any] | None = None) -> Iterator[House]:
    """A running house."""
    made = House(Shelf(slos=slos, faults=faults or []), base)
    with serving(made.shelf, WebOptions(base_path=base), clock=lambda: made.now_s) as client:
        made.origin = str(client.base_url).rstrip("/")
        yield made


@pytest.fixture(scope="module")
def small() -> Iterator[House]:
    """One SLO in every state."""
    with house(SLOS) as opened:
        yield opened


@pytest.fixture(scope="module")
def large() -> Iterator[House]:
    """Five thousand SLOs."""
    with house(many(5000)) as opened:
        yield opened


@pytest.fixture
def visitor(browser: Browser, small: House) -> Iterator[Visitor]:
    """Somebody who looks at the few SLOs; nothing forbidden may happen on any page."""
    with visiting(browser, small.origin) as visitor:
        yield visitor


@pytest.fixture
def guest(browser: Browser, large: House) -> Iterator[Visitor]:
    """Somebody who looks at the many SLOs."""
    with visiting(browser, large.origin) as visitor:
        yield visitor


def names(page: Page) -> list[str]:
    """The SLOs in view, from top to bottom."""
    found: list[str] = page.evaluate(VISIBLE)
    return found


def listed(page: Page) -> Page:
    """Waits until the list has rows; the page."""
    page.locator(".g-row").first.wait_for()
    return page


def row(page: Page, name: str) -> Any:
    """The row of an SLO."""
    return page.locator(f".g-row[data-key='{name}']")


def test_the_list_says_state_budget_and_burn_in_words(visitor: Visitor) -> None:
    """The most urgent SLO stands first; each says its state as a word, its target, what is left and how it burns."""
    page = listed(visitor.open("/slos", viewport={"width": 1920, "height": 1080}))
    assert names(page) == ["ledger-availability", "shop/a:b", "orders-latency", "mail-availability", "web-availability"]
    burning = row(page, "ledger-availability")
    for words in ("burning", "99.9 %", "30 d · occurrences", "41 %", "16x", "40x", "18 h 27 min", "Accounts"):
        expect(burning).to_contain_text(words)
    expect(burning.locator(".fires.page")).to_have_text("16x")
    expect(row(page, "shop/a:b")).to_contain_text("−22 %")
    expect(row(page, "mail-availability")).to_contain_text("no data")
    expect(row(page, "mail-availability").locator(".budget b")).to_have_text("–")
    assert page.locator(".slo-legend b").all_inner_texts() == ["1", "1", "1", "1", "1"]
    expect(page.locator("nav.pages [aria-current]")).to_have_text("SLOs")


def test_it_sorts_finds_and_filters_and_the_address_keeps_it(visitor: Visitor) -> None:
    """A column sorts both ways and says so; a query and the filters narrow; a copied address shows the same."""
    page = listed(visitor.open("/slos"))
    head = page.locator("[role=columnheader]", has_text="Budget left")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert names(page) == ["shop/a:b", "orders-latency", "ledger-availability", "web-availability", "mail-availability"]
    head.get_by_role("button").click()
    assert names(page)[0] == "web-availability"
    assert names(page)[-1] == "mail-availability"
    page.keyboard.press("/")
    page.keyboard.type("budget<50% and not health:exhausted")
    eventually(lambda: names(page), ["ledger-availability", "orders-latency"])
    page.reload()
    assert names(listed(page)) == ["ledger-availability", "orders-latency"]
    page.locator("#find-slo").fill("kind:kk")
    expect(page.locator("#find-slo-says")).to_contain_text("Expected")
    expect(page.locator("#find-slo")).to_have_attribute("aria-invalid", "true")
    page.locator("#find-slo").press("Escape")
    page.locator("[data-state=at_risk]").click()
    eventually(lambda: names(page), ["orders-latency"])
    page.locator("[data-state=at_risk]").click()
    page.locator("[data-kind=default]").click()
    eventually(lambda: names(page), ["mail-availability"])


def test_domains_are_groups_that_close(visitor: Visitor) -> None:
    """Grouped, every domain has a heading with its states; closing one hides its rows, by click and by key."""
    page = listed(visitor.open("/slos"))
    page.get_by_role("button", name="By domain").click()
    heads = page.locator(".g-group")
    assert [text.split("\n")[0] for text in heads.all_inner_texts()] == ["Accounts", "Payments"]
    heads.first.click()
    expect(heads.first).to_have_attribute("aria-expanded", "false")
    eventually(lambda: "ledger-availability" in names(page), False)
    heads.first.press("Enter")
    eventually(lambda: "ledger-availability" in names(page), True)


def test_the_keyboard_reaches_an_slo_and_comes_back(visitor: Visitor) -> None:
    """Arrows walk the rows, Enter opens one beside the list, Escape closes it and the focus is on its row again."""
    page = listed(visitor.open("/slos", viewport={"width": 1600, "height": 900}))
    page.locator(".g-row").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".one h1")).to_have_text("orders · within 250 ms")
    assert page.url.endswith("/slos/orders-latency")
    expect(row(page, "orders-latency")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#slo-frame")).to_be_hidden()
    expect(row(page, "orders-latency")).to_be_focused()
    page.go_back()
    expect(page.locator(".one h1")).to_have_text("orders · within 250 ms")


def test_one_slo_explains_itself(visitor: Visitor) -> None:
    """State, sentence, figures, budget over time, burn of each rule with its threshold, alerts, and the document."""
    page = visitor.open("/slos/ledger-availability", permissions=["clipboard-read", "clipboard-write"])
    one = page.locator(".one")
    expect(one.locator(".why")).to_contain_text("Burning: 3.2 % of calls failed")
    expect(one.locator(".top p")).to_have_text("burning · 99.9 % · 30 d, rolling · occurrences · ledger-availability")
    facts = one.locator(".slo-facts").inner_text()
    for words in ("41 %", "18 h 27 min", "99.941 % of 99.9 %", "1,000,000", "98 %", "590 / 1,000"):
        assert words in facts
    expect(one.locator(".js-plotly-plot")).to_have_count(5)
    assert one.locator(".burns figcaption").all_inner_texts()[0].split("\n") == [
        "1 h and 5 min", "page from 14.4x", "16x · 40x",
    ]  # fmt: skip
    expect(one.locator(".alerts tbody tr")).to_have_count(4)
    expect(one.locator(".alerts tbody tr").first).to_contain_text("24 min, still firing")
    expect(one.locator("pre")).to_contain_text("name: ledger-availability")
    one.locator(".copy-text").click()
    eventually(lambda: page.evaluate("navigator.clipboard.readText()").startswith("apiVersion: openslo/v1"), True)
    one.locator("[data-range='7d']").click()
    expect(one.locator("[data-range='7d']")).to_have_attribute("aria-pressed", "true")


def test_what_spent_the_budget_leads_to_the_map_of_that_moment(small: House, visitor: Visitor) -> None:
    """The dearest interval is a link to a past map, which says as of when, stands still, and leads back to now."""
    page = visitor.open("/slos/ledger-availability")
    dearest = page.locator(".spent:not(.alerts) tbody tr")
    expect(dearest).to_have_count(10)
    expect(dearest.nth(1)).to_contain_text("ledger-db 94 %")
    dearest.nth(1).get_by_role("link", name="2025-12-23").click()
    drawn(page)
    past = page.locator(".past")
    expect(past).to_contain_text("As of 2025-12-23 09:00:00 UTC")
    expect(page.locator(".live")).to_have_text("Past")
    expect(title(page)).to_have_text("ledger")
    asked = AT_S - 9 * slo_entries.DAY_S + 3600
    assert {one[2] for one in small.shelf.asked if one[0] in ("snapshot", "service")} >= {asked}
    past.get_by_role("button", name="Back to now").click()
    expect(past).to_be_hidden()
    expect(page.locator(".live")).to_have_text("Live")
    page.go_back()
    expect(past).to_be_visible()


def test_the_panel_of_a_service_lists_its_slos(small: House, visitor: Visitor) -> None:
    """A selected service shows its SLOs with budget, burn by pair and coverage, each a link to its page."""
    page = drawn(visitor.open("/?select=prod/bank/ledger"))
    line = panel(page).locator(".slos tbody tr")
    expect(line).to_have_count(1)
    for words in ("answered without error", "99.9 % · 30 d · Coverage 98 %", "41 %", "16x", "40x"):
        expect(line).to_contain_text(words)
    expect(line.locator(".fires.page")).to_have_text("16x")
    line.get_by_role("link").click()
    expect(page.locator(".one h1")).to_have_text("ledger · answered without error")


def test_sources_name_the_faults_of_slo_documents(browser: Browser) -> None:
    """The page of the sources lists what is wrong in the documents, by file and line, as text."""
    with house(SLOS, faults=FAULTS) as home, visiting(browser, home.origin) as visitor:
        page = visitor.open("/sources")
        expect(page.locator(".slo-faults li").first).to_contain_text("bank.yaml:14")
        expect(page.locator(".slo-faults li").nth(1)).to_contain_text(HOSTILE)
        assert page.locator("[onerror]").count() == 0


def test_what_if_moves_the_target(visitor: Visitor) -> None:
    """Another target gives another budget over the same counts; nonsense is named; a threshold can be moved too."""
    page = visitor.open("/slos/orders-latency")
    trial = page.locator(".trial")
    expect(trial).to_contain_text("17 %")
    page.get_by_role("textbox", name="Target").fill("99.95")
    expect(trial.locator("tr", has_text="Budget left").locator("td").nth(1)).to_have_text("−66 %")
    page.get_by_role("textbox", name="Target").fill("101")
    expect(page.locator(".what-if [role=status]")).to_contain_text("above 0 and below 100")
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("textbox", name="Threshold").fill("500")
    expect(trial.locator("tr", has_text="Threshold").locator("td").nth(1)).to_have_text("500 ms")
    expect(page.locator(".what-if [role=status]")).to_contain_text("approximate")


def test_a_name_may_hold_anything_and_stays_text(visitor: Visitor) -> None:
    """An SLO with a slash and a colon in its name has its address; markup in its title is shown, not run."""
    page = listed(visitor.open("/slos"))
    row(page, "shop/a:b").click()
    expect(page.locator(".one h1")).to_have_text(f"shop · {HOSTILE}")
    assert page.url.endswith("/slos/shop%2Fa%3Ab")
    page.reload()
    expect(page.locator(".one h1")).to_have_text(f"shop · {HOSTILE}")
    assert page.locator("[onerror], [src=x]").count() == 0
    page.goto(visitor.origin + "/slos/nobody")
    expect(page.locator(".one h1")).to_have_text("nobody")
    expect(page.locator(".one .why")).to_contain_text("Nobody has written an SLO of this name")


def test_five_thousand_rows_are_few_elements(guest: Visitor) -> None:
    """Of 5,000 SLOs only those in view are in the page; the last one is a key away and can be opened."""
    page = listed(guest.open("/slos?sort=name"))
    expect(page.locator(".slo-top p")).to_contain_text("5000 objectives")
    assert page.locator(".g-row").count() < 60
    page.locator(".g-row").first.focus()
    page.keyboard.press("End")
    expect(row(page, "service4999-availability")).to_be_focused()
    assert page.locator(".g-row").count() < 60
    expect(page.locator("[role=treegrid]")).to_have_attribute("aria-rowcount", "5001")


def test_news_come_in_without_moving_the_reader(large: House, guest: Visitor) -> None:
    """A row changes where it stands: scroll position, focus and sort stay; a removed SLO leaves."""
    page = listed(guest.open("/slos?sort=name"))
    page.locator(".g-scroll").evaluate("(list) => { list.scrollTop = 54 * 2000 }")
    eventually(lambda: len(names(page)) > 5, True)
    held, gone = names(page)[4], names(page)[6]
    row(page, held).focus()
    before = page.locator(".g-scroll").evaluate("(list) => list.scrollTop")
    kept = dict(large.shelf.objectives)
    try:
        large.shelf.objectives[held] = {**kept[held], "state": "burning", "budget_left": 0.07}
        del large.shelf.objectives[gone]
        large.later(page)
        expect(row(page, held)).to_contain_text("7 %")
        expect(row(page, held)).to_be_focused()
        expect(row(page, gone)).to_have_count(0)
        assert page.locator(".g-scroll").evaluate("(list) => list.scrollTop") == before
    finally:
        large.shelf.objectives = kept


def words_of(page: Page) -> set[str]:
    """Every text a person can see, hear or hover on the page."""
    texts: list[str] = page.evaluate(
        """() => { const found = [], take = (text) => text?.trim() && found.push(text.trim());
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walk.nextNode())
          if (!walk.currentNode.parentElement.closest("script, style, code, pre")) take(walk.currentNode.textContent);
        for (const node of document.querySelectorAll("*")) for (const name of ["title", "aria-label", "placeholder"])
          take(node.getAttribute(name));
        return found }"""
    )
    return set(texts)


def test_no_english_is_left_over_in_chinese(visitor: Visitor) -> None:
    """In Chinese no word of English stands in the list, on one SLO, or over a past map; no message is missing."""
    page = listed(visitor.open("/slos?lang=zh", viewport={"width": 1920, "height": 1080}, locale="zh-CN"))
    expect(page.locator("h1").first).to_have_text("SLO")
    page.get_by_role("button", name="按业务域").click()
    row(page, "orders-latency").click()
    expect(page.locator(".one h1")).to_contain_text("250 毫秒内")
    expect(page.locator(".trial")).to_contain_text("%")
    seen = words_of(page)
    page.goto(f"{visitor.origin}/?lang=zh&at=2025-12-23T09:00:00.000Z")
    drawn(page)
    seen |= set(page.locator(".past").all_inner_texts())
    allowed = r"health:burning or budget<20%|[a-z]+[:~<>][a-z0-9%]+|、name~order|and、or、not"
    said = {re.sub(allowed, "", text) for text in seen}
    assert {text for text in said if set(LATIN.findall(text)) - TECHNICAL} == set()
    assert [text for text in seen if re.fullmatch(r"(slo|panel|past|state|unit)\.[a-z_.]+", text)] == []


def test_a_telephone_shows_the_list_and_one_slo(visitor: Visitor) -> None:
    """At 390x844 nothing scrolls sideways; a row opens over the list, and closing it shows the list again."""
    page = listed(visitor.open("/slos", viewport={"width": 390, "height": 844}, has_touch=True))
    sideways = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    assert page.evaluate(sideways) == 390
    row(page, "ledger-availability").tap()
    expect(page.locator(".one h1")).to_contain_text("ledger")
    expect(page.locator(".objectives")).to_be_hidden()
    assert page.evaluate(sideways) == 390
    assert page.locator(".one").evaluate("(one) => one.scrollWidth - one.clientWidth") <= 0
    page.locator(".slo-close").tap()
    expect(row(page, "ledger-availability")).to_be_visible()


def test_under_a_path_of_a_proxy_everything_works(browser: Browser) -> None:
    """Published below /syn/ the list, a deep link, the trial and the links of the page stay below it."""
    with house(SLOS, base="/syn/") as home, visiting(browser, home.origin) as visitor:
        page = listed(visitor.open("/syn/slos"))
        row(page, "orders-latency").click()
        expect(page.locator(".one h1")).to_contain_text("orders")
        assert page.url == f"{home.origin}/syn/slos/orders-latency"
        page.reload()
        expect(page.locator(".trial")).to_contain_text("17 %")
        link = page.locator(".spent a").first.get_attribute("href")
        assert link is not None
        assert link.startswith("/syn/?at=")


def test_faults_and_the_first_steps_stand_above_the_list(browser: Browser) -> None:
    """Faults are named by file and line, as text; where only defaults apply, a command to copy says how to begin."""
    defaults = [entry("web-availability", default=True)]
    with house(defaults, faults=FAULTS) as home, visiting(browser, home.origin) as visitor:
        page = listed(visitor.open("/slos", permissions=["clipboard-read", "clipboard-write"]))
        lines = page.locator(".slo-faults li").all_inner_texts()
        assert [re.sub(r"\s+", " ", line) for line in lines] == [
            "fault bank.yaml:14 spec.objectives[0].target: expected a number between 0 and 1, found 99.9",
            f"warning cards.yaml:3 metadata.name: {HOSTILE}",
        ]
        assert page.locator("[onerror]").count() == 0
        page.locator(".slo-first").get_by_role("button", name="Copy").click()
        expect(page.locator(".slo-first .done")).to_have_text("Copied")
        assert "synoptic slo new --service" in page.evaluate("navigator.clipboard.readText()")


def test_a_server_that_goes_away_is_said(browser: Browser) -> None:
    """When the table cannot be had the list stays, and says since when it is old; it recovers by itself."""
    with house(SLOS) as home, visiting(browser, home.origin) as visitor:
        page = listed(visitor.open("/slos"))
        page.route("**/slo-table*", lambda route: route.abort())
        home.later(page)
        expect(page.locator(".slo-top p")).to_contain_text("the server does not answer")
        assert len(names(page)) == 5
        page.unroute("**/slo-table*")
        home.later(page)
        expect(page.locator(".slo-top p")).not_to_contain_text("does not answer")
        assert visitor.watch.forgive("ERR_FAILED") >= 1


def test_the_other_theme_redraws_the_charts(visitor: Visitor) -> None:
    """Switching to light changes the colours of the figures too, without a reload."""
    page = visitor.open("/slos/ledger-availability")
    stroke = "() => document.querySelectorAll('#slo-budget .js-line')[1]?.style.stroke"
    eventually(lambda: bool(page.evaluate(stroke)), True)
    dark = page.evaluate(stroke)
    page.evaluate("() => { window.notReloaded = true }")
    page.get_by_role("button", name="Dark or light").click()
    eventually(lambda: page.evaluate(stroke) not in (None, dark), True)
    assert page.evaluate("window.notReloaded") is True
