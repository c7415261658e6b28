// The page of changes: what was changed, by time and by service, and how that went. What is asked for stands in the address.
import { apiPath, basePath } from "../map/address.mjs";
import { el, iconOf } from "../map/dom.mjs";
import { clock, t } from "../map/words.mjs";
import { deliverySection } from "./delivery.mjs";
import { countOf, dayList, laneChart, nameOf } from "./list.mjs";
import { chosen, KINDS, lanes, OUTCOMES, RANGES, rangeS } from "./model.mjs";

const EVERY_MS = 10_000, RETRY_MS = 4000, FIND_WAIT_MS = 120, MOST = 1000, MOST_LANES = 12, LONGEST = "400d";
const NOTHING = { find: "", kind: "", outcome: "", range: "7d" };

/** Fills the host and keeps it true. */
export const enter = (host) => new ChangesPage(host);

class ChangesPage {
  constructor(host) {
    this.host = host;
    this.state = readState();
    this.build();
    const heard = { signal: (this.left = new AbortController()).signal };
    addEventListener("popstate", () => { this.state = readState(); this.box.value = this.state.find; this.ask(); }, heard);
    document.addEventListener("visibilitychange", () => document.hidden || this.fetch(), heard);
    document.addEventListener("keydown", (e) => this.key(e), heard);
    this.ask();
  }
  leave() { this.left.abort(); clearTimeout(this.timer); }

  build() {
    this.says = el("p", { class: "quiet", role: "status" });
    this.box = el("input", { type: "search", id: "find-change", autocomplete: "off", spellcheck: "false", placeholder: t("changes.find"), "aria-label": t("changes.find"), value: this.state.find });
    this.box.addEventListener("input", () => { clearTimeout(this.typing); this.typing = setTimeout(() => this.set({ find: this.box.value }, false), FIND_WAIT_MS); });
    this.box.addEventListener("keydown", (e) => { if (e.key === "Escape") { this.choose(""); this.box.blur(); } });
    this.ranges = el("span", { class: "seg", role: "group", "aria-label": t("changes.range") }, RANGES.map((range) => el("button", { type: "button", "data-range": range, onclick: () => this.set({ range }) }, t("changes.range." + range))));
    this.kind = this.menu("kind", KINDS, "change.kind.");
    this.outcome = this.menu("outcome", OUTCOMES, "change.outcome.");
    this.csv = el("a", { class: "tool line", download: true }, iconOf("download", 14), t("action.csv"));
    this.chart = el("section", { class: "change-lanes", "aria-label": t("changes.by_service") });
    this.list = el("div", { class: "change-days", "aria-label": t("changes.label") });
    this.figures = el("aside", { class: "change-figures", "aria-label": t("changes.delivery") });
    this.list.addEventListener("focusin", (e) => { this.active = e.target.closest("[data-uid]")?.dataset.uid ?? this.active; });
    this.host.replaceChildren(el("header", { class: "slo-top" }, el("div", {}, el("h1", {}, t("changes.title")), this.says)),
      el("div", { class: "slo-tools", role: "toolbar", "aria-label": t("changes.tools") }, el("div", { class: "find", role: "search" }, iconOf("search", 14), this.box, el("kbd", { "aria-hidden": "true" }, "/")), this.kind, this.outcome, this.ranges, this.csv),
      el("div", { class: "change-parts" }, el("div", { class: "change-main" }, this.chart, this.list), this.figures));
  }
  menu(key, words, prefix) {
    const options = [el("option", { value: "" }, t(`changes.filter.${key}.all`)), ...words.map((word) => el("option", { value: word }, t(prefix + word)))];
    return el("select", { class: "menu", "data-filter": key, "aria-label": t("changes.column." + key), onchange: (e) => this.set({ [key]: e.target.value }) }, options);
  }

  /** Takes over a wish of the person, writes it into the address, and asks anew where the server is needed for it. */
  set(change, step = true) {
    const asks = Object.keys(change).some((key) => key !== "find");
    Object.assign(this.state, change);
    writeState(this.state, step);
    asks ? this.ask() : this.show();
  }
  choose(find) { this.box.value = find; this.set({ find }); }
  ask() { this.changes = null; this.form = ""; this.show(); this.fetch(); }

  async fetch() {
    clearTimeout(this.timer);
    const asked = JSON.stringify(this.state), api = apiPath() + "changes", from = `from=now-${this.state.range}`;
    const [changes, delivery] = await Promise.all([answer(`${api}?${this.query()}&limit=${MOST}`), answer(`${api}/delivery?${from}`)]);
    const none = changes?.length === 0 && !(await answer(`${api}?from=now-${LONGEST}&limit=1`))?.length;
    if (this.left.signal.aborted) return;
    if (!document.hidden) this.timer = setTimeout(() => this.fetch(), changes && delivery ? EVERY_MS : RETRY_MS);
    this.lost = !changes || !delivery;
    if (!this.lost && JSON.parse(asked).range === this.state.range) Object.assign(this, { changes, delivery, none, heardAt: new Date() });
    this.show();
  }
  query() {
    const ask = new URLSearchParams({ from: `now-${this.state.range}` });
    for (const key of ["kind", "outcome"]) if (this.state[key]) ask.set(key, this.state[key]);
    return ask;
  }

