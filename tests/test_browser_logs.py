"""The page of log lines in a real browser: searched while one waits, cancelled, filtered, read by keyboard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from browsing import Visitor, eventually, visiting
from finders import FailingLines, Lines
from playwright.sync_api import Browser, Page, expect
from snapshots import AT, Shelf, node, snapshot
from web_server import serving

from app.links import Link
from app.searching import Searches
from app.web import WebOptions
from collectors.contract import FoundLine
from topology.errors import SourceUnavailable, Why
from topology.model import Service

pytestmark = pytest.mark.browser

NOW_S = float(int(time.time()))
HOSTILE = '<img src=x onerror="alert(1)">'
LEDGER, WEB = Service("prod", "bank", "ledger"), Service("prod", "bank", "web")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def line(n: int, body: str, **more: object) -> FoundLine:
    """A line of the ledger, `n` seconds old; what the engine knows of it beside stands in its attributes."""
    known = {key: str(more.pop(key)) for key in ("operation", "stack", "pattern") if key in more}
    made = FoundLine(NOW_S - n, LEDGER, "error", body, instance="ledger-1", attributes=known)
    return replace(made, **more)  # type: ignore[arg-type]


LINES = [
    line(0, "Lock wait timeout exceeded in order 7001", trace_id=TRACE, span_id="00f067aa0ba902b7",
         operation="POST /pay", stack="java.sql.SQLException\n  at bank.Ledger.book(Ledger.java:42)",
         pattern="p-0123456789ab"),
    line(3, HOSTILE, service=WEB, level="fatal"), line(9, "Retry of lock 7000", level="warn", trace_id=TRACE),
]  # fmt: skip
PATTERNS = [
    {"id": "p-0123456789ab", "service": LEDGER.id, "service_title": {"en": "Ledger", "zh": "总账"},
     "template": "Lock wait timeout exceeded in order <number>", "level": "error", "count": 12,
     "first_seen": AT, "last_seen": AT, "is_new": True},
    {"id": "p-ba9876543210", "service": WEB.id, "service_title": {"en": "web", "zh": "网店"}, "template": HOSTILE,
     "level": "fatal", "count": 1, "first_seen": AT, "last_seen": AT, "is_new": False},
]
GRAFANA = Link("Grafana", "https://grafana.example/d/x?var-service={service}")


@pytest.fixture
def shelf() -> Shelf:
    """An engine that knows two patterns, and the ledger by a title."""
    ledger = node("ledger", title={"en": "Ledger", "zh": "总账"})
    shelf = Shelf(snapshot([ledger, node("web", title={"en": "web", "zh": "网店"})]))
    shelf.patterns = PATTERNS
    return shelf


@pytest.fixture
def source() -> Iterator[Lines]:
    """A source with three lines, which is let go in the end."""
    source = Lines(*LINES)
    yield source
    source.go.set()


@pytest.fixture
def visitor(browser: Browser, shelf: Shelf, source: Lines) -> Iterator[Visitor]:
    """Somebody who reads logs; nothing forbidden may happen on any page."""
    with (serving(shelf, WebOptions(links=(GRAFANA,)), searches=Searches({"es": source})) as client,
          visiting(browser, str(client.base_url).rstrip("/")) as visitor):
        yield visitor


def found(page: Page) -> list[str]:
    """The words of the lines that are shown."""
    return page.locator(".log-line summary code").all_inner_texts()


def asked(shelf: Shelf) -> dict[str, Any]:
    """What was searched for last: wait for one wish before the next, since each comes over a connection of its own and
    the one that was given up may come later."""
    nothing: dict[str, Any] = dict.fromkeys(("trace_id", "service", "pattern"))
    return next((one[1] for one in reversed(shelf.asked) if one[0] == "line_search"), nothing)


def span_s(search: dict[str, Any]) -> float:
    """How long a time a search goes through."""
    return float(search["to_s"] - search["from_s"])


def test_lines_and_patterns_are_found_without_being_asked_for(visitor: Visitor) -> None:
    """The page searches the last hour, says that it came to the end, and lists patterns, new ones first."""
    page = visitor.open("/logs")
    eventually(lambda: found(page), [one.body for one in LINES])
    expect(page.get_by_role("status")).to_contain_text("3 lines · searched to the end")
    first = page.locator(".log-patterns li").first
    expect(first).to_contain_text("new")
    expect(first).to_contain_text("Lock wait timeout exceeded in order <number>")
    expect(page.locator(".log-patterns li").nth(1)).to_contain_text(HOSTILE)
    expect(page.locator("nav.pages [aria-current]")).to_have_text("Logs")
    expect(page.locator(".log-cancel")).to_be_hidden()


def test_a_search_shows_what_it_has_and_can_be_cancelled(visitor: Visitor, shelf: Shelf, source: Lines) -> None:
    """While a search goes on its first lines are there and it says how far back it came; cancelled, it can go on from
    there."""
    source.go.clear()
    page = visitor.open("/logs")
    eventually(lambda: found(page), [LINES[0].body])
    expect(page.get_by_role("status")).to_contain_text("searched back to 20")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("1 line · cancelled")
    expect(page.locator(".asked [data-source=es]")).to_have_text("es cancelled")
    source.go.set()
    page.get_by_role("button", name="Search on").click()
    eventually(lambda: found(page), [one.body for one in LINES])
    assert asked(shelf)["to_s"] == pytest.approx(NOW_S)


def test_filters_are_asked_for_and_stand_in_the_address(visitor: Visitor, shelf: Shelf) -> None:
    """Text, level, service, time, trace and pattern reach the search, and a copied address asks for the same."""
    page = visitor.open(f"/logs?trace={TRACE}&pattern=p-0123456789ab")
    eventually(lambda: asked(shelf)["trace_id"], TRACE)
    page.keyboard.press("/")
    page.keyboard.type("lock")
    page.keyboard.press("Enter")
    eventually(lambda: asked(shelf)["text"], "lock")
    page.get_by_label("Level").select_option("error,fatal")
    eventually(lambda: asked(shelf)["levels"], ("error", "fatal"))
    page.get_by_role("button", name="6 h").click()
    eventually(lambda: span_s(asked(shelf)), 6 * 3600)
    page.get_by_label("Service").select_option(label="Ledger")
    eventually(lambda: asked(shelf)["service"], LEDGER.id)
    page.reload()
    eventually(lambda: len(found(page)), 2)
    last = asked(shelf)
    assert {key: last[key] for key in ("text", "levels", "service", "trace_id", "pattern")} == {
        "text": "lock", "levels": ("error", "fatal"), "service": LEDGER.id, "trace_id": TRACE, "pattern": ""}
    assert span_s(last) == 6 * 3600
    assert page.locator(".log-line mark").all_inner_texts() == ["Lock", "lock"]
    page.get_by_role("button", name="trace 4bf92f35").click()
    eventually(lambda: asked(shelf)["trace_id"], "")


def test_a_pattern_is_pressed_for_its_lines(visitor: Visitor, shelf: Shelf) -> None:
    """A pattern narrows the lines to its own and its service, and lets go when it is pressed again."""
    page = visitor.open("/logs")
    pattern = page.locator("[data-pattern=p-0123456789ab]")
    pattern.click()
    eventually(lambda: (asked(shelf)["pattern"], asked(shelf)["service"]), ("p-0123456789ab", LEDGER.id))
    expect(pattern).to_have_attribute("aria-pressed", "true")
    pattern.click()
    eventually(lambda: asked(shelf)["pattern"], "")


def test_a_line_opens_by_keyboard_and_leads_on(visitor: Visitor) -> None:
    """Arrows go from line to line, Enter opens one: what is known of it, its stack, and links to its trace, the map and
    the tools of the house."""
    page = visitor.open("/logs")
    eventually(lambda: len(found(page)), 3)
    page.locator(".log-line summary").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    more = page.locator(".log-line[open] .log-more")
    expect(more).to_contain_text("POST /pay")
    expect(more.locator("pre")).to_contain_text("Ledger.java:42")
    expect(more.get_by_role("link", name="Open the trace")).to_have_attribute("href", f"/traces/{TRACE}")
    expect(more.get_by_role("link", name="Show on the map")).to_have_attribute("href", "/?select=prod%2Fbank%2Fledger")
    expect(more.get_by_role("link", name="Grafana")).to_have_attribute(
        "href", "https://grafana.example/d/x?var-service=ledger")


def test_nothing_found_and_failures_are_said(visitor: Visitor, shelf: Shelf, source: Lines) -> None:
    """No line found, and a search that breaks off, each say so; it can be tried again."""
    source.found, shelf.patterns = (), []
    page = visitor.open("/logs")
    expect(page.locator(".log-end")).to_contain_text("No line matches in this time.")
    expect(page.locator(".log-side")).to_contain_text("No error lines in this time.")

    def broken(_lines: object) -> list[dict[str, object]]:
        raise RuntimeError("oops")

    good, source.found = shelf.told_lines, LINES
    shelf.told_lines = lambda lines: broken(lines) if lines else good(lines)  # type: ignore[method-assign]
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("the search broke off")
    shelf.told_lines = good  # type: ignore[method-assign]
    page.get_by_role("button", name="Search on").click()
    eventually(lambda: len(found(page)), 3)


def test_every_source_is_told_of_by_itself(browser: Browser, shelf: Shelf) -> None:
    """What one source has is shown with where it is from, in its place also when it comes late; one that cannot be
    searched says why."""
    slow = Lines(*(replace(one, time_s=one.time_s - 1, body=f"late {n}") for n, one in enumerate(LINES)))
    slow.go.clear()
    broken = FailingLines(SourceUnavailable("no answer within 20 s", why=Why.SLOW))
    sources = {"es": Lines(*LINES), "slow": slow, "old": broken}
    with (serving(shelf, searches=Searches(sources)) as client,
          visiting(browser, str(client.base_url).rstrip("/")) as visitor):
        page = visitor.open("/logs")
        said = page.locator(".asked")
        expect(said.locator("[data-source=old]")).to_have_text("old no answer within 20 s")
        eventually(lambda: found(page), [LINES[0].body, "late 0", LINES[1].body, LINES[2].body])
        expect(said.locator("[data-source=es]")).to_have_text("es 3 found")
        expect(said.locator("[data-source=slow]")).to_contain_text("is asked, for")
        slow.go.set()
        eventually(lambda: found(page), [LINES[0].body, "late 0", LINES[1].body, "late 1", LINES[2].body, "late 2"])
        expect(page.get_by_role("status")).to_contain_text("but not every source answered")
        page.get_by_text("late 1").click()
        expect(page.locator(".log-line[open] dl")).to_contain_text("slow")


def test_services_are_called_by_their_titles(visitor: Visitor) -> None:
    """Lines, patterns and the choice of services call a service what the house calls it, in the reader's language; its
    id stands beside."""
    page = visitor.open("/logs?lang=zh")
    eventually(lambda: page.locator(".log-line .whose").all_inner_texts(), ["总账", "网店", "总账"])
    expect(page.locator(".log-line .whose").first).to_have_attribute("title", LEDGER.id)
    expect(page.locator(".log-patterns small").first).to_have_text("总账")
    assert page.locator("#search-service option").all_inner_texts()[1:] == ["总账", "网店"]
    page.locator(".log-line summary").first.click()
    expect(page.locator(".log-line[open] dl")).to_contain_text(f"总账 ({LEDGER.id})")


@pytest.mark.parametrize("width", [390, 1440])
def test_it_speaks_chinese_and_fits_every_screen(visitor: Visitor, width: int) -> None:
    """In Chinese and in the light theme too, nothing is wider than the screen."""
    page = visitor.open("/logs?lang=zh&theme=light", viewport={"width": width, "height": 860})
    eventually(lambda: len(found(page)), 3)
    expect(page.get_by_role("status")).to_contain_text("3 条日志")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
