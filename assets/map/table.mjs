// The twin of the map as a table: the same nodes or paths under the same filters, for sorting, for screen readers, for CSV.
// Only the rows in view exist in the page, so thousands of them cost nothing.
import { badgeOf, el, iconOf } from "./dom.mjs";
import { asCsv } from "./export.mjs";
import { groupOf, ORDER } from "./graph.mjs";
import { kindWord, millis, nameOf, percent, rate, share, stateWord, t, textOf } from "./words.mjs";
import { zoneCounts } from "./zones.mjs";

const ROW_PX = 34, SPARE_ROWS = 8;
const column = (key, read, show, number = true) => ({ key, read, show, number });
const NODE_COLUMNS = [
  column("health", (n) => ORDER.indexOf(n.health), (n) => [badgeOf(n.health, 15), stateWord(n.health) + (n.stale ? `, ${t("state.stale")}` : "")], false),
  column("name", nameOf, (n) => nameOf(n), false), column("kind", (n) => kindWord(n.kind), (n) => kindWord(n.kind), false),
  column("domain", (n) => n.group, (n) => n.group || "–", false), column("zones", (n) => (n.zones ?? []).join(" "), (n) => zoneCounts(n).map((words) => words.join(" ").trim()).join(", ") || (n.zones ?? []).join(", ") || "–", false),
  column("calls_per_s", (n) => n.calls_per_s, (n) => rate(n.calls_per_s)), column("error_ratio", (n) => n.error_ratio, (n) => percent(n.error_ratio)),
  column("p50_ms", (n) => n.p50_ms, (n) => millis(n.p50_ms)), column("p95_ms", (n) => n.p95_ms, (n) => millis(n.p95_ms)), column("p99_ms", (n) => n.p99_ms, (n) => millis(n.p99_ms)),
  column("budget_left", (n) => n.budget_left, (n) => share(n.budget_left)),
  column("change", (n) => n.changed_at ?? "", (n) => n.change?.title ?? "–", false),
];
const EDGE_COLUMNS = [
  NODE_COLUMNS[0], column("source", (e) => e.from, (e) => e.from, false), column("target", (e) => e.to, (e) => e.to, false), column("protocols", (e) => (e.protocols ?? []).join(" "), (e) => (e.protocols ?? []).join(", ") || "–", false),
  NODE_COLUMNS[5], NODE_COLUMNS[6], column("client_p95_ms", (e) => e.client_p95_ms, (e) => millis(e.client_p95_ms)), column("server_p95_ms", (e) => e.server_p95_ms, (e) => millis(e.server_p95_ms)),
];

export class TableTwin {
  #what = "nodes";
  #sort = { key: "health", down: true };
  #active = [0, 0];
  rows = [];

