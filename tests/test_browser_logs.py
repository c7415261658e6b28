"""The page of log lines in a real browser: searched while one waits, cancelled, filtered, read by keyboard."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from browsing import Visitor, eventually, visiting
from playwright.sync_api import Browser, Page, expect
from snapshots import AT, Shelf
from web_server import serving

from app.engine.moments import rfc3339
from app.links import Link
from app.web import WebOptions

pytestmark = pytest.mark.browser

NOW_S = float(int(time.time()))
HOSTILE = '<img src=x onerror="alert(1)">'
LEDGER, WEB = "prod/bank/ledger", "prod/bank/web"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def line(n: int, body: str, **more: object) -> dict[str, object]:
    """A line as the interface tells it."""
    return {"time": rfc3339(NOW_S - n), "service": LEDGER, "level": "error", "body": body,
            "trace_id": None, "span_id": None, "instance": "ledger-1", "operation": None, "stack": None,
            "pattern": "p-0123456789ab", **more}  # fmt: skip


LINES = [
    line(0, "Lock wait timeout exceeded in order 7001", trace_id=TRACE, span_id="00f067aa0ba902b7",
         operation="POST /pay", stack="java.sql.SQLException\n  at bank.Ledger.book(Ledger.java:42)"),
    line(3, HOSTILE, service=WEB, level="fatal", pattern=None), line(9, "Retry of lock 7000", level="warn"),
]  # fmt: skip
PATTERNS = [
    {"id": "p-0123456789ab", "service": LEDGER, "template": "Lock wait timeout exceeded in order <number>",
     "level": "error", "count": 12, "first_seen": AT, "last_seen": AT, "is_new": True},
    {"id": "p-ba9876543210", "service": WEB, "template": HOSTILE, "level": "fatal", "count": 1, "first_seen": AT,
     "last_seen": AT, "is_new": False},
]
GRAFANA = Link("Grafana", "https://grafana.example/d/x?var-service={service}")


@pytest.fixture
def shelf() -> Shelf:
    """An engine with three lines of two patterns."""
    shelf = Shelf(lines=LINES)
    shelf.patterns = PATTERNS
    return shelf


@pytest.fixture
def visitor(browser: Browser, shelf: Shelf) -> Iterator[Visitor]:
    """Somebody who reads logs; nothing forbidden may happen on any page."""
    with (serving(shelf, WebOptions(links=(GRAFANA,))) as client,
          visiting(browser, str(client.base_url).rstrip("/")) as visitor):
        yield visitor


def found(page: Page) -> list[str]:
    """The words of the lines that are shown."""
    return page.locator(".log-line summary code").all_inner_texts()


def asked(shelf: Shelf) -> dict[str, object]:
    """What was searched for last."""
    nothing: dict[str, object] = dict.fromkeys(("trace_id", "service", "pattern"))
    return next((one[1] for one in reversed(shelf.asked) if one[0] == "find_lines"), nothing)


def test_lines_and_patterns_are_found_without_being_asked_for(visitor: Visitor) -> None:
    """The page searches the last hour, says that it came to the end, and lists patterns, new ones first."""
    page = visitor.open("/logs")
    eventually(lambda: found(page), [one["body"] for one in LINES])
    expect(page.get_by_role("status")).to_contain_text("3 lines · searched to the end")
    first = page.locator(".log-patterns li").first
    expect(first).to_contain_text("new")
    expect(first).to_contain_text("Lock wait timeout exceeded in order <number>")
    expect(page.locator(".log-patterns li").nth(1)).to_contain_text(HOSTILE)
    expect(page.locator("nav.pages [aria-current]")).to_have_text("Logs")
    expect(page.locator(".log-cancel")).to_be_hidden()


def test_a_search_shows_what_it_has_and_can_be_cancelled(visitor: Visitor, shelf: Shelf) -> None:
    """While a search goes on its first lines are there and it says how far back it came; cancelled, it can go on from
    there."""
    shelf.searching.clear()
    page = visitor.open("/logs")
    eventually(lambda: found(page), [LINES[0]["body"]])
    expect(page.get_by_role("status")).to_contain_text("searched back to 20")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("1 line · cancelled")
    shelf.searching.set()
    shelf.lines = LINES[1:]
    page.get_by_role("button", name="Search on").click()
    eventually(lambda: found(page), [one["body"] for one in LINES])
    assert asked(shelf)["to_s"] == pytest.approx(NOW_S)


def test_filters_are_asked_for_and_stand_in_the_address(visitor: Visitor, shelf: Shelf) -> None:
    """Text, level, service, time, trace and pattern reach the search, and a copied address asks for the same."""
    page = visitor.open(f"/logs?trace={TRACE}&pattern=p-0123456789ab")
    eventually(lambda: asked(shelf)["trace_id"], TRACE)
    page.keyboard.press("/")
    page.keyboard.type("lock")
    page.keyboard.press("Enter")
    page.get_by_label("Level").select_option("error,fatal")
    page.get_by_role("button", name="6 h").click()
    page.get_by_label("Service").fill(LEDGER)
    page.get_by_label("Service").press("Enter")
    eventually(lambda: asked(shelf)["service"], LEDGER)
    page.reload()
    eventually(lambda: len(found(page)), 3)
    last = asked(shelf)
    assert {key: last[key] for key in ("text", "levels", "service", "trace_id", "pattern")} == {
        "text": "lock", "levels": ("error", "fatal"), "service": LEDGER, "trace_id": TRACE, "pattern": ""}
    assert last["to_s"] - last["from_s"] == 6 * 3600
    assert page.locator(".log-line mark").all_inner_texts() == ["Lock", "lock"]
    page.get_by_role("button", name="trace 4bf92f35").click()
    eventually(lambda: asked(shelf)["trace_id"], "")


def test_a_pattern_is_pressed_for_its_lines(visitor: Visitor, shelf: Shelf) -> None:
    """A pattern narrows the lines to its own and its service, and lets go when it is pressed again."""
    page = visitor.open("/logs")
    pattern = page.locator("[data-pattern=p-0123456789ab]")
    pattern.click()
    eventually(lambda: (asked(shelf)["pattern"], asked(shelf)["service"]), ("p-0123456789ab", LEDGER))
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


def test_nothing_found_faults_and_failures_are_said(visitor: Visitor, shelf: Shelf) -> None:
    """No line, a source that could not be searched, and a search that breaks off each say so; it can be tried again."""
    shelf.lines, shelf.patterns = [], []
    page = visitor.open("/logs")
    expect(page.locator(".log-end")).to_contain_text("No line matches in this time.")
    expect(page.locator(".log-side")).to_contain_text("No error lines in this time.")
    shelf.lines, shelf.unsearched = LINES, ["logs: no answer within 20 s"]
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("logs: no answer within 20 s")

    def broken(_query: object, _cancelled: object) -> Iterator[dict[str, object]]:
        raise RuntimeError("oops")
        yield

    good, shelf.find_lines = shelf.find_lines, broken  # type: ignore[method-assign, assignment]
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("the search broke off")
    shelf.find_lines = good  # type: ignore[method-assign]
    page.get_by_role("button", name="Search on").click()
    eventually(lambda: len(found(page)), 3)


@pytest.mark.parametrize("width", [390, 1440])
def test_it_speaks_chinese_and_fits_every_screen(visitor: Visitor, width: int) -> None:
    """In Chinese and in the light theme too, nothing is wider than the screen."""
    page = visitor.open("/logs?lang=zh&theme=light", viewport={"width": width, "height": 860})
    eventually(lambda: len(found(page)), 3)
    expect(page.get_by_role("status")).to_contain_text("3 条日志")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
