"""Changes in a real browser: the page of them, flags on the map and in charts, and what changed before trouble."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsing import Visitor, drawn, eventually, node, visiting
from engine_run import Clock, Run
from playwright.sync_api import Browser, Page, expect
from test_changes_engine import works
from traffic import ORDERS, SECOND, call, request
from web_server import serving

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror=alert(1)> & "quoted"'
HOUR_S = 3600.0
LATIN = re.compile(r"[A-Za-z]{3,}")
TECHNICAL = {
    "Synoptic", "SLO", "CSV", "DORA", "dora", "dev", "page", "orders", "web", "mail", "img", "src", "onerror", "alert",
    "quoted", "Chen", "api", "yaml", "Limit", "retries", "instances", "Network", "team", "Core", "switch", "replaced",
}  # fmt: skip


class House:
    """An engine with three services, one of which fails since a deployment, behind a server on the clock of today."""

    def __init__(self, directory: Path) -> None:
        self.run = works(works(Run(directory, Clock(time.time())), "1.4.1"), "7", service="mail")
        self.now_s = self.run.clock.now_s

    def change(self, ago_s: float, **said: Any) -> dict[str, Any]:
        """The document of a change that was made so long ago."""
        return {"service": "orders", "at": self.now_s - ago_s, "title": "x", "author": "Chen", **said}

    def fail(self) -> None:
        """Half of the calls to orders fail from now on."""
        rng = random.Random(7)
        for number in range(60):
            self.run.take(request(*call(rng, self.run.clock.ns() - SECOND, number % 2 == 0)))
        self.run.step(2)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a house of which seven changes are told; its orders service is in trouble."""
    house = House(tmp_path_factory.mktemp("told"))
    with serving(house.run.engine, clock=house.run.clock) as client:
        answer = client.post("/api/v1/changes", json=[
            house.change(240, title="Limit retries", version="1.4.2", outcome="failed", link="https://git.example/1"),
            house.change(2 * HOUR_S, title="orders.yaml", kind="configuration", outcome="succeeded"),
            house.change(3 * HOUR_S, title="2 → 4 instances", kind="scaling", service="web"),
            house.change(4 * HOUR_S, title="Core switch replaced", kind="other", service="", author="Network team"),
            house.change(5 * HOUR_S, title="mail.yaml", kind="configuration", service="mail"),
            house.change(30 * HOUR_S, title=HOSTILE, version="1.4", outcome="running", ended=house.now_s - 29 * HOUR_S),
            house.change(20 * 24 * HOUR_S, title="old", version="1.3.9"),
        ])  # fmt: skip
        assert answer.status_code == 200, answer.text
        house.fail()
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def visitor(browser: Browser, told: str) -> Iterator[Visitor]:
    """Somebody who looks at them; nothing forbidden may happen on any page."""
    with visiting(browser, told) as visitor:
        yield visitor


def titles(page: Page) -> list[str]:
    """The titles of the listed changes, in order."""
    return page.locator(".change-list .what > div > :first-child").all_inner_texts()


def listed(page: Page) -> Page:
    """The page once it shows changes."""
    expect(page.locator(".change-list li").first).to_be_visible()
    return page


ALL = ["Limit retries", "orders.yaml", "2 → 4 instances", "Core switch replaced", "mail.yaml", HOSTILE]


def test_the_list_says_what_was_changed_by_day_and_service(visitor: Visitor) -> None:
    """Newest first under its day; service, kind, person, outcome and how long it took; foreign titles are text."""
    page = listed(visitor.open("/changes", viewport={"width": 1920, "height": 1080}))
    assert titles(page) == ALL
    first = page.locator(".change-list li").first
    for words in ("orders", "Limit retries", "failed", "Deployment · Chen · api"):
        expect(first).to_contain_text(words)
    expect(first.locator("a.out")).to_have_attribute("href", "https://git.example/1")
    expect(page.locator(".change-list li").last).to_contain_text("1 h")
    expect(page.locator(".change-list li").nth(3).locator("a.go")).to_have_text("everything")
    assert page.locator(".lanes button span").all_inner_texts() == ["orders", "everything", "mail", "web"]
    assert page.locator(".change-mark").count() == 6
    expect(page.locator("nav.pages [aria-current]")).to_have_text("Changes")


