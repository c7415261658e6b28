// Live data: server-sent events with one whole snapshot and then deltas. Two readers with one behaviour: EventSource where
// a cookie is enough, fetch where a token must travel in a header. Both reconnect with growing waits and jitter.
import { SnapshotStore } from "./store.mjs";

const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 15_000, SILENCE_MS = 20_000, DENIED_WAIT_MS = 5_000, GAPS_APART_MS = 5_000;

/**
 * Opens live data. `options`: url, onData(snapshot, change), onState("open" | "waiting" | "denied"),
 * token() for an Authorization header (then fetch is used), pauseHidden (closes while nobody looks),
 * longestWaitMs between two tries, random and now for tests. Answers {close, reopen(url), ageS, lastAt}.
 */
export function openStream(options) {
  return new LiveStream({ pauseHidden: true, random: Math.random, now: () => Date.now(), longestWaitMs: LONGEST_WAIT_MS, onState() {}, ...options });
}

class LiveStream {
  #store = new SnapshotStore();
  #wait = FIRST_WAIT_MS;
  #timer = 0;
  #quiet = 0;
  #reader = null;
  #closed = false;
  #gapAt = -Infinity;
  lastAt = null;
  state = null;
  #ageAtReceipt = null;

  constructor(options) {
    this.options = options;
    this.url = options.url;
    if (options.pauseHidden) document.addEventListener("visibilitychange", this.#look);
    addEventListener("online", this.#nowOnline);
    this.#look();
  }

  /** Seconds since the newest data was true, or null before the first. It keeps growing while nothing arrives. */
  get ageS() { return this.lastAt === null || this.#ageAtReceipt === null ? null : this.#ageAtReceipt + (this.options.now() - this.lastAt) / 1000; }

  reopen(url = this.url) { this.url = url; this.#stop(); this.#wait = FIRST_WAIT_MS; this.#open(); }
  close() {
    this.#closed = true;
    this.#stop();
    document.removeEventListener("visibilitychange", this.#look);
    removeEventListener("online", this.#nowOnline);
  }

  #look = () => (this.options.pauseHidden && document.hidden ? this.#stop() : this.#reader || this.#open());
  #nowOnline = () => { if (!this.#reader && !(this.options.pauseHidden && document.hidden)) this.reopen(); };
  #stop() { clearTimeout(this.#timer); clearTimeout(this.#quiet); this.#reader?.close(); this.#reader = null; }

  #open() {
    if (this.#closed) return;
    this.#stop();
    const { token } = this.options, events = { open: this.#opened, event: this.#event, failed: this.#failed };
    this.#listen();
    this.#reader = token ? readByFetch(this.url, token, events) : readByEventSource(this.url, events);
  }

  #opened = () => { if (this.state !== "open") this.options.onState((this.state = "open")); };
  #listen() { clearTimeout(this.#quiet); this.#quiet = setTimeout(this.#failed, SILENCE_MS); }

  #event = (kind, text) => {
    this.#listen();
    let data;
    try { data = JSON.parse(text); } catch { return this.#failed("broken"); }
    const change = kind === "snapshot" ? this.#store.replace(data) : this.#store.apply(data);
    if (!change) return this.#resync();
    this.#wait = FIRST_WAIT_MS;
    this.lastAt = this.options.now();
    this.#ageAtReceipt = data.data_age_s ?? null;
    this.#opened();
    this.options.onData(this.#store.snapshot, change);
  };

  /** After a gap the answer to a fresh request is a whole snapshot. A second gap soon after waits its turn. */
  #resync() {
    const now = this.options.now(), again = now - this.#gapAt < GAPS_APART_MS;
    this.#gapAt = now;
    if (again) this.#failed("gap"); else this.reopen();
  }

  #failed = (reason) => {
    this.#stop();
    if (this.#closed) return;
    const denied = reason === "denied", wait = (denied ? DENIED_WAIT_MS : this.#wait) * (0.5 + this.options.random());
    this.options.onState((this.state = denied ? "denied" : "waiting"), Math.round(wait));
    this.#timer = setTimeout(() => this.#open(), wait);
    this.#wait = Math.min(this.#wait * 2, this.options.longestWaitMs);
  };
}

function readByEventSource(url, { open, event, failed }) {
  const source = new EventSource(url);
  source.onopen = open;
  source.onerror = () => failed("broken");
  for (const kind of ["snapshot", "delta"]) source.addEventListener(kind, (e) => event(kind, e.data));
  return source;
}

function readByFetch(url, token, events) {
  const stop = new AbortController();
  pump(url, token(), stop.signal, events).catch((e) => { if (!stop.signal.aborted) events.failed(e.message); });
  return { close: () => stop.abort() };
}

async function pump(url, token, signal, { open, event }) {
  const headers = { accept: "text/event-stream", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(url, { headers, signal, cache: "no-store", credentials: token ? "omit" : "same-origin" });
  if (answer.status === 401 || answer.status === 403) throw new Error("denied");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  open();
  const blocks = eventBlocks(), reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read())
    for (const { kind, data } of blocks(part.value)) if (data && !signal.aborted) event(kind, data);
  throw new Error("ended");
}

/** Cuts a text stream into events. Feed it pieces as they come; it answers the events that became complete. */
export function eventBlocks() {
  let rest = "";
  return (piece) => {
    const blocks = (rest + piece).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    return blocks.map((block) => {
      const field = (name) => block.split("\n").filter((l) => l.startsWith(name + ":")).map((l) => l.slice(name.length + 1).replace(/^ /, "")).join("\n");
      return { kind: field("event") || "message", data: field("data"), id: field("id") };
    });
  };
}
