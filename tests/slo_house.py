"""The web side over fixed SLOs, and how its list is read in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page
from slo_entries import AT_S, GROUPS, entry
from snapshots import Shelf
from web_server import serving

from app.web import WebOptions

HOSTILE = '<img src=x onerror="alert(1)">'
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
