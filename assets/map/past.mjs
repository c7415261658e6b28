// A moment of the past on the map: loaded once, marked as past, with a way back to now.
import { el, iconOf } from "./dom.mjs";
import { SnapshotStore } from "./store.mjs";
import { dayAndClock, t, zoneName } from "./words.mjs";

/** Epoch seconds of a moment in the address (RFC 3339 or epoch seconds); null when it is none. */
export function secondsOf(text) {
  const number = /^\d{1,12}(\.\d+)?$/.test(text ?? "") ? Number(text) : Date.parse(text ?? "") / 1000;
  return Number.isFinite(number) && number > 0 && number < 4e9 ? number : null;
}

/** The band over a past picture. `back` is called when the person wants the present again. */
export function buildPast(area, back) {
  const text = el("span"), node = el("section", { class: "past", role: "status", hidden: true }, el("b"), text, el("button", { type: "button", class: "tool line", onclick: back }, t("past.back")));
  area.append(node);
  return {
    show(at, failed) {
      node.hidden = at === null;
      if (at === null) return;
      const moment = new Date(at * 1000);
      node.firstChild.replaceChildren(iconOf("clock", 14), t("past.banner", `${dayAndClock(moment)} ${zoneName(moment)}`));
      text.textContent = t(failed ? "past.failed" : "past.text");
    },
  };
}

/** The picture of a moment: {snapshot, change}. An Error when the server has none. */
export async function loadPast(api, window, at) {
  const answer = await fetch(`${api}graph?window=${window}&at=${at}`, { cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  const snapshot = await answer.json(), change = new SnapshotStore().replace(snapshot);
  return { snapshot, change };
}
