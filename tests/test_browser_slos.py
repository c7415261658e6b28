"""The list of SLOs in a real browser: long, smooth, sorted, found in, and true without moving the reader."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from browsing import Visitor, drawn, eventually, visiting
from playwright.sync_api import Browser, Page, expect
from slo_entries import entry, many
from slo_house import FAULTS, HOSTILE, SLOS, House, house, listed, names, row

pytestmark = pytest.mark.browser

LATIN = re.compile(r"[A-Za-z]{3,}")
TECHNICAL = {
    "Synoptic", "SLO", "CSV", "UTC", "OpenSLO", "health", "burning", "budget", "ledger", "orders", "web", "mail",
    "availability", "latency", "img", "src", "onerror", "alert", "config", "slos", "bank", "yaml", "What", "customers",
    "feel", "when", "they", "pay", "shop",
}  # fmt: skip


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
