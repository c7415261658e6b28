// The page of log lines: patterns of error lines, and a search over all sources that is shown while it goes on.
// What is asked for stands in the address.
import { apiPath, basePath } from "../map/address.mjs";
import { el, iconOf } from "../map/dom.mjs";
import { clock, dayAndClock, t } from "../map/words.mjs";
import { levelWord, lineRow, patternList } from "./list.mjs";
import { addressOf, LEVELS, NOTHING, queryOf, RANGES, rangeS, read, readState, spanOf } from "./search.mjs";

const LIMIT = 200, TYPED_MS = 500;

/** Fills the host and searches. */
export const enter = (host) => new LogsPage(host);

class LogsPage {
  lines = [];
  patterns = null;

  constructor(host) {
    this.host = host;
    this.state = readState();
    this.build();
    const heard = { signal: (this.left = new AbortController()).signal };
    addEventListener("popstate", () => { this.state = readState(); this.begin(); }, heard);
    document.addEventListener("keydown", (e) => this.key(e), heard);
    this.begin();
    this.nameServices();
  }
  leave() { this.left.abort(); this.stop(); clearTimeout(this.typing); }

  build() {
    this.says = el("p", { class: "quiet", role: "status" });
    this.box = el("input", { type: "search", id: "find-line", autocomplete: "off", spellcheck: "false", maxlength: 200, placeholder: t("logs.find"), "aria-label": t("logs.find") });
    this.box.addEventListener("input", () => { clearTimeout(this.typing); this.typing = setTimeout(() => this.set({ text: this.box.value.trim() }, false), TYPED_MS); });
    this.box.addEventListener("keydown", (e) => { if (e.key === "Enter") { clearTimeout(this.typing); this.set({ text: this.box.value.trim() }, true, true); } });
    this.names = el("datalist", { id: "log-services" });
    this.service = el("input", { class: "menu", list: "log-services", spellcheck: "false", autocomplete: "off", placeholder: t("logs.service.all"), "aria-label": t("logs.service"), onchange: (e) => this.set({ service: e.target.value.trim(), pattern: "" }) });
    this.level = el("select", { class: "menu", "aria-label": t("logs.level"), onchange: (e) => this.set({ level: e.target.value }) }, el("option", { value: "" }, t("logs.level.all")), LEVELS.map((level) => el("option", { value: level }, level.split(",").map(levelWord).join(" · "))));
    this.ranges = el("span", { class: "seg", role: "group", "aria-label": t("logs.range") }, RANGES.map((range) => el("button", { type: "button", "data-range": range, onclick: () => this.set({ range, to: "" }) }, t("logs.range." + range))));
    this.chips = el("span", { class: "log-chips" });
    this.cancel = el("button", { type: "button", class: "tool line log-cancel", onclick: () => this.cancelled() }, iconOf("close", 13), el("span", {}, t("logs.cancel")));
    this.bar = el("progress", { max: 1, "aria-label": t("logs.progress") });
    this.said = el("aside", { class: "log-side", "aria-label": t("logs.patterns") });
    this.list = el("div", { class: "log-list", "aria-label": t("logs.lines") });
    this.end = el("div", { class: "log-end" });
    this.faults = el("ul", { class: "log-faults", role: "alert" });
    this.list.addEventListener("focusin", (e) => { this.active = e.target.closest("summary") ?? this.active; });
    this.host.replaceChildren(el("header", { class: "slo-top" }, el("div", {}, el("h1", {}, t("logs.title")), this.says), el("div", { class: "log-going" }, this.bar, this.cancel)),
      el("div", { class: "slo-tools", role: "toolbar", "aria-label": t("logs.tools") }, el("div", { class: "find", role: "search" }, iconOf("search", 14), this.box, el("kbd", { "aria-hidden": "true" }, "/")), this.service, this.names, this.level, this.ranges, this.chips),
      el("div", { class: "log-parts" }, el("div", { class: "log-main" }, this.faults, this.list, this.end), this.said));
  }

  /** Takes over a wish of the person, writes it into the address, and searches anew. */
  set(change, step = true, again = false) {
    if (!again && Object.entries(change).every(([key, value]) => this.state[key] === value)) return;
    Object.assign(this.state, change);
    history[step ? "pushState" : "replaceState"](history.state, "", addressOf(basePath(), this.state));
    this.begin();
  }
  begin() {
    Object.assign(this, { lines: [], reached: "", told: [], how: "" });
    this.span = spanOf(this.state, Date.now());
    this.list.replaceChildren();
    this.showAsked();
    this.askPatterns();
    this.search();
  }
  showAsked() {
    const { state } = this;
    if (document.activeElement !== this.box) this.box.value = state.text;
    this.service.value = state.service;
    this.level.value = state.level;
    for (const button of this.ranges.children) button.setAttribute("aria-pressed", String(button.dataset.range === state.range));
    const chip = (key, words) => el("button", { type: "button", class: "tool line", title: t("logs.let_go"), onclick: () => this.set({ [key]: "" }) }, words, iconOf("close", 11));
    this.chips.replaceChildren(...[state.trace && chip("trace", t("logs.chip.trace", state.trace.slice(0, 8))), state.pattern && chip("pattern", t("logs.chip.pattern")), state.to && chip("to", t("logs.chip.to", dayAndClock(new Date(state.to))))].filter(Boolean));
  }

