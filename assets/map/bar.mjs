// The top bar: mark, environment, pages, and what a person may ask of the map.
import { WINDOWS } from "./address.mjs";
import { el, iconOf, logo } from "./dom.mjs";
import { lang, t } from "./words.mjs";

const PAGES = [["map", ""], ["slos", "slos"], ["changes", "changes"], ["traces", "traces"], ["logs", "logs"], ["sources", "sources"]];

/** Fills the host. `act` {find, only, window, theme, lang} is called when a person asks; without a map its controls are left out. */
export function buildBar(host, { base, withMap, state, theme, act }) {
  const here = location.pathname.slice(base.length).split("/")[0];
  const pages = el("nav", { class: "pages", "aria-label": t("bar.pages") },
    PAGES.map(([key, path]) => el("a", { href: base + path, "aria-current": here === path ? "page" : null }, t("nav." + key))), el("a", { href: base + "wall" }, t("nav.wall")));
  const environment = el("span", { class: "env", hidden: true });
  const mark = el("a", { class: "mark", href: base }, logo(), "Synoptic");
  const map = withMap ? mapControls(state, act) : null;
  const other = lang === "zh" ? "en" : "zh";
  host.replaceChildren(mark, environment, pages, el("span", { class: "grow" }), ...(map ? map.parts : []),
    el("button", { class: "tool", type: "button", title: t("bar.theme"), "aria-label": t("bar.theme"), onclick: act.theme }, iconOf(theme === "dark" ? "sun" : "moon")),
    el("button", { class: "tool", type: "button", lang: other === "zh" ? "zh-CN" : "en", title: t("bar.lang"), onclick: () => act.lang(other) }, iconOf("globe"), el("span", {}, other === "zh" ? "中文" : "EN")));
  return { ...map, environment: (text) => { environment.textContent = text; environment.hidden = !text; } };
}

function mapControls(state, act) {
  const box = el("input", { type: "search", id: "find", autocomplete: "off", spellcheck: "false", placeholder: t("find.placeholder"), "aria-label": t("find.label"), "aria-describedby": "find-says", value: state.find });
  box.value = state.find;
  const says = el("output", { id: "find-says", class: "find-says", hidden: true });
  const hide = el("button", { type: "button", class: "hide", title: t("find.hide"), "aria-label": t("find.hide"), hidden: !state.find, onclick: () => act.hide(box.value) }, iconOf("hide", 14));
  box.addEventListener("input", () => { hide.hidden = !box.value; act.find(box.value); });
  box.addEventListener("keydown", (e) => { if (e.key === "Enter") act.next(); if (e.key === "Escape") { box.value = ""; hide.hidden = true; act.find(""); box.blur(); } });
  const find = el("div", { class: "find", role: "search" }, iconOf("search", 14), box, hide, el("kbd", { "aria-hidden": "true" }, "/"), says);
  const only = el("button", { type: "button", class: "tool line", id: "only", "aria-pressed": String(state.only), title: `${t("bar.only")} (o)`, onclick: act.only }, iconOf("filter", 14), el("span", {}, t("bar.only")));
  const windows = el("span", { class: "seg", role: "group", "aria-label": t("bar.window") }, WINDOWS.map((w) => el("button", { type: "button", "data-window": w, "aria-pressed": String(w === state.window), onclick: () => act.window(w) }, t("window." + w))));
  return {
    parts: [find, only, windows], box,
    show(state) {
      only.setAttribute("aria-pressed", String(state.only));
      for (const b of windows.children) b.setAttribute("aria-pressed", String(b.dataset.window === state.window));
      if (document.activeElement !== box) box.value = state.find;
      hide.hidden = !box.value;
    },
    say(text, bad) { says.hidden = !text; says.textContent = text; says.classList.toggle("bad", Boolean(bad)); box.setAttribute("aria-invalid", String(Boolean(bad))); },
  };
}
