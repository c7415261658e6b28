"""The pure modules of the map, run in a real browser: find language, deltas, graph questions, places, routes, words."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from playwright.sync_api import sync_playwright

pytestmark = pytest.mark.browser

ASSETS = Path(__file__).parent.parent / "assets"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
Run = Callable[..., Any]


class Quiet(SimpleHTTPRequestHandler):
    """Serves the assets without a word, modules as modules."""

    extensions_map: ClassVar[dict[str, str]] = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the assets are served for this module."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(ASSETS))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def run(address: str) -> Iterator[Run]:
    """Runs a piece of script with the names of one module in scope and answers what it returns."""
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine: the modules of the map are NOT tested")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{address}/i18n/en.json")

        def evaluate(module: str, body: str, argument: Any = None) -> Any:
            load = f"const m = await import('{address}/map/{module}.mjs'); const {{{NAMES[module]}}} = m;"
            return page.evaluate(f"async (it) => {{ {load} {body} }}", argument)

        yield evaluate
        browser.close()


NAMES = {
    "find": "parseQuery, BadQuery",
    "store": "SnapshotStore",
    "graph": "relatedTo, trouble, folded, around, neighbour, worst, matching",
    "layout": "arrange, overview, FACE",
    "route": "routeAll",
    "stream": "eventBlocks",
    "export": "asCsv",
    "words": "loadWords, rate, percent, millis, duration",
    "camera": "fitted, zoomed, toWorld, fromText, asText, reveal",
    "pen": "SvgPen",
    "cards": "guiltyFigure",
}


def test_the_figure_of_the_deciding_objective_is_the_one_that_is_coloured(run: Run) -> None:
    """Failures for availability and the p95 for latency, however few or many failed; none of both for traffic; what
    stands out where no objective is told."""
    cases = [("availability", 0.001), ("latency", 0.5), ("traffic", 0.5), ("saturation", 0), (None, 0.5), (None, 0.001)]
    nodes = [{"slo_kind": kind, "error_ratio": ratio} for kind, ratio in cases]
    found = run("cards", "return it.map((n) => guiltyFigure(n) ?? null);", nodes)
    assert found == ["errors", "p95", None, None, "errors", "p95"]


def test_find_answers_as_the_shared_table_says(run: Run) -> None:
    """Every query of the table that its twin in Python is held to has the same answer or the same refusal here."""
    cases = json.loads((Path(__file__).parent / "find_cases.json").read_text(encoding="utf-8"))
    body = """const answer = (c) => { try { return { matches: parseQuery(c.query)(c.node ?? {}) }; }
          catch (e) { if (!(e instanceof BadQuery)) throw e; const { position, expected, found } = e; return {
            error: { position, expected, found } }; } };
        return it.map(answer)"""
    answers = run("find", body, cases)
    pairs = zip(cases, answers, strict=True)
    assert [(case, answer) for case, answer in pairs if any(case[key] != answer[key] for key in answer)] == []


def snapshot(**change: Any) -> dict[str, Any]:
    """Four cards in three columns: users call the gateway, it calls orders, which calls its database."""
    names = [("users", "user", 0, 0), ("gateway", "service", 300, 0), ("orders", "service", 600, 0)]
    nodes = [node(*one) for one in [*names, ("orders-db", "database", 900, 140)]]
    edges = [edge("users", "gateway"), edge("gateway", "orders"), edge("orders", "orders-db")]
    groups = [
        {"id": "d0", "title": {"en": "Front"}, "lead": True},
        {"id": "d1", "title": {"en": "Back"}, "lead": False},
    ]
    whole = {"seq": 7, "at": "2026-01-01T08:00:00.000Z", "nodes": nodes, "edges": edges, "layers": [], "groups": groups}
    return whole | change


def node(name: str, kind: str, x: float, y: float) -> dict[str, Any]:
    """A card with all figures; what stands left belongs to the front."""
    place = {"id": name, "name": name, "kind": kind, "x": x, "y": y, "domain": "d1" if x > 300 else "d0"}
    return place | {"title": None, "health": "ok", "stale": False, "feels": None, "origin": False, "calls_per_s": 5}


def edge(source: str, target: str, **change: Any) -> dict[str, Any]:
    """A call path with all figures."""
    ends = {
        "id": f"{source}>{target}",
        "source": source,
        "target": target,
        "health": "ok",
        "impact": False,
        "calls": 10,
    }
    return ends | {"calls_per_s": 1, "protection": None, "sampled": None, "complete": True, "stale": False} | change


def test_a_delta_gives_the_next_snapshot(run: Run) -> None:
    """Changed elements replace the old, gone ones go, new ones come, and the rest stays the same object."""
    new = {**snapshot()["nodes"][2], "calls_per_s": 9}
    gone = {"nodes": ["users"], "edges": ["users>gateway"]}
    delta = {"seq": 8, "base": 7, "at": "x", "nodes": [new], "edges": [], "gone": gone}
    result = run(
        "store",
        """const s = new SnapshotStore(); s.replace(it.full); const before = s.snapshot;
        const change = s.apply(it.delta);
        const { nodes, edges, seq, groups } = s.snapshot;
        return [seq, nodes.map((n) => n.id), edges.length, nodes[1].calls_per_s, nodes[2] === before.nodes[3],
                before.nodes.length, change.structure, groups.length]
        """,
        {"full": snapshot(), "delta": delta},
    )
    assert result == [8, ["gateway", "orders", "orders-db"], 2, 9, True, 4, True, 2]


def test_figures_alone_are_no_change_of_structure(run: Run) -> None:
    """Places and routes are only computed anew when cards or paths came, went or moved."""
    body = """const s = new SnapshotStore(); s.replace(it.full);
        const one = (change) => s.apply({ seq: s.snapshot.seq + 1, base: s.snapshot.seq, nodes: [{
          ...it.full.nodes[1], ...change }], edges: [] }).structure;
        return [one({ calls_per_s: 1 }), one({ health: "burning" }), one({ x: 310 }), s.replace({
          ...s.snapshot }).structure]"""
    assert run("store", body, {"full": snapshot()}) == [False, False, True, False]


def test_a_gap_in_the_deltas_is_noticed(run: Run) -> None:
    """A delta that builds on another snapshot is refused, and so is one before the first snapshot."""
    body = """const s = new SnapshotStore(), early = s.apply({ seq: 2, base: 1 }); s.replace(it.full);
        return [early, s.apply({ seq: 10, base: 9, nodes: [], edges: [] }), s.snapshot.seq]"""
    assert run("store", body, {"full": snapshot()}) == [None, None, 7]


def test_trouble_keeps_the_way_up_to_the_users(run: Run) -> None:
    """Only trouble shows what is not healthy and the lit paths to those who feel it."""
    full = snapshot()
    full["nodes"][3]["health"] = "burning"
    full["edges"][0]["impact"] = full["edges"][1]["impact"] = True
    result = run("graph", "const t = trouble(it); return [[...t.nodes].sort(), [...t.edges].sort()]", full)
    assert result == [["gateway", "orders", "orders-db", "users"], ["gateway>orders", "users>gateway"]]


def test_selecting_shows_neighbours_and_who_suffers(run: Run) -> None:
    """A chosen node lights its neighbours and, along impact paths, everything upstream."""
    full = snapshot()
    for path in full["edges"]:
        path["impact"] = True
    assert run("graph", "return [...relatedTo('orders-db', it).nodes].sort()", full) == [
        "gateway",
        "orders",
        "orders-db",
        "users",
    ]
    assert run("graph", "return [...relatedTo('gateway', it).edges].sort()", full) == [
        "gateway>orders",
        "users>gateway",
    ]
    assert run("graph", "return relatedTo('nobody', it)", full) is None


def test_a_folded_group_sums_its_paths(run: Run) -> None:
    """A folded group is one card with its members' worst state; inner paths vanish, outer ones are summed."""
    full = snapshot(
        edges=[
            edge("gateway", "orders", calls_per_s=2),
            edge("gateway", "orders-db", calls_per_s=3, health="at_risk"),
            edge("orders", "orders-db"),
        ]
    )
    full["nodes"][3]["health"] = "burning"
    result = run(
        "graph",
        """const f = folded(it, new Set(["d1"])), card = f.nodes.find((n) => n.members);
        return [card.id, card.health, card.members.length, card.x, f.edges.map((e) => [e.id, e.calls_per_s,
          e.health])]""",
        full,
    )
    assert result == ["#d1", "burning", 2, 600, [["gateway>#d1", 5, "at_risk"]]]


