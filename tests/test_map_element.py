"""The map and its stream in a real browser: what a person does, what heals by itself, what never moves."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

pytestmark = pytest.mark.browser

ASSETS = Path(__file__).parent.parent / "assets"
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
PAGE = b"""<!doctype html><html data-theme="dark"><link rel="stylesheet" href="/theme.css">
<body style="display:grid;height:100vh"></body></html>"""


class Site(SimpleHTTPRequestHandler):
    """The assets, an empty page, and a stream whose first answer has a gap and whose second breaks off."""

    extensions_map: ClassVar[dict[str, str]] = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}
    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        """A page, the stream or a file."""
        if self.path == "/page":
            self.answer("text/html", PAGE)
        elif self.path.startswith("/stream"):
            self.asked.append(self.headers.get("authorization"))
            self.answer("text/event-stream", events(len(self.asked)))
        else:
            super().do_GET()

    def answer(self, kind: str, body: bytes) -> None:
        """Sends a whole answer."""
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def events(time: int) -> bytes:
    """The stream's answer to the request number `time`: the first holds a delta that follows on nothing."""
    base = {"nodes": [], "edges": [], "data_age_s": 2}
    parts = [("snapshot", base | {"seq": time * 10}), ("delta", base | {"seq": time * 10 + 1, "base": time * 10})]
    parts += [("delta", base | {"seq": 99, "base": 98})] if time == 1 else []
    return "".join(f"event: {kind}\ndata: {json.dumps(data)}\n\n" for kind, data in parts).encode()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the site is served for this module."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=str(ASSETS))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests here."""
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine: the map is NOT tested")
    with sync_playwright() as p:
        started = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A fresh page on which any error of a script fails the test."""
    faults: list[str] = []
    with browser.new_context(viewport={"width": 1200, "height": 700}, reduced_motion="reduce") as context:
        opened = context.new_page()
        opened.on("pageerror", lambda fault: faults.append(fault.message))
        opened.goto(f"{address}/page")
        yield opened
    assert faults == []


def node(number: int, domain: str, **change: Any) -> dict[str, Any]:
    """A card in a grid of seven columns."""
    place = {"id": f"s{number}", "name": f"service-{number}", "x": number % 7 * 300, "y": number // 7 * 70}
    figures = {"calls_per_s": 5, "error_ratio": 0.001, "p95_ms": 20, "budget_left": 0.8, "health": "ok", "stale": False}
    rest = {"title": None, "kind": "service", "domain": domain, "zones": ["a"], "feels": None, "origin": False}
    return place | figures | rest | change


def snapshot(count: int) -> dict[str, Any]:
    """`count` services in groups of 35, each calling its right neighbour."""
    nodes = [node(i, f"d{i // 35}") for i in range(count)]
    ends = [(f"s{i}", f"s{i + 1}") for i in range(count - 1) if i % 7 < 6]
    figures = {"calls": 9, "calls_per_s": 3, "health": "ok", "impact": False, "complete": True, "sampled": None}
    edges = [{"id": f"{a}>{b}", "source": a, "target": b} | figures for a, b in ends]
    groups = [{"id": d, "title": {"en": d.upper()}, "lead": False} for d in sorted({n["domain"] for n in nodes})]
    return {"seq": 1, "at": "2026-01-01T00:00:00Z", "nodes": nodes, "edges": edges, "groups": groups, "layers": []}


def show(page: Page, data: dict[str, Any]) -> None:
    """Puts a map on the page that shows `data`, and waits until it is painted."""
    page.evaluate(
        """async (data) => {
        await import("/map/map.mjs");
        const { loadWords } = await import("/map/words.mjs");
        await loadWords("en");
        const map = globalThis.map = document.createElement("synoptic-map");
        globalThis.said = [];
        for (const name of ["select", "collapsed"]) map.addEventListener("synoptic:" + name, (e) =>
          said.push(e.detail));
        const ready = new Promise((done) => map.addEventListener("synoptic:ready", done));
        document.body.append(map);
        map.show(data);
        await ready;
      }""",
        data,
    )


def middle_of(page: Page, identity: str) -> tuple[float, float]:
    """Where a card stands on the screen."""
    x, y = page.evaluate(
        """(id) => { const b = map.scene.layout.boxes.get(id), { k, x, y } = map.camera;
        return [x + (b.x + b.w / 2) * k, y + (b.y + b.h / 2) * k] }""",
        identity,
    )
    return x, y


def test_a_click_selects_and_empty_ground_lets_go(page: Page) -> None:
    """A click on a card says its id, a click beside everything says that nothing is chosen."""
    show(page, snapshot(21))
    page.mouse.click(*middle_of(page, "s8"))
    page.mouse.click(3, 3)
    assert page.evaluate("said") == [{"id": "s8", "what": "node"}, {"id": None, "what": None}]


def test_a_path_can_be_chosen(page: Page) -> None:
    """A click on a call path between two cards says the path's id."""
    show(page, snapshot(21))
    (x0, y), (x1, _) = middle_of(page, "s8"), middle_of(page, "s9")
    page.mouse.click((x0 + x1) / 2, y)
    assert page.evaluate("said") == [{"id": "s8>s9", "what": "edge"}]


def test_a_drag_is_no_click(page: Page) -> None:
    """Moving the map moves it and selects nothing."""
    show(page, snapshot(21))
    before = page.evaluate("map.camera.x")
    page.mouse.move(*middle_of(page, "s8"))
    page.mouse.down()
    page.mouse.move(700, 500, steps=5)
    page.mouse.up()
    assert page.evaluate("said") == []
    assert page.evaluate("map.camera.x") != before


