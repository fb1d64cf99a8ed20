import { isCalm } from './dom.js';

const MOVING = { duration: 520, easing: 'cubic-bezier(0.2, 0.8, 0.2, 1)' };
const COMING = { duration: 320, easing: 'ease-out' };

/**
 * Rearranges a list's items and lets them glide from where they were to where they are now.
 * The item that has the focus keeps it; if it is gone, the list has it.
 *
 * @param {HTMLElement} list
 * @param {HTMLElement[]} items the list's items from now on, in order
 * @param {{isGliding: boolean}} options
 */
export function arrange(list, items, { isGliding }) {
  const before = isGliding && !isCalm() ? placesOf(list) : null;
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  list.replaceChildren(...items);
  if (focused instanceof HTMLElement) {
    (list.contains(focused) ? focused : list).focus({ preventScroll: true });
  }
  if (before === null) return;
  for (const item of items) {
    const now = item.getBoundingClientRect();
    const then = before.get(item);
    if (then === undefined) item.animate({ opacity: [0, 1] }, COMING);
    else if (isNear(now) || isNear(then)) glide(item, then, now);
  }
}

/** @param {HTMLElement} list */
function placesOf(list) {
  return new Map([...list.children].map((item) => [item, item.getBoundingClientRect()]));
}

/**
 * @param {HTMLElement} item
 * @param {DOMRect} then
 * @param {DOMRect} now
 */
function glide(item, then, now) {
  const [right, down] = [then.left - now.left, then.top - now.top];
  if (right === 0 && down === 0) return;
  item.animate({ transform: [`translate(${right}px, ${down}px)`, 'none'] }, MOVING);
}

/** @param {DOMRect} place */
const isNear = (place) => place.bottom > -innerHeight && place.top < 2 * innerHeight;
