// One card per service: silhouette by kind, border and tint by health, budget at the left edge, name, three figures, marks.
import { chip, fading } from "./edges.mjs";
import { drawTally } from "./far.mjs";
import { outline } from "./pen.mjs";
import { duration, millis, nameOf, percent, rate, t } from "./words.mjs";
import { disagrees, zoneCounts, zoneWords } from "./zones.mjs";

export const LONGEST_NAME = 24, SMALLEST_NAME = 11;
/** From this zoom on every card counts its instances by zone. */
const COUNTED_FROM = 1.1;
/** How far a card's marks may reach over its box, in world units. */
export const CARD_REACH = 14;

const hotState = (n) => n.health !== "ok";
const hasFigures = (n) => n.kind !== "user";

export function drawCard(v, n) {
  const { pen, c } = v, b = v.scene.layout.boxes.get(n.id), hot = hotState(n), wall = v.mode === "wall";
  const look = { b, hot, wall, near: v.level === "near", shape: outline(n.kind, b.w, b.h), alpha: fading(v, !v.related || v.related.nodes.has(n.id), hot) * (n.stale ? 0.75 : 1) };
  pen.at(b.x, b.y, 1, () => {
    drawBody(v, n, look);
    drawContent(v, n, look);
    if (n.origin && !n.members) drawOrigin(v, look);
    if (n.feels && !n.origin) mark(v, "feels", b.w - (n.change ? 26 : 8), c.burning);
    if (n.change) mark(v, "flag", b.w - 8, c.text);
    if (look.near) drawZones(v, n, b, b.w - (n.feels || n.change ? 30 : 8));
    pen.alpha = 1;
  });
}

function drawBody(v, n, { b, hot, wall, shape, alpha }) {
  const { pen, c } = v, { w, h } = b;
  pen.alpha = 1; pen.fill(shape.body, c.band); // nothing shines through a card
  pen.alpha = alpha; pen.fill(shape.body, c.card);
  const bar = barWidth(n, wall);
  if (hot || bar || n.health === "no_data") pen.clipped(shape.body, () => {
    if (hot) { pen.alpha = alpha * c.tint * (n.health === "no_data" ? 0.5 : 1); pen.rect(-9, -9, w + 18, h + 18, c[n.health]); }
    if (n.health === "no_data") { pen.alpha = alpha * 0.2; pen.stroke(hatch(w, h), c.no_data, 1.2); }
    if (bar) drawBudget(v, n, bar, h, alpha);
  });
  pen.alpha = alpha;
  const border = hot ? c[n.health] : c.cardLine, dash = n.stale || n.health === "no_data" ? [4, 3] : null;
  pen.stroke(shape.body, border, n.health === "burning" ? 2.6 : hot ? 1.8 : 1.1, dash);
  if (shape.lid) { pen.alpha = alpha * 0.8; pen.stroke(shape.lid, border, hot ? 1.8 : 1.1); pen.alpha = alpha; }
  if (v.selected === n.id) pen.box(-4, -4, w + 8, h + 8, 11, { stroke: c.accent, width: 2 });
}

const barWidth = (n, wall) => (n.budget_left != null && n.kind !== "external" ? (wall ? 6 : 5) : 0);

/** The filled height of the left edge is the error budget that is left. */
function drawBudget({ pen, c }, n, bar, h, alpha) {
  const left = Math.max(0, Math.min(1, n.budget_left)), colour = hotState(n) ? c[n.health] : c.ok;
  pen.alpha = alpha; pen.rect(0, 0, bar, h, c.line);
  pen.alpha = alpha * (hotState(n) ? 1 : 0.8);
  pen.rect(0, left ? h * (1 - left) : h - 2, bar, left ? h * left : 2, colour);
}

const hatches = new Map();
function hatch(w, h) {
  const key = `${w} ${h}`;
  if (!hatches.has(key)) {
    let d = "";
    for (let x = -h; x < w; x += 9) d += `M${x} ${h}L${x + h} 0`;
    hatches.set(key, { d });
  }
  return hatches.get(key);
}

