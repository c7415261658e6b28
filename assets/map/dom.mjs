// Elements from data. Text is always text: nothing here parses markup.
import { ICON, INNER, PLATE } from "./shapes.mjs";

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, listeners ("onclick") and children; null and false are left out. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}
function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [name, v] of Object.entries(value)) node.style.setProperty(name, v);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((c) => c != null && c !== false));
  return node;
}

const round = { "stroke-linecap": "round", "stroke-linejoin": "round" };

/** An icon in the colour of the text around it. */
export function iconOf(name, size = 16) {
  const filled = ICON[name].startsWith("!"), d = ICON[name].replace("!", "");
  return svg("svg", { class: "icon", width: size, height: size, viewBox: "0 0 16 16", "aria-hidden": "true", fill: filled ? "currentColor" : "none", stroke: filled ? "none" : "currentColor", "stroke-width": 1.7, ...round }, svg("path", { d }));
}

/** The sign of a state: its own plate and its own icon, so that it can be told without colour. */
export function badgeOf(state, size = 16) {
  const frame = { class: `badge state-${state}`, width: size, height: size, viewBox: "0 0 16 16", "aria-hidden": "true" };
  if (state === "ok") return svg("svg", frame, svg("path", { d: ICON.ok, fill: "none", stroke: "var(--ok)", "stroke-width": 2.1, ...round }));
  const k = INNER[state], o = 8 - 8 * k, hollow = state === "no_data", filled = ICON[state].startsWith("!");
  const plate = hollow ? { fill: "none", stroke: "var(--no_data)", "stroke-width": 1.5, "stroke-dasharray": "3 2" } : { fill: `var(--${state})` };
  const sign = filled ? { fill: "var(--on-state)" } : { fill: "none", stroke: hollow ? "var(--no_data)" : "var(--on-state)" };
  return svg("svg", frame, svg("path", { d: PLATE[state], ...plate }), svg("path", { d: ICON[state].replace("!", ""), transform: `translate(${o} ${o}) scale(${k})`, "stroke-width": 2.5, ...round, ...sign }));
}

export const logo = () => svg("svg", { width: 24, height: 24, viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": 1.8, "stroke-linecap": "round", "aria-hidden": "true" },
  svg("circle", { cx: 5, cy: 12, r: 2.6 }), svg("circle", { cx: 18.5, cy: 5.5, r: 2.6 }), svg("circle", { cx: 18.5, cy: 18.5, r: 2.6 }), svg("path", { d: "M7.6 11.2c4-.7 4-4.5 8.3-5.3M7.6 12.8c4 .7 4 4.5 8.3 5.3" }));
