"""How quick the map is in a browser: first paint, an update of 10 %, panning, and the heap over 1,000 updates.

Three ways in the same run: our renderer as it opens, our renderer with every group open, and a naive one that computes
places and routes anew and draws everything at every update. A fourth,
  Plotly's scatter, when its bundle is in the assets.
Needs Chromium and Playwright:

    python benchmarks/bench_map.py [--sizes 50 300 1000 3000] [--updates 1000]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from playwright.sync_api import Browser, Page, sync_playwright

from topology.layout import Box, Group, arrange
from topology.layout import Path as CallPath

ROOT = Path(__file__).parent.parent
LAYERS, GROUP_SIZE, PATHS_PER_NODE, SEED = 7, 25, 2.5, 7
ROUNDS = 9

PAGE = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/theme.css">
<style>body { display: grid; height: 100vh } #plot { height: 100vh }</style><body></body>"""

# One update of a tenth of all elements, the same for every way.
CHANGE = """
  const pick = (list) => { const out = []; for (let i = tick++ % 10; i < list.length; i += 10) out.push(list[i]);
    return out; };
  let tick = 0;
  globalThis.change = () => {
    const nodes = pick(data.nodes).map((n) => ({ ...n, calls_per_s: n.calls_per_s * (0.9 + 0.2 * Math.random()),
      error_ratio: Math.random() * 0.02 }));
    const edges = pick(data.edges).map((e) => ({ ...e, calls_per_s: e.calls_per_s * (0.9 + 0.2 * Math.random()) }));
    return { seq: store.snapshot.seq + 1, base: store.snapshot.seq, at: data.at, nodes, edges, gone: {} };
  };
  globalThis.frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
"""

OURS = """async ([url, open, naive]) => {
  const begin = performance.now(), data = await (await fetch(url)).json(), received = performance.now();
  await import("/map/map.mjs");
  const { SnapshotStore } = await import("/map/store.mjs"), { loadWords } = await import("/map/words.mjs");
  await Promise.all([loadWords("en"), document.fonts.load("14px Plex"), document.fonts.load("600 14px Plex")]);
  const store = new SnapshotStore(), map = document.createElement("synoptic-map");
  if (open) map.view.collapsed = new Set();
  document.body.append(map);
  const ready = new Promise((done) => map.addEventListener("synoptic:ready", done));
  map.show(data, store.replace(data));
  await ready;
  if (open) map.zoom(0.5 / map.camera.k);
  await new Promise((done) => setTimeout(done, 300));
  CHANGE
  globalThis.map = map;
  globalThis.update = () => { const change = store.apply(globalThis.change()); map.show(store.snapshot, naive ? {
    structure: true } : change); };
  return performance.getEntriesByName("synoptic-map-painted")[0].startTime - received;
}"""

PLOTLY = """async ([url, bundle]) => {
  const data = await (await fetch(url)).json(), received = performance.now(), {
    SnapshotStore } = await import("/map/store.mjs");
  await new Promise((done) => { const s = document.createElement("script"); s.src = bundle; s.onload = done;
    document.head.append(s); });
  const store = new SnapshotStore(), host = document.body.appendChild(document.createElement("div")),
    byId = new Map(data.nodes.map((n) => [n.id, n]));
  host.id = "plot"; store.replace(data);
  const traces = ({ nodes, edges }) => [
    { type: "scatter", mode: "lines", x: edges.flatMap((e) => [byId.get(e.source).x, byId.get(e.target).x, null]),
      y: edges.flatMap((e) => [byId.get(e.source).y, byId.get(e.target).y, null]), hoverinfo: "skip" },
    { type: "scatter", mode: "markers+text", x: nodes.map((n) => n.x), y: nodes.map((n) => n.y),
      text: nodes.map((n) => `${n.name}<br>${n.calls_per_s.toFixed(1)}/s`), marker: { size: 14, symbol: "square" } }];
  await Plotly.newPlot(host, traces(store.snapshot), { margin: { t: 0, l: 0, r: 0, b: 0 }, showlegend: false });
  await new Promise((done) => requestAnimationFrame(done));
  const painted = performance.now() - received;
  CHANGE
  globalThis.update = () => { store.apply(globalThis.change()); return Plotly.react(host, traces(store.snapshot),
    host.layout); };
  return painted;
}"""

