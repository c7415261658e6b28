"""The map inside another site: drawn and spoken with where it is allowed, nothing at all where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from browsing import Shop, Visitor, drawn, eventually, picture, place_of, portal, visiting
from playwright.sync_api import Browser, Frame, Page, expect
from running import soon

pytestmark = pytest.mark.browser

REFUSED = "frame-ancestors|X-Frame-Options|ERR_BLOCKED_BY_RESPONSE"


@pytest.fixture
def visitor(browser: Browser, shop: Shop) -> Iterator[Visitor]:
    """Somebody on the portal, which shows the shop's map in a frame: allowed at 127.0.0.1, foreign at localhost."""
    allowed, foreign = f"http://127.0.0.1:{shop.portal}", f"http://localhost:{shop.portal}"
    with portal(shop.portal), visiting(browser, allowed, foreign, shop.running.http) as visitor:
        yield visitor


def show_frame(page: Page, address: str) -> None:
    """The portal points its frame somewhere."""
    page.evaluate("(address) => { document.querySelector('iframe').src = address }", address)


def framed(page: Page, shop: Shop, **parameters: Any) -> Frame:
    """The embedded map in the portal's frame, once it is drawn."""
    show_frame(page, f"{shop.running.http}/embed/map?{urlencode(parameters)}")
    page.frame_locator("iframe").locator("synoptic-map").wait_for(state="attached")
    return drawn(page.frames[-1])


def tell(page: Page, shop: Shop, **message: Any) -> None:
    """The portal says something to the map."""
    page.evaluate(
        "([message, origin]) => document.querySelector('iframe').contentWindow.postMessage(message, origin)",
        [{"synoptic": 1, **message}, shop.running.http],
    )


def told(page: Page, kind: str) -> dict[str, Any]:
    """The newest message of a kind that the portal got; empty when there was none."""
    messages: list[dict[str, Any]] = page.evaluate("told")
    return next((one for one in reversed(messages) if one.get("type") == kind), {})


def names(frame: Frame) -> set[str]:
    """What the embedded map draws."""
    found: list[str] = frame.evaluate("document.querySelector('synoptic-map').scene.nodes.map((n) => n.name)")
    return set(found)


def test_the_frame_shows_what_its_address_asks_for(shop: Shop, visitor: Visitor) -> None:
    """Focus, depth, window, theme and language of the address decide; there is nothing but the map and its figures."""
    focus = shop.node("stock")["id"]
    frame = framed(visitor.open("/"), shop, focus=focus, depth=1, theme="light", lang="zh", window="1m")
    assert {"orders", "stock", "stock-db"} <= names(frame)
    assert not {"web", "user", "mailer"} & names(frame)
    assert picture(frame)["window_s"] == 60
    assert frame.evaluate("[document.documentElement.dataset.theme, document.documentElement.lang]") == [
        "light",
        "zh-CN",
    ]
    expect(frame.locator("header .what")).to_contain_text("库存 · ")
    expect(frame.locator("footer")).to_contain_text("在 Synoptic 中打开")
    assert frame.locator("input, button, nav").count() == 0
    deeper = framed(visitor.open("/"), shop, focus=focus, depth=2, controls=0)
    assert {"web", "orders", "stock-db"} <= names(deeper)
    assert "mailer" not in names(deeper)
    assert deeper.locator("header, footer").count() == 0


def test_map_and_portal_speak_with_each_other(shop: Shop, visitor: Visitor) -> None:
    """Hello is answered with the present state; a click is told; focus and theme are taken from the portal."""
    page = visitor.open("/")
    frame = framed(page, shop, theme="dark")
    assert page.evaluate("told") == []
    tell(page, shop, type="hello")
    eventually(lambda: told(page, "ready").get("nodes"), len(picture(frame)["nodes"]))
    assert told(page, "hello")["state"] == "open"
    assert told(page, "health")["state"] == "burning"
    assert told(page, "height")["height"] == 560
    box = page.locator("iframe").bounding_box()
    assert box is not None
    x, y = place_of(frame, "mailer")
    page.mouse.click(box["x"] + x, box["y"] + y)
    eventually(lambda: told(page, "select").get("id"), shop.node("mailer")["id"])
    tell(page, shop, type="focus", id=shop.node("mailer")["id"], depth=1)
    eventually(lambda: names(frame), {"orders", "mailer"})
    tell(page, shop, type="theme", theme="light")
    expect(frame.locator("html")).to_have_attribute("data-theme", "light")
    assert {message["origin"] for message in page.evaluate("told")} == {shop.running.http}


def test_a_focus_that_is_nowhere_says_so(shop: Shop, visitor: Visitor) -> None:
    """A service that was not seen gets a sentence in place of an empty picture."""
    page = visitor.open("/")
    show_frame(page, f"{shop.running.http}/embed/map?focus=nobody")
    expect(page.frame_locator("iframe").locator(".notice h2")).to_have_text("Not on the map")


@pytest.mark.parametrize("path", ["/embed/map", "/", "/wall"])
def test_a_foreign_site_gets_no_frame(shop: Shop, visitor: Visitor, path: str) -> None:
    """A site that is not listed sees nothing of the embedded map, and nobody may frame the other pages."""
    host = "localhost" if path == "/embed/map" else "127.0.0.1"
    page = visitor.open("/")
    page.goto(f"http://{host}:{shop.portal}/")
    show_frame(page, shop.running.http + path)
    assert soon(lambda: page.wait_for_timeout(100) or visitor.watch.forgive(REFUSED))
    assert page.frame_locator("iframe").locator("synoptic-map, .browse").count() == 0
    page.wait_for_timeout(200)
    visitor.watch.forgive(REFUSED)
