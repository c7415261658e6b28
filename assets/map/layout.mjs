// From the server's positions to what one face shows. The server places cards of 198 x 54; a face may change the size of its
// cards and stretch or squeeze the gaps, never the order. Pure: no canvas, no DOM.
import { groupOf } from "./graph.mjs";

/** Sizes in world units. `gap` and `row`: how far the gaps between columns and the heights may be squeezed and stretched. */
export const FACE = {
  browse: { w: 198, h: 54, userW: 132, gap: [1, 1.9], row: [1, 1.45], title: 25, pad: 11, head: 30, lane: 6 },
  wall: { w: 212, h: 48, userW: 142, gap: [0.62, 1.9], row: [0.83, 1.45], title: 26, pad: 6, head: 6, lane: 6 },
  embed: { w: 176, h: 52, userW: 118, gap: [0.55, 1.6], row: [0.9, 2], title: 24, pad: 10, head: 28, lane: 6 },
};
const SERVER = { w: 198, h: 54 }, SAME_COLUMN = 60, FOLDED_GAP = { x: 150, y: 47 }, LEAST_BETWEEN = 8;
const OVERVIEW = { x: 300, y: 96 };
const clamp = (v, lo, hi) => Math.max(lo, Math.min(hi, v));

/**
 * Boxes, bands and columns for nodes with server positions.
 * `room` {width, height} is where it should fit; `held` {gap, row} keeps an earlier stretch so that nothing moves;
 * `compact` closes what folding left empty; `nameWidth(node)` is the room a name needs, for widening a card.
 */
export function arrange({ nodes, groups = [] }, face, { room, held, compact = false, nameWidth = () => 0 }) {
  if (!nodes.length) return { boxes: new Map(), bands: [], columns: [], x: 0, y: 0, w: 1, h: 1, stretch: { gap: 1, row: 1 } };
  const lead = new Set(groups.filter((g) => g.lead).map((g) => g.id)), columns = columnsOf(nodes), squeeze = squeezed(nodes, lead, compact);
  const stretch = held ?? stretchFor(columns, nodes.map((n) => squeeze(n.y)), face, room, compact), top = squeeze(Math.min(...nodes.map((n) => n.y)));
  placeColumns(columns, face, stretch.gap, compact);
  const rowAt = (y) => face.head + face.title + (squeeze(y) - top) * stretch.row, boxes = new Map();
  for (const c of columns) for (const n of c.members) {
    const free = Math.max(0, c.gap - 26), wide = Math.max(0, Math.min(nameWidth(n), c.w + free) - c.w);
    boxes.set(n.id, { x: c.x, y: rowAt(n.y), w: (n.kind === "user" ? face.userW : face.w) + (n.kind === "user" ? 0 : wide), h: face.h, col: c.col });
  }
  separate(columns, boxes, lead, face, compact);
  const bands = bandsOf(nodes, groups, boxes, columns, face);
  return { boxes, bands, columns, stretch, ...extent(boxes, bands, face) };
}

