// Where one looks: x, y in screen pixels of the world's origin, k in pixels per world unit. Pure.

export const FAR = 0.42, NEAR = 0.8;
const LEAST = 0.04, MOST = 3;

/** The camera that shows a world box inside a room {x, y, width, height}. */
export function fitted(world, room, largest) {
  const k = Math.max(LEAST, Math.min(room.width / world.w, room.height / world.h, largest));
  return { k, x: room.x + (room.width - world.w * k) / 2 - world.x * k, y: room.y + Math.max(0, (room.height - world.h * k) / 2) - world.y * k };
}
/** Zooms about a point of the screen, which stays where it is. */
export function zoomed(camera, by, x, y) {
  const k = Math.max(LEAST, Math.min(MOST, camera.k * by)), f = k / camera.k;
  return { k, x: x - (x - camera.x) * f, y: y - (y - camera.y) * f };
}
export const moved = (camera, dx, dy) => ({ ...camera, x: camera.x + dx, y: camera.y + dy });
export const toWorld = ({ k, x, y }, px, py) => [(px - x) / k, (py - y) / k];

/** The world box that is in view, a little larger than the screen. */
export function viewBox({ k, x, y }, width, height, margin = 24) {
  return { x: (-margin - x) / k, y: (-margin - y) / k, w: (width + 2 * margin) / k, h: (height + 2 * margin) / k };
}
export const touches = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

/** The least movement that brings a box into a screen room. */
export function reveal(camera, box, room) {
  const x = box.x * camera.k + camera.x, y = box.y * camera.k + camera.y, w = box.w * camera.k, h = box.h * camera.k;
  const shift = (at, size, from, length) => (at < from ? from - at : at + size > from + length ? from + length - at - size : 0);
  return moved(camera, shift(x, w, room.x, room.width), shift(y, h, room.y, room.height));
}
export const asText = ({ k, x, y }) => [k.toFixed(3), Math.round(x), Math.round(y)].join(",");
export function fromText(text) {
  const [k, x, y] = (text ?? "").split(",").map(Number);
  return [k, x, y].every(Number.isFinite) && k > 0 ? { k, x, y } : null;
}
