"""The page of traces in a real browser: every source by itself, what is asked for in the address, one trace with its
log lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from browsing import Visitor, eventually, visiting
from finders import Slow, Source, Traces, found
from playwright.sync_api import Browser, Page, expect
from test_browser_slos import LATIN, words_of
from trace_house import HOSTILE, KEPT, NATIVE, ORDERS, House, house, sources

pytestmark = pytest.mark.browser

HOUR = "from=2026-01-01T07:00:00Z&to=2026-01-01T08:00:00Z"
OTHER = "from=2026-01-01T07:30:00.000Z&to=2026-01-01T08:00:00.000Z"
TECHNICAL = {
    "Synoptic", "SLO", "UTC", "bank", "prod", "oap", "jaeger", "old", "nobody", "listens", "there", "POST", "GET",
    "page", "entries", "entry", "refused", "lock", "wait", "timeout", "retry", "orders", "ledger", "web", "mail", "img",
    "src", "onerror", "alert", "call", "statement", "service", "instance",
}  # fmt: skip


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    """A house one of whose sources never answers, one of which is down, and one of which has most."""
    with house() as opened:
        yield opened


@pytest.fixture
def visitor(browser: Browser, home: House) -> Iterator[Visitor]:
    """Somebody who looks for traces; nothing forbidden may happen on any page."""
    with visiting(browser, home.origin) as visitor:
        yield visitor


def listed(page: Page) -> Page:
    """Waits until the list has rows; the page."""
    page.locator(".found-traces tbody tr").first.wait_for()
    return page


def ids(page: Page) -> list[str]:
    """The traces in the list, from top to bottom."""
    rows = page.locator(".found-traces tbody tr")
    found_ids: list[str] = rows.evaluate_all("(rows) => rows.map((row) => row.dataset.id)")
    return found_ids


def address(page: Page) -> str:
    """Where the page is now."""
    here: str = page.evaluate("location.href")
    return here


def source(page: Page, name: str) -> str:
    """What is said of a source."""
    return re.sub(r"\s+", " ", page.locator(f".asked [data-source='{name}']").inner_text())


def test_every_source_is_told_of_by_itself(visitor: Visitor) -> None:
    """What one source has is shown while another is waited for, with how long; a failure is one line in its words."""
    page = listed(visitor.open(f"/traces?{HOUR}"))
    eventually(lambda: source(page, "old"), "old nobody listens there")
    eventually(lambda: source(page, "bank-oap"), "bank-oap 26 found")
    assert source(page, "kept here") == "kept here 1 found"
    eventually(lambda: bool(re.fullmatch(r"jaeger is asked, for [1-9] s now …", source(page, "jaeger"))), True)
    assert page.locator(".slo-top p").inner_text() == "27 traces · searching …"
    assert ids(page)[:3] == [KEPT["trace_id"], NATIVE, "c3" * 16]
    row = page.locator(f"[data-id='{NATIVE}']")
    for words in ("2026-01-01 07:59:00", "orders", "POST /orders", "failed", "120 ms", "3", "bank-oap"):
        expect(row).to_contain_text(words)
    expect(page.locator(f"[data-id='{'c3' * 16}'] a")).to_have_text(HOSTILE)
    expect(page.locator("nav.pages [aria-current]")).to_have_text("Traces")


def test_a_search_can_be_cancelled_and_begun_again(visitor: Visitor) -> None:
    """Cancelling, by button or Escape, keeps what is there and says so; a new search asks everybody again."""
    page = listed(visitor.open(f"/traces?{HOUR}"))
    page.get_by_role("button", name="Cancel").click()
    assert source(page, "jaeger") == "jaeger cancelled"
    assert len(ids(page)) == 27
    again = page.get_by_role("button", name="Search again")
    expect(again).to_be_focused()
    again.click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.keyboard.press("Escape")
    eventually(lambda: source(page, "jaeger"), "jaeger cancelled")


def test_what_is_asked_for_stands_in_the_address(visitor: Visitor, home: House) -> None:
    """Service, time, least duration and failures narrow the search and make the address; a copied one shows the same,
    and Back undoes a step."""
    page = listed(visitor.open(f"/traces?{HOUR}"))
    page.get_by_label("Service").select_option(label="orders")
    eventually(lambda: source(page, "bank-oap"), "bank-oap 1 found")
    page.get_by_role("button", name="Failed only").click()
    page.get_by_label("At least").fill("100")
    eventually(lambda: address(page), f"{home.origin}/traces?from=2026-01-01T07%3A00%3A00.000Z"
                                      "&to=2026-01-01T08%3A00%3A00.000Z&service=prod%2Fbank%2Forders&errors=1&min_ms=100")
    eventually(lambda: NATIVE in ids(page), True)
    assert "c3" * 16 not in ids(page)
    copy = listed(visitor.open(address(page).removeprefix(home.origin)))
    eventually(lambda: NATIVE in ids(copy), True)
    expect(copy.get_by_label("Service")).to_have_value(ORDERS.id)
    expect(copy.get_by_label("At least")).to_have_value("100")
    expect(copy.get_by_role("button", name="Failed only")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="6 h").click()
    eventually(lambda: "range=6h" in address(page) and "from=" not in address(page), True)
    page.go_back()
    expect(page.get_by_role("button", name="Other")).to_have_attribute("aria-pressed", "true")
    eventually(lambda: source(page, "bank-oap"), "bank-oap 1 found")


def test_an_own_time_is_chosen_and_checked(visitor: Visitor) -> None:
    """From and to are in the viewer's zone; a time that ends before it begins is said and asks nobody."""
    page = visitor.open(f"/traces?{OTHER}", timezone_id="Asia/Shanghai")
    expect(page.get_by_label("From")).to_have_value("2026-01-01T15:30")
    expect(page.locator(".own-time")).to_contain_text("UTC+8")
    page.get_by_label("To", exact=True).fill("2026-01-01T15:00:00")
    page.get_by_label("To", exact=True).blur()
    expect(page.locator(".slo-top p")).to_have_text("The time must begin before it ends.")
    assert page.locator(".asked li").count() == 0


