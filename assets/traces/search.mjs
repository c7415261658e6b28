// What is asked for, in the address and of the interface for programs; and rows of several sources as one list. Pure.

export const RANGES = ["15m", "1h", "6h"];
export const NOTHING = { service: "", range: "1h", from: "", to: "", min_ms: "", errors: "" };
/** Of each source at most so many traces; of kept ones so many rows are looked at. */
export const LIMIT = 100, KEPT_ROWS = 1000;

const moment = (text) => (text && !Number.isNaN(Date.parse(text)) ? new Date(text).toISOString() : "");
const number = (text) => (/^\d{1,9}(\.\d{1,3})?$/.test(text ?? "") ? text : "");

/** The wish in an address; what makes no sense there is left out. */
export function readState(search = location.search) {
  const ask = new URLSearchParams(search), from = moment(ask.get("from")), to = moment(ask.get("to"));
  const range = from && to ? "custom" : RANGES.includes(ask.get("range")) ? ask.get("range") : NOTHING.range;
  return { service: ask.get("service") ?? "", range, from: range === "custom" ? from : "", to: range === "custom" ? to : "", min_ms: number(ask.get("min_ms")), errors: ask.get("errors") === "1" ? "1" : "" };
}

/** What of a wish stands in the address. */
export const inAddress = (state) => ({ ...state, range: state.range === "custom" ? "" : state.range });

/** The same wish for `/api/v1/traces` and `/api/v1/traces/search`. */
export function queryOf({ service, range, from, to, min_ms, errors }, limit = LIMIT) {
  const ask = new URLSearchParams(range === "custom" ? { from, to } : { from: `now-${range}` });
  if (service) ask.set("service", service);
  if (Number(min_ms)) ask.set("min_ms", min_ms);
  if (errors) ask.set("errors", "true");
  ask.set("limit", limit);
  return ask;
}

/** A row for every kept trace, of which there is one for every service in it: the longest is the whole. */
export function wholes(rows) {
  const found = new Map();
  for (const row of rows) {
    const known = found.get(row.trace_id) ?? row;
    found.set(row.trace_id, { ...(known.duration_ms >= row.duration_ms ? known : row), failed: known.failed || row.failed });
  }
  return [...found.values()].slice(0, LIMIT);
}

/** Every trace once, newest first: a row of a source before one that is only kept, since it knows where all of it is. */
export function merged(lists) {
  const found = new Map();
  for (const row of lists.flat()) {
    const known = found.get(row.trace_id);
    if (!known || (known.source === null && row.source !== null)) found.set(row.trace_id, { ...row, kept: row.kept || Boolean(known?.kept) });
    else known.kept ||= row.kept;
  }
  return [...found.values()].sort((a, b) => (a.at < b.at) - (a.at > b.at) || (a.trace_id < b.trace_id ? -1 : 1));
}

/** Local date and time as an input of that type wants it, and back. */
export const toLocal = (iso) => { const at = new Date(iso); return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19); };
export const fromLocal = (text) => moment(text);
