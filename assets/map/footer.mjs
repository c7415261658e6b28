// Under the map: counts by state, the key to the language of the map, what is shown, the clock and the age of the data.
import { badgeOf, el, iconOf, svg } from "./dom.mjs";
import { countByState, ORDER } from "./graph.mjs";
import { clock, kindWord, seconds, stateWord, t, zoneName } from "./words.mjs";

/** `act.state(s)` is called when a count is clicked. Answers {show(snapshot), beat(ageS, live), close}. */
export function buildFooter(act) {
  const counts = Object.fromEntries(ORDER.map((s) => [s, el("b", {}, "–")]));
  const legend = el("div", { class: "legend", role: "group", "aria-label": t("legend.label") },
    ORDER.map((s) => el("button", { type: "button", "data-state": s, title: t("legend.find", stateWord(s)), onclick: () => act.state(s) }, badgeOf(s, 15), counts[s], el("span", {}, stateWord(s)))), buildKey());
  const size = el("p", { class: "size quiet" }), live = el("span", { class: "live" }), time = el("b"), age = el("span", { class: "quiet" });
  let lateAfterS = 15;
  return {
    node: el("footer", { class: "foot" }, legend, size, el("div", { class: "now" }, live, time, age)),
    show(snapshot) {
      lateAfterS = snapshot.late_after_s ?? lateAfterS;
      const now = snapshot.overall?.counts ?? countByState(snapshot.nodes);
      for (const s of ORDER) counts[s].textContent = now[s] ?? 0;
      size.textContent = [t("map.size", snapshot.nodes.length, snapshot.edges.length), snapshot.demo ? t("map.demo") : ""].filter(Boolean).join(" · ");
    },
    beat(ageS, state) {
      const at = new Date(), word = state === "open" ? (ageS > lateAfterS ? "late" : "open") : state;
      live.textContent = t("live." + word);
      live.dataset.state = word;
      time.textContent = clock(at);
      age.textContent = state === "past" ? zoneName(at) : `${zoneName(at)} · ${ageS === null ? t("live.no_age") : t("live.age", seconds(ageS))}`;
    },
  };
}

/** The language of the map on one small card. */
function buildKey() {
  const line = (colour, width, dash) => svg("svg", { width: 34, height: 10, "aria-hidden": "true" }, svg("path", { d: "M1 5H33", stroke: `var(--${colour})`, "stroke-width": width, "stroke-dasharray": dash }));
  const mark = (name, kind) => el("span", { class: `box ${kind}` }, iconOf(name, kind === "plain" ? 16 : 13));
  const rows = [[el("span", { class: "bar-sample" }), t("key.budget")], ...["service", "database", "cache", "queue", "external", "user", "unknown"].map((k) => [mark(k, "plain"), kindWord(k)]),
    [line("dot", 3), t("key.impact")], [line("burning", 3), t("key.hot")], [line("quiet", 2, "7 4"), t("key.sampled")], [line("quiet", 2, "2 5"), t("key.unknown")],
    ...["rate_limited", "breaker_open"].map((k) => [mark(k, "round"), t("key." + k)]), [mark("feels", "feel"), t("key.feels")], [mark("flag", "flag"), t("key.flag")], [el("span", { class: "box twice" }), t("key.origin")]];
  const keys = ["/", "o", "f", "t", "+ \u2212", "\u2190 \u2192", "\u2191 \u2193", "Enter", "Esc"].map((k, i) => el("li", {}, el("kbd", {}, k), t("keys." + i)));
  return el("details", { class: "key" }, el("summary", {}, t("key.title")), el("div", { class: "key-card" }, el("ul", {}, rows.map((r) => el("li", {}, r))), el("ul", { class: "keys" }, keys)));
}
