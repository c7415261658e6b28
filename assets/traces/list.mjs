// Found traces as a table. Everything in it comes from outside and stays text.
import { badgeOf, el } from "../map/dom.mjs";
import { dayAndClock, millis, t, UNKNOWN } from "../map/words.mjs";
import { nameOf } from "../search/page.mjs";

const COLUMNS = ["start", "service", "operation", "duration", "spans", "source"];

/** The table; each row leads to its trace. */
export function table(rows, address) {
  const longest = Math.max(...rows.map((row) => row.duration_ms), 1e-9);
  const head = el("tr", {}, COLUMNS.map((key) => el("th", { scope: "col", class: ["duration", "spans"].includes(key) ? "n" : "" }, t("traces.column." + key))));
  return el("table", { class: "found-traces" }, el("caption", { class: "heard" }, t("traces.title")), el("thead", {}, head), el("tbody", {}, rows.map((row) => lineOf(row, address(row.trace_id), row.duration_ms / longest))));
}
function lineOf(row, address, share) {
  const at = new Date(row.at);
  const failed = row.failed ? el("span", { class: "with failed-mark" }, badgeOf("exhausted", 13), t("trace.failed")) : null;
  const source = row.source === null ? t("search.kept_here") : row.source, kept = row.kept && row.source !== null ? el("small", { class: "quiet" }, ` ${t("traces.kept_too")}`) : null;
  return el("tr", { "data-id": row.trace_id },
    el("td", {}, el("time", { datetime: row.at }, dayAndClock(at))), el("td", { title: row.service }, nameOf(row)),
    el("td", { class: "operation" }, el("a", { href: address, class: "go", tabindex: -1 }, row.operation || UNKNOWN), failed),
    el("td", { class: "n" }, el("i", { class: row.failed ? "took bad" : "took", style: { width: `${Math.max(2, share * 100).toFixed(1)}%` } }), el("span", {}, millis(row.duration_ms))),
    el("td", { class: "n" }, row.span_count == null ? UNKNOWN : String(row.span_count)), el("td", { class: "source-of" }, source, kept));
}
