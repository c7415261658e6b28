// The stage of the browse page: headline, map, its tools, the table twin, the footer.
import { badgeOf, el, iconOf } from "./dom.mjs";
import { fileName, mapAsPng, mapAsSvg, save } from "./export.mjs";
import { buildFooter } from "./footer.mjs";
import { groupOf, troubled } from "./graph.mjs";
import { buildNotice } from "./states.mjs";
import { TableTwin } from "./table.mjs";
import { sinceWords, t, textOf } from "./words.mjs";

const CAMERA_WAIT_MS = 400;

export function buildStage(host, app) {
  const says = el("p", { class: "says", "aria-live": "polite" }), map = el("synoptic-map", { tabindex: 0 }), hidden = el("div", { class: "hidden-chips" });
  const table = new TableTwin({ select: (id, what) => app.select(id, what), close: () => app.table() });
  const footer = buildFooter({ state: (s) => app.apply({ find: app.state.find === `health:${s}` ? "" : `health:${s}` }) });
  const area = el("div", { class: "area" }, says, map, hidden, table.node);
  footer.node.lastElementChild.before(buildTools(map, app));
  host.append(area, footer.node);
  const notice = buildNotice(area);
  let camera = 0, turn = 0;
  map.addEventListener("synoptic:select", (e) => { if (e.detail.id !== app.state.select) app.select(e.detail.id, e.detail.what); });
  map.addEventListener("synoptic:collapsed", (e) => app.apply({ collapsed: e.detail.ids }));
  map.addEventListener("synoptic:camera", (e) => { clearTimeout(camera); camera = setTimeout(() => app.apply({ camera: e.detail.text }, "typing"), CAMERA_WAIT_MS); });
  table.node.querySelector(".csv").addEventListener("click", () => save(table.csv, fileName(app.snapshot, "csv"), "text/csv;charset=utf-8"));

  const stage = {
    host, area, map, table, footer, notice,
    setView(view) { map.set(view); stage.fillTable(); },
    show(snapshot, change) { map.show(snapshot, change); footer.show(snapshot); headline(says, snapshot); stage.fillTable(); },
    fillTable() { if (app.snapshot) table.show(app.snapshot, passes(map), app.state.select); },
    matches: () => (map.view.test ? app.snapshot.nodes.filter(map.view.test) : []),
    revealNext() {
      const found = stage.matches();
      if (!found.length) return;
      const n = found[turn++ % found.length];
      map.reveal(map.scene.byId.has(n.id) ? n.id : "#" + groupOf(n));
    },
    sayHidden(text) { hidden.replaceChildren(...(text ? [el("button", { type: "button", title: t("find.unhide"), onclick: () => app.apply({ hide: "" }) }, iconOf("hide", 14), t("find.hidden", text), iconOf("close", 12))] : [])); },
  };
  return stage;
}

/** The table shows what the map has in its foreground. */
function passes(map) {
  const { test, hidden, only } = map.view;
  return (n) => !(hidden && hidden(n)) && (!test || test(n)) && (!only || troubled(n) || Boolean(n.feels) || Boolean(n.origin));
}

function headline(says, snapshot) {
  const { overall, nodes } = snapshot, words = overall && [textOf(overall.headline), sinceWords(snapshot)].filter(Boolean).join(" · ");
  says.replaceChildren(...(words && nodes.length ? [badgeOf(overall.state, 17), words, el("small", {}, textOf(overall.detail))] : []));
}

function buildTools(map, app) {
  const tool = (icon, key, act) => el("button", { type: "button", title: t(key), "aria-label": t(key), onclick: act }, iconOf(icon));
  const file = (ending, make) => el("button", { type: "button", onclick: make }, ending.toUpperCase());
  const menu = el("details", { class: "export" }, el("summary", { title: t("action.export"), "aria-label": t("action.export") }, iconOf("download")), el("div", {},
    file("png", async () => save(await mapAsPng(map), fileName(app.snapshot, "png"))),
    file("svg", () => save(mapAsSvg(map), fileName(app.snapshot, "svg"), "image/svg+xml")),
    file("json", () => save(JSON.stringify(app.snapshot, null, 1), fileName(app.snapshot, "json"), "application/json"))));
  return el("div", { class: "tools", role: "toolbar", "aria-label": t("tools.label") },
    tool("plus", "action.zoom_in", () => map.zoom(1.25)), tool("minus", "action.zoom_out", () => map.zoom(0.8)), tool("fit", "action.fit", () => map.fit()), tool("table", "action.table", () => app.table()), menu);
}
