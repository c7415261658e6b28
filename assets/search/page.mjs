// What pages that search have in common: what is asked for stands in the address, services are chosen by their titles, a
// search under way can be cancelled, and the list is walked by keys.
import { apiPath } from "../map/address.mjs";
import { el } from "../map/dom.mjs";
import { t, textOf } from "../map/words.mjs";

const TYPED_MS = 500;

/** The name in a service's id: for services that nobody gave a title. */
export const plainName = (id) => { try { return decodeURIComponent(id.split("/")[2] ?? id); } catch { return id; } };
/** What a row calls its service. */
export const nameOf = (row) => textOf(row.service_title, plainName(row.service));

/**
 * A page that searches. Whoever extends it has `build()`, which makes `list` (its rows have a `data-id`), `service` (by
 * `serviceMenu()`) and `first`, where typing begins; `readState()` and `address()`; `begin()`, `stop()` and `cancelled()`
 * for the search; `showAsked()`; and in `searching` whether one is under way. `walked` is what takes the focus in a row.
 */
export class SearchPage {
  titles = new Map();

  constructor(host, walked) { Object.assign(this, { host, walked }); }

  /** Fills the host and searches. */
  open() {
    this.state = this.readState();
    this.build();
    const heard = { signal: (this.left = new AbortController()).signal };
    addEventListener("popstate", () => { this.state = this.readState(); this.begin(); }, heard);
    document.addEventListener("keydown", (e) => this.key(e), heard);
    this.list.addEventListener("focusin", (e) => { this.active = e.target.closest("[data-id]")?.dataset.id ?? this.active; });
    this.begin();
    this.nameServices();
    return this;
  }
  leave() { this.left.abort(); this.stop(); clearTimeout(this.typing); }

  /** Takes over a wish of the person, writes it into the address, and searches anew. */
  set(change, step = true, again = false) {
    clearTimeout(this.typing);
    if (!again && Object.entries(change).every(([key, value]) => this.state[key] === value)) return;
    Object.assign(this.state, change);
    history[step ? "pushState" : "replaceState"](history.state, "", this.address());
    this.begin();
  }
  /** Takes it over when nothing more is typed for a while. */
  setSoon(change) { clearTimeout(this.typing); this.typing = setTimeout(() => this.set(change(), false), TYPED_MS); }

  serviceMenu() { return el("select", { class: "menu", id: "search-service", "aria-label": t("search.service"), onchange: (e) => this.set({ service: e.target.value, ...this.withService }) }); }
  rangeButtons(ranges, words, turn) {
    return el("span", { class: "seg", role: "group", "aria-label": t("search.range") }, ranges.map((range) => el("button", { type: "button", "data-range": range, onclick: () => turn(range) }, t(words + range))));
  }
  showRange() { for (const button of this.ranges.children) button.setAttribute("aria-pressed", String(button.dataset.range === this.state.range)); }

  async nameServices() {
    const { nodes = [] } = (await answer(`${apiPath()}graph?window=1h`, this.left.signal)) ?? {};
    const services = nodes.filter((node) => node.kind === "service").map((node) => [node.id, textOf(node.title, node.name)]);
    this.titles = new Map(services.sort((a, b) => a[1].localeCompare(b[1])));
    this.showServices();
  }
  showServices() {
    const { service } = this.state, choices = [...this.titles];
    if (service && !this.titles.has(service)) choices.unshift([service, plainName(service)]);
    this.service.replaceChildren(el("option", { value: "" }, t("search.service.all")), ...choices.map(([value, title]) => el("option", { value }, title)));
    this.service.value = service;
  }

  /** One row can be reached by Tab; arrows lead on from there. */
  rove(focus) {
    const rows = this.rows(), row = rows.find((one) => one.dataset.id === this.active) ?? rows[0];
    for (const one of rows) one.querySelector(this.walked).tabIndex = one === row ? 0 : -1;
    if (focus) row?.querySelector(this.walked).focus();
  }
  rows() { return [...this.list.querySelectorAll("[data-id]")]; }
  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "/" && !e.target.closest?.("input, select")) { e.preventDefault(); return this.first.focus(); }
    if (e.key === "Escape" && this.searching) return this.cancelled();
    const rows = this.rows(), at = rows.findIndex((row) => row.querySelector(this.walked) === e.target.closest?.(this.walked));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[e.key];
    if (at < 0 || to === undefined) return;
    e.preventDefault();
    this.active = rows[Math.max(0, Math.min(rows.length - 1, to))].dataset.id;
    this.rove(true);
  }
}

/** The address of this page with a wish in it: only what differs from no wish at all; language and theme stay. */
export function addressWith(told, nothing, here = location.href) {
  const url = new URL(here);
  for (const key of Object.keys(nothing)) told[key] && told[key] !== nothing[key] ? url.searchParams.set(key, told[key]) : url.searchParams.delete(key);
  return url.href;
}

/** The JSON of an address; null when there is none. */
export async function answer(address, signal) {
  try { const found = await fetch(address, { cache: "no-store", signal }); return found.ok ? await found.json() : null; } catch { return null; }
}