UPDATES = """async (rounds) => {
  const until = [], busy = [];
  for (let i = 0; i < rounds; i++) {
    await frame();
    const begin = performance.now();
    await update();
    const shown = performance.now();
    await frame();
    until.push(performance.now() - begin);
    busy.push(shown - begin + (globalThis.map ? Math.max(map.timing.update, 0) : 0));
  }
  return [until, busy];
}"""
HEAP = """async (updates) => {
  gc(); const before = performance.memory.usedJSHeapSize;
  for (let i = 0; i < updates; i++) { await update(); await new Promise((done) => requestAnimationFrame(done)); }
  gc(); return [before / 1e6, performance.memory.usedJSHeapSize / 1e6];
}"""
PAN = """async () => {
  const moves = 60, begin = performance.now();
  for (let i = 0; i < moves; i++) { map.dispatchEvent(new WheelEvent("wheel", { deltaY: i % 2 ? 40 : -40,
    clientX: 600, clientY: 400, cancelable: true })); await new Promise((done) => requestAnimationFrame(done)); }
  return 1000 * moves / (performance.now() - begin);
}"""


class Assets(SimpleHTTPRequestHandler):
    """The assets, one empty page, and the graphs."""

    extensions_map: ClassVar[dict[str, str]] = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}
    graphs: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        """A page, a graph or a file."""
        body = PAGE.encode() if self.path == "/page" else self.graphs.get(self.path)
        if body is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("content-type", "application/json" if self.path in self.graphs else "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def graph(size: int) -> dict[str, Any]:
    """A snapshot of `size` services in groups of 25, placed by the product's own layout."""
    rng = random.Random(SEED)
    count = max(1, size // GROUP_SIZE)
    groups = [{"id": f"d{i}", "title": {"en": f"Domain {i}"}, "lead": False} for i in range(count)]
    nodes = [node(i, f"d{i % count}", rng) for i in range(size)]
    edges = {}
    while len(edges) < PATHS_PER_NODE * size:
        source = rng.choice(nodes)
        target = rng.choice(nodes[int(source["domain"][1:]) :: count] if rng.random() < 0.75 else nodes)
        if source["layer"] < target["layer"]:
            one = edge(source["id"], target["id"], rng)
            edges[one["id"]] = one
    boxes = [Box(n["id"], n["domain"], int(n["layer"][1:]), n["kind"]) for n in nodes]
    places = arrange(
        boxes, [CallPath(e["source"], e["target"]) for e in edges.values()], [Group(g["id"]) for g in groups]
    )
    for n in nodes:
        n["x"], n["y"] = places[n["id"]]
    layers = [{"id": f"l{i}", "title": {"en": f"Layer {i}"}} for i in range(LAYERS)]
    return {
        "seq": 1,
        "at": "2026-01-01T00:00:00Z",
        "groups": groups,
        "layers": layers,
        "nodes": nodes,
        "edges": list(edges.values()),
    }


def node(number: int, domain: str, rng: random.Random) -> dict[str, Any]:
    """One service with figures."""
    layer, health = rng.randrange(LAYERS), rng.choices(["ok", "at_risk", "burning", "no_data"], [95, 3, 1, 1])[0]
    kind = rng.choice(["database", "cache", "queue", "external"]) if layer == LAYERS - 1 else "service"
    return {
        "id": f"s{number}",
        "name": f"service-{number}",
        "title": None,
        "kind": kind,
        "domain": domain,
        "layer": f"l{layer}",
        "zones": ["a", "b"],
        "health": health,
        "stale": False,
        "calls_per_s": rng.lognormvariate(4, 2),
        "error_ratio": 0.001,
        "p95_ms": rng.lognormvariate(4, 1),
        "budget_left": rng.random(),
        "feels": None,
        "origin": False,
        "change": None,
    }


def edge(source: str, target: str, rng: random.Random) -> dict[str, Any]:
    """One call path with figures."""
    return {
        "id": f"{source}>{target}",
        "source": source,
        "target": target,
        "calls": 100,
        "calls_per_s": rng.lognormvariate(3, 2),
        "cross_zone_calls": 0,
        "health": "ok" if rng.random() < 0.99 else "burning",
        "impact": False,
        "protection": None,
        "sampled": None,
        "complete": True,
        "stale": False,
    }


def measure(page: Page, script: str, argument: list[Any], updates: int) -> dict[str, float]:
    """First paint, update, heap and panning of one way."""
    painted = page.evaluate(script.replace("CHANGE", CHANGE), argument)
    until, busy = page.evaluate(UPDATES, ROUNDS)
    before, after = page.evaluate(HEAP, updates)
    pan = page.evaluate(PAN) if page.evaluate("Boolean(globalThis.map)") else float("nan")
    return {
        "paint_ms": painted,
        "until_ms": statistics.median(until),
        "busy_ms": statistics.median(busy),
        "heap_mb": before,
        "heap_after_mb": after,
        "pan_fps": pan,
    }


def ways(size: int, bundle: str | None, updates: int) -> list[tuple[str, str, list[Any], int]]:
    """Name, script, argument and number of updates for the heap of every way."""
    url = f"/graph{size}"
    found = [
        ("ours, as it opens", OURS, [url, False, False], updates),
        ("ours, all groups open", OURS, [url, True, False], updates),
        ("naive, all anew", OURS, [url, True, True], min(updates, 20)),
    ]
    return [*found, ("plotly scatter", PLOTLY, [url, bundle], min(updates, 20))] if bundle else found


def run(browser: Browser, base: str, sizes: list[int], bundle: str | None, updates: int) -> None:
    """Prints one line a size and way."""
    print(
        f"{'nodes':>6} {'way':<22} {'first paint ms':>14} {'10 % until frame ms':>20} "
        f"{'of it busy ms':>14} {'heap MB':>16} {'zoom fps':>9}"
    )
    for size in sizes:
        for name, script, argument, times in ways(size, bundle, updates):
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(f"{base}/page")
            page.evaluate("Promise.all([import('/map/map.mjs'), import('/map/store.mjs'), import('/map/words.mjs')])")
            m = measure(page, script, argument, times)
            heap = f"{m['heap_mb']:.1f} -> {m['heap_after_mb']:.1f}"
            print(
                f"{size:>6} {name:<22} {m['paint_ms']:>14.0f} {m['until_ms']:>20.1f} "
                f"{m['busy_ms']:>14.1f} {heap:>16} {m['pan_fps']:>9.0f}",
                flush=True,
            )
            page.close()


def main() -> None:
    """Reads the options, serves the assets, measures."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", type=int, nargs="+", default=[50, 300, 1000, 3000])
    options.add_argument("--updates", type=int, default=1000)
    chosen = options.parse_args()
    Assets.graphs = {f"/graph{size}": json.dumps(graph(size)).encode() for size in chosen.sizes}
    bundle = next((f"/vendor/{path.name}" for path in sorted((ROOT / "assets" / "vendor").glob("plotly*.js"))), None)
    arguments = ["--no-sandbox", "--enable-precise-memory-info", "--js-flags=--expose-gc"]
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Assets, directory=str(ROOT / "assets"))) as server,
        sync_playwright() as p,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        run(browser, f"http://127.0.0.1:{server.server_port}", chosen.sizes, bundle, chosen.updates)
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    main()
