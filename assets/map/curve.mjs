// One call path as cubic pieces: its path data, its bounds, and points at equal distances (made when first asked for).

const MARGIN = 6, STEPS = 24, POINT_EVERY = 7;

/** A curve: `parts` are [ax, ay, bx, by, cx, cy, dx, dy]; the path data and the points are made when first asked for. */
class Curve {
  #flat = null;
  constructor(parts, end) { this.parts = parts; this.end = end; this.box = bounds(parts); }
  get d() { return `M${tenth(this.parts[0][0])} ${tenth(this.parts[0][1])}` + this.parts.map((p) => `C${p.slice(2).map(tenth).join(" ")}`).join(""); }
  points() { return (this.#flat ??= flatten(this.parts)).points; }
  length() { return (this.#flat ??= flatten(this.parts)).length; }
}
const tenth = (v) => Math.round(v * 10) / 10;

export function curve({ s, t, way, loop, y0, y1 }) {
  return new Curve(loop ? loopParts(s, t, y0, y1) : throughParts(s, t, way, y0, y1), [loop ? t.x + t.w : t.x, y1, loop]);
}

function loopParts(s, t, y0, y1) {
  const x0 = s.x + s.w, x1 = t.x + t.w, out = 20 + Math.min(34, Math.abs(y1 - y0) * 0.09);
  return [[x0, y0, x0 + out, y0, x1 + out, y1, x1, y1]];
}

function throughParts(s, t, way, y0, y1) {
  const parts = [];
  let x = s.x + s.w, y = y0;
  const to = (nx, ny) => { const half = (nx - x) / 2; parts.push([x, y, x + half, y, nx - half, ny, nx, ny]); x = nx; y = ny; };
  for (const { column, y: wy } of way) {
    to(Math.max(x, column.x - MARGIN), wy);
    to(column.x + column.w + MARGIN, wy);
  }
  to(t.x, y1);
  return parts;
}

function bounds(parts) {
  let x0 = Infinity, y0 = Infinity, x1 = -Infinity, y1 = -Infinity;
  for (const p of parts) for (let i = 0; i < 8; i += 2) { x0 = Math.min(x0, p[i]); x1 = Math.max(x1, p[i]); y0 = Math.min(y0, p[i + 1]); y1 = Math.max(y1, p[i + 1]); }
  return { x: x0, y: y0, w: x1 - x0, h: y1 - y0 };
}

function flatten(parts) {
  const raw = rawPoints(parts), far = [0];
  for (let i = 2; i < raw.length; i += 2) far.push(far.at(-1) + Math.hypot(raw[i] - raw[i - 2], raw[i + 1] - raw[i - 1]));
  const length = far.at(-1), count = Math.max(8, Math.round(length / POINT_EVERY)), points = new Float32Array(count * 2);
  for (let i = 0, j = 0; i < count; i++) {
    const at = (length * i) / (count - 1);
    while (j < far.length - 2 && far[j + 1] < at) j++;
    const u = (at - far[j]) / (far[j + 1] - far[j] || 1);
    points[2 * i] = raw[2 * j] + (raw[2 * j + 2] - raw[2 * j]) * u;
    points[2 * i + 1] = raw[2 * j + 1] + (raw[2 * j + 3] - raw[2 * j + 1]) * u;
  }
  return { points, length };
}

function rawPoints(parts) {
  const raw = [];
  for (const [ax, ay, bx, by, cx, cy, dx, dy] of parts)
    for (let i = raw.length ? 1 : 0; i <= STEPS; i++) {
      const u = i / STEPS, v = 1 - u, a = v * v * v, b = 3 * v * v * u, c = 3 * v * u * u, e = u * u * u;
      raw.push(a * ax + b * bx + c * cx + e * dx, a * ay + b * by + c * cy + e * dy);
    }
  return raw;
}
