/** @import {State} from './types.js' */

/** @type {State} */
const NOTHING = {
  collection: '',
  q: '',
  filter: '',
  match: 0,
  sort: '',
  like: null,
  picture: null,
  hit: null,
};

/**
 * What the address and the history entry say is to be shown.
 *
 * @param {string} search `location.search`
 * @param {unknown} entry `history.state`
 * @returns {State}
 */
export function readState(search, entry) {
  const given = new URLSearchParams(search);
  return {
    ...NOTHING,
    collection: given.get('in') ?? '',
    q: given.get('q') ?? '',
    filter: given.get('filter') ?? '',
    match: Math.min(99, number(given.get('match')) ?? 0),
    sort: given.get('sort') ?? '',
    like: number(given.get('like')),
    hit: number(given.get('hit')),
    picture: /** @type {{picture?: string} | null} */ (entry)?.picture ?? null,
  };
}

/**
 * The address of a state: what can be shared, so all but a picture of the visitor's.
 *
 * @param {State} state
 */
export function urlOf(state) {
  const query = new URLSearchParams();
  const said = {
    in: state.collection,
    q: state.q,
    filter: state.filter,
    match: state.match || '',
    sort: state.sort,
    like: state.like ?? '',
    hit: state.hit ?? '',
  };
  for (const [name, value] of Object.entries(said)) if (value !== '') query.set(name, `${value}`);
  return query.size === 0 ? '/' : `/?${query}`;
}

/**
 * States with the same key have the same results.
 *
 * @param {State} state
 */
export const searchKey = (state) => JSON.stringify({ ...state, hit: null });

/**
 * Whether nothing is searched for: the collection is leafed through.
 *
 * @param {State} state
 */
export const isBrowsing = (state) =>
  state.q === '' && state.like === null && state.picture === null;

/**
 * The state without what is searched for.
 *
 * @param {State} state
 * @returns {State}
 */
export const emptied = (state) => ({ ...NOTHING, collection: state.collection });

/** @param {string | null} text */
function number(text) {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
