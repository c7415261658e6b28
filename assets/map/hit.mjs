// What lies under a point of the screen: a card, the title of a group, or a path.
import { groupOf } from "./graph.mjs";
import { toWorld } from "./camera.mjs";

const PATH_REACH_PX = 7;
const inside = (b, x, y) => x >= b.x && x <= b.x + b.w && y >= b.y && y <= b.y + b.h;

/** {node}, {group} or {edge}; null for empty ground. `paths` also looks for call paths, which costs more. */
export function hit(v, px, py, paths = false) {
  const [x, y] = toWorld(v.camera, px, py), { scene, level } = v;
  if (level === "far") { const band = scene.layout.bands.find((b) => inside(b, x, y)); return band ? { group: band.id } : null; }
  for (const n of scene.nodes) if (inside(scene.layout.boxes.get(n.id), x, y)) return n.members ? { group: groupOf(n) } : { node: n.id };
  const band = scene.layout.bands.find((b) => !b.users && !b.folded && inside({ ...b, h: b.title }, x, y));
  const edge = paths ? nearestPath(v, x, y) : null;
  return edge ? { edge } : band ? { group: band.id } : null;
}

function nearestPath(v, x, y) {
  const reach = PATH_REACH_PX / v.k;
  let best = reach * reach, found = null;
  for (const e of v.visibleEdges ?? []) {
    if (e.folded) continue; // it stands for many
    const r = v.scene.routes.get(e.id), { box } = r;
    if (x < box.x - reach || x > box.x + box.w + reach || y < box.y - reach || y > box.y + box.h + reach) continue;
    const points = r.points();
    for (let i = 0; i < points.length; i += 2) {
      const d = (points[i] - x) ** 2 + (points[i + 1] - y) ** 2;
      if (d < best) { best = d; found = e.id; }
    }
  }
  return found;
}
