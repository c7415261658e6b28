// One key, one act. Keys that a person types into a field are left alone.
import { groupOf } from "./graph.mjs";

const ARROWS = { ArrowRight: "right", ArrowLeft: "left", ArrowUp: "up", ArrowDown: "down" };

export function keyActions(app) {
  return (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || !app.stage) return;
    const typing = e.target.closest?.("input, textarea, select, [contenteditable]"), map = app.stage.map, inTable = e.target.closest?.(".twin");
    if (e.key === "Escape" && !typing) return app.state.select ? app.select(null) : app.state.table ? app.table() : app.state.only ? app.only() : app.state.find && app.apply({ find: "" });
    if (typing) return;
    const plain = { "/": () => document.getElementById("find")?.focus(), o: app.only, t: () => app.table() }[e.key];
    const onMap = inTable || app.state.table ? null : { f: () => map.fit(), "+": () => map.zoom(1.25), "=": () => map.zoom(1.25), "-": () => map.zoom(0.8) }[e.key];
    const arrow = ARROWS[e.key], atMap = e.target === map || e.target === document.body;
    const act = plain ?? onMap ?? (atMap && arrow ? () => map.step(arrow) : atMap && e.key === "Enter" && map.focused ? () => enter(map) : null);
    if (!act) return;
    e.preventDefault();
    act();
  };
}

function enter(map) {
  const n = map.scene.byId.get(map.focused);
  if (n?.members) map.fold(groupOf(n));
  else if (n) map.select(n.id);
}