def test_around_keeps_the_wanted_depth(run: Run) -> None:
    """The surroundings of a node are as deep as asked, and empty for a node that is not there."""
    body = """const parts = [around(it, "orders", 1), around(it, "users", 2), around(it, "nobody", 3)];
        return parts.map((s) => s.nodes.map((n) => n.id))"""
    assert run("graph", body, snapshot()) == [["gateway", "orders", "orders-db"], ["users", "gateway", "orders"], []]


def test_positions_of_the_server_keep_their_order(run: Run) -> None:
    """On every face cards of a column share x, columns and rows keep their order, and no two cards overlap."""
    full = snapshot()
    full["nodes"].append({**full["nodes"][2], "id": "billing", "y": 70})
    result = run(
        "layout",
        """return Object.entries(FACE).map(([name, face]) => {
        const l = arrange(it, face, { room: { width: 1900, height: 900 } }), b = Object.fromEntries(l.boxes);
        return [b.users.x < b.gateway.x, b.gateway.x + b.gateway.w < b.orders.x, b.orders.x === b.billing.x,
          b.orders.y + b.orders.h < b.billing.y, b.users.y === b.gateway.y] })
        """,
        full,
    )
    assert result == [[True] * 5] * 3


def test_nothing_moves_when_a_node_comes(run: Run) -> None:
    """With the stretch held, a new node leaves every other card exactly where it was."""
    body = """const room = { room: { width: 1900, height: 900 } }, before = arrange(it, FACE.browse, room);
        const more = { ...it, nodes: [...it.nodes, { ...it.nodes[2], id: "new", y: 280 }] };
        const after = arrange(more, FACE.browse, { ...room, held: before.stretch });
        return [...before.boxes].every(([id, b]) => JSON.stringify(after.boxes.get(id)) === JSON.stringify(b))"""
    assert run("layout", body, snapshot()) is True


