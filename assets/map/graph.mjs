// Questions to the snapshot: what is worst, what belongs together, what is trouble, what a folded group looks like. Pure.

/** From calm to alarming. The worst state of a group is the last of these that occurs in it. */
/** The group a node is drawn in: what the server says, else its domain. */
export const groupOf = (n) => n.group ?? n.domain ?? "";

export const ORDER = ["ok", "no_data", "at_risk", "exhausted", "burning"];
export const worst = (states) => states.reduce((w, s) => (ORDER.indexOf(s) > ORDER.indexOf(w) ? s : w), "ok");
export const troubled = (x) => x.health !== "ok" || x.stale;

/** How many nodes are in each state: {ok: 46, burning: 1, ...}. */
export function countByState(nodes) {
  const counts = Object.fromEntries(ORDER.map((s) => [s, 0]));
  for (const n of nodes) counts[n.health] = (counts[n.health] ?? 0) + 1;
  return counts;
}

/** The whole snapshot, as two sets of ids. */
const setsOf = (nodes, edges) => ({ nodes: new Set(nodes), edges: new Set(edges) });

/** A node with its neighbours, and from it upstream along the lit paths to the users who feel it. */
export function relatedTo(id, { nodes, edges }) {
  const path = edges.find((e) => e.id === id);
  if (path) return setsOf([path.source, path.target], [id]);
  if (!nodes.some((n) => n.id === id)) return null;
  const found = setsOf([id], []);
  for (const e of edges) if (e.source === id || e.target === id) { found.edges.add(e.id); found.nodes.add(e.source).add(e.target); }
  for (const e of upstream([id], edges.filter((e) => e.impact))) { found.edges.add(e.id); found.nodes.add(e.source); }
  return found;
}

/** Every path that leads to one of `ids`, found backwards. */
export function upstream(ids, edges) {
  const into = new Map(), seen = new Set(ids), front = [...ids], found = [];
  for (const e of edges) into.has(e.target) ? into.get(e.target).push(e) : into.set(e.target, [e]);
  while (front.length) for (const e of into.get(front.pop()) ?? []) {
    found.push(e);
    if (!seen.has(e.source)) { seen.add(e.source); front.push(e.source); }
  }
  return found;
}

/** "Only trouble": what is not healthy plus the paths upstream to the users who feel it. */
export function trouble({ nodes, edges }) {
  const found = setsOf(nodes.filter((n) => troubled(n) || n.feels || n.origin).map((n) => n.id), []);
  for (const e of edges) if (e.impact || e.health !== "ok") { found.edges.add(e.id); found.nodes.add(e.source).add(e.target); }
  return found;
}

/** What a search found, with the paths among it. */
export function matching({ nodes, edges }, test) {
  const found = setsOf(nodes.filter(test).map((n) => n.id), []);
  for (const e of edges) if (found.nodes.has(e.source) && found.nodes.has(e.target)) found.edges.add(e.id);
  return found;
}

/** The part of a snapshot around one node: `depth` steps against and along the calls. An unknown focus keeps nothing. */
export function around(snapshot, focus, depth) {
  const known = snapshot.nodes.some((n) => n.id === focus), keep = new Set(known ? [focus] : []);
  for (const [from, to] of [["target", "source"], ["source", "target"]]) {
    let front = new Set(keep.has(focus) ? [focus] : []);
    for (let i = 0; i < depth && front.size; i++) {
      const next = new Set();
      for (const e of snapshot.edges) if (front.has(e[from]) && !keep.has(e[to])) { next.add(e[to]); keep.add(e[to]); }
      front = next;
    }
  }
  return only(snapshot, (n) => keep.has(n.id));
}

/** A snapshot reduced to the nodes that pass, and the paths among them. */
export function only(snapshot, passes) {
  const nodes = snapshot.nodes.filter(passes), ids = new Set(nodes.map((n) => n.id));
  return { ...snapshot, nodes, edges: snapshot.edges.filter((e) => ids.has(e.source) && ids.has(e.target)) };
}

/** A folded group becomes one card; the paths that begin or end in it are summed by pair of ends. */
export function folded(snapshot, closed) {
  const inside = new Map(snapshot.nodes.filter((n) => closed.has(groupOf(n))).map((n) => [n.id, "#" + groupOf(n)]));
  if (!inside.size) return snapshot;
  const nodes = snapshot.nodes.filter((n) => !inside.has(n.id)), members = new Map();
  for (const n of snapshot.nodes) if (inside.has(n.id)) members.has(groupOf(n)) ? members.get(groupOf(n)).push(n) : members.set(groupOf(n), [n]);
  for (const g of snapshot.groups ?? []) if (members.has(g.id)) nodes.push(groupCard(g, members.get(g.id)));
  return { ...snapshot, nodes, edges: foldedEdges(snapshot.edges, inside) };
}

function groupCard(group, members) {
  const states = members.map((n) => n.health), known = states.filter((s) => s !== "no_data");
  return {
    id: "#" + group.id, name: group.id, title: group.title, kind: "group", domain: group.id, members, zones: [],
    layer: null, x: Math.min(...members.map((n) => n.x)), y: Math.min(...members.map((n) => n.y)),
    health: known.length ? worst(known) : "no_data", origin: members.some((n) => n.origin), stale: members.every((n) => n.stale),
    feels: members.find((n) => n.feels)?.feels ?? null, change: members.find((n) => n.change)?.change ?? null, budget_left: null, calls_per_s: null,
  };
}

function foldedEdges(edges, inside) {
  const sums = new Map();
  for (const e of edges) {
    const source = inside.get(e.source) ?? e.source, target = inside.get(e.target) ?? e.target;
    if (source === target) continue;
    if (source === e.source && target === e.target) { sums.set(e.id, e); continue; }
    const id = `${source}>${target}`, sum = sums.get(id);
    if (sum) addTo(sum, e);
    else sums.set(id, { id, folded: true, source, target, protocols: e.protocols, calls: e.calls, calls_per_s: e.calls_per_s, health: e.health, impact: e.impact, protection: e.protection, sampled: e.sampled, complete: e.complete, stale: e.stale });
  }
  return [...sums.values()];
}

function addTo(sum, e) {
  if (e.calls_per_s != null) { sum.calls_per_s = (sum.calls_per_s ?? 0) + e.calls_per_s; sum.calls = (sum.calls ?? 0) + (e.calls ?? 0); }
  sum.health = sum.health === "no_data" ? e.health : e.health === "no_data" ? sum.health : worst([sum.health, e.health]);
  sum.impact ||= e.impact;
  sum.protection ??= e.protection;
  sum.sampled ??= e.sampled;
  sum.complete &&= e.complete;
}

/** Where an arrow key leads: right to a callee, left to a caller, up and down to the neighbour in the column. */
export function neighbour(id, direction, edges, boxes) {
  const here = boxes.get(id), ends = { right: ["source", "target"], left: ["target", "source"] }[direction];
  if (!here) return null;
  const nearest = (ids) => ids.filter((o) => o !== id && boxes.has(o)).sort((a, b) => gap(boxes.get(a)) - gap(boxes.get(b)))[0] ?? null;
  const gap = (b) => Math.abs(b.y - here.y) * 2 + Math.abs(b.x - here.x);
  if (ends) return nearest(edges.filter((e) => e[ends[0]] === id).map((e) => e[ends[1]]));
  const below = direction === "down";
  return nearest([...boxes.keys()].filter((o) => { const b = boxes.get(o); return b.col === here.col && (below ? b.y > here.y : b.y < here.y); }));
}
