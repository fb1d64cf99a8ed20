/** @import {Answer, Change, Collection, State} from './types.js' */
import { make } from './dom.js';
import { isBrowsing } from './state.js';
import { count, counted, percent, seconds } from './wording.js';

/**
 * What was found, in one line.
 *
 * @param {State} state
 * @param {Answer} answer
 * @param {number} took milliseconds
 */
export function summaryOf(state, answer, took) {
  if (answer.count === 0) return '';
  const pictures = counted(answer.count, 'picture');
  if (isBrowsing(state)) return state.filter === '' ? 'From this collection' : pictures;
  const said = [];
  if (state.match > 0) {
    said.push(`${pictures} ${answer.count === 1 ? 'matches' : 'match'} ${state.match} % or more`);
  } else said.push(pictures);
  if (answer.reranked > 0) said.push(`${count(answer.reranked)} judged`);
  if (answer.unverified > 0) said.push(`${count(answer.unverified)} unreadable`);
  return [...said, seconds(took)].join(' · ');
}

/**
 * Says why there are no pictures, and offers what would bring some.
 *
 * @param {import('./notice.js').Empty} empty
 * @param {{state: State, answer: Answer, best: number | null,
 *   change: (change: Change) => void}} facts `best` is the best match that was judged, if any was
 */
export function explainEmpty(empty, { state, answer, best, change }) {
  const unfiltered = { label: 'Search without the filter', run: () => change({ filter: '' }) };
  const hasFilter = state.filter !== '';
  if (answer.candidates === 0 && hasFilter) {
    empty.show('No picture passes the filter', make('code', {}, state.filter), unfiltered);
  } else if (answer.candidates === 0) {
    empty.show('There are no pictures here yet', 'Add some with the + button above.');
  } else {
    const anyway = { label: 'Show the nearest anyway', run: () => change({ match: 0, sort: '' }) };
    const actions = hasFilter ? [anyway, unfiltered] : [anyway];
    const within = Math.floor((best ?? 0) * 100);
    if (within > 0 && within < state.match) {
      actions.unshift({ label: `Lower to ${within} %`, run: () => change({ match: within }) });
    }
    empty.show('Nothing matches', nothingReaches(state.match || 50, answer, best), ...actions);
  }
}

/**
 * @param {number} least percent
 * @param {Answer} answer
 * @param {number | null} best
 */
function nothingReaches(least, { candidates }, best) {
  const judged = counted(candidates, 'candidate');
  if (best === null) return `None of ${judged} matches ${least} % or more.`;
  return `The best of ${judged} matches ${percent(best)}; you asked for ${least} % or more.`;
}

/** Sentences of the world that the built-in checkpoint knows, and of the world that others do. */
const EXAMPLES = {
  builtin: [
    'a dog right of a tree',
    'two butterflies by the sea',
    'three trains',
    'a red apple left of a yellow house',
    'a tree - a dog',
  ],
  others: [
    'a dog running on the beach',
    'people around a dinner table',
    'a red car in the snow',
    'a city at night - people',
  ],
};

/**
 * @param {Collection} collection
 * @returns {string[]} sentences to begin with
 */
export const examplesFor = (collection) =>
  collection.checkpoint === 'builtin' ? EXAMPLES.builtin : EXAMPLES.others;
