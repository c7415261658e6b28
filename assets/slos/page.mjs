// The SLO page: the list of all SLOs, and beside it, or in its place where there is no room, the one that is chosen.
// The list is this module's; the chosen one is made by the server into #slo-frame when the store "slo-asked" is set.
import { apiPath, basePath } from "../map/address.mjs";
import { badgeOf, el, iconOf } from "../map/dom.mjs";
import { KEYS } from "../map/find.mjs";
import { clock, lang, stateWord, t, zoneName } from "../map/words.mjs";
import { buildFirst, faultList } from "./notes.mjs";
import { Grid } from "./grid.mjs";
import { chosen, counts, grouped, ORDER, Rows, sorted } from "./model.mjs";
import { said } from "./words.mjs";

const EVERY_MS = 10_000, RETRY_MS = 4000, FIND_WAIT_MS = 120;
/** What the find language has a figure or a word for, but no SLO does. */
const NOT_HERE = new Set(["kind", "zone", "environment", "namespace", "owner", "source", "feels", "p50", "p95", "p99", "self", "rps", "layer", "id"]);
const PATH = /^slos(?:\/(.+))?$/;

/** Fills the host and keeps it true. `frame` is the element of the chosen SLO. */
export function enter(host, frame, setProps) {
  return new SloPage(host, frame, setProps);
}

class SloPage {
  rows = new Rows();
  closed = new Set();
  state = readState();
  range = "";

  constructor(host, frame, setProps) {
    Object.assign(this, { host, frame, setProps });
    this.grid = new Grid({ open: (name) => this.open(name), fold: (domain) => this.fold(domain), sort: (key, down) => this.set({ sort: { key, down } }), address: addressOf });
    this.build();
    const heard = { signal: (this.left = new AbortController()).signal };
    addEventListener("popstate", () => this.back(), heard);
    document.addEventListener("visibilitychange", () => document.hidden || this.fetch(), heard);
    document.addEventListener("synoptic:theme", () => this.tell(), heard);
    document.addEventListener("keydown", (e) => this.key(e), heard);
    document.addEventListener("click", (e) => this.click(e), heard);
    this.state.name = nameInAddress();
    this.fetch();
  }
  leave() { this.left.abort(); clearTimeout(this.timer); }

  build() {
    this.says = el("p", { class: "quiet", role: "status" });
    this.legend = el("div", { class: "slo-legend", role: "group", "aria-label": t("slo.by_state") });
    this.box = el("input", { type: "search", id: "find-slo", autocomplete: "off", spellcheck: "false", placeholder: t("slo.find"), "aria-label": t("slo.find.label"), "aria-describedby": "find-slo-says", value: this.state.find });
    this.refused = el("output", { id: "find-slo-says", class: "find-says bad", hidden: true });
    this.box.addEventListener("input", () => { clearTimeout(this.typing); this.typing = setTimeout(() => this.set({ find: this.box.value }), FIND_WAIT_MS); });
    this.box.addEventListener("keydown", (e) => { if (e.key === "Escape") { this.box.value = ""; this.set({ find: "" }); this.box.blur(); } });
    this.kinds = el("span", { class: "seg", role: "group", "aria-label": t("slo.which") }, ["", "own", "default"].map((kind) => el("button", { type: "button", "data-kind": kind, onclick: () => this.set({ kind }) }, t("slo.which." + (kind || "all")))));
    this.group = el("button", { type: "button", class: "tool line", onclick: () => this.set({ group: !this.state.group }) }, iconOf("group", 14), el("span", {}, t("slo.group")));
    this.notes = el("div", { class: "slo-notes" });
    this.host.replaceChildren(el("header", { class: "slo-top" }, el("div", {}, el("h1", {}, t("nav.slos")), this.says), this.legend),
      el("div", { class: "slo-tools", role: "toolbar", "aria-label": t("slo.tools") }, el("div", { class: "find", role: "search" }, iconOf("search", 14), this.box, el("kbd", { "aria-hidden": "true" }, "/"), this.refused), this.kinds, this.group,
        el("a", { class: "tool line", href: `${apiPath()}slos.csv`, download: true }, iconOf("download", 14), t("action.csv"))), this.notes, this.grid.node);
  }

  async fetch() {
    clearTimeout(this.timer);
    const table = await tableSince(this.rows.version);
    if (this.left.signal.aborted) return;
    if (!document.hidden) this.timer = setTimeout(() => this.fetch(), table ? EVERY_MS : RETRY_MS);
    this.lost = !table;
    if (table) this.take(table); else this.say();
  }
  take(table) {
    const changed = this.rows.take(table);
    for (const name of changed) { const row = this.rows.byName.get(name); row.said = said(row.subject) || name; row.group = this.rows.groups[row.domain]; }
    this.heardAt = new Date();
    this.show(this.shown ? changed : null);
  }

  /** Takes over a wish of the person, writes it into the address, and shows the list anew. */
  set(change) {
    Object.assign(this.state, change);
    writeState(this.state);
    this.show(new Set());
  }
  fold(domain) { this.closed.has(domain) ? this.closed.delete(domain) : this.closed.add(domain); this.show(new Set()); }