  show() {
    this.kind.value = this.state.kind;
    this.outcome.value = this.state.outcome;
    this.csv.href = `${apiPath()}changes.csv?${this.query()}&limit=5000`;
    for (const button of this.ranges.children) button.setAttribute("aria-pressed", String(button.dataset.range === this.state.range));
    this.host.classList.toggle("lost", Boolean(this.lost));
    if (!this.changes) { this.says.textContent = t(this.lost ? "changes.failed" : "page.loading"); return; }
    const found = chosen(this.changes, this.state.find, t("change.everything"));
    const count = this.changes.length === MOST ? t("changes.count.most", found.length) : countOf(found.length);
    this.says.textContent = [count, this.lost ? t("changes.failed") : t("slo.heard", clock(this.heardAt))].join(" · ");
    const form = JSON.stringify([this.state, found, this.delivery.services]);
    if (form === this.form) return;
    this.form = form;
    this.draw(found);
  }
  draw(found) {
    const toMs = Date.now(), fromMs = toMs - rangeS(this.state.range) * 1000, held = this.list.contains(document.activeElement), lane = document.activeElement?.dataset.lane;
    const shown = lanes(chosen(this.changes, "", ""), nameOf, fromMs, toMs, MOST_LANES);
    this.chart.replaceChildren(...(shown.length ? laneChart(shown, { fromMs, toMs, find: this.state.find, choose: (name) => this.choose(name) }) : []));
    this.list.replaceChildren(...(found.length ? dayList(found, addressOf) : [this.empty()]));
    if (this.changes.length === MOST) this.list.append(el("p", { class: "quiet" }, t("changes.more")));
    this.figures.replaceChildren(...deliverySection(this.delivery, `${apiPath()}changes/delivery.csv?from=now-${this.state.range}`, (name) => this.choose(name)));
    if (lane) this.chart.querySelector(`[data-lane="${CSS.escape(lane)}"]`)?.focus();
    this.rove(held);
  }
  empty() {
    if (this.none) return firstStep();
    const clear = el("button", { type: "button", class: "tool line", onclick: () => { this.box.value = ""; this.set({ ...NOTHING, range: this.state.range }); } }, t("changes.none.clear"));
    return el("div", { class: "slo-first" }, el("p", {}, t("changes.none")), this.state.find || this.state.kind || this.state.outcome ? clear : null);
  }

  /** One row of the list can be reached by Tab; arrows lead on from there. */
  rove(focus) {
    const rows = [...this.list.querySelectorAll("[data-uid]")], row = rows.find((one) => one.dataset.uid === this.active) ?? rows[0];
    for (const one of rows) one.tabIndex = one === row ? 0 : -1;
    if (focus) row?.focus();
  }
  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "/" && !e.target.closest?.("input, select")) { e.preventDefault(); return this.box.focus(); }
    const rows = [...this.list.querySelectorAll("[data-uid]")], at = rows.indexOf(e.target.closest?.("[data-uid]"));
    if (at < 0) return;
    if (e.key === "Enter" && e.target === rows[at]) return rows[at].querySelector("a.go").click();
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    this.active = rows[Math.max(0, Math.min(rows.length - 1, to))].dataset.uid;
    this.rove(true);
  }
}

/** The map five minutes after a change, when it begins to show. */
const addressOf = (one) => `${basePath()}?at=${encodeURIComponent(new Date(Math.min(Date.now(), Date.parse(one.at) + 300_000)).toISOString())}${one.service ? `&select=${encodeURIComponent(one.service)}` : ""}`;

function firstStep() {
  const text = `curl -X POST ${new URL(apiPath() + "changes", location.href)} \\\n  -H 'content-type: application/json' \\\n  -d '{"service": "orders", "version": "1.4.2", "title": "1.4.1 → 1.4.2"}'`;
  const done = el("span", { class: "done", role: "status" });
  const copy = async () => { await navigator.clipboard?.writeText(text); done.textContent = t("action.copied"); };
  const box = el("div", { class: "command" }, el("pre", { tabindex: 0 }, text), el("button", { type: "button", title: t("action.copy"), "aria-label": t("action.copy"), onclick: copy }, iconOf("copy")), done);
  return el("section", { class: "slo-first" }, el("h2", {}, t("changes.empty")), el("p", { class: "quiet" }, t("changes.empty.text")), box);
}

async function answer(address) {
  try { const found = await fetch(address); return found.ok ? await found.json() : null; } catch { return null; }
}

function readState() {
  const ask = new URLSearchParams(location.search), one = (key, allowed) => (allowed.includes(ask.get(key)) ? ask.get(key) : NOTHING[key]);
  return { find: ask.get("find") ?? "", kind: one("kind", KINDS), outcome: one("outcome", OUTCOMES), range: one("range", RANGES) };
}
function writeState(state, step) {
  const url = new URL(location.href);
  for (const [key, value] of Object.entries(state)) value === NOTHING[key] ? url.searchParams.delete(key) : url.searchParams.set(key, value);
  if (url.href !== location.href) history[step ? "pushState" : "replaceState"](history.state, "", url);
}
