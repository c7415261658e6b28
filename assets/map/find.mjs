// The find language: health:burning and (err>1% or p95>500ms) and not name~cache. Pure; says what is wrong with a query.
import { ORDER } from "./graph.mjs";

const TOKEN = /\s*(?:([()])|(?:(and|or|not)(?![^\s()]))|([a-z][a-z0-9_]*)\s*(:|~|>=|<=|>|<|=)\s*("[^"]*"|[^\s()]+)?|("[^"]*"|[^\s()]+))/iy;
const FIGURE = {
  err: { of: (n) => n.error_ratio, units: { "%": 0.01, "": 1 } },
  p50: { of: (n) => n.p50_ms, units: { ms: 1, s: 1000, "": 1 } },
  p95: { of: (n) => n.p95_ms, units: { ms: 1, s: 1000, "": 1 } },
  p99: { of: (n) => n.p99_ms, units: { ms: 1, s: 1000, "": 1 } },
  rps: { of: (n) => n.calls_per_s, units: { "/s": 1, k: 1000, "": 1 } },
  budget: { of: (n) => n.budget_left, units: { "%": 0.01, "": 1 } },
};
const lower = (v) => String(v ?? "").toLowerCase();
const names = (n) => [n.id, n.name, n.title?.en, n.title?.zh].map(lower);
const WORD = {
  health: (n) => [n.health, n.stale ? "stale" : ""], kind: (n) => [n.kind], zone: (n) => n.zones ?? [], domain: (n) => [n.domain],
  layer: (n) => [n.layer], namespace: (n) => [n.namespace], environment: (n) => [n.environment], owner: (n) => [n.owner], feels: (n) => [n.feels], source: (n) => n.sources ?? [],
  name: names, id: (n) => [n.id],
};
const COMPARE = { ">": (a, b) => a > b, "<": (a, b) => a < b, ">=": (a, b) => a >= b, "<=": (a, b) => a <= b, "=": (a, b) => a === b, ":": (a, b) => a === b };

/** A query that cannot be read: `key` names the message in the word files, `values` fill it. */
export class BadQuery extends Error {
  constructor(key, ...values) { super(`${key}: ${values.join(", ")}`); this.key = key; this.values = values; }
}

/** Turns a query into a test of a node. An empty query passes everything. Throws BadQuery. */
export function parseQuery(text) {
  const tokens = tokenise(text);
  if (!tokens.length) return () => true;
  const state = { tokens, at: 0 }, test = anyOf(state);
  if (state.at < tokens.length) throw new BadQuery("find.unexpected", tokens[state.at].text);
  return test;
}

function tokenise(text) {
  const tokens = [];
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.trimEnd().length;) {
    const m = TOKEN.exec(text);
    if (!m) throw new BadQuery("find.unexpected", text.slice(TOKEN.lastIndex));
    const [all, bracket, joiner, field, operator, value, bare] = m;
    tokens.push({ text: all.trim(), bracket, joiner: joiner?.toLowerCase(), field: field?.toLowerCase(), operator, value: unquoted(value), bare: unquoted(bare) });
  }
  return tokens;
}
const unquoted = (v) => v?.replace(/^"(.*)"$/, "$1");

function anyOf(state) {
  const list = [allOf(state)];
  while (state.tokens[state.at]?.joiner === "or") { state.at++; list.push(allOf(state)); }
  return list.length === 1 ? list[0] : (n) => list.some((t) => t(n));
}

function allOf(state) {
  const list = [one(state)];
  for (let t = state.tokens[state.at]; t && t.bracket !== ")" && t.joiner !== "or"; t = state.tokens[state.at]) {
    if (t.joiner === "and") state.at++;
    list.push(one(state));
  }
  return list.length === 1 ? list[0] : (n) => list.every((t) => t(n));
}

function one(state) {
  const t = state.tokens[state.at++];
  if (!t) throw new BadQuery("find.unfinished");
  if (t.joiner === "not") { const inner = one(state); return (n) => !inner(n); }
  if (t.bracket === "(") {
    const inner = anyOf(state);
    if (state.tokens[state.at++]?.bracket !== ")") throw new BadQuery("find.bracket");
    return inner;
  }
  if (t.field) return condition(t);
  if (t.bare == null) throw new BadQuery("find.unexpected", t.text);
  const part = lower(t.bare);
  return (n) => names(n).some((v) => v.includes(part));
}

function condition({ field, operator, value }) {
  if (!value) throw new BadQuery("find.value", field + operator);
  if (FIGURE[field]) return comparison(FIGURE[field], field, operator, value);
  const read = WORD[field];
  if (!read) throw new BadQuery("find.field", field, [...Object.keys(WORD), ...Object.keys(FIGURE)].join(", "));
  if (operator !== ":" && operator !== "~" && operator !== "=") throw new BadQuery("find.operator", field, operator);
  const wanted = lower(value);
  if (field === "health" && operator !== "~" && ![...ORDER, "stale"].includes(wanted)) throw new BadQuery("find.health", value, [...ORDER, "stale"].join(", "));
  return operator === "~" ? (n) => read(n).some((v) => lower(v).includes(wanted)) : (n) => read(n).some((v) => v != null && lower(v) === wanted);
}

/** What is not known is neither above nor below anything. */
function comparison({ of, units }, field, operator, value) {
  const [, number, unit] = /^(-?\d+(?:\.\d+)?)\s*(.*)$/.exec(lower(value)) ?? [], compare = COMPARE[operator];
  if (!compare) throw new BadQuery("find.operator", field, operator);
  if (number === undefined) throw new BadQuery("find.number", value);
  if (!(unit in units)) throw new BadQuery("find.unit", unit, field, Object.keys(units).filter(Boolean).join(", "));
  const limit = Number(number) * units[unit];
  return (n) => of(n) != null && compare(of(n), limit);
}