  /** `act`: select(id, what), close(). */
  constructor(act) {
    this.act = act;
    this.tabs = ["nodes", "edges"].map((what) => el("button", { type: "button", "aria-pressed": String(what === this.#what), onclick: () => this.#turn(what) }, t("table." + what)));
    this.count = el("span", { class: "quiet", role: "status" });
    this.head = el("div", { class: "t-head", role: "row", "aria-rowindex": 1 });
    this.body = el("div", { class: "t-rows", role: "rowgroup" });
    this.scroller = el("div", { class: "t-scroll", role: "grid", "aria-label": t("table.label"), tabindex: -1 }, el("div", { role: "rowgroup", class: "t-top" }, this.head), this.body);
    this.node = el("section", { class: "twin", hidden: true },
      el("header", {}, el("span", { class: "seg", role: "group", "aria-label": t("table.what") }, this.tabs), this.count, el("span", { class: "grow" }),
        el("button", { type: "button", class: "tool line csv" }, iconOf("download", 14), t("action.csv")), el("button", { type: "button", class: "tool", title: t("action.close"), "aria-label": t("action.close"), onclick: act.close }, iconOf("close"))), this.scroller);
    this.scroller.addEventListener("scroll", () => this.#paint(), { passive: true });
    this.scroller.addEventListener("keydown", (e) => this.#key(e));
    this.body.addEventListener("click", (e) => { const row = e.target.closest("[data-id]"); if (row) act.select(row.dataset.id, this.#what === "nodes" ? "node" : "edge"); });
    this.#heads();
  }
  get #columns() { return this.#what === "nodes" ? NODE_COLUMNS : EDGE_COLUMNS; }
  get csv() { return asCsv(this.#columns.map((c) => c.key), this.rows.map((r) => this.#columns.map((c) => (c.key === "health" ? r.health : c.read(r))))); }

  /** The rows of a snapshot under a filter: `passes` tests nodes; a path is shown when either end passes. */
  show(snapshot, passes, selected) {
    this.last = [snapshot, passes, selected];
    if (this.node.hidden) return;
    const byId = new Map(snapshot.nodes.map((n) => [n.id, n])), label = (id) => nameOf(byId.get(id) ?? { name: id });
    const kept = new Set(snapshot.nodes.filter(passes).map((n) => n.id)), groups = new Map((snapshot.groups ?? []).map((g) => [g.id, textOf(g.title, g.id)]));
    this.rows = this.#what === "nodes" ? snapshot.nodes.filter((n) => kept.has(n.id)).map((n) => ({ ...n, group: groups.get(groupOf(n)) ?? groupOf(n) }))
      : snapshot.edges.filter((e) => kept.has(e.source) || kept.has(e.target)).map((e) => ({ ...e, from: label(e.source), to: label(e.target) }));
    this.selected = selected;
    this.#order();
    this.count.textContent = t("table.count", this.rows.length);
    this.scroller.setAttribute("aria-rowcount", this.rows.length + 1);
    this.scroller.setAttribute("aria-colcount", this.#columns.length);
    this.body.style.height = `${this.rows.length * ROW_PX}px`;
    this.#paint();
  }
  open(on) {
    this.node.hidden = !on;
    if (on && this.last) { this.show(...this.last); this.#focus(); }
  }

  #turn(what) {
    this.#what = what;
    this.#sort = { key: "health", down: true };
    this.#active = [0, 0];
    this.tabs.forEach((b, i) => b.setAttribute("aria-pressed", String((i === 0) === (what === "nodes"))));
    this.#heads();
    this.show(...this.last);
  }
  #heads() {
    this.node.style.setProperty("--columns", this.#columns.map((c) => (c.number ? "minmax(84px, 1fr)" : c.key === "name" || c.key === "source" || c.key === "target" ? "minmax(170px, 2.4fr)" : "minmax(110px, 1.2fr)")).join(" "));
    this.head.replaceChildren(...this.#columns.map((c, i) => el("div", { role: "columnheader", class: c.number ? "n" : "", "aria-colindex": i + 1, "aria-sort": this.#sort.key === c.key ? (this.#sort.down ? "descending" : "ascending") : "none" },
      el("button", { type: "button", onclick: () => this.#sortBy(c) }, t("column." + c.key)))));
  }
  #sortBy(c) {
    this.#sort = { key: c.key, down: this.#sort.key === c.key ? !this.#sort.down : c.number || c.key === "health" };
    this.#heads();
    this.show(...this.last);
    this.head.querySelector(`[aria-colindex="${this.#columns.indexOf(c) + 1}"] button`).focus();
  }
  /** Unknown figures stand last in either direction. */
  #order() {
    const { read } = this.#columns.find((c) => c.key === this.#sort.key) ?? this.#columns[0], way = this.#sort.down ? -1 : 1;
    const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
    this.rows.sort((p, q) => { const a = read(p), b = read(q); return a == null || b == null ? (a == null) - (b == null) : way * compare(a, b) || (p.id < q.id ? -1 : 1); });
  }

  #paint() {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW_PX) - SPARE_ROWS), count = Math.ceil(this.scroller.clientHeight / ROW_PX) + 2 * SPARE_ROWS;
    const held = this.body.contains(document.activeElement);
    this.body.replaceChildren(...this.rows.slice(first, first + count).map((r, i) => this.#row(r, first + i)));
    if (held) this.#focus(false);
  }
  #row(r, index) {
    const cells = this.#columns.map((c, i) => el("div", { role: "gridcell", class: c.number ? "n" : "", "aria-colindex": i + 1, tabindex: this.#active[0] === index && this.#active[1] === i ? 0 : -1 }, c.show(r)));
    return el("div", { role: "row", class: "t-row", "data-id": r.id, "aria-rowindex": index + 2, "aria-selected": String(r.id === this.selected), style: { transform: `translateY(${index * ROW_PX}px)` } }, cells);
  }

  #key(e) {
    if (!this.body.contains(e.target)) { if (e.key === "ArrowDown" && this.head.contains(e.target)) { e.preventDefault(); this.#focus(); } return; }
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW_PX) - 2), [row, cell] = this.#active;
    const to = { ArrowDown: [row + 1, cell], ArrowUp: [row - 1, cell], ArrowRight: [row, cell + 1], ArrowLeft: [row, cell - 1], PageDown: [row + page, cell], PageUp: [row - page, cell], Home: e.ctrlKey ? [0, 0] : [row, 0], End: e.ctrlKey ? [Infinity, cell] : [row, Infinity] }[e.key];
    if (e.key === "Enter") this.act.select(this.rows[row].id, this.#what === "nodes" ? "node" : "edge");
    if (!to) return;
    e.preventDefault();
    e.stopPropagation();
    this.#active = [Math.max(0, Math.min(this.rows.length - 1, to[0])), Math.max(0, Math.min(this.#columns.length - 1, to[1]))];
    this.#focus();
  }
  #focus(scroll = true) {
    if (!this.rows.length) return;
    this.#active[0] = Math.min(this.#active[0], this.rows.length - 1);
    const top = this.#active[0] * ROW_PX, { scrollTop, clientHeight } = this.scroller;
    if (scroll && (top < scrollTop || top + 2 * ROW_PX > scrollTop + clientHeight)) this.scroller.scrollTop = top - clientHeight / 2;
    if (scroll) this.#paint();
    this.body.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
  }
}
