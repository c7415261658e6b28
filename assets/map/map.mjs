// <synoptic-map>: shows a snapshot. It knows nothing of servers; it says what a person did by DOM events:
// synoptic:select {id, what}, synoptic:collapsed {ids}, synoptic:camera {text}, synoptic:ready.
import { asText, FAR, fitted, fromText, moved, NEAR, reveal, zoomed } from "./camera.mjs";
import { listenToHands } from "./gestures.mjs";
import { groupOf, matching, neighbour, relatedTo, trouble } from "./graph.mjs";
import { hit } from "./hit.mjs";
import { FACE } from "./layout.mjs";
import { dotsRun } from "./motion.mjs";
import { measure, tokensOf } from "./pen.mjs";
import { Picture } from "./picture.mjs";
import { buildScene, refreshScene } from "./scene.mjs";
import { describe } from "./speech.mjs";
import { nameRoom, shownName } from "./cards.mjs";
import { t } from "./words.mjs";

const HEAVY_MS = 24, HEAVY_PATHS = 300, REST_MS = 120, CROWD = 150, SMALL_GROUP = 4, SLOW_FRAME_MS = 30, SLOW_FRAMES = 40, WALL_TEXT = 0.0161;

export class SynopticMap extends HTMLElement {
  view = { mode: "browse", selected: null, only: false, test: null, hidden: null, collapsed: null, inset: [16, 16, 16, 16], largest: 1.15, lite: false, freeze: null };
  timing = { arrange: 0, paint: 0, update: 0 };
  #v = null;
  #slow = 0;

