// The ground of the picture: bands around groups, their titles, the heads of the columns.
import { worst } from "./graph.mjs";
import { textOf } from "./words.mjs";

/** One titled box around a group, with the sign of its worst member. A group of users has no box. */
export function drawBand(v, b) {
  const { pen, c } = v;
  if (b.users) return;
  pen.alpha = 1; pen.box(b.x, b.y, b.w, b.h, 10, { fill: c.band });
  pen.alpha = 0.55; pen.box(b.x, b.y, b.w, b.h, 10, { stroke: c.line, width: 1 / v.k });
  pen.alpha = 1;
  if (b.folded || v.level === "far") return;
  const { size, after, base, state } = titleOf(v, b);
  pen.text(textOf(v.scene.group.get(b.id)?.title, b.id), b.x + 14, base, { size, weight: 600, colour: c.quiet });
  if (state !== "ok") pen.badge(state, after, base - size * 0.78, size * 0.84);
  if (v.mode === "browse") pen.icon("fold", after + (state === "ok" ? -3 : size + 3), base - size * 0.36 - 5.5, 11, c.quiet);
}

function titleOf(v, b) {
  const size = v.mode === "wall" ? v.floor : Math.min(b.title * 0.72, Math.max(12, 11 / v.k));
  const title = textOf(v.scene.group.get(b.id)?.title, b.id), after = b.x + 14 + v.pen.measure(title, size, 600) + 8;
  return { size, after, base: b.y + b.title * 0.5 + size * 0.36, state: worst(b.members.map((n) => n.health)) };
}

/** The names of the layers over the columns. A head that would run into the next is left out. */
export function drawHeads(v) {
  const { pen, c, scene } = v, size = Math.max(11, 10.5 / v.k);
  let free = -Infinity, last = null;
  for (const column of scene.layout.columns) {
    const layer = scene.layers.get(column.layer);
    if (!layer || layer === last || column.x < free) continue;
    const title = textOf(layer.title, layer.id);
    pen.text(title, column.x + 2, scene.layout.y + v.face.head - 11, { size, weight: 500, colour: c.quiet });
    last = layer;
    free = column.x + pen.measure(title, size, 500) + 16;
  }
}