def test_the_list_is_walked_by_keys(visitor: Visitor) -> None:
    """One row is reached by Tab, arrows lead on, Enter opens, and the page of the trace says what it is."""
    page = listed(visitor.open(f"/traces?{HOUR}"))
    eventually(lambda: len(ids(page)), 27)
    page.locator(f"[data-id='{KEPT['trace_id']}'] a").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(f"[data-id='{NATIVE}'] a")).to_be_focused()
    assert page.locator(".found-traces a[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("orders POST /orders")
    assert page.url.endswith(f"/traces/{NATIVE}")


def test_a_trace_of_a_source_opens_with_its_log_lines(visitor: Visitor) -> None:
    """The waterfall says where it is from and that it is not whole; lines stand below with time and level, marked in
    the row of their span, and lead there and back."""
    page = visitor.open(f"/traces/{NATIVE}")
    expect(page.locator("h1")).to_have_text("orders POST /orders")
    expect(page.locator("header p")).to_contain_text("from bank-oap")
    expect(page.locator(".partial")).to_contain_text("not complete")
    assert page.locator(".waterfall .name b").all_inner_texts() == ["orders", "orders", "ledger"]
    lines = page.locator(".lines li")
    expect(lines).to_have_count(3)
    assert [re.sub(r"\s+", " ", one).strip() for one in lines.all_inner_texts()] == [
        "07:59:00.010 info orders order received es",
        "07:59:00.040 error ledger entry refused: lock wait timeout to its span es",
        f"07:59:00.050 warning ledger retry {HOSTILE} to its span es",
    ]
    marks = page.locator(".line-mark")
    assert [mark.get_attribute("href") for mark in marks.all()] == ["#line-2", "#line-1"]
    share = page.locator("#row-2 .line-mark").evaluate("(m) => parseFloat(m.style.left)")
    assert share == pytest.approx(40 / 120 * 100, abs=0.01)
    lines.nth(1).get_by_text("to its span").click()
    assert page.url.endswith("#row-2")
    expect(page.locator("#row-2:target")).to_be_visible()
    page.locator("#row-2 summary").click()
    expect(page.locator("#row-2 .attributes")).to_contain_text(HOSTILE)
    assert page.locator("[onerror]").count() == 0


def test_a_trace_that_is_waited_for_says_so(browser: Browser) -> None:
    """While sources are asked the page names them; when nobody has it, it says who could not be asked."""
    asked = sources()
    with house(asked) as home, visiting(browser, home.origin) as visitor:
        page = visitor.open("/traces/ffff")
        expect(page.locator(".pulse")).to_contain_text("Asking bank-oap, jaeger, old")
        slow = asked["jaeger"]
        assert isinstance(slow, Slow)
        slow.go.set()
        expect(page.locator("h1")).to_have_text("This trace was not kept")
        expect(page.locator(".trouble")).to_have_text("old: nobody listens there")
        expect(page.locator("header p").last).to_contain_text("Asked for it: bank-oap, jaeger, old.")
        page.get_by_text("Search traces").click()
        listed(page)


def test_rows_of_several_sources_are_one_list(visitor: Visitor) -> None:
    """A kept trace is one row however many services are in it; a row of a source stands before the kept one of the same
    trace, which it says is kept too; equal ones of two sources are one."""
    page = listed(visitor.open(f"/traces?{HOUR}"))
    merged = page.evaluate(
        """async () => { const m = await import(`${document.body.dataset.assets}traces/search.mjs`);
        const row = (trace_id, at, more) => ({ trace_id, at, source: null, kept: true, failed: false, ...more });
        const kept = m.wholes([row("a", "2", { duration_ms: 3, failed: true }), row("a", "1", { duration_ms: 9 })]);
        const oap = [row("a", "1", { source: "oap", kept: false }), row("b", "3", { source: "oap", kept: false })];
        const jaeger = [row("b", "3", { source: "jaeger", kept: false })];
        return [kept, m.merged([kept, oap, jaeger])] }"""
    )
    kept, rows = merged
    assert [(one["at"], one["duration_ms"], one["failed"]) for one in kept] == [("1", 9, True)]
    assert [(one["trace_id"], one["source"], one["kept"]) for one in rows] == [("b", "oap", False), ("a", "oap", True)]


def test_empty_states_say_what_to_do(browser: Browser) -> None:
    """Nothing found offers to drop the filters; without a source that can be searched the page says so."""
    with house({"bank-oap": Traces(found("a" * 32, 60))}) as home, visiting(browser, home.origin) as visitor:
        home.shelf.kept.clear()
        page = visitor.open(f"/traces?{HOUR}&errors=1")
        expect(page.locator(".slo-first h2")).to_have_text("No trace matches")
        page.get_by_role("button", name="Drop the filters").click()
        eventually(lambda: ids(page), ["a" * 32])
    with house({"registry": Source()}) as home, visiting(browser, home.origin) as visitor:
        page = visitor.open("/traces")
        expect(page.locator(".slo-first h2").last).to_have_text("Only kept examples can be searched")
        assert ids(listed(page)) == [KEPT["trace_id"]]


def test_no_english_is_left_over_in_chinese(visitor: Visitor) -> None:
    """In Chinese no word of English stands in the list or on a trace, and no message is missing."""
    page = listed(visitor.open(f"/traces?lang=zh&{HOUR}", locale="zh-CN"))
    eventually(lambda: len(ids(page)), 27)
    seen = words_of(page)
    page.goto(f"{visitor.origin}/traces/{NATIVE}?lang=zh")
    page.locator(".lines li").first.wait_for()
    seen |= words_of(page)
    assert {text for text in seen if set(LATIN.findall(text)) - TECHNICAL} == set()
    assert [text for text in seen if re.fullmatch(r"(traces?|panel|unit|level|nav)\.[a-z_.]+", text)] == []


def test_a_telephone_shows_the_list_and_a_trace(visitor: Visitor) -> None:
    """At 390x844 nothing scrolls sideways, and a tap on a row opens its trace."""
    page = listed(visitor.open(f"/traces?{HOUR}", viewport={"width": 390, "height": 844}, has_touch=True))
    sideways = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    eventually(lambda: len(ids(page)), 27)
    assert page.evaluate(sideways) == 390
    assert page.locator(".trace-list").evaluate("(list) => list.scrollWidth - list.clientWidth") <= 0
    page.locator(f"[data-id='{NATIVE}']").tap()
    expect(page.locator("h1")).to_have_text("orders POST /orders")
    expect(page.locator(".lines li")).to_have_count(3)
    assert page.evaluate(sideways) == 390
    assert page.locator(".sheet").evaluate("(sheet) => sheet.scrollWidth - sheet.clientWidth") <= 0


def test_below_the_path_of_a_proxy_everything_works(browser: Browser) -> None:
    """Published below /syn/ the search, a row and the links of a trace stay below it."""
    with house(base="/syn/") as home, visiting(browser, home.origin) as visitor:
        page = listed(visitor.open(f"/syn/traces?{HOUR}"))
        eventually(lambda: NATIVE in ids(page), True)
        page.locator(f"[data-id='{NATIVE}']").click()
        expect(page.locator("h1")).to_have_text("orders POST /orders")
        assert page.url == f"{home.origin}/syn/traces/{NATIVE}"
        link = page.locator(".trace-lines h2 a").get_attribute("href")
        assert link == f"/syn/logs?trace={NATIVE}"


def test_the_panel_leads_to_the_search(visitor: Visitor) -> None:
    """The panel of a service offers to search all of its traces."""
    page = visitor.open("/?select=prod/bank/ledger")
    page.locator("#panel-frame").get_by_text("search all traces").click()
    expect(page.get_by_label("Service")).to_have_value("prod/bank/ledger")
