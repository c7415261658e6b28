// One card in words, for the live region and for the table's captions.
import { kindWord, millis, nameOf, percent, rate, share, stateWord, t } from "./words.mjs";

/** "ledger-core-db, database, burning, origin, 2.5 k/s, 0.42 %, p95 1.84 s, budget left 41 %, 1 callers, 0 callees". */
export function describe(scene, id) {
  const n = scene.byId.get(id);
  if (!n) return "";
  const into = scene.edges.filter((e) => e.target === id).length, out = scene.edges.filter((e) => e.source === id).length;
  const parts = [nameOf(n), kindWord(n.kind), stateWord(n.health)];
  if (n.stale) parts.push(t("state.stale"));
  if (n.logs_only) parts.push(t("map.logs_only"));
  if (n.origin) parts.push(t("map.origin"));
  if (n.feels) parts.push(t("map.feels", nameOf(scene.byId.get(n.feels) ?? { name: n.feels })));
  if (n.members) parts.push(t("map.members", n.members.length));
  else if (n.kind !== "user") parts.push(rate(n.calls_per_s), `${t("column.error_ratio")} ${percent(n.error_ratio)}`, `p95 ${millis(n.p95_ms)}`, `${t("column.budget_left")} ${share(n.budget_left)}`);
  parts.push(t("map.callers", into), t("map.callees", out));
  return parts.join(", ");
}
