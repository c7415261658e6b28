// The list as a grid of which only the rows in view exist in the page. A row that stays is kept, so that focus stays
// where it was; the row with the focus is kept even out of view.
import { el, iconOf } from "../map/dom.mjs";
import { hasWord, t } from "../map/words.mjs";
import { COLUMNS, groupHead } from "./row.mjs";
import { said, windowWord } from "./words.mjs";

const ROW_PX = 54, HEAD_PX = 40, SPARE_PX = 400;
const keyOf = (item) => (item.members ? `#${item.domain}` : item.name);

export class Grid {
  items = [];
  #tops = [0];
  #live = new Map();
  #active = null;

  /** `act`: open(name), fold(domain), sort(key, down), address(name). */
  constructor(act) {
    this.act = act;
    this.head = el("div", { class: "g-head", role: "row", "aria-rowindex": 1 });
    this.body = el("div", { class: "g-rows", role: "rowgroup" });
    this.node = el("div", { class: "g-scroll", role: "treegrid", "aria-label": t("slo.list"), tabindex: -1 }, el("div", { role: "rowgroup", class: "g-top" }, this.head), this.body);
    this.node.addEventListener("scroll", () => this.#paint(), { passive: true });
    this.node.addEventListener("keydown", (e) => this.#key(e));
    this.body.addEventListener("click", (e) => this.#click(e));
    this.body.addEventListener("focusin", (e) => { this.#active = e.target.closest("[role=row]")?.dataset.key ?? this.#active; });
    new ResizeObserver(() => this.#fit()).observe(this.node);
  }

  /** Shows these items under this sort; rows named in `changed` are drawn anew. */
  show(items, { sort, selected, groups }, changed) {
    Object.assign(this, { items, sort, selected, groups, level: items[0]?.members ? 2 : null });
    this.#tops = [0];
    for (const item of items) this.#tops.push(this.#tops.at(-1) + (item.members ? HEAD_PX : ROW_PX));
    for (const [key, row] of this.#live) if (!changed || changed.has(key) || key.startsWith("#")) { row.stale = true; }
    this.body.style.height = `${this.#tops.at(-1)}px`;
    this.node.setAttribute("aria-rowcount", items.length + 1);
    this.#heads();
    this.#paint();
  }
  reveal(name) {
    const at = this.items.findIndex((item) => item.name === name);
    if (at < 0) return;
    const { scrollTop, clientHeight } = this.node, top = this.#tops[at];
    if (top < scrollTop || top + 2 * ROW_PX > scrollTop + clientHeight) this.node.scrollTop = Math.max(0, top - clientHeight / 3);
  }
  focus(name) { const at = this.items.findIndex((item) => item.name === name); if (at >= 0) this.#go(at); }

  #fit() {
    const width = this.node.clientWidth - 44, shown = COLUMNS.filter((c) => c.from <= width);
    const form = shown.map((c) => c.key).join(" ");
    if (form === this.form || width <= 0) return this.#paint();
    this.form = form;
    this.shown = shown;
    this.node.style.setProperty("--columns", shown.map((c) => c.width).join(" "));
    const held = this.body.contains(document.activeElement);
    this.#live.clear();
    this.body.replaceChildren();
    this.#heads();
    this.#paint();
    if (held) this.#focus();
  }
  #heads() {
    const form = `${this.form} ${this.sort?.key} ${this.sort?.down}`;
    if (!this.shown || !this.sort || form === this.headForm) return;
    this.headForm = form;
    const held = this.head.contains(document.activeElement) && document.activeElement.dataset.sort;
    this.node.setAttribute("aria-colcount", this.shown.length);
    this.head.replaceChildren(...this.shown.map((c, i) => this.#headOf(c, i)));
    if (held) this.head.querySelector(`[data-sort="${held}"]`)?.focus();
  }
  #headOf(c, i) {
    const mine = this.sort.key === c.key, word = c.pair ? t("slo.pair", ...c.pair.map(windowWord)) : t("slo.column." + c.key);
    const text = c.key === "state" ? iconOf("sort", 14) : c.pair ? [windowWord(c.pair[0]), el("small", {}, windowWord(c.pair[1]))] : word;
    const hint = `slo.hint.${c.pair ? "pair" : c.key}`, title = c.pair ? t(hint, ...c.pair.map(windowWord)) : hasWord(hint) ? t(hint) : word;
    const turn = () => this.act.sort(c.key, mine ? !this.sort.down : Boolean(c.down));
    return el("div", { role: "columnheader", class: c.number ? "n" : "", "aria-colindex": i + 1, "aria-sort": mine ? (this.sort.down ? "descending" : "ascending") : "none" },
      el("button", { type: "button", "data-sort": c.key, title, "aria-label": word, onclick: turn }, text));
  }

  #at(y) {
    let lo = 0, hi = this.items.length - 1;
    while (lo < hi) { const mid = (lo + hi + 1) >> 1; this.#tops[mid] <= y ? (lo = mid) : (hi = mid - 1); }
    return Math.max(0, lo);
  }
  #paint() {
    if (!this.shown || !this.sort) return;
    const { scrollTop, clientHeight } = this.node, from = this.#at(scrollTop - SPARE_PX), to = Math.min(this.items.length, this.#at(scrollTop + clientHeight + SPARE_PX) + 1);
    const wanted = new Map(this.items.slice(from, to).map((item, i) => [keyOf(item), from + i])), held = this.body.contains(document.activeElement);
    const active = this.#active === null || wanted.has(this.#active) ? -1 : this.items.findIndex((item) => keyOf(item) === this.#active);
    if (held && active >= 0) wanted.set(this.#active, active);
    const focused = held ? document.activeElement.closest("[role=row]")?.dataset.key : null;
    for (const [key, row] of this.#live) if (!wanted.has(key) || row.stale) { if (!wanted.has(key) || key !== focused) row.node.remove(); if (!wanted.has(key)) this.#live.delete(key); }
    let before = this.body.firstChild;
    for (const [key, index] of wanted) before = this.#put(key, index, before, focused);
    if (!this.body.querySelector('[tabindex="0"]')) this.body.firstElementChild?.setAttribute("tabindex", "0");
  }
  /** Puts the row of an item where it belongs, made anew only when it is stale; the focused row is filled in place. */
  #put(key, index, before, focused) {
    const item = this.items[index], kept = this.#live.get(key);
    let node = kept?.node;
    if (!kept || (kept.stale && key !== focused)) { node = this.#row(item); this.#live.set(key, { node }); }
    else if (kept.stale) { this.#fill(node, item); kept.stale = false; }
    node.style.transform = `translateY(${this.#tops[index]}px)`;
    node.setAttribute("aria-rowindex", index + 2);
    node.setAttribute("aria-selected", String(item.name !== undefined && item.name === this.selected));
    node.setAttribute("tabindex", key === this.#active ? 0 : -1);
    if (node === before) return before.nextSibling;
    if (node.parentNode !== this.body || node.nextSibling !== before) this.body.insertBefore(node, before);
    return before;
  }
  #row(item) {
    const node = el("div", { role: "row", class: item.members ? "g-group" : "g-row", "data-key": keyOf(item), "aria-level": item.members ? 1 : this.level });
    return this.#fill(node, item);
  }
  #fill(node, item) {
    if (item.members) {
      node.setAttribute("aria-expanded", String(item.open));
      node.replaceChildren(el("div", { role: "gridcell", "aria-colspan": this.shown.length }, groupHead(item, said(this.groups[item.domain]))));
      return node;
    }
    const link = (row) => el("a", { href: this.act.address(row.name), tabindex: -1 }, said(row.subject) || row.name);
    node.replaceChildren(...this.shown.map((c, i) => el("div", { role: "gridcell", class: `c-${c.key}${c.number ? " n" : ""}`, "aria-colindex": i + 1 }, c.show(item, link))));
    return node;
  }

  #click(e) {
    const row = e.target.closest("[role=row]"), plain = e.button === 0 && !(e.ctrlKey || e.metaKey || e.shiftKey || e.altKey);
    if (!row || !plain) return;
    e.preventDefault();
    this.#active = row.dataset.key;
    this.#enter(row.dataset.key);
  }
  #enter(key) { key.startsWith("#") ? this.act.fold(this.items.find((item) => keyOf(item) === key).domain) : this.act.open(key); }
  #key(e) {
    const inHead = this.head.contains(e.target);
    if (inHead && e.key !== "ArrowDown") return;
    const index = inHead ? -1 : this.items.findIndex((item) => keyOf(item) === this.#active), page = Math.max(1, Math.floor(this.node.clientHeight / ROW_PX) - 2);
    const to = { ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page, Home: 0, End: this.items.length - 1 }[e.key];
    if (!inHead && (e.key === "Enter" || e.key === " ") && index >= 0) { e.preventDefault(); return this.#enter(this.#active); }
    if (to === undefined || e.ctrlKey || e.altKey || e.metaKey) return;
    e.preventDefault();
    e.stopPropagation();
    this.#go(Math.max(0, Math.min(this.items.length - 1, to)));
  }
  #go(index) {
    if (!this.items.length) return;
    this.#active = keyOf(this.items[index]);
    const top = this.#tops[index], { scrollTop, clientHeight } = this.node;
    if (top < scrollTop) this.node.scrollTop = top; else if (top + 2 * ROW_PX > scrollTop + clientHeight) this.node.scrollTop = top + 2 * ROW_PX - clientHeight;
    this.#paint();
    this.#focus();
  }
  #focus() { this.body.querySelector(`[data-key="${CSS.escape(this.#active)}"]`)?.focus({ preventScroll: true }); }
}