  /** Searches from where the last search ended; a search that is under way ends. */
  async search() {
    this.stop();
    const going = this.going = new AbortController();
    this.how = "searching";
    this.show();
    try {
      await read(`${apiPath()}logs/stream?${queryOf(this.state, { ...this.span, to: this.reached || this.span.to }, LIMIT)}`, going.signal, (piece) => going.signal.aborted || this.take(piece));
      if (this.how === "searching") this.how = this.got < LIMIT ? "done" : "more";
    } catch (e) { if (going.signal.aborted) return; this.how = e.message === "busy" ? "busy" : "failed"; }
    this.going = null;
    this.show();
  }
  stop() { this.going?.abort(); this.going = null; this.got = 0; }
  cancelled() { this.stop(); this.how = "cancelled"; this.show(); this.box.focus(); }

  take(piece) {
    if (piece.failed) this.how = "failed";
    if (piece.done) return;
    this.got += piece.lines.length;
    this.reached = piece.reached ?? this.reached;
    this.told = piece.faults;
    this.lines.push(...piece.lines);
    const about = { text: this.state.text, base: basePath(), state: this.state, search: (change) => addressOf(basePath(), { ...NOTHING, ...change }) };
    this.list.append(...piece.lines.map((line) => lineRow(line, about)));
    this.show();
  }
  show() {
    const { how, lines } = this, searching = how === "searching", count = lines.length === 1 ? t("logs.count.one") : t("logs.count", lines.length);
    const back = searching && this.reached ? t("logs.reached", dayAndClock(new Date(this.reached))) : t("logs.how." + how, clock(new Date()));
    this.says.textContent = [lines.length || !searching ? count : "", back].filter(Boolean).join(" · ");
    this.host.classList.toggle("searching", searching);
    this.cancel.hidden = this.bar.hidden = !searching;
    const whole = rangeS(this.state.range) * 1000;
    if (this.reached) this.bar.value = Math.min(1, (Date.parse(this.span.to) - Date.parse(this.reached)) / whole); else this.bar.removeAttribute("value");
    const more = ["more", "cancelled", "failed", "busy"].includes(how), going = how === "more" ? "logs.more" : "logs.again";
    const nothing = !lines.length && how === "done" ? el("div", { class: "slo-first" }, el("p", {}, t("logs.none")), el("p", { class: "quiet" }, t("logs.none.text"))) : null;
    this.end.replaceChildren(...[nothing, more && el("button", { type: "button", class: "tool line", onclick: () => this.search() }, t(going))].filter(Boolean));
    this.faults.replaceChildren(...(this.told ?? []).map((fault) => el("li", {}, fault)));
    this.rove();
  }

  async askPatterns() {
    const { service } = this.state, ask = new URLSearchParams({ ...this.span, ...(service && { service }), limit: 50 }), asked = this.asked = {};
    let found = null;
    try { const answer = await fetch(`${apiPath()}logs/patterns?${ask}`, { cache: "no-store" }); found = answer.ok ? await answer.json() : null; } catch { /* said below */ }
    if (this.asked !== asked || this.left.signal.aborted) return;
    const choose = (one) => this.set(one ? { pattern: one.id, service: one.service } : { pattern: "" });
    const shown = found === null ? el("p", { class: "quiet" }, t("logs.patterns.failed")) : found.length ? patternList(found, { chosen: this.state.pattern, choose }) : el("p", { class: "quiet" }, t("logs.patterns.none"));
    this.said.replaceChildren(el("h2", {}, t("logs.patterns"), el("span", {}, found?.length ? String(found.length) : "")), shown);
  }
  async nameServices() {
    try {
      const { nodes } = await (await fetch(`${apiPath()}graph?window=1h`)).json();
      this.names.replaceChildren(...nodes.filter((n) => n.kind === "service").map((n) => el("option", { value: n.id })));
    } catch { /* a name can be typed all the same */ }
  }

  /** One line of the list can be reached by Tab; arrows lead on from there. */
  rove() {
    const rows = [...this.list.querySelectorAll("summary")], row = rows.includes(this.active) ? this.active : rows[0];
    for (const one of rows) one.tabIndex = one === row ? 0 : -1;
  }
  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "/" && !e.target.closest?.("input, select")) { e.preventDefault(); return this.box.focus(); }
    if (e.key === "Escape" && this.going) return this.cancelled();
    const rows = [...this.list.querySelectorAll("summary")], at = rows.indexOf(e.target.closest?.("summary"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[e.key];
    if (at < 0 || to === undefined || !rows[to]) return;
    e.preventDefault();
    rows[to].focus();
    this.rove();
  }
}
