// The map as a file: PNG and SVG of the whole picture, JSON of the snapshot, CSV of a table.
import { CanvasPen, SvgPen, tokensOf } from "./pen.mjs";
import { drawOnce } from "./picture.mjs";
import { FACE } from "./layout.mjs";

const MARGIN = 24, PNG_SCALE = 2, LARGEST_SIDE_PX = 8000;

/** Hands a text or a blob to the person as a file. */
export function save(content, name, type) {
  const blob = content instanceof Blob ? content : new Blob([content], { type }), a = document.createElement("a");
  a.href = URL.createObjectURL(blob);
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
}
export const fileName = (snapshot, ending) => `synoptic-${(snapshot.at ?? "").replace(/[:.]/g, "").slice(0, 15)}.${ending}`;

const frame = (map, pen, c) => ({
  pen, c, scene: map.scene, k: 1, mode: "browse", face: FACE.browse, level: "near", related: map.related, only: map.view.only, dim: 0.26, selected: map.view.selected,
  floor: 0, floorPx: 0, nameSize: Math.min(14, map.nameSize),
});

export function mapAsSvg(map) {
  const { x, y, w, h } = map.scene.layout, c = tokensOf(map), pen = new SvgPen(c);
  pen.rect(0, 0, w + 2 * MARGIN, h + 2 * MARGIN, c.ground);
  pen.at(MARGIN - x, MARGIN - y, 1, () => drawOnce(frame(map, pen, c)));
  return pen.document(w + 2 * MARGIN, h + 2 * MARGIN);
}

/** A PNG of the whole map at twice its size, or as large as a canvas may be. */
export function mapAsPng(map) {
  const { x, y, w, h } = map.scene.layout, c = tokensOf(map), scale = Math.min(PNG_SCALE, LARGEST_SIDE_PX / (Math.max(w, h) + 2 * MARGIN));
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil((w + 2 * MARGIN) * scale); canvas.height = Math.ceil((h + 2 * MARGIN) * scale);
  const g = canvas.getContext("2d", { alpha: false }), pen = new CanvasPen(g, c);
  g.scale(scale, scale);
  g.fillStyle = c.ground; g.fillRect(0, 0, w + 2 * MARGIN, h + 2 * MARGIN);
  g.translate(MARGIN - x, MARGIN - y);
  drawOnce(frame(map, pen, c));
  return new Promise((done) => canvas.toBlob((blob) => { canvas.width = canvas.height = 0; done(blob); }, "image/png"));
}

/** Comma-separated values that no spreadsheet takes for a formula. */
export function asCsv(header, rows) {
  const cell = (v) => {
    const text = v == null ? "" : String(v), safe = typeof v !== "number" && /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return "\ufeff" + [header, ...rows].map((r) => r.map(cell).join(",")).join("\r\n") + "\r\n";
}