/** When every band is folded, the group cards stand in reading order in the proportions of the room, not where their bands were. */
export function overview(nodes, groups, room) {
  const lead = new Set(groups.filter((g) => g.lead).map((g) => g.id)), cards = nodes.filter((n) => !lead.has(groupOf(n)));
  if (cards.length < 2 || !cards.every((n) => n.kind === "group")) return nodes;
  const left = nodes.filter((n) => lead.has(groupOf(n))), x0 = left.length ? Math.max(...left.map((n) => n.x)) + OVERVIEW.x : 0;
  const across = Math.max(1, Math.round(Math.sqrt((cards.length * OVERVIEW.y * (room.width / room.height)) / OVERVIEW.x))), place = new Map(cards.map((n, i) => [n.id, i]));
  return nodes.map((n) => (place.has(n.id) ? { ...n, x: x0 + (place.get(n.id) % across) * OVERVIEW.x, y: Math.floor(place.get(n.id) / across) * OVERVIEW.y } : n));
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

/** Where folding left empty ground, it is taken out: a map of server heights to heights without long gaps. */
function squeezed(nodes, lead, compact) {
  if (!compact) return (y) => y;
  const inBands = nodes.filter((n) => !lead.has(groupOf(n))), rows = [...new Set((inBands.length ? inBands : nodes).map((n) => n.y))].sort((a, b) => a - b), at = [rows[0]];
  for (let i = 1, bottom = rows[0] + SERVER.h; i < rows.length; i++) { at.push(at[i - 1] + rows[i] - rows[i - 1] - Math.max(0, rows[i] - bottom - FOLDED_GAP.y)); bottom = rows[i] + SERVER.h; }
  return (y) => {
    const i = Math.max(0, rows.findLastIndex((r) => r <= y)), next = i + 1 < rows.length ? at[i + 1] - at[i] : Infinity;
    return at[i] + Math.min(y - rows[i], next === Infinity ? y - rows[i] : (next * (y - rows[i])) / (rows[i + 1] - rows[i]));
  };
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

/** Spare room goes into the gaps, never into the cards. */
function stretchFor(columns, heights, face, room, compact) {
  const aspect = room.width / room.height, cards = columns.reduce((sum, c) => sum + (onlyUsers(c) ? face.userW : face.w), 0);
  const gaps = columns.slice(1).reduce((sum, c, i) => sum + gapBetween(columns[i], c, compact), 0) || 1;
  const tall = Math.max(...heights) - Math.min(...heights), fixed = face.head + face.title + face.h + face.pad;
  const gap = clamp(((fixed + tall * face.row[0]) * aspect - cards) / gaps, ...face.gap);
  return { gap, row: clamp(((cards + gaps * gap) / aspect - fixed) / (tall || 1), ...face.row) };
}

/** Cards of a full-height block: where folding squeezed them, or two would touch, a column is spread evenly in its order. */
function separate(columns, boxes, lead, face, compact) {
  const inBands = columns.flatMap((c) => c.members.filter((n) => !lead.has(groupOf(n)))).map((n) => boxes.get(n.id)), all = inBands.length ? inBands : [...boxes.values()];
  const top = Math.min(...all.map((b) => b.y)), bottom = Math.max(...all.map((b) => b.y + b.h)), least = face.h + LEAST_BETWEEN;
  for (const c of columns) {
    const stack = c.members.filter((n) => lead.has(groupOf(n))).map((n) => boxes.get(n.id)).sort((a, b) => a.y - b.y);
    if (!compact && !stack.some((b, i) => i && b.y - stack[i - 1].y < least)) continue;
    const step = Math.max(least, (bottom - top) / stack.length);
    stack.forEach((b, i) => { b.y = top + (step - b.h) / 2 + step * i; });
  }
}

/** A group whose later members found no room in its band goes on elsewhere: a box of its own for each part that others lie between. */
function partsOf(members, nodes, groups, boxes) {
  const own = new Set(members.map((n) => n.id)), lead = new Set(groups.filter((g) => g.lead).map((g) => g.id));
  const others = nodes.filter((n) => !own.has(n.id) && !lead.has(groupOf(n))).map((n) => boxes.get(n.id)), parts = [];
  const between = (part) => {
    const list = part.map((n) => boxes.get(n.id)), x0 = Math.min(...list.map((b) => b.x)), y0 = Math.min(...list.map((b) => b.y));
    const x1 = Math.max(...list.map((b) => b.x + b.w)), y1 = Math.max(...list.map((b) => b.y + b.h));
    return others.some((b) => b.x < x1 && b.x + b.w > x0 && b.y < y1 && b.y + b.h > y0);
  };
  if (members.length && !between(members)) return [members];
  for (const n of [...members].sort((a, c) => boxes.get(a.id).y - boxes.get(c.id).y)) {
    const part = parts.find((p) => !between([...p, n]));
    if (part) part.push(n); else parts.push([n]);
  }
  return parts;
}

/** A band goes around its members over the whole width of the bands above and below it; where two would overlap, tightly. */
function bandsOf(nodes, groups, boxes, columns, face) {
  const members = new Map(groups.map((g) => [g.id, []]));
  for (const n of nodes) members.get(groupOf(n))?.push(n);
  const bands = groups.flatMap((g) => (g.lead ? [members.get(g.id)] : partsOf(members.get(g.id), nodes, groups, boxes)).filter((part) => part.length).map((part) => around(g, part, boxes, face)));
  for (const stack of stacksOf(bands.filter((b) => !b.lead))) {
    const x = Math.min(...stack.map((b) => b.x)), right = Math.max(...stack.map((b) => b.x + b.w));
    const clear = stack.every((b) => stack.every((o) => o === b || o.y >= b.y + b.h || b.y >= o.y + o.h));
    if (clear) for (const b of stack) Object.assign(b, { x, w: right - x });
  }
  const top = Math.min(...bands.map((b) => b.y)), bottom = Math.max(...bands.map((b) => b.y + b.h));
  for (const b of bands) if (b.lead) Object.assign(b, { y: top, h: bottom - top });
  return bands;
}
/** Bands that share some width stand over each other: a stack. */
function stacksOf(bands) {
  const stacks = [];
  for (const b of [...bands].sort((a, c) => a.x - c.x)) {
    const last = stacks.at(-1);
    if (last && b.x < last.right) { last.bands.push(b); last.right = Math.max(last.right, b.x + b.w); } else stacks.push({ bands: [b], right: b.x + b.w });
  }
  return stacks.map((s) => s.bands);
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
