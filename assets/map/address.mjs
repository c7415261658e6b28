// The address is the state: a copied link shows the same thing, and Back works. Preferences are also kept in a cookie,
// so that the server can print the right language and theme.

export const WINDOWS = ["1m", "5m", "15m", "1h"];
const flag = (v) => v === "1";
const list = (v) => (v === null ? null : v.split(",").filter(Boolean));
const oneOf = (allowed, fallback) => (v) => (allowed.includes(v) ? v : fallback);
const READ = { select: (v) => v, find: (v) => v ?? "", hide: (v) => v ?? "", only: flag, table: flag, lite: flag, window: oneOf(WINDOWS, "5m"), at: (v) => v ?? "", collapsed: list, camera: (v) => v };

/** Everything the address says about the map. */
export function readAddress(search = location.search) {
  const ask = new URLSearchParams(search);
  return Object.fromEntries(Object.entries(READ).map(([key, read]) => [key, read(ask.get(key))]));
}

/** Writes parts of the state; empty parts leave the address. `push` makes a step that Back undoes. */
export function writeAddress(change, push) {
  const url = new URL(location.href);
  for (const [key, value] of Object.entries(change)) {
    const text = Array.isArray(value) ? value.join(",") : value === true ? "1" : value;
    if (text || (Array.isArray(value) && key === "collapsed")) url.searchParams.set(key, text);
    else url.searchParams.delete(key);
    if (key === "window" && value === "5m") url.searchParams.delete(key);
  }
  if (url.href !== location.href) history[push ? "pushState" : "replaceState"](history.state, "", url);
}

const cookie = (name) => document.cookie.split("; ").find((c) => c.startsWith(name + "="))?.slice(name.length + 1);

/** Theme and language: the address, then the cookie, then the page, then dark and English. */
export function readPreferences() {
  const ask = new URLSearchParams(location.search), page = document.documentElement;
  const theme = ask.get("theme") ?? cookie("synoptic_theme") ?? page.dataset.theme, lang = ask.get("lang") ?? cookie("synoptic_lang") ?? page.lang;
  return { theme: theme === "light" ? "light" : "dark", lang: lang?.startsWith("zh") ? "zh" : "en" };
}
export function keepPreference(name, value) {
  document.cookie = `synoptic_${name}=${value}; path=/; max-age=31536000; samesite=lax`;
}
export function showPreferences({ theme, lang }) {
  for (const node of [document.documentElement, document.body]) if (node === document.documentElement || node.dataset.theme) node.dataset.theme = theme;
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
}

/** Where the product is mounted: Dash says it, or the body, or it is the root. */
export function basePath() {
  const dash = document.getElementById("_dash-config");
  return document.body.dataset.base ?? (dash ? JSON.parse(dash.textContent).requests_pathname_prefix : "/");
}
export const apiPath = () => document.body.dataset.api ?? basePath() + "api/v1/";

/** Where traces are sent to, as the server says it. */
export function otlpAddress(host = document.body) {
  const address = host.dataset.otlp || document.body.dataset.otlp || document.body.dataset.otlpGrpc || "127.0.0.1:4317";
  return /^https?:/.test(address) ? address : `http://${address}`;
}

/** What an SDK calls the protocol spoken there. */
export const otlpProtocol = (host = document.querySelector("[data-otlp-protocol]")) => host?.dataset.otlpProtocol || "grpc";
