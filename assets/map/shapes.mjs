// Silhouettes of kinds, icons, and the plates of the states, as path data: the same text serves canvas, SVG export and pages.

/** 16 x 16, drawn as strokes; a leading "!" means filled. */
export const ICON = {
  ok: "M3.2 8.6l3.1 3.1 6.5-7.2",
  at_risk: "M2.6 4.6l3.8 3.6 2.6-2.2 4.2 5M13.4 7.4V11.2H9.6",
  burning: "!M8.5 1.4c.5 2.7 4 4.2 4 8.1a4.5 4.5 0 0 1-9 0c0-2 1-3.3 2-4.3.1 1.3.6 2 1.3 2.3C6.7 5.4 7 3.2 8.5 1.4z",
  exhausted: "M4.3 4.3l7.4 7.4M11.7 4.3l-7.4 7.4",
  no_data: "M3.8 8h8.4",
  user: "M8 8.2a2.9 2.9 0 1 0 0-5.8 2.9 2.9 0 0 0 0 5.8zM2.6 14c.6-2.9 2.7-4.3 5.4-4.3s4.8 1.4 5.4 4.3",
  database: "M2.8 4c0-1.2 2.3-2 5.2-2s5.2.8 5.2 2-2.3 2-5.2 2-5.2-.8-5.2-2zM2.8 4v8c0 1.2 2.3 2 5.2 2s5.2-.8 5.2-2V4M2.8 8c0 1.2 2.3 2 5.2 2s5.2-.8 5.2-2",
  cache: "!M9.3 1.2L3.2 9.2h3.9l-.9 5.6 6.6-8.5H8.7z",
  queue: "M2 4.5h9M2 11.5h9M11.5 4.5c1.4 0 2.5 1.6 2.5 3.5s-1.1 3.5-2.5 3.5S9 9.9 9 8s1.1-3.5 2.5-3.5zM3.5 8h3",
  external: "M4.6 12.5a2.9 2.9 0 0 1-.3-5.8 3.9 3.9 0 0 1 7.5-.6 3.2 3.2 0 0 1 .2 6.4z",
  service: "M3.5 3.5h9v9h-9z",
  rate_limited: "M2.5 3h11L9.4 8.2v4.3l-2.8 1.1V8.2z",
  breaker_open: "M1 10.5h3.6M11.4 10.5H15M4.6 10.5l5.2-6M11.4 8.7v3.6",
  flag: "!M3.6 1.5h1.8v.9L13.4 5.9 5.4 9.4v5.1H3.6z",
  feels: "M2.5 8a1.3 1.3 0 1 0 2.6 0 1.3 1.3 0 0 0-2.6 0zM7.2 4.6a5 5 0 0 1 0 6.8M10.2 2.4a8.3 8.3 0 0 1 0 11.2",
  fold: "M3.5 6l4.5 4.5L12.5 6",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.7 10.7L14 14", close: "M4 4l8 8M12 4l-8 8",
  moon: "M13 9.6A5.6 5.6 0 0 1 6.4 3 5.6 5.6 0 1 0 13 9.6z", globe: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM2 8h12M8 2c2 1.8 2.6 3.8 2.6 6S10 12.2 8 14M8 2C6 3.8 5.4 5.8 5.4 8S6 12.2 8 14",
  link: "M6.8 9.2l2.4-2.4M7.5 4.7l1.4-1.4a2.7 2.7 0 0 1 3.8 3.8l-1.4 1.4M8.5 11.3l-1.4 1.4a2.7 2.7 0 0 1-3.8-3.8l1.4-1.4",
  pin: "M8 9.8V14M4.5 9.8h7l-1.3-2.6V2.6H5.8v4.6z", filter: "M2.5 4h11M4.7 8h6.6M6.7 12h2.6",
  table: "M2.5 3h11v10h-11zM2.5 6.4h11M2.5 9.8h11M6.2 6.4V13", download: "M8 2.5v7.2M4.8 6.8L8 10l3.2-3.2M3 13h10", wall: "M2 3.5h12v7.5H2zM6 13.5h4", fit: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3", plus: "M8 3v10M3 8h10", minus: "M3 8h10", hide: "M2 8s2.2-4 6-4 6 4 6 4-2.2 4-6 4-6-4-6-4zM3 13L13 3", sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1",
  unknown: "M5.6 6a2.5 2.5 0 1 1 3.4 2.3c-.7.3-1 .8-1 1.6M8 12.6v.1", copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3", sort: "M5 6l3-3 3 3M5 10l3 3 3-3", group: "M2.5 4.5h11v7h-11zM4.5 13.5h7",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.4 1.5",
  origin: "M8 8.6a.6.6 0 1 0 0-1.2.6.6 0 0 0 0 1.2zM8 11.4a3.4 3.4 0 1 0 0-6.8 3.4 3.4 0 0 0 0 6.8zM8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4z",
};