def test_deployments_in_the_data_say_so(browser: Browser, tmp_path: Path) -> None:
    """A new version that speaks is listed as seen in the data, in the reader's language."""
    house = House(tmp_path)
    works(house.run.step(320), "1.4.1")
    works(house.run.step(20), "1.4.2")
    with (
        serving(house.run.engine, clock=house.run.clock) as client,
        visiting(browser, str(client.base_url).rstrip("/")) as visitor,
    ):
        for lang, words in (("en", "Deployment · seen in the data"), ("zh", "部署 · 由数据识别")):
            page = listed(visitor.open(f"/changes?lang={lang}"))
            assert titles(page) == ["1.4.1 → 1.4.2"]
            expect(page.locator(".change-list li").first).to_contain_text(words)


def test_filters_narrow_and_the_address_keeps_them(visitor: Visitor) -> None:
    """Service, kind, outcome and time; a copied address shows the same, Back undoes, and filters can be cleared."""
    page = listed(visitor.open("/changes"))
    page.keyboard.press("/")
    page.keyboard.type("ORD")
    eventually(lambda: titles(page), ["Limit retries", "orders.yaml", HOSTILE])
    page.locator("[data-filter=kind]").select_option("deployment")
    eventually(lambda: titles(page), ["Limit retries", HOSTILE])
    page.locator("[data-filter=outcome]").select_option("running")
    eventually(lambda: titles(page), [HOSTILE])
    page.reload()
    eventually(lambda: titles(page), [HOSTILE])
    page.go_back()
    eventually(lambda: titles(page), ["Limit retries", HOSTILE])
    page.locator("[data-range='1h']").click()
    eventually(lambda: titles(page), ["Limit retries"])
    page.locator("[data-filter=outcome]").select_option("succeeded")
    page.get_by_role("button", name="Clear the filters").click()
    eventually(lambda: (titles(page), page.url.partition("?")[2]), (["Limit retries"], "range=1h"))
    page.locator("[data-range='30d']").click()
    eventually(lambda: titles(page), [*ALL, "old"])
    page.locator(".lanes button", has_text="web").click()
    eventually(lambda: titles(page), ["2 → 4 instances"])


def test_everything_is_reached_by_keyboard(visitor: Visitor) -> None:
    """One row takes the focus, arrows lead on, and Enter shows the map of that time with the service chosen."""
    page = listed(visitor.open("/changes"))
    page.locator(".change-list li[tabindex='0']").focus()
    for key, title in (("ArrowDown", ALL[1]), ("End", ALL[-1]), ("ArrowUp", ALL[-2]), ("Home", ALL[0])):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.querySelector('.what > div > :first-child').textContent") == title
    assert page.locator(".change-list li[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/\?at=.*select=default%2F%2Forders"))


def test_how_often_and_how_well_with_what_the_figures_mean(visitor: Visitor) -> None:
    """Deployments, frequency, failures and their share by service; the definitions stand beside; as a file too."""
    page = listed(visitor.open("/changes?range=30d"))
    cells = page.locator(".delivery tbody tr").first.locator("th, td").all_inner_texts()
    assert cells[:5] == ["orders", "3", "3 in 30 days", "1", "33.3 %"]
    expect(page.locator(".definitions")).to_contain_text("failed deployments divided by all deployments")
    expect(page.locator(".definitions")).to_contain_text("began within 1 h after it")
    with page.expect_download() as caught:
        page.locator(".change-figures a.tool").click()
    lines = Path(caught.value.path()).read_text("utf-8-sig").splitlines()
    assert lines[1].startswith("default//orders,orders,3,1,0.33")


