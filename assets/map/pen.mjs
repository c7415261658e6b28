// What the drawing code draws with. One set of strokes, two papers: a canvas, and an SVG text for export.
import { ICON, INNER, PLATE, silhouette } from "./shapes.mjs";

const TOKENS = ["ok", "at_risk", "burning", "exhausted", "no_data", "ground", "panel", "line", "text", "quiet", "band", "card", "card-line", "edge", "dot", "accent", "on-state", "tint", "font"];

/** The colours and the typeface of a place in the page, by token name. */
export function tokensOf(element) {
  const style = getComputedStyle(element), tokens = {};
  for (const name of TOKENS) tokens[name.replace(/-(\w)/, (_, ch) => ch.toUpperCase())] = style.getPropertyValue("--" + name).trim();
  return { ...tokens, tint: Number(tokens.tint) || 0.17 };
}

const outlines = new Map(), widths = new Map(), WIDTHS_KEPT = 20_000;

/** The outline of a kind at a size, made once. */
export function outline(kind, w, h) {
  const key = `${kind} ${w} ${h}`;
  let found = outlines.get(key);
  if (!found) {
    const { body, lid } = silhouette(kind, w, h);
    outlines.set(key, (found = { body: { d: body }, lid: lid ? { d: lid } : null }));
  }
  return found;
}
const signs = new Map();
const sign = (d) => { if (!signs.has(d)) signs.set(d, { d: d.replace("!", "") }); return signs.get(d); };