/** Room for the name inside a card of width `w`. */
export const nameRoom = (n, w, wall) => w - barWidth(n, wall) - (n.kind === "external" ? 15 : 9) - 22 - (n.kind === "queue" ? 22 : n.kind === "external" ? 20 : wall ? 7 : 12) - (n.kind === "user" ? 5 : 0);

/** A name as it is written: whole up to 24 characters, then shortened in the middle, since endings tell names apart. */
export const shownName = (n) => { const name = nameOf(n); return name.length <= LONGEST_NAME + 4 ? name : `${name.slice(0, 15)}\u2026${name.slice(-(LONGEST_NAME - 13))}`; };

function drawContent(v, n, { b, hot, wall, near, alpha }) {
  const { pen, c } = v, { w, h } = b, user = n.kind === "user", figures = hasFigures(n) ? near || n.members || (wall && hot) : near;
  const dip = n.kind === "database" ? h * (wall ? 0.06 : 0.09) : n.kind === "external" ? h * 0.04 : 0, mid = h / 2 + dip;
  const left = Math.max(barWidth(n, wall), 3) + (user ? 14 : n.kind === "external" || n.kind === "unknown" ? 15 : 9), gap = 22;
  const name = shownName(n), weight = wall && !hot ? 500 : 600, room = nameRoom(n, w, wall);
  const size = Math.min(wall ? v.floor * 1.05 : v.nameSize, room / pen.measure(name, 1, weight)), sign = Math.min(size * 1.02, wall ? 19 : 17);
  const line1 = figures ? mid - (wall ? 2.5 : 6) : mid + size * 0.35;
  pen.alpha = alpha;
  if (user) pen.icon("user", left, line1 - size * 0.9, size * 1.1, c.quiet, 1.5);
  else pen.badge(n.health, left, line1 - size * 0.36 - sign / 2, sign);
  const colour = n.health === "no_data" ? c.quiet : c.text, two = figures || wall || user ? null : inTwoLines(v, name, room, h, size);
  if (two) two.parts.forEach((part, i) => pen.text(part, left + gap, mid + two.size * (i ? 0.98 : -0.18), { size: two.size, weight, colour }));
  else pen.text(name, left + gap, line1, { size, weight, colour });
  const right = w - (n.kind === "queue" ? h * 0.4 + 8 : n.kind === "external" || n.kind === "unknown" ? 20 : wall ? 7 : 12);
  if (figures) drawFigures(v, n, { left, right, base: mid + (wall ? 15.8 : 14), size: wall ? v.floor : 12.5, hot, wall });
}

/** From afar a long name is readable longer when it stands in two lines, broken where its parts meet. */
function inTwoLines(v, name, room, h, size) {
  const wanted = 12.5 / v.k, breaks = [...name.matchAll(/[-_. /]/g)].map((m) => m.index + 1).filter((i) => i < name.length);
  if (size >= wanted || !breaks.length) return null;
  const at = breaks.reduce((best, i) => (Math.abs(i - name.length / 2) < Math.abs(best - name.length / 2) ? i : best)), parts = [name.slice(0, at), name.slice(at)];
  const larger = Math.min(wanted, h * 0.4, room / Math.max(...parts.map((p) => v.pen.measure(p, 1, 600))));
  return larger > size * 1.15 ? { parts, size: larger } : null;
}

/** The p95; of a node that only sources tell of which count themselves it is read off a few percentiles. */
const about = (n) => (n.exact === false && n.p95_ms != null ? `≈ ${millis(n.p95_ms)}` : millis(n.p95_ms));

