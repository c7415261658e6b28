// Draws a scene in layers: ground, bands and paths below; cards above; what moves on top. A layer is drawn again only when it
// would look different, and of the cards only those that changed.
import { groupOf } from "./graph.mjs";
import { drawBand, drawHeads } from "./bands.mjs";
import { touches, viewBox } from "./camera.mjs";
import { CARD_REACH, drawCard } from "./cards.mjs";
import { byLoudness, drawCrossing, drawEdge, drawProtection, styleKey } from "./edges.mjs";
import { drawFar } from "./far.mjs";
import { drawMotion } from "./motion.mjs";
import { CanvasPen } from "./pen.mjs";

const SINGLE_CARDS_UP_TO = 0.35;
/** In the order of drawing: the ring and the word of an origin reach over its neighbours. */
const originsLast = (nodes) => (nodes.some((n) => n.origin) ? [...nodes].sort((a, b) => Number(Boolean(a.origin)) - Number(Boolean(b.origin))) : nodes);

export class Picture {
  #keys = new Map();
  #painted = null;

  constructor(host) {
    this.layers = ["paths", "cards", "motion"].map((name) => {
      const canvas = document.createElement("canvas");
      canvas.className = name;
      canvas.setAttribute("aria-hidden", "true");
      return host.appendChild(canvas);
    });
  }
  /** Gives the bitmaps back at once. */
  close() { for (const canvas of this.layers) { canvas.width = canvas.height = 0; canvas.remove(); } }

  #pen(layer, v, clear) {
    const canvas = this.layers[layer], r = v.ratio, w = Math.round(v.width * r), h = Math.round(v.height * r);
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const g = canvas.getContext("2d", { alpha: layer > 0 });
    g.setTransform(r, 0, 0, r, 0, 0);
    if (clear && layer > 0) g.clearRect(0, 0, v.width, v.height);
    if (layer === 0) { g.fillStyle = v.c.ground; g.fillRect(0, 0, v.width, v.height); }
    g.translate(v.camera.x, v.camera.y); g.scale(v.k, v.k);
    return new CanvasPen(g, v.c);
  }

  /** Draws everything that is in view. */
  paint(v) {
    const view = viewBox(v.camera, v.width, v.height), { scene } = v;
    v.visibleEdges = v.level === "far" ? [] : scene.edges.filter((e) => touches(scene.routes.get(e.id).box, view)).sort(byLoudness(v));
    this.#paths(v);
    v.pen = this.#pen(1, v, true);
    for (const n of originsLast(scene.nodes)) if ((v.level !== "far" || !scene.group.has(groupOf(n))) && touches(scene.layout.boxes.get(n.id), view)) drawCard(v, n);
    this.#painted = { camera: v.camera };
    for (const canvas of this.layers) canvas.style.transform = "";
  }

  #paths(v) {
    v.pen = this.#pen(0, v, true);
    const view = viewBox(v.camera, v.width, v.height);
    for (const b of v.scene.layout.bands) if (touches(b, view)) drawBand(v, b);
    if (v.mode !== "wall" && v.level !== "far") drawHeads(v);
    if (v.level === "far") { drawFar(v); return; }
    for (const e of v.visibleEdges) drawEdge(v, e);
    for (const e of v.visibleEdges) e.protection ? drawProtection(v, e) : v.level === "near" && drawCrossing(v, e);
    this.#keys = new Map(v.visibleEdges.map((e) => [e.id, styleKey(v, e)]));
  }

  /** New figures at the same places: draws the changed cards, and the paths only if one would look different. */
  update(v, changed) {
    const view = viewBox(v.camera, v.width, v.height), { scene } = v;
    if (v.level === "far" || !this.#painted) return this.paint(v);
    v.visibleEdges = v.visibleEdges.map((e) => scene.edgeById.get(e.id)).filter(Boolean);
    if (v.visibleEdges.some((e) => changed.edges.has(e.id) && this.#keys.get(e.id) !== styleKey(v, e))) { v.visibleEdges.sort(byLoudness(v)); this.#paths(v); }
    const visible = originsLast(scene.nodes.filter((n) => touches(scene.layout.boxes.get(n.id), view))), dirty = visible.filter((n) => changed.nodes.has(n.id) || n.members);
    if (!dirty.length) return;
    const single = dirty.length <= visible.length * SINGLE_CARDS_UP_TO && !dirty.some((n) => n.origin);
    v.pen = this.#pen(1, v, !single);
    if (single) for (const n of dirty) this.#card(v, n, visible);
    else for (const n of visible) drawCard(v, n);
  }

  #card(v, n, visible) {
    const { g } = v.pen, { x, y, w, h } = v.scene.layout.boxes.get(n.id), spot = { x: x - CARD_REACH, y: y - CARD_REACH, w: w + 2 * CARD_REACH, h: h + 2 * CARD_REACH };
    g.save();
    g.beginPath(); g.rect(spot.x, spot.y, spot.w, spot.h); g.clip();
    g.clearRect(spot.x, spot.y, spot.w, spot.h);
    v.pen.written = "";
    for (const o of visible) {
      const b = v.scene.layout.boxes.get(o.id);
      if (b.x < x + w + 2 * CARD_REACH && b.x + b.w > x - 2 * CARD_REACH && b.y < y + h + 2 * CARD_REACH && b.y + b.h > y - 2 * CARD_REACH) drawCard(v, o);
    }
    g.restore();
    v.pen.written = "";
  }

  /** While a hand moves a heavy picture the finished layers are moved; they are drawn anew when the hand rests. */
  slide(v) {
    const from = this.#painted?.camera, to = v.camera;
    if (!from) return;
    const s = to.k / from.k, matrix = `matrix(${s},0,0,${s},${to.x - from.x * s},${to.y - from.y * s})`;
    for (const canvas of this.layers) canvas.style.transform = matrix;
  }

  move(v, now, dots) {
    v.pen = this.#pen(2, v, true);
    drawMotion(v, now, dots);
  }
}

/** Draws the whole scene once on any pen, for export. */
export function drawOnce(v) {
  v.visibleEdges = [...v.scene.edges].sort(byLoudness(v));
  for (const b of v.scene.layout.bands) drawBand(v, b);
  drawHeads(v);
  for (const e of v.visibleEdges) drawEdge(v, e);
  for (const e of v.visibleEdges) e.protection ? drawProtection(v, e) : drawCrossing(v, e);
  for (const n of originsLast(v.scene.nodes)) drawCard(v, n);
}
