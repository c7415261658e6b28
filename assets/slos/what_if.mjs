// What if: another target or threshold, asked of the interface for programs, beside what the SLO promises now.
import { apiPath } from "../map/address.mjs";
import { el } from "../map/dom.mjs";
import { percent, t } from "../map/words.mjs";
import { left, percentOf } from "./words.mjs";

const WAIT_MS = 350;

/** Fills the host: two fields, and a table with the figures of now and of the trial. */
export function fill(host) {
  const { name, target, threshold } = host.dataset, says = el("p", { class: "quiet", role: "status" }), rows = el("div", { class: "trial" });
  const share = field("slo.what_if.target", percentOf(target).replace(" %", ""), "%"), limit = threshold && field("slo.what_if.threshold", threshold, t("unit.ms"));
  const back = el("button", { type: "button", class: "tool line", onclick: () => { share.box.value = share.first; if (limit) limit.box.value = limit.first; ask(); } }, t("slo.what_if.reset"));
  let timer = 0, turn = 0, now = null;
  const later = () => { clearTimeout(timer); timer = setTimeout(ask, WAIT_MS); };
  async function ask() {
    const mine = ++turn, wished = ratioOf(share.box.value), query = new URLSearchParams();
    share.box.setAttribute("aria-invalid", String(wished === null));
    if (wished === null) { says.textContent = t("slo.what_if.bad"); return; }
    if (wished !== target) query.set("target", wished);
    if (limit && limit.box.value !== limit.first) query.set("threshold_ms", limit.box.value);
    const found = await answer(name, query);
    if (mine !== turn) return;
    if (found.detail) { says.textContent = found.detail; return; }
    now ??= query.size ? await answer(name, new URLSearchParams()) : found;
    says.textContent = found.notes ? found.notes.map((note) => t("slo.note." + note)).join(" ") : [found.exact === false ? t("slo.note.bounds") : "", found.note].filter(Boolean).join(" ");
    rows.replaceChildren(...table(now, found, query.size > 0));
  }
  for (const one of [share, limit].filter(Boolean)) one.box.addEventListener("input", later);
  host.replaceChildren(el("form", { onsubmit: (e) => { e.preventDefault(); ask(); } }, share.node, limit && limit.node, back), rows, says);
  ask();
}

function field(key, value, unit) {
  const box = el("input", { type: "text", inputmode: "decimal", value, size: 7, autocomplete: "off" });
  return { box, first: value, node: el("label", {}, t(key), el("span", {}, box, unit)) };
}

/** "99.95" as "0.9995", exactly; null unless it is above 0 and below 100. */
export function ratioOf(text) {
  const [, whole, part = ""] = /^\s*(\d{1,2})(?:[.,](\d{0,10}))?\s*%?\s*$/.exec(text) ?? [];
  if (whole === undefined) return null;
  const digits = (whole.padStart(2, "0") + part).replace(/0+$/, "");
  return digits ? "0." + digits : null;
}

async function answer(name, query) {
  try {
    const found = await fetch(`${apiPath()}slos/${encodeURIComponent(name)}/what-if?${query}`, { cache: "no-store" });
    return await found.json();
  } catch { return { detail: t("failed.title") }; }
}

function table(now, then, moved) {
  const line = (key, show) => el("tr", {}, el("th", { scope: "row" }, t(key)), el("td", { class: "n" }, show(now)), moved && el("td", { class: "n" }, el("b", {}, show(then))));
  const alerts = ({ alerts = {} }) => t("slo.what_if.alert_count", alerts.page ?? 0, alerts.ticket ?? 0);
  const head = el("tr", {}, el("td"), el("th", { scope: "col", class: "n" }, t("slo.what_if.now")), moved && el("th", { scope: "col", class: "n" }, t("slo.what_if.then")));
  return [el("table", {}, el("thead", {}, head), el("tbody", {}, line("slo.column.target", (x) => percentOf(x.target)), now.threshold_ms != null && line("slo.what_if.threshold", (x) => `${x.threshold_ms} ${t("unit.ms")}`),
    line("slo.ratio", (x) => exact(x.ratio)), line("panel.budget", (x) => left(x.budget_left)), line("slo.what_if.alerts", alerts)))];
}
const exact = (v) => (v == null ? percent(v) : `${(v * 100).toFixed(4).replace(/\.?0+$/, "")} %`);
