// The far picture: a group is one card in the place of its box, with its worst child and the count by health.
import { folded, ORDER, worst } from "./graph.mjs";
import { nameOf, stateWord, textOf } from "./words.mjs";

export function drawFar(v) {
  const bands = new Map(v.scene.layout.bands.map((b) => [b.id, b])), fan = new Map();
  for (const e of groupEdges(v.scene, bands)) drawGroupEdge(v, e, bands.get(e.source.slice(1)), bands.get(e.target.slice(1)), fan);
  v.pen.alpha = 1;
  const size = commonSize(v, [...bands.values()].filter((b) => !b.users));
  for (const b of bands.values()) drawGroup(v, b, size);
}

/** One size of text for all groups, so that none looks more important than another. */
function commonSize(v, bands) {
  const wanted = (v.mode === "wall" ? v.floorPx * 1.2 : 15) / v.k, lowest = Math.min(...bands.map((b) => b.h)), widest = Math.max(...bands.map((b) => v.pen.measure(textOf(v.scene.group.get(b.id)?.title, b.id), 1, 600) / b.w));
  return Math.min(wanted, Math.max(lowest * 0.3, 9 / v.k), Math.max(0.9 / (widest + 0.001), 9 / v.k));
}

/** Paths between groups; a group that is folded already stands for itself. */
function groupEdges(scene, bands) {
  const whole = folded({ ...scene, nodes: scene.nodes.filter((n) => n.kind !== "group") }, new Set(bands.keys()));
  return whole.edges.filter((e) => bands.has(e.source.slice(1)) && bands.has(e.target.slice(1)));
}

function drawGroupEdge({ pen, c }, e, a, b, fan) {
  const beside = a.x + a.w < b.x, n = fan.get(b) ?? 0, small = a.h < b.h ? a : b, hot = e.health !== "ok" && e.health !== "no_data";
  fan.set(b, n + 1);
  const y1 = beside ? small.y + small.h / 2 : b.y + b.h * (0.3 + 0.4 * ((n * 0.37) % 1)), y0 = beside ? y1 : a.y + a.h * 0.7;
  const x0 = a.x + a.w, x1 = beside ? b.x : b.x + b.w, out = beside ? 0 : 40 + Math.abs(y1 - y0) * 0.16, d = beside ? -11 : 11, colour = hot ? c[e.health] : c.edge;
  pen.alpha = 0.8;
  pen.stroke({ d: `M${x0} ${y0}C${x0 + out} ${y0} ${x1 + out} ${y1} ${x1} ${y1}` }, colour, 1.5 + Math.log10(1 + (e.calls_per_s ?? 0)));
  pen.fill({ d: `M${x1} ${y1}L${x1 + d} ${y1 - 6}V${y1 + 6}Z` }, colour);
}

function drawGroup(v, b, big) {
  const { pen, c, k } = v, states = statesOf(b), state = worst(states), hot = state !== "ok" && state !== "no_data", x = b.x + big * 0.8;
  pen.box(b.x, b.y, b.w, b.h, 12, { fill: c.card });
  if (hot) { pen.alpha = c.tint; pen.box(b.x, b.y, b.w, b.h, 12, { fill: c[state] }); pen.alpha = 1; }
  pen.box(b.x, b.y, b.w, b.h, 12, { stroke: hot ? c[state] : c.cardLine, width: (hot ? 1.8 : 1) / k });
  if (membersOf(b).some((n) => n.change)) drawFlag(v, b);
  if (b.users) return drawUsers(v, b, states.length);
  const title = textOf(v.scene.group.get(b.id)?.title, b.id), beside = b.w > pen.measure(title, big, 600) + big * 14, tall = b.h > big * 5.6;
  const lines = beside ? (hot ? 2 : 1) : hot && tall ? 3 : 2, y = b.lead ? b.y + big * 1.9 : b.y + b.h / 2 + big * (0.36 - 0.68 * (lines - 1));
  pen.badge(state, x, y - big * 0.84, big);
  pen.text(title, x + big * 1.4, y, { size: big, weight: 600, colour: c.text });
  if (hot && (beside || tall)) drawWorst(v, b, state, x + big * 1.4, y + big * 1.35, big * 0.84);
  if (beside) drawTally(v, states, b.x + b.w - big, b.y + b.h / 2 + big * 0.3, big * 0.84, -1);
  else drawTally(v, states, x, y + big * 1.36 * (lines - 1), big * 0.84, 1, b.x + b.w - big * 0.5 - x);
}

/** The worst member and its state, or its name alone, smaller where the box is narrow. */
function drawWorst({ pen, c }, b, state, x, y, size) {
  const name = nameOf(worstMember(b, state)), whole = `${name} · ${stateWord(state)}`, room = b.x + b.w - x - size * 0.5, fits = (text) => room / pen.measure(text, 1, 500);
  const text = fits(whole) >= size * 0.9 ? whole : name;
  pen.text(text, x, y, { size: Math.min(size, fits(text)), weight: 500, colour: c.text });
}

/** Something in the group was changed lately. */
function drawFlag({ pen, c, k }, b) {
  const s = 18 / k, x = b.x + b.w - s * 1.7, y = b.y - s * 0.5;
  pen.box(x, y, s, s, 5 / k, { fill: c.band, stroke: c.text, width: 1.2 / k });
  pen.icon("flag", x + s * 0.17, y + s * 0.17, s * 0.66, c.text, 1.9);
}

function drawUsers({ pen, c, k }, b, count) {
  const size = Math.min(b.w * 0.4, 26 / k), x = b.x + b.w / 2;
  pen.icon("user", x - size / 2, b.y + size * 0.5, size, c.quiet);
  pen.text(String(count), x, b.y + size * 2.3, { size: size * 0.65, weight: 600, colour: c.text, align: "center" });
}

const membersOf = (b) => b.members.flatMap((n) => n.members ?? [n]);
const statesOf = (b) => membersOf(b).map((n) => n.health);
const worstMember = (b, state) => membersOf(b).find((n) => n.health === state);

/** Counts by health, the worst first; drawn from `x` to the right (1) or to the left (-1), smaller where there is not enough `room`. */
export function drawTally({ pen, c }, states, x, y, wanted, way, room = Infinity) {
  const counts = [...ORDER].reverse().map((s) => [s, states.filter((q) => q === s).length]).filter(([, count]) => count);
  const wide = (count) => pen.measure(String(count), 1, 500) + 1.3, gap = 0.7, all = counts.reduce((sum, [, count]) => sum + wide(count) + gap, -gap);
  const size = Math.min(wanted, room / all);
  for (const [s, count] of counts) {
    const w = wide(count) * size, at = way > 0 ? x : x - w;
    pen.badge(s, at, y - size * 0.82, size * 0.92);
    pen.text(String(count), at + size * 1.2, y, { size, weight: 500, colour: c.text });
    x += way * (w + size * gap);
  }
}
