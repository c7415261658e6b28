// The snapshot in the browser. It takes a whole snapshot or a delta and says what has changed.

const PLACE = ["x", "y", "domain", "kind", "layer", "name"];

/** What an update did. `structure` means that cards or paths came, went or moved, so positions and routes are computed anew. */
const change = (structure, nodes, edges) => ({ structure, nodes, edges });

/** Holds the newest snapshot. Objects are replaced, never changed, so a reader may keep what it has seen. */
export class SnapshotStore {
  snapshot = null;
  #nodes = new Map();
  #edges = new Map();

  /** Takes a whole snapshot. A snapshot with the same cards and paths at the same places is no change of structure. */
  replace(snapshot) {
    const structure = !this.snapshot || !sameStructure(this.#nodes, this.#edges, snapshot, this.snapshot);
    this.#nodes = new Map(snapshot.nodes.map((n) => [n.id, n]));
    this.#edges = new Map(snapshot.edges.map((e) => [e.id, e]));
    this.snapshot = snapshot;
    return change(structure, new Set(this.#nodes.keys()), new Set(this.#edges.keys()));
  }

  /** Takes a delta. Answers null when it does not follow on what is here: the caller then asks for a whole snapshot. */
  apply(delta) {
    if (!this.snapshot || delta.base !== this.snapshot.seq) return null;
    const { nodes = [], edges = [], gone = {}, base, ...rest } = delta;
    let structure = Boolean(gone.nodes?.length || gone.edges?.length) || changedGroups(rest.groups, this.snapshot.groups);
    for (const id of gone.nodes ?? []) this.#nodes.delete(id);
    for (const id of gone.edges ?? []) this.#edges.delete(id);
    for (const n of nodes) { structure ||= moved(this.#nodes.get(n.id), n); this.#nodes.set(n.id, n); }
    for (const e of edges) { structure ||= rerouted(this.#edges.get(e.id), e); this.#edges.set(e.id, e); }
    this.snapshot = { ...this.snapshot, ...rest, nodes: [...this.#nodes.values()], edges: [...this.#edges.values()] };
    return change(structure, new Set(nodes.map((n) => n.id)), new Set(edges.map((e) => e.id)));
  }
}

const moved = (before, after) => !before || PLACE.some((k) => before[k] !== after[k]) || before.title?.en !== after.title?.en;
const rerouted = (before, after) => !before || before.source !== after.source || before.target !== after.target;
const changedGroups = (after, before) => Boolean(after) && JSON.stringify(after) !== JSON.stringify(before);

function sameStructure(nodes, edges, after, before) {
  return nodes.size === after.nodes.length && edges.size === after.edges.length && !changedGroups(after.groups, before.groups)
    && after.nodes.every((n) => !moved(nodes.get(n.id), n)) && after.edges.every((e) => !rerouted(edges.get(e.id), e));
}
