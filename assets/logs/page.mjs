// The page of log lines: patterns of error lines, and a search over all sources that is shown while it goes on.
import { apiPath, basePath } from "../map/address.mjs";
import { el, iconOf } from "../map/dom.mjs";
import { clock, dayAndClock, t } from "../map/words.mjs";
import { addressWith, answer, SearchPage } from "../search/page.mjs";
import { sourceList } from "../search/sources.mjs";
import { levelWord, lineRow, patternList } from "./list.mjs";
import { LEVELS, NOTHING, queryOf, RANGES, rangeS, read, readState, spanOf } from "./search.mjs";

const LIMIT = 200;

/** Fills the host and searches. */
export const enter = (host) => new LogsPage(host, "summary").open();

class LogsPage extends SearchPage {
  withService = { pattern: "" };
  readState() { return readState(); }
  address() { return addressWith(this.state, NOTHING); }
  get searching() { return this.how === "searching"; }

  build() {
    this.says = el("p", { class: "quiet", role: "status" });
    this.first = this.box = el("input", { type: "search", id: "find-line", autocomplete: "off", spellcheck: "false", maxlength: 200, placeholder: t("logs.find"), "aria-label": t("logs.find") });
    this.box.addEventListener("input", () => this.setSoon(() => ({ text: this.box.value.trim() })));
    this.box.addEventListener("keydown", (e) => { if (e.key === "Enter") this.set({ text: this.box.value.trim() }, true, true); });
    this.service = this.serviceMenu();
    this.level = el("select", { class: "menu", "aria-label": t("logs.level"), onchange: (e) => this.set({ level: e.target.value }) }, el("option", { value: "" }, t("logs.level.all")), LEVELS.map((level) => el("option", { value: level }, level.split(",").map(levelWord).join(" · "))));
    this.ranges = this.rangeButtons(RANGES, "logs.range.", (range) => this.set({ range, to: "" }));
    this.chips = el("span", { class: "log-chips" });
    this.cancel = el("button", { type: "button", class: "tool line log-cancel", onclick: () => this.cancelled() }, iconOf("close", 13), el("span", {}, t("search.cancel")));
    this.bar = el("progress", { max: 1, "aria-label": t("logs.progress") });
    this.sources = el("ul", { class: "asked", "aria-label": t("search.sources") });
    this.said = el("aside", { class: "log-side", "aria-label": t("logs.patterns") });
    this.list = el("div", { class: "log-list", "aria-label": t("logs.lines") });
    this.end = el("div", { class: "log-end" });
    this.host.replaceChildren(el("header", { class: "slo-top" }, el("div", {}, el("h1", {}, t("logs.title")), this.says), el("div", { class: "log-going" }, this.bar, this.cancel)),
      el("div", { class: "slo-tools", role: "toolbar", "aria-label": t("logs.tools") }, el("div", { class: "find", role: "search" }, iconOf("search", 14), this.box, el("kbd", { "aria-hidden": "true" }, "/")), this.service, this.level, this.ranges, this.chips),
      this.sources, el("div", { class: "log-parts" }, el("div", { class: "log-main" }, this.list, this.end), this.said));
  }

  begin() {
    Object.assign(this, { lines: [], reached: "", asked: [], how: "" });
    this.span = spanOf(this.state, Date.now());
    this.list.replaceChildren();
    this.list.classList.toggle("days", rangeS(this.state.range) >= 86400 || Boolean(this.state.to));
    this.showAsked();
    this.askPatterns();
    this.search();
  }
  showAsked() {
    const { state } = this;
    if (document.activeElement !== this.box) this.box.value = state.text;
    this.showServices();
    this.level.value = state.level;
    this.showRange();
    const chip = (key, words) => el("button", { type: "button", class: "tool line", title: t("logs.let_go"), onclick: () => this.set({ [key]: "" }) }, words, iconOf("close", 11));
    this.chips.replaceChildren(...[state.trace && chip("trace", t("logs.chip.trace", state.trace.slice(0, 8))), state.pattern && chip("pattern", t("logs.chip.pattern")), state.to && chip("to", t("logs.chip.to", dayAndClock(new Date(state.to))))].filter(Boolean));
  }

