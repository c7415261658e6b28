// What the page of changes shows: filtered, by day, by service; how often a service is deployed, in words' units. Pure.
export const RANGES = ["1h", "6h", "1d", "7d", "30d", "90d"];
export const KINDS = ["deployment", "configuration", "scaling", "restart", "other"];
export const OUTCOMES = ["succeeded", "failed", "running", "unknown"];
const UNIT_S = { h: 3600, d: 86_400 };

export const rangeS = (range) => Number(range.slice(0, -1)) * UNIT_S[range.at(-1)];

/** The changes of services whose name in any language holds `find`; `everything` is how changes of no service are called. */
export function chosen(changes, find, everything) {
  const wanted = find.trim().toLocaleLowerCase();
  const names = (one) => [one.service ?? everything, ...Object.values(one.service_title ?? {})];
  return wanted ? changes.filter((one) => names(one).some((name) => name.toLocaleLowerCase().includes(wanted))) : changes;
}

/** Changes by the day they were made on, newest first; `dayOf` says a moment's day. */
export function byDay(changes, dayOf) {
  const days = new Map();
  for (const one of changes) {
    const day = dayOf(new Date(one.at));
    days.has(day) ? days.get(day).push(one) : days.set(day, [one]);
  }
  return [...days];
}

/** Services with their changes, those with most first, at most `most`; `share` is where a change stands in the time. */
export function lanes(changes, nameOf, fromMs, toMs, most) {
  const found = new Map();
  for (const one of changes) {
    const name = nameOf(one), share = Math.max(0, Math.min(1, (Date.parse(one.at) - fromMs) / (toMs - fromMs)));
    found.has(name) ? found.get(name).push({ one, share }) : found.set(name, [{ one, share }]);
  }
  return [...found].sort(([a, p], [b, q]) => q.length - p.length || a.localeCompare(b)).slice(0, most);
}

/** How often in the longest unit in which it is at least once: ["day", 2.5], ["week", 3] or ["month", 1]. */
export function frequency(perDay) {
  const [unit, days] = perDay >= 1 ? ["day", 1] : perDay * 7 >= 1 ? ["week", 7] : ["month", 30];
  const times = perDay * days;
  return [unit, times >= 9.95 ? times.toFixed(0) : String(Number(times.toFixed(1)))];
}
