// One SLO as a row: its sign, what it promises, the strip of 30 days, the budget, the burn of every pair of windows.
import { badgeOf, el, iconOf, svg } from "../map/dom.mjs";
import { duration, share, stateWord, t, UNKNOWN } from "../map/words.mjs";
import { PAIRS } from "./model.mjs";
import { burn, left, percentOf, promiseOf, said, windowWord } from "./words.mjs";

const STRIP = { w: 128, h: 26 };  // stretched to its cell; strokes keep their width

/** Columns from the most to the least needed: `width` in the grid, `from` which width of the list on. */
export const COLUMNS = [
  { key: "state", width: "34px", from: 0, down: true, show: (row) => badgeOf(row.state, 18) },
  { key: "name", width: "minmax(150px, 1.5fr)", from: 0, show: (row, link) => [link(row), row.default && el("em", { class: "tag" }, t("slo.default")), el("small", {}, `${stateWord(row.state)} · ${promiseOf(row)}`)] },
  { key: "domain", width: "minmax(110px, 0.5fr)", from: 1400, show: (row) => said(row.group) || row.domain || UNKNOWN },
  { key: "target", width: "126px", from: 560, number: true, down: true, show: (row) => [percentOf(row.target), el("small", {}, `${windowWord(row.window)} · ${t("slo.method." + row.method)}`)] },
  { key: "strip", width: "minmax(100px, 0.7fr)", from: 760, down: true, show: (row) => strip(row) },
  { key: "budget", width: "minmax(118px, 0.6fr)", from: 0, show: (row) => budgetBar(row.budget_left, row.state) },
  ...PAIRS.map((pair, i) => ({ key: "pair" + i, pair, width: "74px", from: i < 2 ? 660 : 990, number: true, down: true, show: (row) => pairOf(row, pair) })),
  { key: "spent", width: "112px", from: 880, number: true, show: (row) => spent(row) },
  { key: "coverage", width: "84px", from: 1180, number: true, show: (row) => coverage(row) },
];

export function budgetBar(value, state) {
  const filled = Math.max(0, Math.min(1, value ?? 0)) * 100;
  return el("span", { class: `budget state-${state}` }, el("i", { "aria-hidden": "true" }, el("u", { style: { width: `${filled}%` } })), el("b", {}, left(value)));
}

/** The budget left at the end of each of 30 days: a falling line over its area, with gaps where nothing is known. */
export function strip({ strip: days = [], state }) {
  const { w, h } = STRIP, x = (i) => 2 + (i / Math.max(1, days.length - 1)) * (w - 6), y = (v) => 3 + (1 - Math.max(0, Math.min(100, v)) / 100) * (h - 6);
  const frame = { class: `strip state-${state}`, height: h, viewBox: `0 0 ${w} ${h}`, preserveAspectRatio: "none", role: "img", "aria-label": stripWords(days) };
  const known = days.map((v, i) => (v === null ? null : [x(i).toFixed(1), y(v).toFixed(1)]));
  if (!known.some(Boolean)) return svg("svg", frame, svg("path", { class: "none", d: `M2 ${h / 2}H${w - 4}` }));
  const runs = runsOf(known), last = known.findLast(Boolean);
  const line = runs.map((run) => "M" + run.map((p) => p.join(" ")).join("L")).join(""), area = runs.map((run) => `M${run[0][0]} ${h - 1}L${run.map((p) => p.join(" ")).join("L")}L${run.at(-1)[0]} ${h - 1}Z`).join("");
  return svg("svg", frame, svg("path", { class: "under", d: area }), svg("path", { class: "line", d: line }), svg("path", { class: "end", d: `M${last[0]} ${last[1]}h0` }));
}
function runsOf(points) {
  const runs = [[]];
  for (const p of points) if (p) runs.at(-1).push(p); else if (runs.at(-1).length) runs.push([]);
  return runs.filter((run) => run.length);
}
function stripWords(days) {
  const known = days.filter((v) => v !== null);
  return known.length ? t("slo.strip", left(known[0] / 100), left(known.at(-1) / 100)) : t("state.no_data");
}

/** The burn of both windows; where their alert fires it stands on the colour of the state. */
function pairOf(row, [long, short]) {
  const fires = row.firing.find((text) => text.startsWith(`${long}/${short} `)), severity = fires?.split(" ")[1];
  const figure = el("span", { class: `burn${fires ? ` fires ${severity}` : row.burn[long] > 1 ? " over" : ""}` }, burn(row.burn[long]));
  return [figure, el("small", {}, burn(row.burn[short])), fires && el("span", { class: "heard" }, t("slo.fires." + severity))];
}
function spent(row) {
  if (row.budget_left !== null && row.budget_left <= 0) return stateWord("exhausted");
  return row.exhausted_in_s == null ? UNKNOWN : duration(row.exhausted_in_s);
}
const coverage = (row) => (row.coverage == null ? UNKNOWN : share(row.coverage));

/** The heading of a domain: its name, and how many SLOs are in which state. */
export function groupHead({ domain, members, open }, title) {
  const tally = new Map();
  for (const { state } of members) tally.set(state, (tally.get(state) ?? 0) + 1);
  const marks = ["burning", "exhausted", "at_risk", "no_data", "ok"].filter((s) => tally.has(s)).map((s) => el("span", { class: "with", title: stateWord(s) }, badgeOf(s, 14), String(tally.get(s)), el("span", { class: "heard" }, stateWord(s))));
  return [el("span", { class: `fold${open ? "" : " shut"}` }, iconOf("fold", 14)), el("b", {}, title || domain || t("slo.no_domain")), ...marks];
}
