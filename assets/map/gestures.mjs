// Hands on the map: drag, wheel, pinch, click, double click, hover. Says what happened; decides nothing.

const CLICK_SLACK_PX = 5;

/** `on`: move(dx, dy), zoom(by, x, y), click(x, y), hover(x, y) or hover(null), twice(x, y). Answers how to stop listening. */
export function listenToHands(element, on) {
  const stop = new AbortController(), options = { signal: stop.signal }, points = new Map();
  let travelled = 0, spread = 0;
  const at = (e) => { const r = element.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
  const listen = (name, act, more) => element.addEventListener(name, act, { ...options, ...more });

  listen("pointerdown", (e) => {
    if (e.button > 0 || e.target.closest?.("button, a, input, summary")) return;
    points.set(e.pointerId, at(e));
    if (points.size === 1) travelled = 0;
    if (points.size === 2) spread = distance(points);
  });
  listen("pointermove", (e) => {
    const [x, y] = at(e), before = points.get(e.pointerId);
    if (!before) return on.hover(x, y);
    points.set(e.pointerId, [x, y]);
    if (points.size === 2) { const now = distance(points), [cx, cy] = centre(points); travelled = Infinity; on.zoom(now / (spread || now), cx, cy); spread = now; return; }
    travelled += Math.abs(x - before[0]) + Math.abs(y - before[1]);
    if (travelled <= CLICK_SLACK_PX) return;
    if (!element.hasPointerCapture(e.pointerId)) element.setPointerCapture(e.pointerId);
    on.move(x - before[0], y - before[1]);
  });
  const end = (e) => {
    if (points.delete(e.pointerId) && e.type === "pointerup" && travelled <= CLICK_SLACK_PX) on.click(...at(e));
  };
  for (const name of ["pointerup", "pointercancel"]) listen(name, end);
  listen("pointerleave", () => on.hover(null));
  listen("wheel", (e) => { e.preventDefault(); on.zoom(Math.exp(-e.deltaY * (e.deltaMode ? 16 : 1) / (e.ctrlKey ? 120 : 500)), ...at(e)); }, { passive: false });
  return () => stop.abort();
}

const distance = (points) => { const [a, b] = [...points.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
const centre = (points) => { const [a, b] = [...points.values()]; return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]; };
