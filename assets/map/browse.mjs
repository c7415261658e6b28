// Entry of the pages with a top bar. Contract with the HTML (hosts are empty; this module fills them, now or when Dash adds them):
//   <header class="bar" data-synoptic="bar">                       the bar; without a map host it carries the pages only
//   <main class="stage" data-synoptic="map" data-otlp="http://...">  headline, map, table, footer
// Says:    dash_clientside.set_props("selection", {data: {id, what} | null}), set_props("view", {data: {window, theme, lang}}),
//          and bubbling DOM events synoptic:select {id, what}, synoptic:window {window}, synoptic:ready.
// Listens: document event synoptic:view with any of {select, find, hide, only, window, at, theme, lang, table}.
import "./map.mjs";
import { apiPath, basePath, keepPreference, otlpAddress, readAddress, readPreferences, showPreferences, writeAddress } from "./address.mjs";
import { buildBar } from "./bar.mjs";
import { el } from "./dom.mjs";
import { KEYS, parseQuery } from "./find.mjs";
import { keyActions } from "./keys.mjs";
import { buildPast, loadPast, secondsOf } from "./past.mjs";
import { buildStage } from "./stage.mjs";
import { openStream } from "./stream.mjs";
import { lang, loadWords, t, textOf } from "./words.mjs";

const BEAT_MS = 1000, FIND_WAIT_MS = 120;
/** Room around the map: above it stand the headline, and the band of a past picture. */
const INSET = { now: [52, 18, 14, 18], past: [98, 18, 14, 18] };

class Browse {
  preferences = readPreferences();
  state = readAddress();
  live = "loading";

  async start() {
    showPreferences(this.preferences);
    await Promise.all([loadWords(this.preferences.lang), ...[400, 500, 600].map((w) => document.fonts.load(`${w} 14px Plex`))]);
    this.fill();
    new MutationObserver(() => this.fill()).observe(document.body, { childList: true, subtree: true });
    document.addEventListener("synoptic:view", (e) => this.apply(e.detail ?? {}));
    addEventListener("popstate", () => this.apply(readAddress(), "back"));
    addEventListener("keydown", keyActions(this));
    setInterval(() => this.beat(), BEAT_MS);
  }

  /** Dash puts hosts in and takes them away; both are noticed here. */
  fill() {
    const bar = document.querySelector("[data-synoptic=bar]:empty"), host = document.querySelector("[data-synoptic=map]");
    if (this.stage && !this.stage.host.isConnected) this.leave();
    if (bar) this.bar = buildBar(bar, { base: basePath(), withMap: Boolean(host), state: this.state, theme: this.preferences.theme, act: this });
    if (host && !host.childElementCount) this.enter(host);
    this.fillSlos();
    for (const name of ["changes", "traces", "logs"]) this.fillPage(name);
  }
  /** The pages of SLOs bring their own modules, which the map does not need. */
  fillSlos() {
    const list = document.querySelector("[data-synoptic=slos]"), form = document.querySelector("[data-synoptic=what-if]:empty");
    if (this.slos && this.slos.host !== list) { this.slos.leave?.(); this.slos = null; }
    if (list && !this.slos) { this.slos = { host: list }; import("../slos/page.mjs").then((m) => { if (list.isConnected) this.slos = m.enter(list, document.getElementById("slo-frame"), (id, data) => this.setProps(id, data)); }); }
    if (form && form !== this.form) { this.form = form; import("../slos/what_if.mjs").then((m) => m.fill(form)); }
  }
  fillPage(name) {
    const host = document.querySelector(`[data-synoptic=${name}]`);
    if (this[name] && this[name].host !== host) { this[name].leave?.(); this[name] = null; }
    if (host && !this[name]) { this[name] = { host }; import(`../${name}/page.mjs`).then((m) => { if (host.isConnected) this[name] = m.enter(host); }); }
  }
  enter(host) {
    this.stage = buildStage(host, this);
    this.stage.setView(this.viewOf(this.state));
    this.stage.table.open(this.state.table);
    this.stage.map.wanted = this.state.camera;
    this.past = buildPast(this.stage.area, () => this.apply({ at: "" }));
    this.follow();
    this.test();
    this.stage.notice.show("loading");
    if (this.state.select) this.tellDash(this.state.select);
  }
  leave() {
    this.stream?.close();
    this.stream = this.stage = this.snapshot = null;
    this.live = "loading";
  }
  /** Shows the present as it goes on, or the one moment that the address names. */
  follow() {
    const at = secondsOf(this.state.at);
    this.stream?.close();
    this.stream = null;
    this.past.show(at);
    this.stage.map.set({ inset: INSET[at === null ? "now" : "past"] });
    this.setProps("view", this.viewData());
    if (at === null) this.stream = openStream({ url: this.url, onData: (snapshot, change) => this.show(snapshot, change), onState: (state, wait) => this.heard(state, wait) });
    else this.recall(at);
  }
  async recall(at) {
    const { stage } = this, same = () => this.stage === stage && secondsOf(this.state.at) === at;
    this.live = "past";
    stage.host.classList.remove("lost");
    this.beat();
    try {
      const { snapshot, change } = await loadPast(apiPath(), this.state.window, at);
      if (same()) this.show(snapshot, change);
    } catch { if (same()) { this.past.show(at, true); stage.notice.show(this.snapshot ? null : "failed"); } }
    this.beat();
  }
  get url() { return `${apiPath()}stream?view=${this.state.window}`; }

