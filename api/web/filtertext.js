/**
 * A value as the short syntax takes it; patterns keep their meaning.
 *
 * @param {string} value
 */
export function quoted(value) {
  const words = value.trim();
  if (/^[\p{L}\p{N}_*?/.-]+$/u.test(words) && !words.includes('..')) return words;
  return `"${words.replace(/[\\"]/g, '\\$&')}"`;
}

/**
 * Both conditions in one filter.
 *
 * @param {string} filter
 * @param {string} condition
 */
export function narrowed(filter, condition) {
  const before = filter.trim();
  if (before === '') return condition;
  return /\bor\b/i.test(before) ? `(${before}) ${condition}` : `${before} ${condition}`;
}

/**
 * @typedef {object} Kind a condition that the builder can write
 * @property {string} label
 * @property {{label: string, type: 'date' | 'number' | 'text' | 'choice', choices?: string[]}[]} fields
 * @property {(values: string[]) => string} write the condition; values are not all empty
 */

/** @param {string} label */
const text = (label) => ({ label, type: /** @type {const} */ ('text') });

/** @type {Kind[]} */
export const KINDS = [
  {
    label: 'Date taken',
    fields: [
      { label: 'From', type: 'date' },
      { label: 'To', type: 'date' },
    ],
    write: ([from, to]) => `taken_at:${from}..${to}`,
  },
  {
    label: 'Orientation',
    fields: [
      { label: 'Is', type: 'choice', choices: ['landscape', 'portrait', 'square'] },
    ],
    write: ([value]) => `orientation:${value}`,
  },
  {
    label: 'Minimum width',
    fields: [{ label: 'Pixels', type: 'number' }],
    write: ([value]) => `width>=${value}`,
  },
  { label: 'Tag', fields: [text('Is')], write: ([value]) => `tag:${quoted(value)}` },
  { label: 'Without tag', fields: [text('Is not')], write: ([value]) => `-tag:${quoted(value)}` },
  { label: 'Folder', fields: [text('Path')], write: ([value]) => `path:${quoted(value)}` },
  {
    label: 'File name',
    fields: [text('Contains')],
    write: ([value]) => `name:${quoted(`*${value.trim()}*`)}`,
  },
  {
    label: 'Camera',
    fields: [text('Contains')],
    write: ([value]) => `camera:${quoted(`*${value.trim()}*`)}`,
  },
  { label: 'Caption', fields: [text('Has words')], write: ([value]) => `caption:${quoted(value)}` },
  {
    label: 'Has',
    fields: [
      { label: 'A', type: 'choice', choices: ['location', 'taken_at', 'camera', 'tag', 'caption'] },
    ],
    write: ([value]) => `has:${value}`,
  },
];