def test_on_a_small_screen_nothing_is_cut_or_on_top_of_another(visitor: Visitor) -> None:
    """At 390 pixels there is no sideways scrolling, and the figures stand below the list."""
    page = listed(visitor.open("/changes", viewport={"width": 390, "height": 844}))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('.changes-page').scrollWidth <= innerWidth")
    last, figures = page.locator(".change-list li").last.bounding_box(), page.locator(".change-figures").bounding_box()
    assert last is not None
    assert figures is not None
    assert last["y"] + last["height"] <= figures["y"]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_page_speaks_chinese_in_both_themes(visitor: Visitor, theme: str) -> None:
    """No English word is left over, and text stands out from its ground."""
    page = listed(visitor.open(f"/changes?lang=zh&theme={theme}"))
    words = set(LATIN.findall(page.locator("body").inner_text()))
    assert words - TECHNICAL == set()
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    style = "(e) => getComputedStyle(e).color + getComputedStyle(document.body).backgroundColor"
    text, ground = (sum(map(int, part)) for part in re.findall(
        r"rgb\((\d+), (\d+), (\d+)\)", page.locator(".change-list a.go").first.evaluate(style)))
    assert (text > ground) == (theme == "dark")


def test_a_node_in_trouble_says_what_changed_before(visitor: Visitor) -> None:
    """The panel lists it newest first with its distance from the beginning; every chart has a flag; the card too."""
    page = drawn(visitor.open(f"/?select={ORDERS.replace('/', '%2F')}"))
    eventually(lambda: (node(page, "orders").get("change") or {}).get("title"), "Limit retries")
    expect(page.locator(".panel")).to_contain_text("What changed before this")
    rows = page.locator(".panel .changes li")
    assert [text.split("\n")[0] for text in rows.all_inner_texts()] == [
        "Limit retries", "orders.yaml", "Core switch replaced everything"]
    expect(rows.first).to_contain_text("4 min before")
    flags = "(plots) => plots.map((p) => p.data.filter((d) => d.name === 'changes').at(-1)?.customdata)"
    plots = page.locator(".panel .js-plotly-plot")
    eventually(lambda: plots.evaluate_all(flags), [["Deployment Limit retries, failed"]] * 3)


def test_a_node_that_feels_the_trouble_of_another_lists_the_changes_of_that_one(visitor: Visitor) -> None:
    """What it calls was changed: the line names it and leads there."""
    page = drawn(visitor.open("/?select=default%2F%2Fweb"))
    first = page.locator(".panel .changes li").first
    expect(first).to_contain_text("Limit retries · orders")
    first.get_by_role("link", name="orders").click()
    expect(page.locator(".panel .title")).to_have_text("orders")


def test_a_node_without_trouble_lists_what_was_changed_lately(visitor: Visitor) -> None:
    """Its own changes and those of everything, with how long ago."""
    page = drawn(visitor.open("/?select=default%2F%2Fmail"))
    rows = page.locator(".panel .changes li")
    expect(rows).to_have_count(2)
    assert [text.split("\n")[0] for text in rows.all_inner_texts()] == ["Core switch replaced everything", "mail.yaml"]
    expect(rows.last).to_contain_text("5 h ago")
    expect(page.locator(".panel")).not_to_contain_text("What changed before this")


def test_without_changes_the_page_says_how_to_tell_the_first(browser: Browser, tmp_path: Path) -> None:
    """A command to copy, which works as it is; then the change is listed without a reload."""
    house = House(tmp_path)
    with serving(house.run.engine, clock=house.run.clock) as client:
        origin = str(client.base_url).rstrip("/")
        with visiting(browser, origin) as visitor:
            page = visitor.open("/changes")
            expect(page.locator(".slo-first")).to_contain_text("No changes are known yet")
            command = page.locator(".slo-first pre").inner_text()
            found = re.search(r"POST (\S+) .*-d '(\{.*\})'$", command.replace("\\\n", ""))
            assert found
            answer = httpx.post(found[1], content=found[2], headers={"content-type": "application/json"})
            assert answer.status_code == 200, answer.text
            eventually(lambda: titles(page), ["1.4.1 → 1.4.2"])
