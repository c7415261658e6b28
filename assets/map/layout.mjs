// From the server's positions to what one face shows. The server places cards of 198 x 54; a face may change the size of its
// cards and stretch or squeeze the gaps, never the order. Pure: no canvas, no DOM.

/** Sizes in world units. `gap` and `row`: how far the gaps between columns and rows may be squeezed and stretched. */
export const FACE = {
  browse: { w: 198, h: 54, userW: 132, gap: [1, 1.9], row: [1, 2.2], title: 25, pad: 11, head: 30, lane: 6, rowMin: 12 },
  wall: { w: 212, h: 48, userW: 142, gap: [0.62, 1.9], row: [0.72, 2.2], title: 26, pad: 6, head: 6, lane: 6, rowMin: 9 },
  embed: { w: 176, h: 52, userW: 118, gap: [0.55, 1.6], row: [0.8, 1.8], title: 24, pad: 10, head: 28, lane: 6, rowMin: 10 },
};
const SERVER = { w: 198, h: 54 }, SAME_COLUMN = 60, FOLDED_GAP = { x: 150, y: 60 };
const clamp = (v, lo, hi) => Math.max(lo, Math.min(hi, v));

/**
 * Boxes, bands and columns for nodes with server positions.
 * `room` {width, height} is where it should fit; `held` {gap, row} keeps an earlier stretch so that nothing moves;
 * `compact` closes what folding left empty; `nameWidth(node)` is the room a name needs, for widening a card.
 */
export function arrange({ nodes, groups = [] }, face, { room, held, compact = false, nameWidth = () => 0 }) {
  if (!nodes.length) return { boxes: new Map(), bands: [], columns: [], x: 0, y: 0, w: 1, h: 1, stretch: { gap: 1, row: 1 } };
  const lead = new Set(groups.filter((g) => g.lead).map((g) => g.id)), columns = columnsOf(nodes), rows = rowsOf(nodes, lead);
  const stretch = held ?? stretchFor(columns, rows, face, room, compact);
  placeColumns(columns, face, stretch.gap, compact);
  const rowAt = rowMap(rows, face, stretch.row, compact), boxes = new Map();
  for (const c of columns) for (const n of c.members) {
    const free = Math.max(0, c.gap - 26), wide = Math.max(0, Math.min(nameWidth(n), c.w + free) - c.w);
    boxes.set(n.id, { x: c.x, y: rowAt(n.y), w: (n.kind === "user" ? face.userW : face.w) + (n.kind === "user" ? 0 : wide), h: face.h, col: c.col });
  }
  separate(columns, boxes, lead, face);
  const bands = bandsOf(nodes, groups, boxes, columns, face);
  return { boxes, bands, columns, stretch, ...extent(boxes, bands, face) };
}

