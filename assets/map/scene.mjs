// From a snapshot and what a person asked for to what is drawn: folding, hiding, places, routes.
import { SMALLEST_NAME, nameRoom, shownName } from "./cards.mjs";
import { folded, only } from "./graph.mjs";
import { arrange, overview } from "./layout.mjs";
import { measure } from "./pen.mjs";
import { routeAll } from "./route.mjs";

/** The parts of a scene that follow the newest figures; places and routes are kept. */
function contents(snapshot, { collapsed, hidden }) {
  const shown = folded(hidden ? only(snapshot, (n) => !hidden(n)) : snapshot, collapsed);
  return {
    nodes: shown.nodes, edges: shown.edges, byId: new Map(shown.nodes.map((n) => [n.id, n])), edgeById: new Map(shown.edges.map((e) => [e.id, e])),
    group: new Map((snapshot.groups ?? []).map((g) => [g.id, g])), layers: new Map((snapshot.layers ?? []).map((l) => [l.id, l])),
    zones: [...new Set(snapshot.nodes.flatMap((n) => n.zones ?? []))].sort(), atMs: Date.parse(snapshot.at) || Date.now(),
  };
}

/** A new scene with places and routes. `held` is the stretch of an earlier scene, kept so that nothing moves. */
export function buildScene(snapshot, view, face, room, held, font) {
  const scene = contents(snapshot, view), wall = view.mode === "wall";
  const nameWidth = (n) => (n.kind === "user" || wall ? 0 : measure(shownName(n), SMALLEST_NAME, 600, font) + face.w - nameRoom(n, face.w, wall) + 2);
  scene.layout = arrange({ nodes: overview(scene.nodes, snapshot.groups ?? [], room), groups: snapshot.groups }, face, { room, held, compact: view.collapsed.size > 0 || view.mode === "embed", nameWidth });
  scene.routes = routeAll(scene.edges, scene.layout, face);
  scene.edges = scene.edges.filter((e) => scene.routes.has(e.id));
  return scene;
}

/** The same places with newer figures. Answers null when cards or paths came or went, so places must be computed anew. */
export function refreshScene(scene, snapshot, view) {
  const next = { ...contents(snapshot, view), layout: scene.layout, routes: scene.routes };
  if (next.nodes.length !== scene.layout.boxes.size || next.nodes.some((n) => !scene.layout.boxes.has(n.id))) return null;
  next.edges = next.edges.filter((e) => scene.routes.has(e.id));
  if (next.edges.length !== scene.routes.size) return null;
  for (const b of next.layout.bands) b.members = b.members.map((n) => next.byId.get(n.id) ?? n);
  return next;
}