  /** Searches from where the last search ended; a search that is under way ends. */
  async search() {
    this.stop();
    const going = this.going = new AbortController();
    Object.assign(this, { how: "searching", beganMs: Date.now() });
    this.show();
    try {
      await read(`${apiPath()}logs/stream?${queryOf(this.state, { ...this.span, to: this.reached || this.span.to }, LIMIT)}`, going.signal, (piece) => going.signal.aborted || this.take(piece));
    } catch (e) { if (going.signal.aborted) return; this.how = e.message === "busy" ? "busy" : "failed"; }
    this.going = null;
    this.show();
  }
  stop() { this.going?.abort(); this.going = null; }
  cancelled() {
    this.stop();
    for (const source of this.asked) if (source.state === "asking") source.state = "cancelled";
    this.how = "cancelled";
    this.show();
    this.box.focus();
  }

  take(piece) {
    if (piece.done) { this.how = piece.failed ? "failed" : this.more ? "more" : this.asked.every((one) => one.state === "answered") ? "done" : "partly"; return; }
    this.reached = piece.reached ?? this.reached;
    Object.assign(this, { asked: piece.sources, more: piece.more });
    const about = { text: this.state.text, state: this.state, base: basePath(), search: (change) => addressWith({ ...NOTHING, ...change }, NOTHING) };
    for (const line of piece.lines) this.put(line, about);
    this.show();
  }
  /** Lines come newest first; one of a source that was slow goes to its place between the others. */
  put(line, about) {
    const at = this.lines.findLastIndex((one) => one.time >= line.time) + 1;
    this.lines.splice(at, 0, line);
    this.list.insertBefore(lineRow(line, this.count = (this.count ?? 0) + 1, about), this.list.children[at] ?? null);
  }
  show() {
    const { how, lines, searching } = this, count = lines.length === 1 ? t("logs.count.one") : t("logs.count", lines.length);
    const back = searching && this.reached ? t("logs.reached", dayAndClock(new Date(this.reached))) : t("logs.how." + how, clock(new Date()));
    this.says.textContent = [lines.length || !searching ? count : "", back].filter(Boolean).join(" · ");
    this.host.classList.toggle("searching", searching);
    this.cancel.hidden = this.bar.hidden = !searching;
    const whole = rangeS(this.state.range) * 1000;
    if (this.reached) this.bar.value = Math.min(1, (Date.parse(this.span.to) - Date.parse(this.reached)) / whole); else this.bar.removeAttribute("value");
    this.sources.replaceChildren(...sourceList(this.asked.map((one) => ({ name: one.source, how: one.state === "answered" ? "found" : one.state, found: one.lines, reason: one.reason, why: one.why, beganMs: this.beganMs })), Date.now()));
    const more = ["more", "partly", "cancelled", "failed", "busy"].includes(how), going = how === "more" ? "logs.more" : "logs.again";
    const nothing = !lines.length && ["done", "partly"].includes(how) ? el("div", { class: "slo-first" }, el("p", {}, t("logs.none")), el("p", { class: "quiet" }, t("logs.none.text"))) : null;
    const alone = !searching && !this.asked.length ? el("div", { class: "slo-first" }, el("p", {}, t("logs.no_sources")), el("p", { class: "quiet" }, t("logs.no_sources.text"))) : null;
    this.end.replaceChildren(...[nothing, alone, more && el("button", { type: "button", class: "tool line", onclick: () => this.search() }, t(going))].filter(Boolean));
    this.rove();
  }

  async askPatterns() {
    const { service } = this.state, ask = new URLSearchParams({ ...this.span, ...(service && { service }), limit: 50 }), asked = this.askedPatterns = {};
    const found = await answer(`${apiPath()}logs/patterns?${ask}`, this.left.signal);
    if (this.askedPatterns !== asked || this.left.signal.aborted) return;
    const choose = (one) => this.set(one ? { pattern: one.id, service: one.service } : { pattern: "" });
    const shown = found === null ? el("p", { class: "quiet" }, t("logs.patterns.failed")) : found.length ? patternList(found, { chosen: this.state.pattern, choose }) : el("p", { class: "quiet" }, t("logs.patterns.none"));
    this.said.replaceChildren(el("h2", {}, t("logs.patterns"), el("span", {}, found?.length ? String(found.length) : "")), shown);
  }
}
