// A search for lines: pieces come as lines of JSON while the server searches; whoever leaves ends it.

/** What the address says of a search, and nothing else. */
export const NOTHING = { text: "", service: "", level: "", trace: "", pattern: "", range: "1h", to: "" };
export const RANGES = ["15m", "1h", "6h", "1d", "7d"];
export const LEVELS = ["error,fatal", "warn,error,fatal", "warn", "info", "debug"];
const TRACE = /^[0-9A-Za-z._-]{1,128}$/, PATTERN = /^p-[0-9a-f]{12}$/, MOMENT = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

export function readState(search = location.search) {
  const ask = new URLSearchParams(search), get = (key, good) => { const value = ask.get(key) ?? ""; return good(value) ? value : NOTHING[key]; };
  return {
    text: (ask.get("text") ?? "").slice(0, 200), service: ask.get("service") ?? "",
    level: get("level", (v) => LEVELS.includes(v)), trace: get("trace", (v) => TRACE.test(v)), pattern: get("pattern", (v) => PATTERN.test(v)),
    range: get("range", (v) => RANGES.includes(v)), to: get("to", (v) => MOMENT.test(v)),
  };
}
const SECONDS = { m: 60, h: 3600, d: 86400 };
export const rangeS = (range) => Number.parseInt(range, 10) * SECONDS[range.at(-1)];
/** From when to when a search goes, as the interface wants it; `before` is where an earlier one ended. */
export function spanOf(state, nowMs, before = "") {
  const toMs = state.to ? Date.parse(state.to) : nowMs;
  return { from: new Date(toMs - rangeS(state.range) * 1000).toISOString(), to: before || new Date(toMs).toISOString() };
}
export function queryOf(state, span, limit) {
  const ask = new URLSearchParams({ ...span, limit });
  for (const key of ["text", "service", "level", "trace", "pattern"]) if (state[key]) ask.set(key, state[key]);
  return ask;
}

/** Reads a search to its end; `hear` gets every piece. Throws when it cannot be begun or breaks off. */
export async function read(address, signal, hear) {
  const answer = await fetch(address, { signal, cache: "no-store" });
  if (!answer.ok) throw new Error(answer.status === 503 ? "busy" : String(answer.status));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", over = false;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) { const piece = JSON.parse(line); over ||= piece.done; hear(piece); }
  }
  if (!over) throw new Error("broken off");
}

/** A text in pieces, every other of which was searched for, in whatever case. */
export function marked(text, wanted) {
  if (!wanted.trim()) return [text];
  const low = text.toLowerCase(), word = wanted.toLowerCase(), parts = [];
  let end = 0;
  for (let at = low.indexOf(word); at >= 0 && low.length === text.length; at = low.indexOf(word, end)) {
    parts.push(text.slice(end, at), text.slice(at, at + word.length));
    end = at + word.length;
  }
  return [...parts, text.slice(end)];
}