def test_a_large_map_opens_folded_and_a_group_opens_on_demand(page: Page) -> None:
    """More than 150 nodes open as group cards; opening one shows its members and says so."""
    show(page, snapshot(210))
    assert page.evaluate("[...map.scene.byId.keys()]") == ["#d0", "#d1", "#d2", "#d3", "#d4", "#d5"]
    page.mouse.click(*middle_of(page, "#d1"))
    assert page.evaluate("map.scene.nodes.filter((n) => n.domain === 'd1').length") == 35
    assert page.evaluate("said") == [{"ids": ["d0", "d2", "d3", "d4", "d5"]}]


def test_the_map_never_moves_by_itself(page: Page) -> None:
    """New figures and a new node inside the drawing leave every card and the camera where they were."""
    data = snapshot(21)
    data["nodes"] = [n for n in data["nodes"] if n["id"] != "s10"]
    data["edges"] = [e for e in data["edges"] if "s10" not in (e["source"], e["target"])]
    show(page, data)
    look = "JSON.stringify([map.camera, [...map.scene.layout.boxes].filter(([id]) => id !== 's10')])"
    before = page.evaluate(look)
    page.evaluate("(data) => map.show(data)", snapshot(21))
    assert page.evaluate("map.scene.byId.has('s10')")
    assert page.evaluate(look) == before


def test_arrow_keys_walk_the_calls_and_are_heard(page: Page) -> None:
    """A step to the right goes to the callee and says it in words with figures."""
    show(page, snapshot(21))
    page.evaluate("map.focused = 's8'; map.step('right')")
    assert page.evaluate("map.focused") == "s9"
    heard = page.locator(".heard").inner_text()
    assert (
        heard == "service-9, service, healthy, 5.0/s, Errors 0.10 %, p95 20 ms, Budget left 80 %, 1 callers, 1 callees"
    )


def test_nothing_runs_for_who_asked_for_calm(page: Page) -> None:
    """With reduced motion the upper layer stays empty: no dots."""
    show(page, snapshot(21))
    dots = """() => { const c = map.querySelector("canvas.motion");
        return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v) => v) }"""
    assert page.evaluate(dots) is False


def test_a_changed_card_is_drawn_anew_and_only_it(page: Page) -> None:
    """An update of one card changes its pixels and leaves those of a far card alone."""
    data = snapshot(21)
    show(page, data)
    pixels = """(id) => { const c = map.querySelector("canvas.cards"), b = map.scene.layout.boxes.get(id), { k, x,
      y } = map.camera;
        return Array.from(c.getContext("2d").getImageData(x + b.x * k, y + b.y * k, b.w * k, b.h * k).data).join() }"""
    before = [page.evaluate(pixels, one) for one in ("s8", "s20")]
    data["nodes"][8] |= {"health": "burning", "p95_ms": 900}
    page.evaluate(
        """async (data) => { map.show(data, { structure: false, nodes: new Set(["s8"]), edges: new Set() });
        for (let i = 0; i < 2; i++) await new Promise((done) => requestAnimationFrame(done)) }""",
        data,
    )
    after = [page.evaluate(pixels, one) for one in ("s8", "s20")]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True]


def test_taken_away_the_map_leaves_nothing_running(page: Page) -> None:
    """A map that Dash removes gives its canvases back and stops drawing."""
    show(page, snapshot(21))
    page.evaluate("map.remove()")
    assert page.evaluate("[document.querySelectorAll('canvas').length, map.scene, map.childElementCount]") == [
        0,
        None,
        0,
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [({}, {"5.0/s", "0.10 %", "20 ms"}),
     ({"health": "no_data"}, {"5.0/s", "0.10 %", "20 ms"}),
     ({"health": "no_data", "calls_per_s": 0}, {"2 min old"}),
     ({"stale": True}, {"2 min old"})],
)  # fmt: skip
def test_a_card_tells_its_figures_while_there_are_some(page: Page, change: dict[str, Any], told: set[str]) -> None:
    """A service that is called shows how, though its objective has nothing to judge; one gone quiet, since when."""
    page.evaluate("""() => {
      globalThis.texts = [];
      const draw = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
        texts.push(text); return draw.call(this, text, ...rest);
      };
    }""")
    data = snapshot(1)
    data["nodes"][0] |= {"last_seen": "2025-12-31T23:58:00Z"} | change
    show(page, data)
    figures = {"5.0/s", "0.10 %", "20 ms", "2 min old"}
    assert set(page.evaluate("texts")) & figures == told


@pytest.mark.parametrize("token", [None, "secret"])
def test_the_stream_heals_after_a_gap_and_a_break(page: Page, token: str | None) -> None:
    """A gap asks for a whole snapshot at once, a broken stream is opened again; a token travels in a header."""
    Site.asked.clear()
    log = page.evaluate(
        """async (token) => {
        const { openStream } = await import("/map/stream.mjs"), log = [];
        const third = new Promise((done) => {
          const onData = (s) => { log.push(s.seq); if (s.seq === 31) done(); }, onState = (state) => log.push(state);
          globalThis.stream = openStream({ url: "/stream", token: token ? () => token : undefined, random: () => 0,
            onData, onState });
        });
        await third;
        stream.close();
        return log;
      }""",
        token,
    )
    assert log == ["open", 10, 11, 20, 21, "waiting", "open", 30, 31]
    assert Site.asked == [f"Bearer {token}" if token else None] * 3
