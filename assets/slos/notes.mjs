// What stands before the list: faults in the documents, by file and line, and how to write a first SLO.
import { el, iconOf } from "../map/dom.mjs";
import { t } from "../map/words.mjs";

const SHOWN = 3;

/** Faults with their place, errors first; more than a few are folded away. */
export function faultList(faults) {
  const ranked = [...faults].sort((a, b) => (a.level === "error" ? 0 : 1) - (b.level === "error" ? 0 : 1));
  const line = (fault) => el("li", {}, el("b", { class: fault.level }, t("slo.fault." + (fault.level === "error" ? "error" : "warning"))), el("code", {}, `${fault.file}:${fault.line ?? 1}`), el("span", {}, [fault.path, fault.message].filter(Boolean).join(": ")));
  const errors = faults.filter((fault) => fault.level === "error").length;
  const rest = ranked.length > SHOWN && el("details", {}, el("summary", {}, t("slo.faults.more", ranked.length - SHOWN)), el("ul", {}, ranked.slice(SHOWN).map(line)));
  return el("section", { class: `slo-faults${errors ? " errors" : ""}`, role: "status" }, el("h2", {}, t("slo.faults", faults.length)), errors > 0 && el("p", { class: "quiet" }, t("slo.faults.text")), el("ul", {}, ranked.slice(0, SHOWN).map(line)), rest);
}

/** Nobody has written an SLO: what applies meanwhile, and the command that writes one. */
export function buildFirst(some) {
  return el("section", { class: "slo-first" }, el("h2", {}, t(some ? "slo.first" : "slo.none")), el("p", { class: "quiet" }, t(some ? "slo.first.text" : "slo.none.text")), el("h3", {}, t("slo.first.how")), command(t("slo.first.command")), el("p", { class: "quiet" }, t("slo.first.then")));
}

/** A text to copy. */
function command(text) {
  const done = el("span", { class: "done", role: "status" });
  const copy = async () => { await navigator.clipboard?.writeText(text); done.textContent = t("action.copied"); };
  return el("div", { class: "command" }, el("pre", { tabindex: 0 }, text), el("button", { type: "button", title: t("action.copy"), "aria-label": t("action.copy"), onclick: copy }, iconOf("copy")), done);
}
