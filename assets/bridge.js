// A classic script: it runs before Dash's renderer, so its functions exist at the first callback (a module may come too late).
// It only passes on: from a callback to the map by a DOM event, never the other way round.
(() => {
  const tell = (detail) => document.dispatchEvent(new CustomEvent("synoptic:view", { detail }));
  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    synoptic: {
      /** Any part of {select, find, hide, only, window, theme, lang, table}. */
      apply(view) { if (view) tell(view); return window.dash_clientside.no_update; },
      /** A click on a row or link that names a node; pattern-matching inputs give a list of click counts. */
      select() {
        const context = window.dash_clientside.callback_context, hit = context && context.triggered_id;
        const clicked = context && context.triggered && context.triggered.some((c) => c.value);
        if (hit && clicked) tell({ select: typeof hit === "object" ? hit.index || hit.id : hit });
        return window.dash_clientside.no_update;
      },
      close(clicks) { if (clicks) tell({ select: null }); return window.dash_clientside.no_update; },
    },
  });
})();