def test_bands_enclose_their_members_and_do_not_overlap(run: Run) -> None:
    """A band goes around its group; bands of one stack have one width."""
    full = snapshot()
    full["groups"].append({"id": "d2", "title": {"en": "More"}, "lead": False})
    full["nodes"].append({**full["nodes"][2], "id": "cards", "domain": "d2", "x": 1200, "y": 260})
    full["nodes"].append({**full["nodes"][2], "id": "cards-db", "domain": "d2", "x": 600, "y": 260})
    result = run(
        "layout",
        """const l = arrange(it, FACE.browse, { room: { width: 1900, height: 900 } }), [b1,
      b2] = l.bands.filter((b) => !b.lead);
        const inside = l.bands.every((b) => b.members.every((n) => { const c = l.boxes.get(n.id);
          return c.x > b.x && c.x + c.w < b.x + b.w && c.y >= b.y && c.y + c.h <= b.y + b.h }));
        return [inside, b1.x === b2.x, b1.w === b2.w, b1.y + b1.h <= b2.y]""",
        full,
    )
    assert result == [True] * 4


def test_routes_begin_and_end_at_their_cards(run: Run) -> None:
    """A path leaves at the right side of its caller, arrives at the left side of its callee,
    and passes no card between."""
    full = snapshot()
    full["edges"].append(edge("users", "orders-db"))
    result = run(
        "route",
        """const { arrange, FACE } = await import("/map/layout.mjs"), l = arrange(it.full,
      FACE.browse, { room: { width: 1900, height: 900 } });
        const routes = routeAll(it.full.edges, l, FACE.browse), boxes = [...l.boxes];
        return it.full.edges.map((e) => { const p = routes.get(e.id).points(), s = l.boxes.get(e.source),
          t = l.boxes.get(e.target), n = p.length;
          const through = boxes.filter(([id, b]) => id !== e.source && id !== e.target &&
            [...Array(n / 2).keys()].some((i) => p[2*i] > b.x && p[2*i] < b.x + b.w && p[2*i+1] > b.y &&
            p[2*i+1] < b.y + b.h)).map(([id]) => id);
          return [Math.abs(p[0] - s.x - s.w) < 1, Math.abs(p[n-2] - t.x) < 1, p[n-1] > t.y && p[n-1] < t.y + t.h,
            through] })
        """,
        {"full": full},
    )
    assert result == [[True, True, True, []]] * 4


def test_the_same_input_gives_the_same_routes(run: Run) -> None:
    """Routing is a function: the same places give the same curves."""
    body = """const { arrange, FACE } = await import("/map/layout.mjs"), l = arrange(it, FACE.browse, { room: {
      width: 900, height: 900 } });
        const once = () => JSON.stringify([...routeAll(it.edges, l, FACE.browse)].map(([id, r]) => [id, r.d]));
          return once() === once()"""
    assert run("route", body, snapshot()) is True


