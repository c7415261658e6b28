"""A shop that runs in the real product, and pages of a real Chromium that may do nothing they should not."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, sync_playwright
from running import Running, free_ports, product, soon
from shop_traffic import HOSTILE, HOSTILE_VALUE, Traffic

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
                None)  # fmt: skip
PICTURE_WITHIN_S = 20.0
CONFIGURATION = """
environment: prod
server: {frame_ancestors: ["http://127.0.0.1:%(portal)d"]}
pairing: {horizon: 10s}
health: {short: 1m, long: 5m}
catalogue:
  groups: [{id: front, title: {en: Front, zh: 前端}}, {id: goods, title: {en: Goods, zh: 商品}}]
  services:
    - {match: web, title: {en: web, zh: 网店}, domain: front}
    - {match: orders, title: {en: orders, zh: 订单}, domain: front, owner: Checkout}
    - {match: mailer, title: {en: mailer, zh: 邮件}, domain: front}
    - {match: stock, title: {en: stock, zh: 库存}, domain: goods}
    - {match: vouchers, title: {en: vouchers, zh: 优惠券}, domain: goods}
    - {match: stock-db, title: {en: stock-db, zh: 库存数据库}, domain: goods}
    - {match: user, title: {en: users, zh: 用户}, domain: front}
    - match: "<img*"
      domain: goods
      owner: '%(value)s'
      runbook: 'https://runbooks.example/%(value_in_link)s'
"""


@dataclass
class Shop:
    """The product, the traffic that comes to it, and the port of a portal that may show its map."""

    running: Running
    traffic: Traffic
    portal: int

    def node(self, name: str) -> dict[str, Any]:
        """What the interface for programs says about a service; empty when it is not there."""
        nodes = self.running.get("/api/v1/graph")["nodes"]
        return next((one for one in nodes if one["name"] == name), {})

    def pin(self, positions: Mapping[str, Mapping[str, float]]) -> None:
        """Puts nodes where they are told to stand."""
        answer = httpx.put(f"{self.running.http}/api/v1/positions", json=positions)
        assert answer.status_code == 204, answer.text


@contextmanager
def shop(directory: Path) -> Iterator[Shop]:
    """A shop whose services are all on the map."""
    directory.mkdir(parents=True, exist_ok=True)
    config, (portal,) = directory / "synoptic.yaml", free_ports(1)
    value = HOSTILE_VALUE.replace(" ", "/")
    config.write_text(CONFIGURATION % {"portal": portal, "value": HOSTILE_VALUE, "value_in_link": value}, "utf-8")
    with product(directory, "--config", str(config)) as running:
        made = Shop(running, Traffic(running.otlp_http).start(), portal)
        try:
            assert soon(lambda: made.node("web") and made.node(HOSTILE).get("health") == "burning", 30)
            yield made
        finally:
            made.traffic.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, or else Playwright's own; where there is neither the test is skipped."""
    with sync_playwright() as p:
        if CHROMIUM is None and not Path(p.chromium.executable_path).exists():
            pytest.skip("no Chromium on this machine: the pages are NOT tested")
        started = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@dataclass
