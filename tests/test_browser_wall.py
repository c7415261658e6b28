"""The wall in a real browser: it says everything without a hand, outlives its server and heals by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from browsing import Shop, Visitor, drawn, eventually, picture, visiting
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

SMALLEST = 0.016
LOST_AND_BACK_S = 25
NOTE_CANVAS_TEXT = """
  window.smallest = { px: Infinity };
  const draw = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    const px = Number(/([\\d.]+)px/.exec(this.font)[1]) * this.getTransform().a / devicePixelRatio;
    if (px < window.smallest.px) window.smallest = { px, text };
    return draw.call(this, text, ...rest);
  };
"""
SMALLEST_ELEMENT = """() => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    if (walk.currentNode.textContent.trim() && parent.checkVisibility() && !parent.closest(".heard, script, style"))
      found.push([parseFloat(getComputedStyle(parent).fontSize), walk.currentNode.textContent]);
  }
  return found.sort((a, b) => a[0] - b[0])[0] }"""


@pytest.fixture
def visitor(browser: Browser, shop: Shop) -> Iterator[Visitor]:
    """The screen on the wall."""
    with visiting(browser, shop.running.http) as visitor:
        yield visitor


def wall(visitor: Visitor, width: int = 1920, height: int = 1080, path: str = "/wall") -> Page:
    """The wall on a screen of this size."""
    return drawn(visitor.open(path, viewport={"width": width, "height": height}))


def test_the_wall_says_state_clock_and_age_in_words(shop: Shop, visitor: Visitor) -> None:
    """The overall state in words and since when, the clock, the age of the data, the worst problems in short."""
    page = wall(visitor)
    expect(page.locator("h1")).to_contain_text(re.compile(r"^\d burning: "))
    expect(page.locator(".clock b")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    expect(page.locator(".clock small")).to_have_text(re.compile(r"^data \d\.\d s old · prod$"))
    expect(page.locator("footer")).to_contain_text("mailer · burning")
    expect(page.locator("footer")).to_contain_text(re.compile(r"\d % failed · \d+ % of the budget left"))
    expect(page.locator("h1")).to_contain_text(re.compile(r" · since \d\d:\d\d$"))
    expect(page.locator("h1 + p")).to_contain_text("of calls failed in the last hour")
    assert {n["name"] for n in picture(page)["nodes"]} >= {"web", "orders", "stock", "stock-db", "mailer", "user"}


def test_nothing_on_the_wall_needs_a_hand(visitor: Visitor) -> None:
    """No control, no link, no scroll bar, no pointer; a click changes nothing."""
    page = wall(visitor)
    assert page.locator("button, a, input, select, summary").count() == 0
    assert page.evaluate("getComputedStyle(document.body).cursor") == "none"
    root = page.evaluate("(({ scrollHeight: h, scrollWidth: w }) => [w, h])(document.documentElement)")
    assert root == [1920, 1080]
    page.mouse.click(960, 540)
    page.keyboard.press("t")
    assert page.evaluate("document.querySelector('synoptic-map').view.selected") is None
    assert "select" not in page.url


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
def test_the_smallest_text_can_be_read_from_afar(visitor: Visitor, width: int, height: int) -> None:
    """No text of the wall, drawn or written, is lower than 1.6 % of the screen."""
    context = visitor.browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    visitor.contexts.append(context)
    context.add_init_script(NOTE_CANVAS_TEXT)
    page = context.new_page()
    page.goto(f"{visitor.origin}/wall")
    drawn(page)
    size, text = page.evaluate(SMALLEST_ELEMENT)
    assert size >= SMALLEST * height, text
    smallest = page.evaluate("smallest")
    assert smallest["px"] >= SMALLEST * height, smallest


def test_a_scene_shows_one_domain(visitor: Visitor) -> None:
    """`/wall/goods` draws the goods, and still says the state of everything."""
    page = wall(visitor, path="/wall/goods")
    drawn_names = page.evaluate("document.querySelector('synoptic-map').scene.nodes.map((n) => n.domain)")
    assert set(drawn_names) == {"goods"}
    expect(page.locator("h1")).to_contain_text("burning")


def test_a_lost_server_leaves_the_last_picture_and_the_wall_heals_by_itself(shop: Shop, visitor: Visitor) -> None:
    """Killed: the picture stays, grey, with "no data since hh:mm:ss". Started again: live, without a reload."""
    page = wall(visitor)
    page.evaluate("() => { window.notReloaded = true }")
    nodes = {n["id"] for n in picture(page)["nodes"]}
    shop.running.kill()
    expect(page.locator(".clock small")).to_contain_text(
        re.compile(r"^no data since \d\d:\d\d:\d\d"), timeout=LOST_AND_BACK_S * 1000
    )
    expect(page.locator("body")).to_have_class(re.compile("lost"))
    assert {n["id"] for n in picture(page)["nodes"]} == nodes
    assert "saturate" in page.evaluate("getComputedStyle(document.querySelector('synoptic-map')).filter")
    clock = page.locator(".clock b").inner_text()
    eventually(lambda: page.locator(".clock b").inner_text() != clock, True)
    lost_at = picture(page)["at"]
    shop.running.start()
    expect(page.locator(".clock small")).to_contain_text(re.compile(r"^data \d"), timeout=LOST_AND_BACK_S * 1000)
    expect(page.locator("body")).not_to_have_class(re.compile("lost"))
    assert picture(page)["at"] > lost_at
    assert {n["id"] for n in picture(page)["nodes"]} >= nodes
    assert page.evaluate("window.notReloaded") is True
    assert visitor.watch.forgive("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET") > 0