/** A state has its own outline as well as its own sign: bare check, diamond, disc, square, hollow ring. */
export const PLATE = {
  at_risk: "M8 .2L15.8 8 8 15.8.2 8z", burning: "M8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0z",
  exhausted: "M3 .5h10A2.5 2.5 0 0 1 15.5 3v10a2.5 2.5 0 0 1-2.5 2.5H3A2.5 2.5 0 0 1 .5 13V3A2.5 2.5 0 0 1 3 .5z",
  no_data: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z",
};
export const INNER = { at_risk: 0.56, burning: 0.7, exhausted: 0.74, no_data: 0.7 };

const full = (rx, ry, x, y, sweep = 1) => `A${rx} ${ry} 0 0 ${sweep} ${x} ${y}`;
export const roundedBox = (x, y, w, h, r) =>
  `M${x + r} ${y}H${x + w - r}${full(r, r, x + w, y + r)}V${y + h - r}${full(r, r, x + w - r, y + h)}H${x + r}${full(r, r, x, y + h - r)}V${y + r}${full(r, r, x + r, y)}Z`;

const OUTLINE = {
  database(w, h) {
    const e = Math.min(6, h * 0.09);
    return { body: `M0 ${e}${full(w / 2, e, w, e)}V${h - e}${full(w / 2, e, 0, h - e)}Z`, lid: `M0 ${e}${full(w / 2, e, w, e, 0)}` };
  },
  queue(w, h) {
    const e = h * 0.2;
    return { body: `M${e} 0H${w - e}${full(e, h / 2, w - e, h)}H${e}${full(e, h / 2, e, 0)}Z`, lid: `M${w - e} 0${full(e, h / 2, w - e, h, 0)}` };
  },
  cache(w, h) {
    const k = h * 0.26;
    return { body: `M${k} 0H${w}V${h - k}L${w - k} ${h}H0V${k}Z` };
  },
  external(w, h) {
    return { body: `M15 ${h}C-5 ${h} -5 ${h * 0.38} 17 ${h * 0.34}C20 ${h * -0.02} ${w * 0.27} ${h * -0.06} ${w * 0.34} ${h * 0.07}C${w * 0.44} ${h * -0.13} ${w * 0.68} ${h * -0.13} ${w * 0.74} ${h * 0.08}C${w * 0.86} ${h * -0.06} ${w - 12} ${h * 0.06} ${w - 14} ${h * 0.36}C${w + 5} ${h * 0.4} ${w + 5} ${h} ${w - 15} ${h}Z` };
  },
  user: (w, h) => ({ body: roundedBox(0, 0, w, h, h / 2) }),
  group: (w, h) => ({ body: roundedBox(0, 0, w, h, 8), lid: [4, 8].map((d) => `M${d} ${h + d}H${w - d}`).join("") }),
  unknown: (w, h) => ({ body: `M10 0H${w - 10}L${w} ${h / 2}L${w - 10} ${h}H10L0 ${h / 2}Z` }),
  service: (w, h) => ({ body: roundedBox(0, 0, w, h, 8) }),
};

/** The outline of a card by kind at the origin; `lid` is the second line that makes a cylinder, a pipe or a stack. */
export const silhouette = (kind, w, h) => (OUTLINE[kind] ?? OUTLINE.service)(w, h);
