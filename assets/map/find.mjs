// The find language: health:burning and (err>1% or p95>500ms) and not name~cache. A short text becomes a question that a node
// answers with yes or no. Twin of topology/find.py, where the grammar stands; both run tests/find_cases.json.

const MAX_LENGTH = 1000, MAX_DEPTH = 50;
const FIELDS = { health: "health", kind: "kind", zone: "zones", domain: "domain", layer: "layer", id: "id", environment: "environment", namespace: "namespace", owner: "owner", source: "sources", feels: "feels" };
const FIGURES = {
  err: ["error_ratio", "percentage"], budget: ["budget_left", "percentage"], p50: ["p50_ms", "duration"], p95: ["p95_ms", "duration"], p99: ["p99_ms", "duration"],
  self: ["self_ms", "duration"], rps: ["calls_per_s", "number"], calls: ["calls", "number"], errors: ["errors", "number"],
};
const CLOSED = { health: ["ok", "at_risk", "burning", "exhausted", "no_data"], kind: ["service", "database", "cache", "queue", "external", "user", "unknown"] };
const UNITS = { percentage: { "%": 0.01, "％": 0.01 }, duration: { "": 1, ms: 1, s: 1000 }, number: { "": 1, k: 1000, "/s": 1, "k/s": 1000 } };
const COMPARE = { ":": (a, b) => a === b, "=": (a, b) => a === b, ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<": (a, b) => a < b, "<=": (a, b) => a <= b };
const NARROW = { "：": ":", "＝": "=", "～": "~", "＞": ">", "＜": "<", "≥": ">=", "≤": "<=" };
const TOKEN = /([ \t\r\n\f\v\u00a0\u3000]+)|([(（])|([)）])|["“”]([^"“”]*)["“”]|([>＞][=＝]|[<＜][=＝]|[:=~<>：＝～＞＜≥≤])|([^ \t\r\n\f\v\u00a0\u3000()（）"“”:=~<>：＝～＞＜≥≤]+)/uy;
const KINDS = ["space", "open", "close", "text", "operator", "word"];
const NUMBER = /^([0-9]{1,15}(?:\.[0-9]{1,15})?)(.*)$/su;

/** The keys that a condition may begin with. */
export const KEYS = ["name", ...Object.keys(FIELDS), ...Object.keys(FIGURES)];

/** A query that cannot be understood: where (in characters, from 0), what was expected (a key of the word files), what was found. */
export class BadQuery extends Error {
  constructor(position, expected, found) {
    super(`position ${position + 1}: expected ${expected}, found ${found || "the end"}`);
    Object.assign(this, { position, expected, found });
  }
}

/** The predicate that says whether a node is found. An unknown figure satisfies no comparison. Throws BadQuery. */
export function parseQuery(text) {
  const characters = [...text];
  if (characters.length > MAX_LENGTH) throw new BadQuery(MAX_LENGTH, "shorter", characters[MAX_LENGTH]);
  const parser = new Parser(text);
  if (parser.ahead.kind === "end") return () => true;
  const match = parser.anyOf(0);
  parser.expect("end", "term");
  return match;
}

function* tokensOf(text) {
  let at = 0, position = 0;
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) throw new BadQuery(position, "closing_quote", text[at]);
    const which = found.findIndex((part, i) => i > 0 && part !== undefined), kind = KINDS[which - 1];
    if (kind !== "space") yield { kind, text: kind === "operator" ? [...found[which]].map((ch) => NARROW[ch] ?? ch).join("") : found[which], position, raw: found[0] };
    at += found[0].length;
    position += [...found[0]].length;
  }
  yield { kind: "end", text: "", position, raw: "" };
}
const isWord = (token, ...words) => token.kind === "word" && words.includes(token.text.toLowerCase());

/** Recursive descent over the tokens; `ahead` is the next one. */
class Parser {
  constructor(text) { this.rest = tokensOf(text); this.ahead = this.rest.next().value; }
  take() { const taken = this.ahead; this.ahead = this.rest.next().value ?? taken; return taken; }
  refusal(expected) { return new BadQuery(this.ahead.position, expected, this.ahead.raw); }
  expect(kind, expected) { if (this.ahead.kind !== kind) throw this.refusal(expected); return this.take(); }