function drawFigures(v, n, { left, right, base, size, hot, wall }) {
  const { pen, c } = v, tone = hot ? c.text : c.quiet, say = (s, colour = tone) => pen.text(s, left, base, { size, weight: hot ? 500 : 400, colour });
  if (n.members) return drawTally(v, n.members.map((m) => m.health), left, base, Math.max(size, Math.min(15, 10.5 / v.k)), 1);
  if (n.stale || (n.health === "no_data" && !n.calls_per_s)) return say(ageWords(v, n), c.quiet);
  if (n.logs_only) {
    say(t("map.logs_only"));
    return figure(v, t("map.log_errors", percent(n.log_errors / n.log_lines)), right, base, { size, tone, state: hot && n.slo_kind === "logs" && n.health });
  }
  const guilty = guiltyFigure(n);
  if (wall && n.slo_kind === "traffic") return say(rate(n.calls_per_s), c.text);
  if (wall) return say(guilty === "errors" || n.p95_ms == null ? `${percent(n.error_ratio)} ${t("map.failed")}` : `p95 ${about(n)}`, c.text);
  say(rate(n.calls_per_s));
  if (n.kind === "user") return;
  figure(v, percent(n.error_ratio), left + (right - left) * 0.64, base, { size, tone, state: hot && guilty === "errors" && n.error_ratio > 0 && n.health });
  figure(v, about(n), right, base, { size, tone, state: hot && guilty === "p95" && n.p95_ms != null && n.health, strong: Boolean(n.feels) });
}

/** The figure that the objective is about that decides the colour; without such word, the one that stands out. */
const GUILTY = { availability: "errors", latency: "p95" };
export const guiltyFigure = (n) => (n.slo_kind ? GUILTY[n.slo_kind] : n.error_ratio > 0.01 ? "errors" : "p95");

function ageWords(v, n) {
  if (n.logs_only && !n.stale) return t("map.logs_only");
  const since = n.last_seen ? (v.scene.atMs - Date.parse(n.last_seen)) / 1000 : null;
  return since > 0 ? t("map.old", duration(since)) : t("state.no_data");
}

/** A figure, right-aligned; the guilty one stands on its state's colour, so that its contrast does not depend on the tint. */
function figure({ pen, c }, s, x, y, { size, state, strong, tone }) {
  const weight = state || strong ? 600 : 400;
  if (state) { const w = pen.measure(s, size, 600) + 10; pen.box(x - w + 5, y - size * 0.98, w, size * 1.32, 4, { fill: c[state] }); }
  pen.text(s, x, y, { size, weight, colour: state ? c.onState : strong ? c.text : tone, align: "right" });
}

function mark(v, name, right, colour) {
  const { pen, c } = v, s = v.mode === "wall" ? 19 : 16;
  pen.box(right - s, -s * 0.55, s, s, 5, { fill: c.band, stroke: colour, width: 1.2 });
  pen.icon(name, right - s + 2.5, -s * 0.55 + 2.5, s - 5, colour, 1.9);
}

/** Where the instances are: exceptions on the upper edge, outlined where registry and calls disagree; counts, from near, on the lower one. */
function drawZones(v, n, b, right) {
  const words = zoneWords(n, v.scene.zones), quarrel = disagrees(n), only = v.scene.zones.length > 1 && zoneCounts(n).length === 1 && !quarrel;
  if (words && (only || quarrel)) chip(v, only ? t("map.only_zone", words) : words, right, 0, "right", quarrel ? v.c.at_risk : v.c.quiet);
  else if (words && v.k >= COUNTED_FROM) chip(v, words, b.w - 8, b.h + 3, "right");
}

/** One double ring and the word. */
function drawOrigin(v, { b: { w, h }, wall }) {
  const { pen, c } = v, s = wall ? v.floor : 11.5, label = t("map.origin"), width = pen.measure(label, s, 600) + 14, top = -7 - s * 0.95;
  for (const o of [3.6, 7]) pen.box(-o, -o, w + 2 * o, h + 2 * o, 8 + o, { stroke: c.burning, width: 1.6 });
  pen.box(10, top, width, s * 1.42, s * 0.7, { fill: c.burning });
  pen.text(label, 17, top + s * 1.06, { size: s, weight: 600, colour: c.onState });
}
