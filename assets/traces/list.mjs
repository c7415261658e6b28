// Found traces as a table, and the sources that are asked as a list. Everything in them comes from outside and stays text.
import { badgeOf, el } from "../map/dom.mjs";
import { dayAndClock, duration, millis, t, UNKNOWN } from "../map/words.mjs";

/** Nobody needs words before this. */
const WORDS_AFTER_MS = 300;
const COLUMNS = ["start", "service", "operation", "duration", "spans", "source"];
const plainName = (id) => { try { return decodeURIComponent(id.split("/")[2] ?? id); } catch { return id; } };
export const nameOf = (id, titles) => titles.get(id) || plainName(id);

/** The table; each row leads to its trace. */
export function table(rows, titles, address) {
  const longest = Math.max(...rows.map((row) => row.duration_ms), 1e-9);
  const head = el("tr", {}, COLUMNS.map((key) => el("th", { scope: "col", class: ["duration", "spans"].includes(key) ? "n" : "" }, t("traces.column." + key))));
  return el("table", { class: "found-traces" }, el("caption", { class: "heard" }, t("traces.title")), el("thead", {}, head), el("tbody", {}, rows.map((row) => lineOf(row, titles, address(row.trace_id), row.duration_ms / longest))));
}
function lineOf(row, titles, address, share) {
  const at = new Date(row.at), name = nameOf(row.service, titles);
  const failed = row.failed ? el("span", { class: "with failed-mark" }, badgeOf("exhausted", 13), t("trace.failed")) : null;
  const source = row.source === null ? t("traces.kept_here") : row.source, kept = row.kept && row.source !== null ? el("small", { class: "quiet" }, ` ${t("traces.kept_too")}`) : null;
  return el("tr", { "data-id": row.trace_id },
    el("td", {}, el("time", { datetime: row.at }, dayAndClock(at))), el("td", { title: row.service }, name),
    el("td", { class: "operation" }, el("a", { href: address, class: "go", tabindex: -1 }, row.operation || UNKNOWN), failed),
    el("td", { class: "n" }, el("i", { class: row.failed ? "took bad" : "took", style: { width: `${Math.max(2, share * 100).toFixed(1)}%` } }), el("span", {}, millis(row.duration_ms))),
    el("td", { class: "n" }, row.span_count == null ? UNKNOWN : String(row.span_count)), el("td", { class: "source-of" }, source, kept));
}

/** One line a source: how it goes with it, in words as soon as that takes a while. */
export function sourceList(sources, nowMs) {
  return sources.map((one) => el("li", { class: one.how, "data-source": one.name }, el("b", {}, one.name), " ", wordsOf(one, nowMs)));
}
function wordsOf({ how, rows, reason, beganMs }, nowMs) {
  const took = nowMs - beganMs;
  if (how === "asking") return took < WORDS_AFTER_MS ? "" : took < 1000 ? t("traces.source.asking") : t("traces.source.asking_for", duration(took / 1000));
  if (how === "found") return rows.length === 1 ? t("traces.source.found.one") : t("traces.source.found", rows.length);
  return how === "failed" ? reason : t("traces.source." + how);
}
