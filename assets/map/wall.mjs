// Entry of the wall: no controls, no cursor, nothing that needs a hand. It must run for a month and heal by itself.
import "./map.mjs";
import { apiPath, otlpAddress, readPreferences, showPreferences } from "./address.mjs";
import { badgeOf, el } from "./dom.mjs";
import { guiltyFigure } from "./cards.mjs";
import { parseQuery } from "./find.mjs";
import { groupOf, countByState, only, ORDER } from "./graph.mjs";
import { buildNotice } from "./states.mjs";
import { openStream } from "./stream.mjs";
import { clock, duration, loadWords, millis, nameOf, percent, rate, seconds, share, sinceWords, stateWord, t, textOf, zoneName } from "./words.mjs";

const BEAT_MS = 1000, LOST_AFTER_S = 10, LONGEST_WAIT_MS = 4000, SHIFT_EVERY_MS = 60_000, PROBLEMS = 3, RELOAD_EVERY_MS = 600_000;
/** A slow walk over a few pixels against burn-in. */
const SHIFT = [[0, 0], [2, 0], [3, 1], [3, 3], [1, 3], [0, 2], [-2, 2], [-3, 0], [-2, -2], [0, -3], [2, -2]];

const { dataset } = document.body;
const map = el("synoptic-map"), header = el("header"), footer = el("footer"), wall = el("div", { class: "wall-sheet" }, header, map, footer);
const sign = el("span", { class: "sign" }), title = el("h1"), detail = el("p"), time = el("b"), zone = el("i"), age = el("small");
let snapshot = null, stream = null, lastHeard = null;

async function start() {
  const preferences = readPreferences(), scene = dataset.find ? parseQuery(dataset.find) : null;
  showPreferences(preferences);
  await Promise.all([loadWords(preferences.lang), ...[400, 500, 600].map((w) => document.fonts.load(`${w} 20px Plex`))]);
  header.append(sign, el("div", { class: "words" }, title, detail), el("div", { class: "clock" }, el("div", {}, time, zone), age));
  document.body.replaceChildren(wall);
  const notice = buildNotice(wall);
  measureUp();
  addEventListener("resize", measureUp);
  notice.show("loading");
  stream = openStream({ url: dataset.stream ?? `${apiPath()}stream?view=${dataset.window ?? "5m"}`, pauseHidden: false, longestWaitMs: LONGEST_WAIT_MS, onData: (s, change) => show(s, change, scene, notice), onState: (state, wait) => state !== "open" && !snapshot && notice.show(state === "denied" ? "denied" : "failed", { wait }) });
  setInterval(beat, BEAT_MS);
  setInterval(shift, SHIFT_EVERY_MS);
  beat();
}

function measureUp() {
  const u = innerHeight / 1080;
  map.set({ mode: "wall", inset: [10 * u, 16 * u, 12 * u, 16 * u], largest: 9, lite: new URLSearchParams(location.search).has("lite") });
}

function show(whole, change, scene, notice) {
  if (whole.build && dataset.build && whole.build !== dataset.build) reloadOnce(whole.build);
  snapshot = scene ? only(whole, scene) : whole.groups?.some((g) => g.id === dataset.scene) ? only(whole, (n) => groupOf(n) === dataset.scene) : whole;
  lastHeard = Date.now();
  notice.show(snapshot.nodes.length ? null : "empty", { otlp: whole.otlp ?? otlpAddress() });
  map.show(snapshot, change);
  showOverall(whole);
  showProblems(whole);
  beat();
}

function showOverall(whole) {
  const { overall, nodes, edges } = whole, state = overall?.state ?? "no_data";
  wall.style.setProperty("--state", `var(--${state})`);
  if (sign.dataset.state !== state) { sign.dataset.state = state; sign.replaceChildren(badgeOf(state, 62)); }
  write(title, [textOf(overall?.headline, stateWord(state)), sinceWords(whole)].filter(Boolean).join(" · "));
  write(detail, textOf(overall?.detail, t("map.size", nodes.length, edges.length)));
}
/** Nothing is touched that has not changed. */
const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };

let shown = "";
function showProblems({ problems = [], nodes, overall, at }) {
  const byId = new Map(nodes.map((n) => [n.id, n])), counts = overall?.counts ?? countByState(nodes), now = Date.parse(at);
  const lines = problems.slice(0, PROBLEMS).map((p) => ({ ...p, text: inShort(byId.get(p.id)) || textOf(p.text), name: nameOf(byId.get(p.id) ?? { name: p.id }), lasts: p.since ? duration((now - Date.parse(p.since)) / 1000) : "" }));
  const key = JSON.stringify([lines, counts, problems.length]);
  if (key === shown) return;
  shown = key;
  footer.replaceChildren(...(lines.length ? lines.map(problem) : [el("div", { class: "problem none" }, el("b", {}, t("wall.calm")))]), tally(counts, problems.length - lines.length));
}
function problem({ name, health, text, lasts }) {
  return el("div", { class: "problem", style: { "--state": `var(--${health})` } }, badgeOf(health, 34), el("div", {}, el("b", {}, `${name} · ${stateWord(health)}`), el("span", {}, text)), el("em", {}, lasts));
}

/** The figure that is wrong and what is left of the budget: short enough to be read from five metres. */
const WRONG = { errors: (n) => n.errors > 0 && `${percent(n.error_ratio)} ${t("map.failed")}`, p95: (n) => `p95 ${millis(n.p95_ms)}`, calls: (n) => rate(n.calls_per_s) };
function inShort(n) {
  if (!n || n.health === "no_data" || n.budget_left == null) return "";
  const figure = n.slo_kind === "traffic" ? "calls" : guiltyFigure(n);
  const left = n.budget_left > 0 ? t("wall.left", share(n.budget_left)) : n.health === "exhausted" ? "" : t("state.exhausted"); // said already
  return [WRONG[figure]?.(n), left].filter(Boolean).join(" · ");
}

function tally(counts, more) {
  return el("div", { class: "tally" }, more > 0 && el("span", { class: "more" }, t("wall.more", more)), ORDER.filter((s) => counts[s]).map((s) => el("span", { title: stateWord(s) }, badgeOf(s, 23), String(counts[s]))));
}

function beat() {
  const now = new Date(), silentS = lastHeard === null ? 0 : (now - lastHeard) / 1000, lost = silentS > LOST_AFTER_S;
  document.body.classList.toggle("lost", lost);
  if (map.view.lite !== lost && !new URLSearchParams(location.search).has("lite")) map.set({ lite: lost });
  write(time, clock(now));
  write(zone, zoneName(now));
  const where = [textOf(snapshot?.title) || snapshot?.environment, snapshot?.demo ? t("map.demo") : ""].filter(Boolean).join(" · ");
  const old = stream?.ageS ?? null;
  write(age, [lost ? t("wall.lost", clock(lastHeard)) : old === null ? t("live.no_age") : t("live.age", seconds(old)), where].filter(Boolean).join(" · "));
}

let step = 0;
function shift() { const [x, y] = SHIFT[(step = (step + 1) % SHIFT.length)]; wall.style.transform = `translate(${x}px, ${y}px)`; }

/** The server is new, so is the page. Should the page stay old all the same, it does not try again at once. */
function reloadOnce(build) {
  try {
    const [last, at] = (sessionStorage.getItem("synoptic-reload") ?? "").split(" ");
    if (last === build && Date.now() - Number(at) < RELOAD_EVERY_MS) return;
    sessionStorage.setItem("synoptic-reload", `${build} ${Date.now()}`);
  } catch { if (performance.now() < RELOAD_EVERY_MS) return; }
  location.reload();
}

start();
