// Where the call paths run: horizontal tangents through the gaps between columns; long paths pass other columns in the
// corridors between cards; at a card they stand side by side in the order of where they go. Pure and fast (2,500 paths: ms).
import { curve } from "./curve.mjs";

const NEAR_CORRIDORS = 8;
const clamp = (v, lo, hi) => Math.max(lo, Math.min(hi, v));
const middle = (b) => b.y + b.h / 2;

/** Routes by edge id: {d, box, end, points(), length()}. Edges without a box at either end have none. */
export function routeAll(edges, layout, face) {
  const free = layout.columns.map((c) => corridors(c, layout, face)), plans = [];
  for (const e of edges) {
    const s = layout.boxes.get(e.source), t = layout.boxes.get(e.target);
    if (s && t && s !== t) plans.push({ e, s, t, loop: s.col >= t.col, way: s.col < t.col ? passage(s, t, layout.columns, free) : [] });
  }
  for (const column of free) for (const f of column) spread(f, face.lane);
  ports(plans, face);
  return new Map(plans.map((p) => [p.e.id, curve(p)]));
}

/** Free vertical intervals of a column: where a path may pass without running under a card or a title. */
function corridors(column, layout, face) {
  const stops = [], free = [], top0 = layout.y + face.head;
  for (const n of column.members) { const b = layout.boxes.get(n.id); stops.push([b.y - 5, b.y + b.h + 5]); }
  for (const b of layout.bands) if (!b.lead && Math.abs(b.x + face.pad + 3 - column.x) < 1) stops.push([b.y, b.y + b.title]);
  stops.sort((a, b) => a[0] - b[0]);
  let top = top0;
  for (const [a, b] of stops) { if (a - top >= 2) free.push({ lo: top, hi: a, uses: [] }); top = Math.max(top, b); }
  free.push({ lo: top, hi: Math.max(layout.y + layout.h, top + 12), uses: [] });
  return free;
}

function passage(s, t, columns, free) {
  const way = [], end = middle(t);
  let y = middle(s);
  for (let k = s.col + 1; k < t.col; k++) {
    const { f, at } = bestCorridor(free[k], y + (end - y) * 0.62, end), pass = { column: columns[k], y: at };
    f.uses.push(pass);
    way.push(pass);
    y = at;
  }
  return way;
}

/** The corridor near `want` that costs least: the detour now, the detour still to come, and the crowd in it. */
function bestCorridor(list, want, end) {
  let lo = 0, hi = list.length - 1, best = null;
  while (lo < hi) { const mid = (lo + hi) >> 1; list[mid].hi < want ? (lo = mid + 1) : (hi = mid); }
  for (let i = Math.max(0, lo - NEAR_CORRIDORS); i < Math.min(list.length, lo + NEAR_CORRIDORS + 1); i++) {
    const f = list[i], mid = (f.lo + f.hi) / 2, at = clamp(want, Math.min(f.lo + 4, mid), Math.max(f.hi - 4, mid));
    const cost = Math.abs(at - want) + Math.abs(at - end) * 0.35 + f.uses.length * 3;
    if (!best || cost < best.cost) best = { f, at, cost };
  }
  return best;
}

function spread({ lo, hi, uses }, lane) {
  if (!uses.length) return;
  uses.sort((a, b) => a.y - b.y);
  const step = Math.min(lane, (hi - lo) / uses.length);
  uses.forEach((u, i) => { if (i) u.y = Math.max(u.y, uses[i - 1].y + step); });
  const over = uses.at(-1).y - hi;
  if (over > 0) uses.forEach((u, i) => { u.y = Math.max(lo + i * step, u.y - over); });
}

function ports(plans, face) {
  const sides = new Map();
  const put = (key, plan, end, toward) => { const one = { plan, end, toward }; sides.has(key) ? sides.get(key).push(one) : sides.set(key, [one]); };
  for (const p of plans) {
    put("R" + p.e.source, p, "y0", p.way[0]?.y ?? middle(p.t));
    put((p.loop ? "R" : "L") + p.e.target, p, "y1", p.way.at(-1)?.y ?? middle(p.s));
  }
  for (const list of sides.values()) {
    list.sort((a, b) => a.toward - b.toward || (a.plan.e.id < b.plan.e.id ? -1 : 1));
    const step = Math.min(8, (face.h - 16) / Math.max(1, list.length - 1));
    list.forEach(({ plan, end }, i) => { plan[end] = middle(end === "y0" ? plan.s : plan.t) + (i - (list.length - 1) / 2) * step; });
  }
}