/** Cards whose left edges are close share a column. */
function columnsOf(nodes) {
  const columns = [];
  for (const n of [...nodes].sort((a, b) => a.x - b.x)) {
    const last = columns.at(-1);
    if (last && n.x - last.from < SAME_COLUMN) last.members.push(n);
    else columns.push({ col: columns.length, from: n.x, members: [n], layer: null });
  }
  for (const c of columns) c.layer = commonest(c.members.map((n) => n.layer));
  return columns;
}
function commonest(values) {
  const counts = new Map();
  for (const v of values) if (v != null) counts.set(v, (counts.get(v) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

/** The distinct heights of all cards that are not in a full-height block (or of all, when there is nothing else). */
function rowsOf(nodes, lead) {
  const inBands = nodes.filter((n) => !lead.has(n.domain));
  return [...new Set((inBands.length ? inBands : nodes).map((n) => n.y))].sort((a, b) => a - b);
}

const gapBetween = (a, b, compact) => { const gap = Math.max(24, b.from - a.from - SERVER.w); return compact ? Math.min(gap, FOLDED_GAP.x) : gap; };
const onlyUsers = (c) => c.members.every((n) => n.kind === "user");

function placeColumns(columns, face, stretch, compact) {
  let x = 0;
  columns.forEach((c, i) => {
    c.x = x;
    c.w = onlyUsers(c) ? face.userW : face.w;
    c.gap = i + 1 < columns.length ? gapBetween(c, columns[i + 1], compact) * stretch : 0;
    x += c.w + c.gap;
  });
}

/** Steps from row to row: a gap is stretched, an overlap (a card put aside by hand) keeps its share of a card's height. */
function steps(rows, face, stretch, compact) {
  return rows.slice(1).map((y, i) => {
    const gap = y - rows[i] - SERVER.h;
    return gap < 0 ? ((y - rows[i]) / SERVER.h) * (face.h + face.rowMin) : face.h + Math.max(face.rowMin, (compact ? Math.min(gap, FOLDED_GAP.y) : gap) * stretch);
  });
}
function rowMap(rows, face, stretch, compact) {
  const at = [face.head + face.title];
  for (const s of steps(rows, face, stretch, compact)) at.push(at.at(-1) + s);
  const scale = rows.length > 1 ? (at.at(-1) - at[0]) / (rows.at(-1) - rows[0]) : 1;
  return (y) => {
    if (y <= rows[0]) return at[0] + (y - rows[0]) * scale;
    if (y >= rows.at(-1)) return at.at(-1) + (y - rows.at(-1)) * scale;
    let lo = 0, hi = rows.length - 1;
    while (hi - lo > 1) { const mid = (lo + hi) >> 1; rows[mid] <= y ? (lo = mid) : (hi = mid); }
    return at[lo] + ((y - rows[lo]) / (rows[hi] - rows[lo])) * (at[hi] - at[lo]);
  };
}

/** Spare room goes into the gaps, never into the cards. */
function stretchFor(columns, rows, face, room, compact) {
  const aspect = room.width / room.height, cards = columns.reduce((s, c) => s + (onlyUsers(c) ? face.userW : face.w), 0);
  const gaps = columns.slice(1).reduce((s, c, i) => s + gapBetween(columns[i], c, compact), 0) || 1;
  const height = (row) => face.head + face.title + steps(rows, face, row, compact).reduce((a, b) => a + b, face.h + face.pad);
  const gap = clamp((height(face.row[0]) * aspect - cards) / gaps, ...face.gap), wanted = (cards + gaps * gap) / aspect;
  let lo = face.row[0], hi = face.row[1];
  for (let i = 0; i < 12; i++) { const mid = (lo + hi) / 2; height(mid) < wanted ? (lo = mid) : (hi = mid); }
  return { gap, row: lo };
}

/** Cards of a full-height block come from a squeezed scale: where two would touch, the column is spread evenly in its order. */
function separate(columns, boxes, lead, face) {
  const all = [...boxes.values()], top = Math.min(...all.map((b) => b.y)), bottom = Math.max(...all.map((b) => b.y + b.h)), least = face.h + face.rowMin;
  for (const c of columns) {
    const stack = c.members.filter((n) => lead.has(n.domain)).map((n) => boxes.get(n.id)).sort((a, b) => a.y - b.y);
    if (!stack.some((b, i) => i && b.y - stack[i - 1].y < least)) continue;
    const step = Math.max(least, (bottom - top) / stack.length);
    stack.forEach((b, i) => { b.y = top + (step - b.h) / 2 + step * i; });
  }
}

/** A band goes around its members over the whole width of all bands, or tightly where bands stand side by side. */
function bandsOf(nodes, groups, boxes, columns, face) {
  const members = new Map(groups.map((g) => [g.id, []]));
  for (const n of nodes) members.get(n.domain)?.push(n);
  const bands = groups.filter((g) => members.get(g.id).length).map((g) => around(g, members.get(g.id), boxes, face)), wide = bands.filter((b) => !b.lead);
  const x = Math.min(...wide.map((b) => b.x)), right = Math.max(...wide.map((b) => b.x + b.w));
  for (const b of wide) b.beside = wide.some((o) => o !== b && o.y < b.y + b.h && b.y < o.y + o.h);
  for (const b of wide) if (!b.beside) Object.assign(b, { x, w: right - x });
  const top = Math.min(...bands.map((b) => b.y)), bottom = Math.max(...bands.map((b) => b.y + b.h));
  for (const b of bands) if (b.lead) Object.assign(b, { y: top, h: bottom - top });
  return bands;
}
function around(group, members, boxes, face) {
  const list = members.map((n) => boxes.get(n.id)), card = members.every((n) => n.kind === "group"), title = card ? face.pad : face.title;
  const x = Math.min(...list.map((b) => b.x)) - face.pad - 3, y = Math.min(...list.map((b) => b.y)) - title;
  const right = Math.max(...list.map((b) => b.x + b.w)) + face.pad + 3, bottom = Math.max(...list.map((b) => b.y + b.h)) + face.pad * (card ? 1.4 : 1);
  return { id: group.id, lead: Boolean(group.lead), x, y, w: right - x, h: bottom - y, title, members, folded: card, users: members.every((n) => n.kind === "user") };
}

function extent(boxes, bands, face) {
  const list = [...boxes.values(), ...bands], x = Math.min(...list.map((b) => b.x)), y = Math.min(...list.map((b) => b.y)) - face.head;
  return { x, y, w: Math.max(...list.map((b) => b.x + b.w)) - x, h: Math.max(...list.map((b) => b.y + b.h)) - y };
}