  connectedCallback() {
    this.picture = new Picture(this);
    this.said = this.appendChild(document.createElement("div"));
    Object.assign(this.said, { className: "heard" });
    this.said.setAttribute("aria-live", "polite");
    this.setAttribute("role", "application");
    this.setAttribute("aria-label", t("map.label"));
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.resizer = new ResizeObserver(() => this.#resized());
    this.resizer.observe(this);
    this.stopHands = listenToHands(this, { move: (dx, dy) => this.#look(moved(this.camera, dx, dy)), zoom: (by, x, y) => this.zoom(by, x, y), click: this.#click, hover: this.#hover });
    this.loop = requestAnimationFrame(this.#tick);
  }
  disconnectedCallback() {
    cancelAnimationFrame(this.loop);
    clearTimeout(this.resting);
    this.resizer.disconnect();
    this.stopHands();
    this.picture.close();
    this.replaceChildren();
    this.scene = this.#v = null;
  }

  /** Shows a snapshot. `change` says what is different (see SnapshotStore); without it everything is. */
  show(snapshot, change = { structure: true }) {
    const first = !this.snapshot;
    this.snapshot = snapshot;
    this.view.collapsed ??= this.#openingFolds();
    const scene = !change.structure && this.scene ? refreshScene(this.scene, snapshot, this.view) : null;
    if (!scene) this.#arrange(first);
    else {
      this.scene = scene;
      this.#relate();
      if (this.#pending !== "paint") { this.#pending = "update"; this.#changed = joined(this.#changed, change); }
    }
  }
  /** What a person asked for: any part of `view`. */
  set(change) {
    const places = ["collapsed", "hidden", "mode"].some((k) => k in change && change[k] !== this.view[k]);
    Object.assign(this.view, change);
    if (!this.snapshot) return;
    if (places) this.#arrange("collapsed" in change);
    else { this.#relate(); this.draw(); }
  }
  /** Colours or language changed. */
  restyle() { this.tokens = null; if (this.snapshot) this.#arrange(false); }

  draw() { this.#pending = "paint"; }
  get level() {
    const { k } = this.camera, wall = this.view.mode === "wall";
    if (!this.scene?.layout.bands.length) return wall ? "wall" : k < NEAR ? "middle" : "near"; // without groups there is no far picture
    if (wall) return k * FACE.wall.h < this.#floorPx * 2.1 ? "far" : "wall";
    return k < FAR ? "far" : k < NEAR ? "middle" : "near";
  }
  camera = { x: 0, y: 0, k: 1 };
  get #floorPx() { return innerHeight * WALL_TEXT; }
  get #room() { const [top, right, bottom, left] = this.view.inset; return { x: left, y: top, width: Math.max(80, this.clientWidth - left - right), height: Math.max(80, this.clientHeight - top - bottom) }; }

  #pending = null;
  #changed = null;
  #openingFolds() {
    const { nodes, groups = [] } = this.snapshot;
    if (nodes.length <= CROWD) return new Set();
    return new Set(groups.filter((g) => nodes.filter((n) => groupOf(n) === g.id).length >= SMALL_GROUP).map((g) => g.id));
  }

  #arrange(anew) {
    if (!this.snapshot || !this.clientWidth) return;
    const begin = performance.now(), face = FACE[this.view.mode], bounds = this.scene?.layout;
    this.tokens ??= tokensOf(this);
    const build = (held) => buildScene(this.snapshot, this.view, face, this.#room, held, this.tokens.font), fresh = anew || !bounds;
    this.scene = build(fresh ? null : this.stretch);
    const grown = !fresh && this.follows && outgrown(bounds, this.scene.layout); // only then may the picture make room
    if (grown) this.scene = build(null);
    this.stretch = this.scene.layout.stretch;
    this.nameSize = this.#commonNameSize(face);
    if (fresh || grown) this.#place();
    this.#relate();
    this.timing.arrange = performance.now() - begin;
    this.draw();
  }
  /** One size for all names; only the longest shrink further. */
  #commonNameSize(face) {
    const fits = this.scene.nodes.map((n) => nameRoom(n, this.scene.layout.boxes.get(n.id).w, false) / measure(shownName(n), 1, 600, this.tokens.font)).sort((a, b) => a - b);
    return Math.max(13, fits[Math.floor(fits.length / 5)] ?? 14);
  }
  #place() {
    const wanted = fromText(this.wanted);
    this.wanted = null;
    if (wanted) { this.camera = wanted; this.follows = false; } else { this.camera = fitted(this.scene.layout, this.#room, this.view.largest); this.follows = true; }
  }
  #resized() {
    if (!this.snapshot) return;
    if (this.scene && !this.follows) return this.view.selected ? this.reveal(this.view.selected) : this.draw();
    this.stretch = null;
    this.#arrange(true);
  }

  /** Shows everything, with the gaps stretched for this screen. */
  fit() { this.stretch = null; this.#arrange(true); this.#tellCamera(); }
  zoom(by, x = this.clientWidth / 2, y = this.clientHeight / 2) { this.#look(zoomed(this.camera, by, x, y)); }
  /** Brings a card into view, close enough to be read. */
  reveal(id) {
    const b = this.scene?.layout.boxes.get(id);
    if (b) this.#look(reveal(this.camera.k < NEAR * 0.75 ? zoomed(this.camera, NEAR / this.camera.k, b.x * this.camera.k + this.camera.x, b.y * this.camera.k + this.camera.y) : this.camera, b, this.#room));
  }
  /** Shows what a camera from the address showed. */
  goTo(text) { const camera = fromText(text); if (camera) this.#look(camera); }
  #look(camera) {
    this.camera = camera;
    this.follows = false;
    if (this.#v && (this.timing.paint > HEAVY_MS || this.#v.visibleEdges?.length > HEAVY_PATHS)) { this.#pending = "slide"; clearTimeout(this.resting); this.resting = setTimeout(() => this.draw(), REST_MS); } else this.draw();
    this.#tellCamera();
  }
  #tellCamera() { this.#emit("synoptic:camera", { text: this.follows ? null : asText(this.camera) }); }

  #relate() {
    const { selected, only, test } = this.view;
    this.related = selected ? relatedTo(selected, this.scene) : test ? matching(this.scene, (n) => (n.members ?? [n]).some(test)) : only ? trouble(this.scene) : null;
    if (only && !selected && !test && !this.related.nodes.size) this.related = null; // nothing to point at: everything is shown
  }

  /** Everything the drawing code may know, for one frame. */
  #frame() {
    const { k } = this.camera, { mode } = this.view, face = FACE[mode];
    this.tokens ??= tokensOf(this);
    return {
      ...this.#v, scene: this.scene, camera: this.camera, k, mode, face, level: this.level, width: this.clientWidth, height: this.clientHeight, ratio: devicePixelRatio,
      c: this.tokens, related: this.related, only: this.view.only, dim: this.view.only && !this.view.selected ? 0.12 : 0.26, selected: this.view.selected,
      floorPx: this.#floorPx, floor: Math.max(mode === "wall" ? 12 : 0, this.#floorPx / k), nameSize: Math.min(this.nameSize, Math.max(14, 12.5 / k)), hover: this.hover, focus: this.focused, keyboard: this.keyboard,
    };
  }

  #tick = (now) => {
    this.loop = requestAnimationFrame(this.#tick);
    if (!this.scene || !this.clientWidth) return;
    const pending = this.#pending, begin = performance.now();
    this.#pending = null;
    if (pending || this.hover !== this.#v?.hover) this.#v = this.#frame();
    if (pending === "paint") { this.picture.paint(this.#v); this.timing.paint = performance.now() - begin; }
    if (pending === "update") { this.picture.update(this.#v, this.#changed); this.timing.update = performance.now() - begin; }
    if (pending === "slide") return this.picture.slide(this.#v);
    if (pending) this.#changed = null;
    this.#motion(this.view.freeze ?? now, pending);
    if (pending && !this.ready) { this.ready = true; performance.mark("synoptic-map-painted"); this.#emit("synoptic:ready", {}); }
  };
  #motion(now, pending) {
    if (!this.#v?.visibleEdges) return;
    const dots = dotsRun(this.#v, this.calm.matches, this.view.lite || this.tired), begin = performance.now(), every = this.view.mode === "wall" ? 2 : 1;
    this.frames = (this.frames ?? 0) + 1;
    if (!pending && !(dots && this.frames % every === 0) && this.hover === this.wasHover && this.focused === this.wasFocus) return;
    [this.wasHover, this.wasFocus] = [this.hover, this.focused];
    this.picture.move(this.#v, now, dots);
    this.#slow = performance.now() - begin > SLOW_FRAME_MS ? this.#slow + 1 : 0;
    if (this.#slow > SLOW_FRAMES) this.tired = true; // a weak machine shows figures rather than dots
  }

  #hover = (x, y) => {
    if (this.view.mode === "wall" || !this.#v?.scene) return;
    const found = x === null ? null : hit(this.#v, x, y);
    this.hover = found?.node ?? null;
    this.style.cursor = found ? "pointer" : "";
  };
  #click = (x, y) => {
    if (this.view.mode === "wall" || !this.#v?.scene) return;
    this.keyboard = false;
    this.focus({ preventScroll: true });
    const found = hit(this.#v, x, y, true);
    if (found?.group) this.fold(found.group);
    else this.select(found?.node ?? found?.edge ?? null, found?.edge ? "edge" : "node");
  };
  fold(group) {
    const set = new Set(this.view.collapsed);
    if (!set.delete(group)) set.add(group);
    if (this.level === "far" && this.snapshot.nodes.length > CROWD) set.delete(group);
    this.set({ collapsed: set });
    if (!set.has(group) && this.snapshot.nodes.length > CROWD) this.#approach(group);
    this.#emit("synoptic:collapsed", { ids: [...set] });
  }
  /** Goes to the band of a group that was just opened in a large map. */
  #approach(group) {
    const band = this.scene.layout.bands.find((b) => b.id === group);
    if (band) this.#look(fitted(band, this.#room, this.view.largest));
  }
  select(id, what = "node") { if (what === "node") this.focused = id ?? this.focused; this.#emit("synoptic:select", { id, what: id ? what : null }); }

  /** Arrow keys: along the paths to a callee or a caller, or to the next card of the column. */
  step(direction) {
    const from = this.focused && this.scene.byId.has(this.focused) ? this.focused : null;
    const to = from ? neighbour(from, direction, this.scene.edges, this.scene.layout.boxes) : (this.view.selected ?? this.scene.nodes.find((n) => n.origin)?.id ?? this.scene.nodes[0]?.id);
    if (!to) return;
    this.keyboard = true;
    this.focused = to;
    this.reveal(to);
    this.draw();
    this.said.textContent = describe(this.scene, to);
  }
  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true })); }
}

const joined = (a, b) => (a ? { nodes: new Set([...a.nodes, ...b.nodes]), edges: new Set([...a.edges, ...b.edges]) } : b);
const outgrown = (before, after) => after.x < before.x - 1 || after.y < before.y - 1 || after.x + after.w > before.x + before.w + 1 || after.y + after.h > before.y + before.h + 1;

customElements.define("synoptic-map", SynopticMap);
