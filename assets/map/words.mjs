// Messages and figures. Every text of the pages stands in i18n/en.json and i18n/zh.json.

let messages = {};
export let lang = "en";

/** Loads the messages of a language; other than "zh" is "en". Call once before anything is shown. */
export async function loadWords(wanted) {
  lang = wanted === "zh" ? "zh" : "en";
  messages = await (await fetch(new URL(`../i18n/${lang}.json`, import.meta.url))).json();
}

/** The message of a key with its placeholders filled; a missing key shows itself. */
export const t = (key, ...values) => (messages[key] ?? key).replace(/\{(\d)\}/g, (_, i) => values[i] ?? "");
export const hasWord = (key) => key in messages;
/** Why a source does not answer: what kind of reason it is, and the reason in the words it has. */
export const because = (why, reason) => t("why." + (why ?? "other"), reason);
export const stateWord = (state) => t("state." + state);
export const kindWord = (kind) => t("kind." + kind);

/** Text of a node, group or layer in the reader's language. */
export const textOf = (texts, fallback = "") => texts?.[lang] || texts?.en || fallback;
export const nameOf = (n) => textOf(n.title, n.name ?? n.id);

export const UNKNOWN = "\u2013";

/** Three significant digits at most, unit always, and a dash for what is not known: unknown is never zero. */
export const rate = (v) => (v == null ? UNKNOWN : amount(v) + t("unit.per_s"));
function amount(v) {
  if (v >= 999_500) return (v / 1e6).toFixed(1) + " M";
  if (v >= 1e4) return `${Math.round(v / 1e3)} k`;
  if (v >= 999.5) return `${(v / 1e3).toFixed(1)} k`;
  if (v >= 9.95 || v === 0) return v.toFixed(0);
  return v >= 0.1 ? v.toFixed(1) : "< 0.1";
}
export function percent(v) {
  if (v == null) return UNKNOWN;
  if (v === 0) return "0 %";
  if (v < 0.0001) return "< 0.01 %";
  const p = v * 100;
  return `${p >= 99.95 ? p.toFixed(0) : p >= 1 ? p.toFixed(1) : p.toFixed(2)} %`;
}
export const share = (v) => (v == null ? UNKNOWN : v > 0 && v < 0.005 ? "< 1 %" : `${Math.round(v * 100)} %`);
export function millis(v) {
  if (v == null) return UNKNOWN;
  if (v >= 59_950) return `${(v / 60e3).toFixed(1)} ${t("unit.min")}`;
  if (v >= 999.5) return `${(v / 1e3).toFixed(v >= 9995 ? 1 : 2)} ${t("unit.s")}`;
  return `${v < 9.95 && v > 0 ? v.toFixed(1) : Math.round(v)} ${t("unit.ms")}`;
}
/** A span of time in the two largest units that matter: "24 min", "18 h 27 min", "1 d 21 h". */
export function duration(s) {
  if (s == null || Number.isNaN(s)) return UNKNOWN;
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]], i = Math.max(0, parts.findIndex(([unit]) => s >= unit));
  if (s < 1) return `0 ${t("unit.s")}`;
  const [unit, word] = parts[i], whole = Math.floor(s / unit), rest = i < 2 ? Math.floor((s - whole * unit) / parts[i + 1][0]) : 0;
  return `${whole} ${t("unit." + word)}${rest ? ` ${rest} ${t("unit." + parts[i + 1][1])}` : ""}`;
}
export const seconds = (v) => (v == null ? UNKNOWN : v < 10 ? `${v.toFixed(1)} ${t("unit.s")}` : duration(v));

const clockFormat = () => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const clocks = { full: null };
/** hh:mm:ss in the viewer's zone. */
export const clock = (at) => (clocks.full ??= clockFormat()).format(at);
/** Year, month, day and hh:mm:ss in the viewer's zone. */
export const dayAndClock = (at) => `${new Intl.DateTimeFormat("sv-SE").format(at)} ${clock(at)}`;
export const clockShort = (at) => clock(at).slice(0, 5);
/** Since when the worst state of a snapshot is there: "since 10:42", with the day when that was not today; empty when nothing is wrong. */
export function sinceWords({ overall, problems = [], at }) {
  const times = problems.filter((p) => p.health === overall?.state && p.since).map((p) => Date.parse(p.since));
  if (!times.length) return "";
  const first = new Date(Math.min(...times)), today = new Date(at).toDateString() === first.toDateString();
  return t("map.since", today ? clockShort(first) : dayAndClock(first).slice(0, -3));
}
/** The zone of the viewer by name, for example "UTC+8" or "UTC". */
export function zoneName(at = new Date()) {
  const minutes = -at.getTimezoneOffset(), h = Math.trunc(Math.abs(minutes) / 60), m = Math.abs(minutes) % 60;
  return minutes ? `UTC${minutes > 0 ? "+" : "\u2212"}${h}${m ? ":" + String(m).padStart(2, "0") : ""}` : "UTC";
}
