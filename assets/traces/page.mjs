// The page of traces: a search over the kept ones and over every source that can be searched, each asked by itself, so
// that what one has is shown while another is still waited for.
import { apiPath, basePath } from "../map/address.mjs";
import { el, iconOf } from "../map/dom.mjs";
import { t, zoneName } from "../map/words.mjs";
import { addressWith, answer, SearchPage } from "../search/page.mjs";
import { sourceList } from "../search/sources.mjs";
import { table } from "./list.mjs";
import { fromLocal, KEPT_ROWS, inAddress, LIMIT, merged, NOTHING, queryOf, RANGES, readState, toLocal, wholes } from "./search.mjs";

const BEAT_MS = 250, HOUR_MS = 3_600_000;

/** Fills the host and searches. */
export const enter = (host) => new TracesPage(host).open();

class TracesPage extends SearchPage {
  asked = [];

  constructor(host) { super(host, "a"); this.names = JSON.parse(host.dataset.sources || "[]"); }
  readState() { return readState(); }
  address() { return addressWith(inAddress(this.state), NOTHING); }

  build() {
    this.says = el("p", { class: "quiet", role: "status" });
    this.first = this.service = this.serviceMenu();
    this.ranges = this.rangeButtons([...RANGES, "custom"], "traces.range.", (range) => this.turn(range));
    const moment = (key) => el("input", { type: "datetime-local", step: 1, class: "menu", "aria-label": t("traces." + key), onchange: (e) => this.set({ [key]: fromLocal(e.target.value) || this.state[key] }) });
    this.ends = { from: moment("from"), to: moment("to") };
    this.own = el("span", { class: "own-time" }, this.ends.from, " – ", this.ends.to, el("small", { class: "quiet" }, zoneName()));
    this.least = el("input", { type: "number", min: 0, step: "any", class: "menu", id: "trace-least", placeholder: "0" });
    this.least.addEventListener("input", () => this.setSoon(() => ({ min_ms: this.least.validity.valid ? this.least.value : "" })));
    this.failed = el("button", { type: "button", class: "tool line", onclick: () => this.set({ errors: this.state.errors ? "" : "1" }) }, iconOf("filter", 14), el("span", {}, t("traces.failed_only")));
    this.again = el("button", { type: "button", class: "tool line", onclick: () => this.begin() }, iconOf("search", 14), el("span", {}, t("traces.search")));
    this.cancel = el("button", { type: "button", class: "tool line", onclick: () => this.cancelled() }, iconOf("close", 13), el("span", {}, t("search.cancel")));
    this.sources = el("ul", { class: "asked", "aria-label": t("search.sources") });
    this.list = el("div", { class: "trace-list" });
    this.list.addEventListener("click", (e) => this.click(e));
    this.host.replaceChildren(el("header", { class: "slo-top" }, el("div", {}, el("h1", {}, t("traces.title")), this.says)),
      el("div", { class: "slo-tools", role: "toolbar", "aria-label": t("traces.tools") }, this.service, this.ranges, this.own, el("label", { class: "least" }, t("traces.min"), this.least, t("unit.ms")), this.failed, this.again, this.cancel),
      this.sources, this.list);
  }

