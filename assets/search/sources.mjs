// The sources that are asked, as a list.
import { el } from "../map/dom.mjs";
import { because, duration, t } from "../map/words.mjs";

/** Nobody needs words before this. */
const WORDS_AFTER_MS = 300;

/** One line a source: how it goes with it, in words as soon as that takes a while. */
export function sourceList(sources, nowMs) {
  return sources.map((one) => el("li", { class: one.how, "data-source": one.name }, el("b", {}, one.name), " ", wordsOf(one, nowMs)));
}
function wordsOf({ how, found, reason, why, beganMs }, nowMs) {
  const took = nowMs - beganMs;
  if (how === "asking") return took < WORDS_AFTER_MS ? "" : took < 1000 ? t("search.source.asking") : t("search.source.asking_for", duration(took / 1000));
  if (how === "found") return found === 1 ? t("search.source.found.one") : t("search.source.found", found);
  return how === "failed" ? because(why, reason) : t("search.source." + how);
}
