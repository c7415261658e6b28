// How figures of SLOs are said: targets exactly, burns as multiples, budgets that may be below nothing.
import { millis, share, t, textOf, UNKNOWN } from "../map/words.mjs";

const UNITS = { m: "unit.min", h: "unit.h", d: "unit.d", w: "unit.w", M: "unit.month", Q: "unit.quarter", Y: "unit.year" };

/** "0.9995" as "99.95 %": the decimal point moves, nothing is rounded. */
export function percentOf(target) {
  const [whole, part = ""] = String(target).split("."), digits = part.padEnd(2, "0");
  const moved = String(Number(whole + digits.slice(0, 2))), rest = digits.slice(2).replace(/0+$/, "");
  return `${moved}${rest ? "." + rest : ""} %`;
}
/** "30d" as "30 d", "1M" as "1 month". */
export function windowWord(window) {
  const [, number, unit] = /^(\d+)([a-zA-Z])$/.exec(window ?? "") ?? [];
  return number ? `${number} ${t(UNITS[unit] ?? unit)}` : (window ?? UNKNOWN);
}
/** "16x": how many times faster than the budget allows. */
export const burn = (v) => (v == null ? UNKNOWN : t("slo.times", v >= 9.95 ? Math.round(v) : v >= 0.095 ? v.toFixed(1) : v > 0 ? "< 0.1" : "0"));
/** A budget that is overspent is below zero. */
export const left = (v) => (v == null ? UNKNOWN : v < 0 ? `\u2212${share(-v)}` : share(v));
/** What is promised. Defaults are named here: nobody else does. */
export const promiseOf = (row) => (row.default && ["availability", "latency", "logs"].includes(row.kind) ? t("slo.default." + row.kind, millis(row.threshold_ms)) : said(row.title));
/** A text, or one of several languages. */
export const said = (text) => (typeof text === "string" ? text : textOf(text));
