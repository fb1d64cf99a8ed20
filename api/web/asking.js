/** @import {State} from './types.js' */
import { encodedPicture } from './pictures.js';
import { isBrowsing } from './state.js';

/** How many hits a page has. */
export const PAGE = 30;

/** What is nearest to this is shown where nothing is searched for. */
const ANYTHING = 'a picture';

/**
 * The search that a state stands for.
 *
 * Words go as `q`, in the small syntax of queries; a picture's bytes have to be posted.
 *
 * @param {State} state
 * @returns {Promise<{query?: URLSearchParams, json?: object}>}
 */
export async function askedBy(state) {
  const options = optionsOf(state);
  if (state.picture !== null) {
    const image = { image: await encodedPicture(state.picture) };
    const terms = state.q === '' ? [image] : [image, { text: state.q }];
    return { json: { terms, ...options } };
  }
  const query = new URLSearchParams({ q: wordsOf(state) });
  for (const [name, value] of Object.entries(options)) query.set(name, `${value}`);
  return { query };
}

/** @param {State} state */
function wordsOf(state) {
  if (state.like === null) return state.q || ANYTHING;
  if (state.q === '') return `id:${state.like}`;
  return `id:${state.like} ${/^[+-]\s/.test(state.q) ? '' : '+ '}${state.q}`;
}

/** @param {State} state */
function optionsOf(state) {
  /** @type {Record<string, string | number | boolean>} */
  const options = { limit: PAGE, explain: true };
  if (state.filter !== '') options.filter = state.filter;
  if (isBrowsing(state)) return { ...options, rerank: false };
  if (state.sort !== '') options.sort = state.sort;
  // A picture alone matches no sentence: the service is to write one about it.
  if (state.match > 0) Object.assign(options, { min_match: state.match / 100, rerank: true });
  return options;
}
