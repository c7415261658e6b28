"""One SLO in a real browser: why, how its budget was spent, what if; its place on the map, and the map of a past."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import slo_entries
from browsing import Visitor, drawn, eventually, panel, title, visiting
from playwright.sync_api import Browser, expect
from slo_entries import AT_S
from slo_house import FAULTS, HOSTILE, SLOS, House, house, listed, row

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def small() -> Iterator[House]:
    """One SLO in every state."""
    with house(SLOS) as opened:
        yield opened


@pytest.fixture
def visitor(browser: Browser, small: House) -> Iterator[Visitor]:
    """Somebody who looks at the few SLOs; nothing forbidden may happen on any page."""
    with visiting(browser, small.origin) as visitor:
        yield visitor


def test_one_slo_explains_itself(visitor: Visitor) -> None:
    """State, sentence, figures, budget over time, burn of each rule with its threshold, alerts, and the document."""
    page = visitor.open("/slos/ledger-availability", permissions=["clipboard-read", "clipboard-write"])
    one = page.locator(".one")
    expect(one.locator(".why")).to_contain_text("Burning: 3.2 % of calls failed")
    expect(one.locator(".top p")).to_have_text("burning · 99.9 % · 30 d, rolling · occurrences · ledger-availability")
    facts = one.locator(".slo-facts").inner_text()
    for words in ("41 %", "18 h 27 min", "Good, promised 99.9 %\n99.941 %", "1,000,000", "98 %", "590 / 1,000"):
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
    expect(page.locator(".what-if [role=status]")).to_contain_text("no bound of the histograms")


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
