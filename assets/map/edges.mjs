// Call paths: width is the log of calls/s, colour only where a path is not healthy, dash where data is partial.
import { share } from "./words.mjs";

const CROWD = 220, CROSSING_SAID_ABOVE = 0.3, ROOM_FOR_CHIP = 84;
/** Of the calls a minute: few calls are a line as well. */
const log = (callsPerS) => Math.log10(1 + (callsPerS ?? 0) * 60);
const partial = (e) => (e.sampled != null && e.sampled < 1) || e.complete === false;
export const crossShare = (e) => (e.calls ? (e.cross_zone_calls ?? 0) / e.calls : 0);

/** How much of its strength something keeps while other things are in the foreground. */
export function fading(v, on, loud) { return on || !v.related ? 1 : loud ? 0.5 : v.dim; }

/** How a path looks now. Rounded, so that a small change of traffic is no reason to draw everything again. */
export function edgeStyle(v, e) {
  const hot = e.health !== "ok" && e.health !== "no_data", on = !v.related || v.related.edges.has(e.id), lit = e.impact || (v.related && on && !v.only);
  const width = Math.round((1 + 0.55 * log(e.calls_per_s)) * 4) / 4;
  const blank = e.health === "no_data", strength = hot ? 0.95 : blank ? 0.75 : lit ? 0.85 : 0.36 + 0.09 * log(e.calls_per_s);
  const crowd = hot || lit ? 1 : Math.max(0.3, Math.min(1, CROWD / (v.visibleEdges?.length || 1))); // in a crowd the quiet step back
  return {
    hot, lit, on, width: width * (hot ? 1.15 : 1), alpha: (Math.round(strength * 16) / 16) * crowd * fading(v, on, hot) * (e.stale ? 0.5 : 1),
    colour: hot || blank ? v.c[e.health] : lit ? v.c.dot : v.c.edge,
    dash: blank || e.stale ? [2, 5] : partial(e) ? [7, 4] : null,
  };
}
export const styleKey = (v, e) => { const s = edgeStyle(v, e); return `${s.width}|${s.alpha}|${s.colour}|${s.dash}|${e.protection}|${Math.round(crossShare(e) * 100)}`; };

/** Quiet paths first, the loud ones on top. */
export const byLoudness = (v) => { const loud = (e) => (v.related?.edges.has(e.id) ? 4 : 0) + (e.health !== "ok" ? 2 : 0) + (e.impact ? 1 : 0); return (a, b) => loud(a) - loud(b); };

export function drawEdge(v, e) {
  const r = v.scene.routes.get(e.id), { pen, c } = v, s = edgeStyle(v, e);
  pen.alpha = s.alpha;
  if (s.hot || s.lit) pen.stroke(r, c.band, s.width + 3.5); // a moat keeps a loud path readable where it crosses
  pen.stroke(r, s.colour, s.width, s.dash);
  pen.alpha = Math.min(1, s.alpha * 1.4);
  pen.fill(arrow(r, 5 + s.width * 1.05), s.colour);
  pen.alpha = 1;
}

function arrow(r, size) {
  const [x, y, back] = r.end, d = back ? -1 : 1, key = Math.round(size * 4);
  if (r.arrowKey !== key) { r.arrowKey = key; r.arrow = { d: `M${x - d * 0.5} ${y}L${x - d * size} ${y - size * 0.52}V${y + size * 0.52}Z` }; }
  return r.arrow;
}

/** The mark of a protected path: a funnel where calls are limited, a broken line where the breaker is open. */
export function drawProtection(v, e) {
  const points = v.scene.routes.get(e.id).points(), i = Math.floor(points.length / 4) * 2, { pen, c } = v, x = points[i], y = points[i + 1];
  const colour = e.protection === "breaker_open" && e.health !== "ok" ? c[e.health] : c.text;
  pen.alpha = fading(v, !v.related || v.related.edges.has(e.id));
  pen.circle(x, y, 11, { fill: c.band, stroke: colour, width: 1.4 });
  pen.icon(e.protection, x - 6.5, y - 6.5, 13, colour, 1.6);
  pen.alpha = 1;
}

/** Calls between the data centres, said only where they are many and where there is room to say it. */
export function drawCrossing(v, e) {
  const r = v.scene.routes.get(e.id);
  if (crossShare(e) < CROSSING_SAID_ABOVE || r.length() < ROOM_FOR_CHIP) return;
  const points = r.points(), i = (points.length >> 2) << 1;
  v.pen.alpha = fading(v, !v.related || v.related.edges.has(e.id));
  chip(v, `${(v.scene.zones ?? []).slice(0, 2).join(" \u21c4 ") || "\u21c4"} ${share(crossShare(e))}`, points[i], points[i + 1] - 16);
  v.pen.alpha = 1;
}

/** A quiet word on a line. */
export function chip(v, label, x, y, align = "center", line = v.c.quiet) {
  const { pen, c } = v, w = pen.measure(label, 11, 500) + 12, left = align === "right" ? x - w : x - w / 2;
  pen.box(left, y - 8.5, w, 17, 8.5, { fill: c.band, stroke: line, width: line === c.quiet ? 1 : 1.6 });
  pen.text(label, left + 6, y + 4, { size: 11, weight: 500, colour: c.text });
}