def test_arrow_keys_follow_the_calls(run: Run) -> None:
    """Right leads to a callee, left to a caller, up and down along the column, and nowhere is nowhere."""
    full = snapshot()
    full["nodes"].append({**full["nodes"][2], "id": "billing", "y": 70})
    result = run(
        "graph",
        """const { arrange, FACE } = await import("/map/layout.mjs"), { boxes } = arrange(it,
      FACE.browse, { room: { width: 1900, height: 900 } });
        return [["gateway", "right"], ["orders", "left"], ["orders", "down"], ["billing", "up"], ["orders-db",
          "right"]].map(([id, way]) => neighbour(id, way, it.edges, boxes))
        """,
        full,
    )
    assert result == ["orders", "gateway", "billing", "orders", None]


def test_a_stream_may_be_cut_anywhere(run: Run) -> None:
    """Events are whole although the pieces of the stream are not."""
    text = 'event: snapshot\nid: 7\ndata: {"a":\ndata: 1}\n\n: still here\n\nevent: delta\r\nid: 8\r\ndata: {}\r\n\r\n'
    for size in (1, 3, 1000):
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        events = run("stream", "const cut = eventBlocks(); return it.flatMap(cut).filter((e) => e.data)", pieces)
        assert events == [
            {"kind": "snapshot", "data": '{"a":\n1}', "id": "7"},
            {"kind": "delta", "data": "{}", "id": "8"},
        ]


def test_figures_carry_units_and_unknown_is_a_dash(run: Run) -> None:
    """Three significant digits at most, a unit always, and unknown is never zero."""
    result = run(
        "words",
        """await loadWords("en");
        return [rate(null), rate(0), rate(0.04), rate(3.35), rate(85), rate(2540), rate(12_345), percent(null),
          percent(0), percent(0.00004), percent(0.0042), percent(0.026), percent(1),
                millis(null), millis(0), millis(2.34), millis(486), millis(1840), millis(125_000), duration(66_420),
                  duration(1440), duration(0.4)]""",
    )
    assert result == [
        "–",
        "0/s",
        "< 0.1/s",
        "3.4/s",
        "85/s",
        "2.5 k/s",
        "12 k/s",
        "–",
        "0 %",
        "< 0.01 %",
        "0.42 %",
        "2.6 %",
        "100 %",
        "–",
        "0 ms",
        "2.3 ms",
        "486 ms",
        "1.84 s",
        "2.1 min",
        "18 h 27 min",
        "24 min",
        "0 s",
    ]


def test_zooming_keeps_the_point_under_the_hand(run: Run) -> None:
    """The world point under the pointer is the same before and after; a camera survives the address."""
    result = run(
        "camera",
        """const a = fitted({ x: 0, y: 0, w: 1000, h: 500 }, { x: 10, y: 20, width: 500,
      height: 400 }, 2), b = zoomed(a, 1.7, 123, 77);
        const [p, q] = [a, b].map((c) => toWorld(c, 123, 77)), c = fromText(asText(b));
        return [Math.abs(p[0] - q[0]) < 1e-9, Math.abs(p[1] - q[1]) < 1e-9, Math.abs(c.k - b.k) < 0.001,
          fromText("a,b"), fromText(null)]""",
    )
    assert result == [True, True, True, None, None]


def test_a_table_file_holds_no_formula(run: Run) -> None:
    """A foreign name that begins like a formula is text in the CSV; figures stay figures."""
    text = run("export", 'return asCsv(["name", "calls"], [["=cmd|\' /C calc\'!A0", -1.5], ["a,\\"b\\"", null]])')
    assert text == '\ufeffname,calls\r\n\'=cmd|\' /C calc\'!A0,-1.5\r\n"a,""b""",\r\n'


def test_foreign_text_is_text_in_an_exported_picture(run: Run) -> None:
    """A name with markup is escaped in the SVG, which stays well formed."""
    result = run(
        "pen",
        """const p = new SvgPen({ font: "x" }); p.text("<script>alert(1)</script> & \\u0001", 1, 2,
      { size: 12, colour: '"red"' });
        const doc = new DOMParser().parseFromString(p.document(10, 10), "image/svg+xml");
          return [doc.querySelector("parsererror") === null, doc.querySelector("script") === null,
          doc.querySelector("text").textContent]""",
    )
    assert result == [True, True, "<script>alert(1)</script> & "]
