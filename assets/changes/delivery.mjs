// How often services are deployed and how often that fails, with the definitions beside the figures.
import { el, iconOf } from "../map/dom.mjs";
import { dayAndClock, duration, percent, t, textOf } from "../map/words.mjs";
import { frequency } from "./model.mjs";

const COLUMNS = ["service", "deployments", "per_day", "failed", "rate", "last"];

/** The section: a row a service, then what the figures mean. `choose` is called with the name of a service. */
export function deliverySection(found, csv, choose) {
  const title = el("h2", {}, t("changes.delivery"), el("a", { class: "tool line", href: csv, download: true }, iconOf("download", 14), t("action.csv")));
  const rows = [...found.services].sort((a, b) => b.deployments - a.deployments || a.service.localeCompare(b.service));
  const body = rows.length ? table(rows, choose) : el("p", { class: "quiet" }, t("changes.delivery.none"));
  const days = String(Number(found.days.toFixed(1)));
  const meant = [t("changes.define.frequency", days), t("changes.define.rate"), t("changes.define.failed", duration(found.failed_within_s)), t("changes.define.source")];
  return [title, body, el("ul", { class: "definitions quiet" }, meant.map((text) => el("li", {}, text)))];
}

function table(rows, choose) {
  const head = el("tr", {}, COLUMNS.map((key, i) => el("th", { scope: "col", class: i ? "n" : "" }, t("changes.column." + key))));
  return el("table", { class: "delivery" }, el("thead", {}, head), el("tbody", {}, rows.map((row) => line(row, choose))));
}

function line(row, choose) {
  const name = textOf(row.service_title, row.service), [unit, times] = frequency(row.per_day);
  const figures = [String(row.deployments), t("changes.frequency." + unit, times), String(row.failed), percent(row.failure_rate), dayAndClock(new Date(row.last)).slice(0, 16)];
  return el("tr", {}, el("th", { scope: "row" }, el("button", { type: "button", class: "go", onclick: () => choose(name) }, name)), figures.map((text, i) => el("td", { class: `n${i === 3 && row.failed ? " bad" : ""}` }, text)));
}
