// Lines and patterns as lists. Everything in them comes from outside and stays text.
import { el, iconOf } from "../map/dom.mjs";
import { clock, dayAndClock, t } from "../map/words.mjs";
import { nameOf } from "../search/page.mjs";
import { marked } from "./search.mjs";

const MARKS = { error: "error", fatal: "error", warn: "warn" };
export const levelWord = (level) => t("level." + level);
const levelOf = (level) => el("b", { class: `level ${MARKS[level] ?? ""}` }, levelWord(level));
const today = (at) => at.toDateString() === new Date().toDateString();
const safe = (link) => /^https?:\/\//.test(link ?? "");

/** A line that opens, number `id` of the page: its time, level, service and words; below it what else is known, and where it leads. */
export function lineRow(line, id, { text, base, search, state }) {
  const at = new Date(line.time), words = marked(line.body || t("logs.empty_body"), text).map((part, i) => (i % 2 ? el("mark", {}, part) : part));
  return el("details", { class: "log-line", "data-id": id },
    el("summary", { tabindex: -1 }, el("time", { datetime: line.time, title: dayAndClock(at) }, today(at) ? clock(at) : dayAndClock(at).slice(5)), levelOf(line.level), el("span", { class: "whose", title: line.service }, nameOf(line)), el("code", {}, words)),
    el("div", { class: "log-more" }, facts(line), line.stack ? el("pre", { tabindex: 0 }, line.stack) : null, ways(line, { base, search, state })));
}
function facts(line) {
  const rows = [["time", dayAndClock(new Date(line.time))], ["service", `${nameOf(line)} (${line.service})`], ["operation", line.operation], ["instance", line.instance], ["trace", line.trace_id], ["span", line.span_id], ["source", line.source ?? t("search.kept_here")]];
  return el("dl", {}, rows.filter(([, value]) => value).map(([key, value]) => el("div", {}, el("dt", {}, t("logs.fact." + key)), el("dd", {}, value))));
}
/** Where a line leads: its trace, its service on the map, other lines, and what the house links to. */
function ways(line, { base, search, state }) {
  const go = (key, href) => el("a", { href, class: "tool line" }, t("logs.go." + key)), around = new Date(Date.parse(line.time) + 60e3).toISOString();
  return el("p", { class: "log-ways" },
    line.trace_id ? go("trace", `${base}traces/${encodeURIComponent(line.trace_id)}`) : null,
    line.trace_id && state.trace !== line.trace_id ? go("of_trace", search({ trace: line.trace_id })) : null,
    go("map", `${base}?select=${encodeURIComponent(line.service)}`),
    line.pattern && state.pattern !== line.pattern ? go("of_pattern", search({ pattern: line.pattern, service: line.service })) : null,
    go("around", search({ service: line.service, to: around, range: "15m" })),
    (line.links ?? []).filter((link) => safe(link.url)).map((link) => el("a", { href: link.url, class: "tool line", target: "_blank", rel: "noopener noreferrer" }, iconOf("link", 13), link.name)));
}

/** Patterns, new ones first; the one that is chosen can be pressed again to let it go. */
export function patternList(patterns, { chosen, choose }) {
  return el("ul", { class: "log-patterns" }, patterns.map((one) => el("li", {},
    el("button", { type: "button", "aria-pressed": String(one.id === chosen), "data-pattern": one.id, onclick: () => choose(one.id === chosen ? null : one) },
      el("span", {}, one.is_new ? el("em", { class: "new" }, t("logs.new")) : null, levelOf(one.level), el("small", {}, nameOf(one))),
      el("code", {}, one.template || t("logs.empty_body")),
      el("small", {}, [t(one.count === 1 ? "logs.count.one" : "logs.count", one.count), ...(one.lines_read < one.lines_counted ? [t("logs.read_of", one.lines_read, one.lines_counted)] : []), t("logs.since", dayAndClock(new Date(one.first_seen)))].join(" · "))))));
}