  show(changed) {
    const { state } = this;
    let found = this.found ?? [];
    try { found = chosen(this.rows, state); this.bad = ""; } catch (e) { this.bad = refusal(e); }
    this.found = found;
    const ordered = sorted(found, state.sort), items = state.group ? grouped(ordered, this.closed) : ordered;
    const first = !this.shown;
    this.shown = true;
    this.grid.show(items, { sort: state.sort, selected: state.name, groups: this.rows.groups }, changed);
    if (first && state.name) this.grid.reveal(state.name);
    this.say();
    this.sayCounts();
    this.note();
  }
  say() {
    const all = this.rows.byName.size, live = this.lost ? t("slo.lost", this.heardAt ? clock(this.heardAt) : "") : this.heardAt ? t("slo.heard", `${clock(this.heardAt)} ${zoneName(this.heardAt)}`) : t("page.loading");
    this.says.textContent = [all && (this.found.length === all ? t("slo.count", all) : t("slo.count.of", this.found.length, all)), live].filter(Boolean).join(" · ");
    this.host.classList.toggle("lost", Boolean(this.lost));
    this.refused.textContent = this.bad;
    this.refused.hidden = !this.bad;
    this.box.setAttribute("aria-invalid", String(Boolean(this.bad)));
    for (const button of this.kinds.children) button.setAttribute("aria-pressed", String(button.dataset.kind === this.state.kind));
    this.group.setAttribute("aria-pressed", String(this.state.group));
  }
  sayCounts() {
    const now = counts(this.rows.byName.values()), form = JSON.stringify([now, this.state.find]);
    if (form === this.countForm) return;
    this.countForm = form;
    const query = (state) => `health:${state}`, held = document.activeElement?.dataset.state;
    this.legend.replaceChildren(...[...ORDER].reverse().map((state) => el("button", { type: "button", "data-state": state, title: t("legend.find", stateWord(state)), "aria-pressed": String(this.state.find === query(state)), onclick: () => this.look(query(state)) }, badgeOf(state, 16), el("b", {}, String(now[state])), el("span", {}, stateWord(state)))));
    if (held) this.legend.querySelector(`[data-state="${held}"]`)?.focus();
  }
  look(query) { this.box.value = this.state.find === query ? "" : query; this.set({ find: this.box.value }); }
  /** What a person should know before the list: faults in the documents, and that nobody has written an SLO yet. */
  note() {
    const form = JSON.stringify([this.rows.faults, [...this.rows.byName.values()].every((row) => row.default), this.rows.byName.size > 0]);
    if (form === this.noteForm) return;
    this.noteForm = form;
    const [, defaultsOnly, some] = JSON.parse(form), parts = [];
    if (this.rows.faults.length) parts.push(faultList(this.rows.faults));
    if (defaultsOnly) parts.push(buildFirst(some));
    this.notes.replaceChildren(...parts);
  }

  open(name, how = "pushState") {
    this.state.name = name;
    history[how](null, "", addressOf(name));
    document.title = name ? `${name} · Synoptic` : "Synoptic";
    this.turn();
  }
  back() {
    const name = nameInAddress();
    Object.assign(this.state, readState(), { name });
    this.box.value = this.state.find;
    this.turn();
  }
  turn() {
    this.show(new Set());
    this.tell();
    if (!this.state.name) return this.frame.contains(document.activeElement) || this.was ? this.grid.focus(this.was) : undefined;
    this.was = this.state.name;
    this.grid.reveal(this.state.name);
    this.frame.hidden = false;
    this.frame.firstElementChild?.scrollTo(0, 0);
    if (!this.host.offsetParent) this.frame.focus();
  }
  tell() { this.setProps("slo-asked", { name: this.state.name, range: this.range, theme: document.documentElement.dataset.theme, lang }); }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const typing = e.target.closest?.("input, textarea, select");
    if (e.key === "/" && !typing) { e.preventDefault(); this.box.focus(); }
    if (e.key === "Escape" && !typing && this.state.name) this.open(null);
  }
  click(e) {
    const close = e.target.closest(".slo-close"), range = e.target.closest("[data-range]");
    if (close) { e.preventDefault(); this.open(null); }
    if (range) { this.range = range.dataset.range; this.tell(); }
    if (e.target.closest(".copy-text")) copyBeside(e.target.closest(".copy-text"));
  }
}

/** Copies the text that stands beside a button, and shows that it did. */
async function copyBeside(button) {
  try { await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent); } catch { return; }
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1500);
}

/** What changed since a version; null while the server does not answer. */
async function tableSince(version) {
  try {
    const answer = await fetch(`${apiPath()}slo-table?since=${version}`, { cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch { return null; }
}

function readState() {
  const ask = new URLSearchParams(location.search), sort = ask.get("sort") ?? "-state";
  return { find: ask.get("find") ?? "", kind: ["own", "default"].includes(ask.get("kind")) ? ask.get("kind") : "", group: ask.get("group") === "1", sort: { key: sort.replace(/^-/, ""), down: sort.startsWith("-") } };
}
function writeState({ find, kind, group, sort }) {
  const url = new URL(location.href), text = (sort.down ? "-" : "") + sort.key;
  for (const [key, value] of Object.entries({ find, kind, group: group ? "1" : "", sort: text === "-state" ? "" : text })) value ? url.searchParams.set(key, value) : url.searchParams.delete(key);
  if (url.href !== location.href) history.replaceState(history.state, "", url);
}
const addressOf = (name) => `${basePath()}slos${name ? "/" + encodeURIComponent(name) : ""}${location.search}`;
function nameInAddress() {
  const [, name] = PATH.exec(location.pathname.slice(basePath().length)) ?? [];
  try { return name ? decodeURIComponent(name) : null; } catch { return name; }
}
const refusal = (e) => t(e.found ? "find.refused" : "find.refused_at_end", t("find.expected." + e.expected, KEYS.filter((key) => !NOT_HERE.has(key)).join(", ")), e.found);