class Watch:
    """Collects what a page must not do: errors, violations of its policy, dialogs, requests to other hosts."""

    allowed: set[str]
    faults: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Watches everything in a context."""
        context.on("console", lambda said: said.type == "error" and self.faults.append(f"console: {said.text}"))
        context.on("weberror", lambda fault: self.faults.append(f"error: {fault.error}"))
        context.on("request", lambda request: self._request(request.url))
        context.on("page", lambda page: page.on("dialog", self._dialog))

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "about") and f"{parts.scheme}://{parts.netloc}" not in self.allowed:
            self.faults.append(f"request: {url}")

    def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def forgive(self, pattern: str) -> int:
        """Takes out the faults that a test has provoked itself; how many there were."""
        kept = [fault for fault in self.faults if not re.search(pattern, fault)]
        forgiven = len(self.faults) - len(kept)
        self.faults[:] = kept
        return forgiven


@dataclass
class Visitor:
    """A person with a browser of their own: opens pages of one origin under watch."""

    browser: Browser
    origin: str
    watch: Watch
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(self, path: str = "/", **context: Any) -> Page:
        """A page in a new context, as large as an ordinary screen and without movement unless told otherwise."""
        wished = {"viewport": {"width": 1440, "height": 860}, "reduced_motion": "reduce", "locale": "en-GB"} | context
        made = self.browser.new_context(**wished)
        made.set_default_timeout(15_000)
        self.contexts.append(made)
        self.watch.over(made)
        page = made.new_page()
        page.goto(self.origin + path)
        return page

    def close(self) -> None:
        """Closes all pages; nothing that was forbidden may have happened on them."""
        for context in self.contexts:
            with suppress(Error):
                context.close()
        assert self.watch.faults == []


@contextmanager
def visiting(browser: Browser, origin: str, *others: str) -> Iterator[Visitor]:
    """A visitor of one origin, whose pages may also load from `others`."""
    visitor = Visitor(browser, origin, Watch({origin, *others}))
    yield visitor
    visitor.close()


def picture(page: Any) -> dict[str, Any]:
    """The snapshot that the map on the page shows; empty before the first."""
    found: dict[str, Any] = page.evaluate("() => document.querySelector('synoptic-map')?.snapshot ?? {}")
    return found


def drawn(page: Any) -> Any:
    """Waits until the map has painted a picture; the page."""
    assert soon(lambda: page.evaluate("() => document.querySelector('synoptic-map')?.ready"), PICTURE_WITHIN_S)
    return page


def node(page: Any, name: str) -> dict[str, Any]:
    """A node as the page's map has it; empty when it is not there."""
    return next((one for one in picture(page).get("nodes", ()) if one["name"] == name), {})


def eventually(look: Callable[[], Any], wanted: Any, within_s: float = 15.0) -> None:
    """AssertionError when `look` does not come to answer `wanted`."""
    soon(lambda: look() == wanted, within_s)
    assert look() == wanted


def place_of(page: Any, name: str) -> tuple[float, float]:
    """Where on the page the middle of a card is drawn."""
    x, y = page.evaluate(
        """(name) => { const map = document.querySelector("synoptic-map"), at = map.getBoundingClientRect();
        const { id } = map.snapshot.nodes.find((n) => n.name === name), b = map.scene.layout.boxes.get(id);
        const { k, x, y } = map.camera;
        return [at.x + x + (b.x + b.w / 2) * k, at.y + y + (b.y + b.h / 2) * k] }""",
        name,
    )
    return x, y


def rows(page: Page) -> dict[str, list[str]]:
    """The cells of the table twin by the name of the row."""
    cells: list[list[str]] = page.locator(".twin .t-row").evaluate_all(
        "(rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    return {line[1]: line for line in cells}


def panel(page: Page) -> Locator:
    """The panel beside the map."""
    return page.locator("#panel-frame")


def title(page: Page) -> Locator:
    """The name of what the panel is about."""
    return panel(page).locator("h2 .title")


@contextmanager
def portal(port: int) -> Iterator[None]:
    """A foreign site that shows a frame and notes what it is told: at 127.0.0.1 and, another origin, at localhost."""
    with ThreadingHTTPServer(("127.0.0.1", port), Portal) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class Portal(BaseHTTPRequestHandler):
    """Answers everything with the page of the portal."""

    PAGE = b"""<!doctype html><title>Portal</title><iframe width="900" height="560"></iframe>
    <script>const told = []; addEventListener("message", (e) => told.push({ origin: e.origin, ...e.data }));</script>"""

    def do_GET(self) -> None:
        """The page."""
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(self.PAGE)))
        self.end_headers()
        self.wfile.write(self.PAGE)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
