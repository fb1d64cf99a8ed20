// What the service sends, as the page reads it: /docs describes all of it.

/**
 * @typedef {object} Hit
 * @property {number} id
 * @property {number | null} match a probability; null where nothing was judged
 * @property {number} cosine
 * @property {string} source
 * @property {string} path
 * @property {number | null} width
 * @property {number | null} height
 * @property {boolean} [removed]
 */

/**
 * @typedef {object} Term
 * @property {string | null} [text]
 * @property {boolean} [not]
 */

/**
 * @typedef {object} Answer a page of a ranking
 * @property {Hit[]} hits
 * @property {number} count
 * @property {number} candidates
 * @property {number} reranked
 * @property {number} unverified
 * @property {string | null} next_cursor
 * @property {{judged: Term[]} | null} [explanation]
 */

/** @typedef {{id: number, match: number | null, score: number}} Judged */

/** @typedef {{matches: Judged[], reranked: number, candidates: number}} Judgements */

/**
 * @typedef {{kind: 'ranking' | 'result', data: Answer} | {kind: 'matches', data: Judgements}
 *   | {kind: 'error', data: {error: Failure}}} SearchEvent
 */

/** @typedef {{code: string, message: string, detail?: Record<string, unknown>}} Failure */

/**
 * @typedef {object} Collection
 * @property {string} name
 * @property {number} images
 * @property {string} checkpoint
 */

/**
 * @typedef {object} ImageDetail
 * @property {number} id
 * @property {string} status
 * @property {string} source
 * @property {string} path
 * @property {number} bytes
 * @property {number | null} width
 * @property {number | null} height
 * @property {string | null} format
 * @property {string | null} taken_at
 * @property {string | null} camera
 * @property {string | null} lens
 * @property {number | null} latitude
 * @property {number | null} longitude
 * @property {string[]} tags
 * @property {Record<string, unknown>} metadata
 * @property {Caption[]} captions
 * @property {{question: string, answer: string}[]} answers
 */

/** @typedef {{text: string, match: number | null}} Caption */

/**
 * @typedef {object} State what the page shows; all of it but the picture is in the URL
 * @property {string} collection
 * @property {string} q
 * @property {string} filter
 * @property {number} match percent that a hit must reach; 0 is off
 * @property {string} sort
 * @property {number | null} like an image of the collection to search by
 * @property {string | null} picture a picture of the visitor's, kept by `pictures.js`
 * @property {number | null} hit the image whose detail is open
 */

/** @typedef {Partial<State>} Change */

export {};