  anyOf(depth) {
    const choices = [this.allOf(depth)];
    while (isWord(this.ahead, "or")) { this.take(); choices.push(this.allOf(depth)); }
    return choices.length === 1 ? choices[0] : (n) => choices.some((choice) => choice(n));
  }
  allOf(depth) {
    const factors = [this.factor(depth)];
    while (!["end", "close"].includes(this.ahead.kind) && !isWord(this.ahead, "or")) {
      if (isWord(this.ahead, "and")) this.take();
      factors.push(this.factor(depth));
    }
    return factors.length === 1 ? factors[0] : (n) => factors.every((factor) => factor(n));
  }
  factor(depth) {
    if (depth >= MAX_DEPTH) throw this.refusal("shallower");
    if (isWord(this.ahead, "not")) { this.take(); const inner = this.factor(depth + 1); return (n) => !inner(n); }
    if (this.ahead.kind !== "open") return this.term();
    this.take();
    const inner = this.anyOf(depth + 1);
    this.expect("close", "closing_bracket");
    return inner;
  }
  term() {
    if (!["word", "text"].includes(this.ahead.kind) || isWord(this.ahead, "and", "or")) throw this.refusal("term");
    const token = this.take();
    if (token.kind === "word" && this.ahead.kind === "operator") return this.condition(token);
    return isWord(token, "stale") ? (n) => n.stale === true : contains(names, token.text.toLowerCase());
  }
  condition(key) {
    const name = key.text.toLowerCase(), sign = this.take(), figure = Object.hasOwn(FIGURES, name);
    if (name !== "name" && !Object.hasOwn(FIELDS, name) && !figure) throw new BadQuery(key.position, "key", key.raw);
    if (figure ? !COMPARE[sign.text] : ![":", "=", "~"].includes(sign.text)) throw new BadQuery(sign.position, figure ? "comparison" : "equality", sign.raw);
    if (!["word", "text"].includes(this.ahead.kind)) throw this.refusal("value");
    return figure ? comparison(name, sign, this.take()) : wording(name, sign, this.take());
  }
}

function comparison(key, sign, value) {
  const [field, unit] = FIGURES[key], bound = numberOf(value, unit), compare = COMPARE[sign.text];
  return (n) => typeof n[field] === "number" && compare(n[field], bound);
}

/** The value in the unit of the snapshot. Without a unit a duration is in ms, and only 0 is a percentage. */
function numberOf(token, unit) {
  const [, digits, rest] = NUMBER.exec(token.text) ?? [], suffix = rest?.toLowerCase();
  if (suffix === "" && Number(digits) === 0) return 0;
  if (digits === undefined || !Object.hasOwn(UNITS[unit], suffix)) throw new BadQuery(token.position, unit, token.raw);
  return unit === "percentage" ? Number(digits) / 100 : Number(digits) * UNITS[unit][suffix];
}

function wording(key, sign, value) {
  let wanted = value.text.toLowerCase();
  if (CLOSED[key] && sign.text !== "~") {
    wanted = wanted.replace(/[ -]/g, "_");
    if (!CLOSED[key].includes(wanted)) throw new BadQuery(value.position, key, value.raw);
  }
  const read = key === "name" ? names : (n) => texts(n[FIELDS[key]]);
  return sign.text === "~" ? contains(read, wanted) : (n) => read(n).some((text) => text.toLowerCase() === wanted);
}

const contains = (read, part) => (n) => read(n).some((text) => text.toLowerCase().includes(part));
const names = (n) => [...texts(n.name), ...texts(n.title)];
/** The texts of a field that holds one, several, or one a language. */
const texts = (value) => (typeof value === "string" ? [value] : (Array.isArray(value) ? value : value && typeof value === "object" ? Object.values(value) : []).filter((text) => typeof text === "string"));
