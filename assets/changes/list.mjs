// Changes as a list by day, and as marks on a lane for each service. Titles and names come from outside and stay text.
import { el, iconOf } from "../map/dom.mjs";
import { clockShort, dayAndClock, duration, t, textOf } from "../map/words.mjs";
import { byDay } from "./model.mjs";

const dayOf = (at) => new Intl.DateTimeFormat("sv-SE").format(at);
export const nameOf = (one) => (one.service === null ? t("change.everything") : textOf(one.service_title, one.service));
const sourceOf = (one) => (one.source === "data" ? t("change.source.data") : one.source);
const safe = (link) => /^https?:\/\//.test(link ?? "");
const outcomeOf = (one) => (one.outcome === "unknown" ? null : el("b", { class: `outcome ${one.outcome}` }, t("change.outcome." + one.outcome)));

export const countOf = (n) => (n === 1 ? t("changes.count.one") : t("changes.count", n));

/** Sections of a day each, with a row a change. `address` is where a change is seen on the map. */
export function dayList(changes, address) {
  return byDay(changes, dayOf).map(([day, own]) => el("section", { class: "change-day" }, el("h2", {}, day, el("span", {}, countOf(own.length))), el("ul", { class: "change-list" }, own.map((one) => row(one, address(one))))));
}

function row(one, address) {
  const at = new Date(one.at), took = one.ended ? (Date.parse(one.ended) - at) / 1000 : 0;
  const about = [t("change.kind." + one.kind), one.author, sourceOf(one), took >= 1 && duration(took)].filter(Boolean).join(" · ");
  const title = safe(one.link) ? el("a", { href: one.link, target: "_blank", rel: "noopener noreferrer", class: "out", tabindex: -1 }, one.title) : el("span", {}, one.title);
  return el("li", { tabindex: -1, "data-uid": one.uid, "data-at": one.at },
    el("time", { datetime: one.at, title: dayAndClock(at) }, clockShort(at)), iconOf("flag", 13),
    el("a", { href: address, class: "go", title: t("changes.to_map"), tabindex: -1 }, nameOf(one)),
    el("div", { class: "what" }, el("div", {}, title, outcomeOf(one)), el("small", {}, about)));
}

/** A lane a service with its changes over the time shown; a name can be pressed to see only its changes. */
export function laneChart(lanes, { fromMs, toMs, find, choose }) {
  const mark = ({ one, share }) => el("i", { class: `change-mark ${one.outcome}`, style: { left: `${share * 100}%` }, title: `${dayAndClock(new Date(one.at))} · ${one.title}` });
  const lane = ([name, marks]) => el("li", {}, el("button", { type: "button", "aria-pressed": String(find === name), "data-lane": name, onclick: () => choose(find === name ? "" : name) }, el("span", {}, name), el("b", {}, String(marks.length))), el("div", { class: "lane", "aria-hidden": "true" }, marks.map(mark)));
  const ends = [fromMs, toMs].map((ms) => el("time", {}, dayAndClock(new Date(ms)).slice(0, 16)));
  return [el("ul", { class: "lanes" }, lanes.map(lane)), el("p", { class: "lane-ends quiet", "aria-hidden": "true" }, ends)];
}
