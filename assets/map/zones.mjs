// How many instances a service has in each zone, in few words. Pure.

/** Zones without what all their names begin with, up to a separator: cn-sha-a and cn-sha-b are a and b. */
export function shortZones(zones) {
  if (zones.length < 2) return new Map(zones.map((z) => [z, z]));
  let same = 0;
  while (zones.every((z) => same < z.length && z[same] === zones[0][same])) same++;
  const from = same ? Math.max(...[..."-_./: "].map((c) => zones[0].lastIndexOf(c, same - 1))) + 1 : 0;
  return new Map(zones.map((z) => [z, z.slice(from) || z]));
}

/** Whether the registry and the calls certainly disagree: silent instances, or some that are not registered. */
export const disagrees = (n) => Boolean(n.registration && !n.registration.old && n.registration.silent + n.registration.unregistered);

/** Zone by zone what speaks and, where that is another number, what is registered and enabled: [["a", "2/3"], ["b", "2"]]. */
export function zoneCounts(n) {
  const known = n.registered ?? {}, speaking = n.instances_by_zone ?? {};
  return [...new Set([...Object.keys(speaking), ...Object.keys(known)])].sort().flatMap((zone) => {
    const told = known[zone], speak = told ? told.speaking : speaking[zone] ?? 0, due = told ? told.registered - told.disabled : speak;
    return speak || due ? [[zone, speak === due ? `${speak}` : `${speak}/${due}`]] : [];
  });
}

const MOST = 3, LONGEST = 14;
const cut = (zone) => (zone.length > LONGEST ? zone.slice(0, LONGEST - 1) + "\u2026" : zone);

/** The words for a card: "a 3 · b 2", with ≠ before where registry and calls disagree. Empty where there is nothing to say: one zone only, and no quarrel. */
export function zoneWords(n, zones) {
  const counts = n.members ? [] : zoneCounts(n), quarrel = disagrees(n), short = shortZones(zones);
  if (!counts.length || (zones.length < 2 && !quarrel)) return "";
  const words = counts.slice(0, MOST).map(([zone, count]) => `${cut(short.get(zone) ?? (zone || (counts.length > 1 ? "?" : "")))} ${count}`.trim());
  return (quarrel ? "\u2260 " : "") + words.join(" \u00b7 ") + (counts.length > MOST ? ` +${counts.length - MOST}` : "");
}
