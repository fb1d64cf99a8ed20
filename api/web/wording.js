const WHOLE = new Intl.NumberFormat('en');
const DATE = new Intl.DateTimeFormat('en', { dateStyle: 'long', timeStyle: 'short' });

/** @param {number} number */
export const count = (number) => WHOLE.format(number);

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (number, one, many = `${one}s`) =>
  `${count(number)} ${number === 1 ? one : many}`;

/**
 * A probability as percent; never 0 or 100 % where it is neither.
 *
 * @param {number} share
 */
export function percent(share) {
  if (share > 0 && share < 0.01) return '< 1 %';
  if (share < 1 && share > 0.99) return '> 99 %';
  return `${Math.round(share * 100)} %`;
}

/** @param {number} size */
export function bytes(size) {
  if (size < 1000) return `${size} bytes`;
  if (size < 1e6) return `${(size / 1e3).toFixed(0)} kB`;
  return `${(size / 1e6).toFixed(1)} MB`;
}

/** @param {number} milliseconds */
export function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 0)} s`;
}

/** @param {string} iso the camera's own clock, without a zone */
export const moment = (iso) => DATE.format(new Date(iso));

/** @param {string} path */
export const fileName = (path) => path.slice(path.lastIndexOf('/') + 1);
