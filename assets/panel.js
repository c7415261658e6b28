// Manners of the page that need no module: the viewer's time zone for the server, the panel's links, buttons and width,
// and the small Plotly bundle in place of the full one. A classic script, so that it has run before Dash asks for anything.
(() => {
  const NARROWEST = 380, WIDEST_SHARE = 0.6, STEP = 24, KEY = "synoptic-panel-width";
  const plotly = new URL("vendor/plotly-basic-4.1.1.min.js", document.currentScript.src).href;
  Object.defineProperty(window, "_dashPlotlyJSURL", { get: () => plotly, set() {} });

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
  document.cookie = `synoptic_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;

  const select = (id) => document.dispatchEvent(new CustomEvent("synoptic:view", { detail: { select: id } }));
  async function copyAddress(button) {
    try { await navigator.clipboard.writeText(location.href); } catch { return; }
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  }
  document.addEventListener("click", (e) => {
    const link = e.target.closest("a[data-select]"), plain = e.button === 0 && !(e.ctrlKey || e.metaKey || e.shiftKey || e.altKey);
    if (link && plain) { e.preventDefault(); select(link.dataset.select); }
    else if (e.target.closest(".panel-close")) select(null);
    else if (e.target.closest(".panel-copy")) copyAddress(e.target.closest(".panel-copy"));
  });

  const width = () => document.querySelector(".panel").getBoundingClientRect().width;
  function setWidth(px) {
    const fit = Math.round(Math.max(NARROWEST, Math.min(px, innerWidth * WIDEST_SHARE)));
    document.documentElement.style.setProperty("--panel-width", `${fit}px`);
    document.querySelector(".panel-edge")?.setAttribute("aria-valuenow", String(fit));
    try { localStorage.setItem(KEY, String(fit)); } catch { /* storage may be blocked; then the width lasts for this page */ }
  }
  try { const kept = Number(localStorage.getItem(KEY)); if (kept) document.documentElement.style.setProperty("--panel-width", `${kept}px`); } catch { /* the same */ }
  document.addEventListener("pointerdown", (e) => {
    if (!e.target.matches(".panel-edge")) return;
    e.preventDefault();
    const from = e.clientX, before = width(), move = (m) => setWidth(before + from - m.clientX);
    addEventListener("pointermove", move);
    addEventListener("pointerup", () => removeEventListener("pointermove", move), { once: true });
  });
  document.addEventListener("keydown", (e) => {
    if (!e.target.matches?.(".panel-edge") || !["ArrowLeft", "ArrowRight"].includes(e.key)) return;
    e.preventDefault();
    e.stopPropagation();
    setWidth(width() + (e.key === "ArrowLeft" ? STEP : -STEP));
  }, true);
})();