let ruler = null;
/** Width of a text, remembered per text and weight. Needs the typeface to be loaded. */
export function measure(text, size, weight, font) {
  const key = `${weight}${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    if (widths.size > WIDTHS_KEPT) widths.clear();
    ruler ??= document.createElement("canvas").getContext("2d");
    ruler.font = `${weight} 100px ${font}`;
    widths.set(key, (width = ruler.measureText(text).width / 100));
  }
  return width * size;
}
export const forgetWidths = () => widths.clear();

function pathOf(parts) {
  const path = new Path2D();
  path.moveTo(parts[0][0], parts[0][1]);
  for (const [, , bx, by, cx, cy, dx, dy] of parts) path.bezierCurveTo(bx, by, cx, cy, dx, dy);
  return path;
}

class Pen {
  constructor(tokens) { this.c = tokens; }
  measure(text, size, weight) { return measure(text, size, weight, this.c.font); }

  icon(name, x, y, size, colour, weight = 1.7) {
    const filled = ICON[name].startsWith("!"), shape = sign(ICON[name]);
    this.at(x, y, size / 16, () => (filled ? this.fill(shape, colour) : this.stroke(shape, colour, weight, null, true)));
  }

  /** The sign of a state: plate and icon differ by state, not only the colour. */
  badge(state, x, y, size) {
    const { c } = this;
    if (state === "ok") return this.icon("ok", x, y, size, c.ok, 2.1);
    const hollow = state === "no_data", s = size * INNER[state], o = (size - s) / 2;
    this.at(x, y, size / 16, () => (hollow ? this.stroke(sign(PLATE[state]), c.no_data, 1.5, [3, 2]) : this.fill(sign(PLATE[state]), c[state])));
    this.icon(state, x + o, y + o, s, hollow ? c.no_data : c.onState, 2.5);
  }
}

export class CanvasPen extends Pen {
  constructor(g, tokens) { super(tokens); this.g = g; this.written = ""; }
  get alpha() { return this.g.globalAlpha; }
  set alpha(v) { this.g.globalAlpha = v; }
  path(shape) { return (shape.path ??= shape.parts ? pathOf(shape.parts) : new Path2D(shape.d)); }

  at(x, y, scale, draw) {
    const g = this.g;
    g.save(); g.translate(x, y);
    if (scale !== 1) g.scale(scale, scale);
    draw(); g.restore(); this.written = "";
  }
  clipped(shape, draw) { const g = this.g; g.save(); g.clip(this.path(shape)); draw(); g.restore(); this.written = ""; }
  fill(shape, colour) { this.g.fillStyle = colour; this.g.fill(this.path(shape)); }
  stroke(shape, colour, width, dash, rounded) {
    const g = this.g;
    g.strokeStyle = colour; g.lineWidth = width;
    if (rounded) g.lineCap = g.lineJoin = "round";
    if (dash) g.setLineDash(dash);
    g.stroke(this.path(shape));
    if (dash) g.setLineDash([]);
  }
  rect(x, y, w, h, colour) { this.g.fillStyle = colour; this.g.fillRect(x, y, w, h); }
  box(x, y, w, h, r, { fill, stroke, width = 1 }) {
    const g = this.g;
    g.beginPath(); g.roundRect(x, y, w, h, r);
    if (fill) { g.fillStyle = fill; g.fill(); }
    if (stroke) { g.strokeStyle = stroke; g.lineWidth = width; g.stroke(); }
  }
  circle(x, y, r, { fill, stroke, width = 1 }) { this.box(x - r, y - r, 2 * r, 2 * r, r, { fill, stroke, width }); }
  text(s, x, y, { size, weight = 400, colour, align = "left" }) {
    const g = this.g, font = `${weight} ${size}px ${this.c.font}`;
    if (this.written !== font) g.font = this.written = font;
    g.fillStyle = colour; g.textAlign = align; g.fillText(s, x, y);
  }
}

const escaped = (s) => String(s).replace(/[&<>"']/g, (ch) => `&#${ch.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "");
const short = (v) => Math.round(v * 100) / 100;

/** Writes the same strokes as an SVG document. Texts are escaped. */
export class SvgPen extends Pen {
  alpha = 1;
  #out = [];
  #clips = 0;
  #put(tag, attributes, inner) {
    const all = { ...attributes, ...(this.alpha < 1 && { opacity: short(this.alpha) }) };
    this.#out.push(`<${tag}${Object.entries(all).filter(([, v]) => v != null).map(([k, v]) => ` ${k}="${escaped(v)}"`).join("")}${inner == null ? "/>" : `>${inner}</${tag}>`}`);
  }
  at(x, y, scale, draw) { this.#out.push(`<g transform="translate(${short(x)} ${short(y)})${scale === 1 ? "" : ` scale(${scale})`}">`); draw(); this.#out.push("</g>"); }
  clipped(shape, draw) {
    const id = `c${this.#clips++}`;
    this.#out.push(`<clipPath id="${id}"><path d="${shape.d}"/></clipPath><g clip-path="url(#${id})">`); draw(); this.#out.push("</g>");
  }
  fill(shape, colour) { this.#put("path", { d: shape.d, fill: colour }); }
  stroke(shape, colour, width, dash, rounded) {
    this.#put("path", { d: shape.d, fill: "none", stroke: colour, "stroke-width": short(width), "stroke-dasharray": dash?.join(" "), "stroke-linecap": rounded ? "round" : null, "stroke-linejoin": rounded ? "round" : null });
  }
  rect(x, y, width, height, fill) { this.#put("rect", { x: short(x), y: short(y), width: short(width), height: short(height), fill }); }
  box(x, y, w, h, r, { fill = "none", stroke, width = 1 }) { this.#put("rect", { x: short(x), y: short(y), width: short(w), height: short(h), rx: short(r), fill, stroke, "stroke-width": stroke && width }); }
  circle(x, y, r, { fill = "none", stroke, width = 1 }) { this.#put("circle", { cx: short(x), cy: short(y), r, fill, stroke, "stroke-width": stroke && width }); }
  text(s, x, y, { size, weight = 400, colour, align = "left" }) {
    const anchor = { left: null, center: "middle", right: "end" }[align];
    this.#put("text", { x: short(x), y: short(y), "font-size": short(size), "font-weight": weight, fill: colour, "text-anchor": anchor }, escaped(s));
  }
  document(w, h) {
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(w)}" height="${Math.ceil(h)}" viewBox="0 0 ${short(w)} ${short(h)}" font-family="${escaped(this.c.font)}">${this.#out.join("\n")}</svg>`;
  }
}
