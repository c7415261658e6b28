// Entry of the map inside another portal. Address: focus, depth, theme, lang, window, controls=0; a token in the fragment leaves the address at once.
// Contract by postMessage, version 1; every message is {synoptic: 1, type, ...}.
//   says:    ready {nodes}, hello {state}, select {id}, health {state, counts}, height {height}, stream {state}
//   accepts: hello, focus {id, depth}, theme {theme}, token {token}
// The host is pinned by its first hello: later messages from another origin are ignored.
import "./map.mjs";
import { apiPath, basePath, otlpAddress, readPreferences, showPreferences } from "./address.mjs";
import { badgeOf, el, logo } from "./dom.mjs";
import { around, countByState, worst } from "./graph.mjs";
import { keyActions } from "./keys.mjs";
import { buildNotice } from "./states.mjs";
import { openStream } from "./stream.mjs";
import { clock, loadWords, nameOf, seconds, stateWord, t, textOf, zoneName } from "./words.mjs";

const BEAT_MS = 1000, DEPTH = 2, ask = new URLSearchParams(location.search), preferences = readPreferences();
let token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
if (location.hash) history.replaceState(null, "", location.pathname + location.search);

const map = el("synoptic-map", { tabindex: 0 }), header = el("header"), footer = el("footer"), age = el("span");
const view = { focus: ask.get("focus"), depth: Number(ask.get("depth") ?? DEPTH) || DEPTH, selected: null };
let whole = null, host = null, stream = null, live = "loading", notice = null, lastHealth = "";

async function start() {
  showPreferences(preferences);
  await Promise.all([loadWords(preferences.lang), ...[400, 500, 600].map((w) => document.fonts.load(`${w} 14px Plex`))]);
  const controls = ask.get("controls") !== "0";
  document.body.replaceChildren(...(controls ? [header, map, footer] : [map]));
  document.body.classList.toggle("bare", !controls);
  notice = buildNotice(document.body);
  notice.show("loading");
  map.set({ mode: "embed", inset: [2, 12, 10, 12], largest: 1.3, lite: ask.get("lite") === "1" });
  const link = el("a", { target: "_blank", rel: "noopener" }, t("embed.open"));
  footer.append(el("span", { class: "mark" }, logo(), "Synoptic"), age, el("span", { class: "grow" }), link);
  listen(link);
  stream = openStream({ url: document.body.dataset.stream ?? `${apiPath()}stream?view=${ask.get("window") ?? "5m"}`, token: () => token, onData: show, onState: heard });
  setInterval(beat, BEAT_MS);
}

function listen(link) {
  const select = (id) => { view.selected = id; map.set({ selected: id }); say("select", { id }); };
  map.addEventListener("synoptic:select", (e) => select(e.detail.id));
  map.addEventListener("synoptic:ready", () => say("ready", { nodes: whole?.nodes.length ?? 0 }));
  addEventListener("keydown", keyActions({ stage: { map }, state: { get select() { return view.selected; } }, select, only() {}, table() {}, apply() {} }));
  addEventListener("message", hear);
  new ResizeObserver(() => say("height", { height: document.documentElement.scrollHeight })).observe(document.body);
  link.addEventListener("pointerdown", () => { link.href = `${basePath()}?${new URLSearchParams({ ...(view.focus && { select: view.selected ?? view.focus }), lang: preferences.lang, theme: preferences.theme })}`; });
  link.href = basePath();
}

function show(snapshot, change) {
  const before = whole;
  whole = snapshot;
  const part = view.focus ? around(snapshot, view.focus, view.depth) : snapshot, focus = snapshot.nodes.find((n) => n.id === view.focus);
  notice.show(view.focus && !focus ? "focus" : snapshot.nodes.length ? null : "empty", { focus: view.focus, otlp: snapshot.otlp ?? otlpAddress() });
  map.show(part, before ? change : { structure: true });
  title(part, focus, snapshot);
  const health = { state: focus?.health ?? worst(part.nodes.map((n) => n.health)), counts: countByState(part.nodes) };
  if (JSON.stringify(health) !== lastHealth) { lastHealth = JSON.stringify(health); say("health", health); }
  beat();
}
function title(part, focus, { overall, nodes }) {
  const state = focus?.health ?? overall?.state ?? "no_data", feels = focus?.feels && nodes.find((n) => n.id === focus.feels);
  const words = focus ? `${nameOf(focus)} · ${stateWord(state)}` : textOf(overall?.headline, stateWord(state));
  header.replaceChildren(badgeOf(state, 18), el("span", { class: "what" }, words), el("small", {}, focus?.origin ? t("map.origin") : feels ? t("map.feels", nameOf(feels)) : ""), el("span", { class: "grow" }), el("small", { class: "size" }, t("map.size", part.nodes.length, part.edges.length)));
}
function heard(state, wait) {
  live = state;
  if (state !== "open" && !whole) notice?.show(state === "denied" ? "denied" : "failed", { wait });
  document.body.classList.toggle("lost", state !== "open" && Boolean(whole));
  say("stream", { state });
}
function beat() {
  const now = new Date(), old = stream?.ageS ?? null;
  age.textContent = `${clock(now)} ${zoneName(now)} · ${live !== "open" && whole ? t("live.waiting") + " · " : ""}${old === null ? t("live.no_age") : t("live.age", seconds(old))}`;
}

function say(type, body = {}) { if (host) host.postMessage({ synoptic: 1, type, ...body }, host.origin); }
function hear(e) {
  const { data } = e;
  if (parent === window || e.source !== parent || data?.synoptic !== 1) return;
  if (!host && data.type === "hello") host = { origin: e.origin, postMessage: (message, origin) => parent.postMessage(message, origin) };
  if (host?.origin !== e.origin) return;
  if (data.type === "hello") greet();
  if (data.type === "token") { token = String(data.token ?? ""); stream?.reopen(); }
  if (data.type === "theme") { showPreferences(Object.assign(preferences, { theme: data.theme === "light" ? "light" : "dark" })); map.restyle(); }
  if (data.type === "focus") { Object.assign(view, { focus: data.id ?? null, depth: Number(data.depth ?? view.depth) || DEPTH }); if (whole) { show(whole, { structure: true }); map.fit(); } }
}
/** What was said before the hello is said again. */
function greet() {
  say("hello", { state: live });
  if (!whole) return;
  say("ready", { nodes: whole.nodes.length });
  say("health", JSON.parse(lastHealth));
  say("height", { height: document.documentElement.scrollHeight });
}

start();
