// What moves and what is lit for a moment: traffic dots, the breath of an origin, the trail under the pointer, the focus ring.

const MOST_EDGES_WITH_DOTS = 300;

/** Whether traffic dots run: not for people who asked for calm, not in a crowd, not from afar, not in low power. */
export const dotsRun = (v, calm, lite) => !calm && !lite && v.level !== "far" && v.visibleEdges.length <= MOST_EDGES_WITH_DOTS;

export function drawMotion(v, now, dots) {
  if (dots) { for (const e of v.visibleEdges) drawDots(v, e, now); drawBreath(v, now); }
  if (v.hover) drawTrail(v, v.hover);
  if (v.focus && v.keyboard) ring(v, v.focus);
  v.pen.alpha = 1;
}

/** Dots are even in time: their spacing is fixed, their speed grows with the log of calls per second. */
function drawDots(v, e, now) {
  if (!e.calls_per_s || e.stale || (v.related && !v.related.edges.has(e.id))) return;
  const { g } = v.pen, r = v.scene.routes.get(e.id), points = r.points(), length = r.length(), count = points.length / 2, hot = e.health !== "ok";
  const log = Math.log10(1 + e.calls_per_s), every = hot ? 64 : 150 - 24 * log, size = 1.3 + 0.32 * log;
  g.fillStyle = hot ? v.c.text : v.c.dot;
  g.globalAlpha = hot ? 0.95 : 0.75;
  g.beginPath();
  for (let d = ((now / 1000) * (14 + 17 * log) + e.id.length * 37) % every; d < length - 8; d += every) {
    if (e.protection && Math.abs(d - length / 2) < 15) continue;
    const i = Math.min(count - 1, Math.round((d / length) * (count - 1))) * 2;
    g.moveTo(points[i] + size, points[i + 1]);
    g.arc(points[i], points[i + 1], size, 0, 6.3);
  }
  g.fill();
}

function drawBreath(v, now) {
  const breath = 0.5 + 0.5 * Math.sin(now / 700), o = 8 + 3.5 * breath;
  for (const n of v.scene.nodes) if (n.origin && !n.members) {
    const b = v.scene.layout.boxes.get(n.id);
    v.pen.alpha = 0.4 * (1 - breath);
    v.pen.box(b.x - o, b.y - o, b.w + 2 * o, b.h + 2 * o, 8 + o, { stroke: v.c.burning, width: 2 });
  }
}

/** The paths of the card under the pointer, lit so that they can be followed through a crowd. */
function drawTrail(v, id) {
  const { pen, c, scene } = v;
  pen.alpha = 1;
  for (const e of scene.edges) {
    if (e.source !== id && e.target !== id) continue;
    const r = scene.routes.get(e.id), far = scene.layout.boxes.get(e.source === id ? e.target : e.source);
    if (!r || !far) continue;
    const [x, y, back] = r.end, d = back ? -1 : 1, colour = e.health === "ok" || e.health === "no_data" ? c.text : c[e.health];
    pen.stroke(r, colour, 2.4, null, true);
    pen.fill({ d: `M${x} ${y}L${x - d * 9} ${y - 5}V${y + 5}Z` }, colour);
    pen.box(far.x - 2, far.y - 2, far.w + 4, far.h + 4, 10, { stroke: colour, width: 1.6 });
  }
}

function ring(v, id) {
  const b = v.scene.layout.boxes.get(id);
  if (b) v.pen.box(b.x - 6, b.y - 6, b.w + 12, b.h + 12, 13, { stroke: v.c.accent, width: 2.5 / Math.min(1, v.k) });
}