  show(snapshot, change) {
    const first = !this.snapshot;
    this.snapshot = snapshot;
    this.stage.show(snapshot, change);
    this.notice();
    this.bar?.environment?.([textOf(snapshot.title), snapshot.environment].filter(Boolean).join(" · "));
    if (first && this.state.select) this.stage.map.set({ selected: this.state.select });
    this.sayFound();
    this.beat();
  }
  notice() {
    const { nodes, otlp } = this.snapshot, { hidden } = this.stage.map.view;
    this.stage.notice.show(!nodes.length ? "empty" : hidden && nodes.every(hidden) ? "hidden" : null, { otlp: otlp ?? otlpAddress(this.stage.host) });
  }
  heard(state, wait) {
    this.live = state;
    if (state !== "open" && !this.snapshot) this.stage?.notice.show(state === "denied" ? "denied" : "failed", { wait });
    this.stage?.host.classList.toggle("lost", state !== "open" && Boolean(this.snapshot));
    this.beat();
  }
  beat() { this.stage?.footer.beat(this.stream?.ageS ?? null, this.live); }

  /** Takes over parts of the state. `how`: "person" (Back undoes it), "typing" (it does not), "back". */
  apply(change, how = "person") {
    const known = Object.fromEntries(Object.entries(change).filter(([key, value]) => key in this.state && JSON.stringify(this.state[key]) !== JSON.stringify(value)));
    if (change.theme && change.theme !== this.preferences.theme) this.theme();
    if (change.lang && change.lang !== lang) return this.lang(change.lang);
    if (!Object.keys(known).length) return;
    Object.assign(this.state, known);
    if (how !== "back") writeAddress(known, how === "person");
    if (this.stage && ("at" in known || ("window" in known && !this.stream))) this.follow();
    else if ("window" in known) { this.stream?.reopen(this.url); this.setProps("view", this.viewData()); }
    if ("window" in known) this.stage?.host.dispatchEvent(new CustomEvent("synoptic:window", { detail: { window: this.state.window }, bubbles: true }));
    if ("find" in known || "hide" in known) this.test();
    if (!this.stage) return;
    if ("camera" in known && how === "back") known.camera ? this.stage.map.goTo(known.camera) : this.stage.map.fit();
    this.stage.setView(this.viewOf(known));
    if ("table" in known) this.stage.table.open(this.state.table);
    if ("select" in known) this.tellDash(this.state.select);
    this.bar?.show?.(this.state);
    this.sayFound();
  }
  viewOf(part) {
    const view = {};
    if ("select" in part) view.selected = part.select;
    if ("only" in part) view.only = part.only;
    if ("lite" in part) view.lite = part.lite;
    if ("collapsed" in part && part.collapsed) view.collapsed = new Set(part.collapsed);
    return view;
  }
  viewData() { return { window: this.state.window, theme: this.preferences.theme, lang, at: secondsOf(this.state.at) }; }

  /** Reads both queries; a bad one says what is wrong and changes nothing. */
  test() {
    const read = (text) => { try { return text.trim() ? parseQuery(text) : null; } catch (e) { this.bad = refusal(e); return undefined; } };
    this.bad = null;
    const found = read(this.state.find), hidden = read(this.state.hide);
    if (found !== undefined) this.stage?.setView({ test: found });
    if (hidden !== undefined) this.stage?.setView({ hidden });
    this.stage?.sayHidden(this.state.hide);
    if (this.snapshot) this.notice();
  }
  sayFound() {
    if (!this.state.find.trim() || this.bad) return this.bar?.say?.(this.bad ?? "", Boolean(this.bad));
    this.bar?.say?.(this.snapshot ? t("find.found", this.stage.matches().length, this.snapshot.nodes.length) : "");
  }

  find(text) { clearTimeout(this.typing); this.typing = setTimeout(() => this.apply({ find: text }, "typing"), FIND_WAIT_MS); }
  next() { this.stage?.revealNext(); }
  hide(text) { this.apply({ hide: this.state.hide ? `(${this.state.hide}) or (${text})` : text, find: "" }); }
  only = () => this.apply({ only: !this.state.only });
  window(window) { this.apply({ window }); }
  table() { this.apply({ table: !this.state.table }); }
  select(id, what) { this.what = what; this.apply({ select: id ?? null }); }
  theme = () => {
    const theme = this.preferences.theme === "dark" ? "light" : "dark";
    Object.assign(this.preferences, { theme });
    keepPreference("theme", theme);
    showPreferences(this.preferences);
    if (new URLSearchParams(location.search).has("theme")) writeAddress({ theme }, false);
    this.stage?.map.restyle();
    document.dispatchEvent(new CustomEvent("synoptic:theme"));
    if (this.stage) this.setProps("view", this.viewData());
    const bar = document.querySelector("[data-synoptic=bar]");
    bar?.replaceChildren();
  };
  lang(lang) {
    keepPreference("lang", lang);
    if (new URLSearchParams(location.search).has("lang")) writeAddress({ lang }, false);
    location.reload();
  }

  tellDash(id) { this.setProps("selection", id ? { id, what: this.snapshot?.edges.some((e) => e.id === id) ? "edge" : "node" } : null); }
  /** Dash may still be starting, or there may be no Dash: then it is asked again for a while. */
  setProps(id, data, tries = 20) {
    const dash = window.dash_clientside;
    if (!document.getElementById("_dash-config")) return;
    clearTimeout(this[`later ${id}`]);
    try { if (dash?.set_props) return dash.set_props(id, { data }); } catch { /* the store is not in the page yet */ }
    if (tries) this[`later ${id}`] = setTimeout(() => this.setProps(id, data, tries - 1), 250);
  }
}

/** What is wrong with a query, in words. */
const refusal = (e) => t(e.found ? "find.refused" : "find.refused_at_end", t("find.expected." + e.expected, KEYS.join(", ")), e.found);

new Browse().start().catch((e) => document.body.prepend(el("p", { class: "notice" }, String(e))));