  turn(range) {
    if (range !== "custom") return this.set({ range, from: "", to: "" });
    const now = Date.now();
    this.set({ range, from: this.state.from || new Date(now - HOUR_MS).toISOString(), to: this.state.to || new Date(now).toISOString() });
  }
  begin() {
    this.stop();
    this.going = new AbortController();
    this.showAsked();
    if (this.wrong()) { this.asked = []; return this.show(); }
    const beganMs = Date.now();
    const one = (name) => ({ name: name ?? t("search.kept_here"), key: name, how: "asking", rows: [], reason: "", beganMs });
    this.asked = [null, ...this.names].map(one);
    for (const source of this.asked) this.ask(source, this.going.signal);
    this.beating = setInterval(() => this.show(), BEAT_MS);
    this.show();
  }
  /** Asks one source; whatever becomes of it, the others are not touched. */
  async ask(source, signal) {
    const { key } = source, address = key === null ? `${apiPath()}traces?${queryOf(this.state, KEPT_ROWS)}` : `${apiPath()}traces/search?${queryOf(this.state)}&source=${encodeURIComponent(key)}`;
    const told = await answer(address, signal);
    if (signal.aborted) return;
    const trouble = told?.troubles?.[0];
    source.rows = told === null ? [] : key === null ? wholes(told).map((row) => ({ ...row, source: null, kept: true })) : told.traces;
    source.how = told === null ? "lost" : trouble ? (trouble.kind === "slow" ? "slow" : "failed") : "found";
    Object.assign(source, { reason: trouble?.reason ?? "", why: trouble?.why });
    this.show();
  }
  stop() { this.going?.abort(); clearInterval(this.beating); }
  cancelled() {
    this.stop();
    for (const source of this.asked) if (source.how === "asking") source.how = "cancelled";
    this.show();
    this.again.focus();
  }
  wrong() { return this.state.range === "custom" && this.state.from >= this.state.to; }
  get searching() { return this.asked.some((source) => source.how === "asking"); }

  showAsked() {
    const { state } = this;
    this.showServices();
    this.showRange();
    this.own.hidden = state.range !== "custom";
    for (const key of ["from", "to"]) if (state[key]) this.ends[key].value = toLocal(state[key]);
    for (const key of ["from", "to"]) this.ends[key].setAttribute("aria-invalid", String(this.wrong()));
    if (document.activeElement !== this.least) this.least.value = state.min_ms;
    this.failed.setAttribute("aria-pressed", String(Boolean(state.errors)));
  }
  show() {
    const rows = merged(this.asked.map((source) => source.rows)), { searching } = this;
    if (!searching) clearInterval(this.beating);
    this.again.hidden = searching;
    this.cancel.hidden = !searching;
    this.sources.replaceChildren(...sourceList(this.asked.map((one) => ({ ...one, found: one.rows.length })), Date.now()));
    const count = rows.length === 1 ? t("traces.count.one") : t("traces.count", rows.length), cut = this.asked.some((source) => source.rows.length >= LIMIT);
    this.says.textContent = this.wrong() ? t("traces.bad_range") : [rows.length || !searching ? count : "", cut ? t("traces.most", LIMIT) : "", searching ? t("traces.searching") : zoneName()].filter(Boolean).join(" · ");
    const form = JSON.stringify([rows, searching && !rows.length, this.wrong()]);
    if (form === this.form) return;
    this.form = form;
    const held = this.list.contains(document.activeElement);
    this.list.replaceChildren(...this.content(rows));
    this.rove(held);
  }
  content(rows) {
    const parts = rows.length ? [table(rows, (id) => `${basePath()}traces/${encodeURIComponent(id)}`)] : this.searching || this.wrong() ? [] : [this.nothing()];
    if (!this.names.length) parts.push(el("section", { class: "slo-first" }, el("h2", {}, t("traces.no_sources")), el("p", { class: "quiet" }, t("traces.no_sources.text"))));
    return parts;
  }
  nothing() {
    const { service, min_ms, errors, range } = this.state, narrowed = service || min_ms || errors;
    const clear = el("button", { type: "button", class: "tool line", onclick: () => { this.least.value = ""; this.set({ ...NOTHING, range, from: this.state.from, to: this.state.to }); } }, t("traces.none.clear"));
    return el("section", { class: "slo-first" }, el("h2", {}, t("traces.none")), el("p", { class: "quiet" }, t("traces.none.text")), narrowed ? clear : null);
  }

  click(e) {
    const row = e.target.closest("[data-id]"), plain = e.button === 0 && !(e.ctrlKey || e.metaKey || e.shiftKey || e.altKey);
    if (row && plain && !e.target.closest("a") && getSelection().isCollapsed) row.querySelector("a").click();
  }
}
