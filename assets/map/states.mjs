// What stands in place of a map: loading, no server, no trace yet. Each says what is going on and what one can do.
import { otlpProtocol } from "./address.mjs";
import { badgeOf, el, iconOf } from "./dom.mjs";
import { seconds, t } from "./words.mjs";

const WORDS_AFTER_MS = 300;
const DEMO_SENDS_TO = "http://127.0.0.1:4317";

/** A note over the map. `kind`: null (none), loading, failed, denied, empty, hidden. */
export function buildNotice(host) {
  const node = host.appendChild(el("section", { class: "notice", hidden: true, "aria-live": "polite" }));
  let now = null, timer = 0;
  return {
    show(kind, facts = {}) {
      const key = kind && `${kind} ${facts.wait ?? ""}`;
      if (key === now) return;
      now = key;
      clearTimeout(timer);
      const put = () => { node.hidden = !kind; node.replaceChildren(...(kind ? CONTENT[kind](facts) : [])); };
      if (kind === "loading") timer = setTimeout(put, WORDS_AFTER_MS); else put();
    },
  };
}

const CONTENT = {
  loading: () => [el("p", { class: "pulse" }, t("state.loading"))],
  failed: ({ wait }) => [badgeOf("no_data", 34), el("h2", {}, t("failed.title")), el("p", {}, wait ? t("failed.retry", seconds(wait / 1000)) : t("failed.now")), el("p", { class: "quiet" }, t("failed.hint"))],
  denied: () => [badgeOf("no_data", 34), el("h2", {}, t("denied.title")), el("p", {}, t("denied.text"))],
  hidden: () => [el("h2", {}, t("hidden.title")), el("p", {}, t("hidden.text"))],
  focus: ({ focus }) => [badgeOf("no_data", 34), el("h2", {}, t("focus.title")), el("p", {}, t("focus.text", focus))],
  empty: ({ otlp }) => [
    el("h2", {}, t("empty.title")), el("p", {}, t("empty.text")),
    el("h3", {}, t("empty.app")), command(`export OTEL_EXPORTER_OTLP_PROTOCOL=${otlpProtocol()}\nexport OTEL_EXPORTER_OTLP_ENDPOINT=${otlp}\nexport OTEL_SERVICE_NAME=my-service`),
    el("p", { class: "quiet" }, t("empty.app_hint")),
    ...(otlpProtocol() === "grpc" ? [el("h3", {}, t("empty.demo")), command(otlp === DEMO_SENDS_TO ? "synoptic demo" : `synoptic demo --endpoint ${otlp}`)] : []),
    el("p", { class: "quiet listening" }, t("empty.listening", otlp)),
  ],
};

function command(text) {
  const done = el("span", { class: "done", role: "status" });
  const copy = async () => { await navigator.clipboard?.writeText(text); done.textContent = t("action.copied"); };
  return el("div", { class: "command" }, el("pre", { tabindex: 0 }, text), el("button", { type: "button", title: t("action.copy"), "aria-label": t("action.copy"), onclick: copy }, iconOf("copy")), done);
}
