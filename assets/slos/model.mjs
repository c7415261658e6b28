// The rows of the SLO page: taken over from the server's table, asked with the find language, sorted and grouped. Pure.
import { parseQuery } from "../map/find.mjs";

/** From calm to alarming, as on the map. */
export const ORDER = ["ok", "no_data", "at_risk", "exhausted", "burning"];
/** The pairs of windows of the burn rules: both must burn for an alert. */
export const PAIRS = [["1h", "5m"], ["6h", "30m"], ["1d", "2h"], ["3d", "6h"]];

/** Holds the newest rows by name. Rows are replaced, never changed. */
export class Rows {
  version = 0;
  byName = new Map();
  groups = {};
  faults = [];

  /** Takes over an answer of `slo-table`; answers the names that are new or different. */
  take({ version, whole, columns, windows, rows, gone, groups, faults }) {
    if (whole) this.byName = new Map();
    for (const name of gone) this.byName.delete(name);
    for (const values of rows) {
      const row = Object.fromEntries(columns.map((key, i) => [key, values[i]]));
      row.burn = Object.fromEntries(windows.map((window, i) => [window, row.burn?.[i] ?? null]));
      this.byName.set(row.name, row);
    }
    Object.assign(this, { version, groups, faults });
    return new Set(rows.map((values) => values[columns.indexOf("name")]));
  }
}

/** How many SLOs are in each state. */
export function counts(rows) {
  const found = Object.fromEntries(ORDER.map((state) => [state, 0]));
  for (const row of rows) found[row.state] = (found[row.state] ?? 0) + 1;
  return found;
}

const texts = (value) => (typeof value === "string" ? [value] : Object.values(value ?? {}));

/** An SLO as the find language looks at it. Twin of `as_found` in app/web/slos.py. */
export const asFound = (row, groups) => ({
  name: [row.name, ...texts(row.subject)], title: texts(row.title), health: row.state, domain: [row.domain ?? "", ...texts(groups[row.domain])], layer: row.class,
  budget_left: row.budget_left, error_ratio: row.ratio == null ? null : 1 - row.ratio, calls: row.total, errors: row.ratio == null ? null : row.total * (1 - row.ratio),
});

/** The rows that a query finds and `kind` ("own", "default" or all) lets through. Throws BadQuery. */
export function chosen({ byName, groups }, { find, kind }) {
  const match = parseQuery(find);
  return [...byName.values()].filter((row) => (!kind || row.default === (kind === "default")) && match(asFound(row, groups)));
}

const urgency = (row) => ORDER.indexOf(row.state) * 1e6 - Math.max(-4e5, Math.min(4e5, (row.budget_left ?? 1) * 100));
/** What a column is sorted by. */
export const SORTS = {
  state: urgency, name: (row) => row.said, domain: (row) => row.domain, target: (row) => Number(row.target), strip: (row) => lost(row.strip), budget: (row) => row.budget_left, spent: (row) => row.exhausted_in_s, coverage: (row) => row.coverage,
  ...Object.fromEntries(PAIRS.map(([long, short], i) => ["pair" + i, (row) => row.burn[long] ?? row.burn[short]])),
};
/** How much of the budget the last week took: what a falling strip is about. */
const lost = (strip) => { const known = strip.filter((v) => v !== null); return known.length ? (known.at(-8) ?? known[0]) - known.at(-1) : null; };

/** A new array in order; unknown figures stand last in either direction, and equals by name. */
export function sorted(rows, { key, down }) {
  const read = SORTS[key] ?? urgency, way = down ? -1 : 1, named = (p, q) => (p.name < q.name ? -1 : 1);
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  const keyed = rows.map((row) => [read(row), row]);
  keyed.sort(([a, p], [b, q]) => (a == null || b == null ? (a == null) - (b == null) || named(p, q) : way * compare(a, b) || named(p, q)));
  return keyed.map(([, row]) => row);
}

/** Rows under a heading for each domain, the domain with the loudest SLO first; closed ones keep their heading only. */
export function grouped(rows, closed) {
  const found = new Map();
  for (const row of rows) found.has(row.domain) ? found.get(row.domain).push(row) : found.set(row.domain, [row]);
  const loudest = (members) => Math.max(...members.map(urgency));
  const heads = [...found].sort(([a, p], [b, q]) => loudest(q) - loudest(p) || (String(a) < String(b) ? -1 : 1));
  return heads.flatMap(([domain, members]) => [{ domain, members, open: !closed.has(domain) }, ...(closed.has(domain) ? [] : members)]);
}
