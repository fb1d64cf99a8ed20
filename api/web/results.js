/** @import {Answer, Change, Hit, Judged, SearchEvent, State} from './types.js' */
import { ServiceError, wasAborted } from './api.js';
import { PAGE, askedBy } from './asking.js';
import { find } from './dom.js';
import { Progress } from './progress.js';
import { emptied, isBrowsing, searchKey } from './state.js';
import { explainEmpty, summaryOf } from './saying.js';

/** How many searches are kept for going back to them. */
const KEPT = 12;

/**
 * @typedef {object} Found what there is of a ranking so far
 * @property {Answer} answer its last page, and what holds for all of them
 * @property {Hit[]} hits of all its pages
 * @property {number} took milliseconds
 * @property {number} scroll where the page was left
 * @property {number | null} best the best match that was judged
 */

/** @param {Answer} answer */
const begun = (answer) => ({ answer, hits: answer.hits, took: 0, scroll: 0, best: null });

/** The results of the state's search: starts it, shows its events, and turns its pages. */
export class Results {
  #found = /** @type {Found | null} */ (null);
  #kept = /** @type {Map<string, Found>} */ (new Map());
  #state = /** @type {State | null} */ (null);
  #leaving = new AbortController();
  #more = find('more', HTMLButtonElement);
  #summary = find('summary', HTMLElement);
  #isTurning = false;

  /**
   * @param {object} parts
   * @param {import('./api.js').Api} parts.api
   * @param {import('./grid.js').Grid} parts.grid
   * @param {import('./notice.js').Notice} parts.notice
   * @param {import('./notice.js').Empty} parts.empty
   * @param {(change: Change) => void} parts.go
   * @param {(error: ServiceError) => boolean} parts.onRefused shows what was wrong with the query
   *   where it was typed, if that can be said
   * @param {() => void} parts.onTurned told when another page is there
   */
  constructor({ api, grid, notice, empty, go, onRefused, onTurned }) {
    this.api = api;
    this.grid = grid;
    this.notice = notice;
    this.empty = empty;
    this.go = go;
    this.onRefused = onRefused;
    this.onTurned = onTurned;
    this.progress = new Progress(notice, () => this.stop());
    this.#more.addEventListener('click', () => this.turn());
    const ahead = new IntersectionObserver((seen) => seen.at(-1)?.isIntersecting && this.turn(), {
      rootMargin: '600px',
    });
    ahead.observe(this.#more);
  }

  /** @returns {Hit[]} */
  get hits() {
    return this.#found?.hits ?? [];
  }

  /** The sentence that the hits were judged by, for heat maps; empty where there was none. */
  get sentence() {
    const judged = this.#found?.answer.explanation?.judged ?? [];
    return judged.find((term) => !term.not)?.text ?? '';
  }

  /**
   * @param {State} state
   * @param {{isReturning: boolean}} options whether an answer from before will do
   */
  async run(state, { isReturning }) {
    this.#leave();
    this.#state = state;
    this.onRefused(new ServiceError({ code: '', message: '' })); // nothing is wrong with this one
    const leaving = (this.#leaving = new AbortController());
    const kept = isReturning ? this.#kept.get(searchKey(state)) : undefined;
    if (kept !== undefined) {
      this.#finish(kept);
      scrollTo({ top: kept.scroll });
      return;
    }
    this.#begin();
    const began = performance.now();
    try {
      const answer = await this.api.search(state.collection, await askedBy(state), {
        signal: leaving.signal,
        onEvent: (event) => this.#take(event),
        onBusy: (seconds) => this.progress.wait(seconds),
      });
      const took = performance.now() - began;
      const best = this.#found?.best ?? null;
      if (this.#found === null) scrollTo({ top: 0 }); // no ranking came before it
      this.#finish({ ...begun(answer), took, best }, { isGliding: true });
      this.#keep();
    } catch (error) {
      if (this.#leaving === leaving) this.#fail(error);
    }
  }

  /** Shows the next page, if there is one. */
  async turn() {
    const found = this.#found;
    const cursor = found?.answer.next_cursor;
    if (found === null || !cursor || this.#state === null || this.#isTurning) return;
    this.#isTurning = true;
    this.#more.textContent = 'Loading…';
    const { signal } = this.#leaving;
    try {
      const options = { limit: PAGE, signal };
      const answer = await this.api.more(this.#state.collection, cursor, options);
      found.hits = [...found.hits, ...answer.hits];
      found.answer = { ...found.answer, next_cursor: answer.next_cursor };
      this.grid.append(answer.hits, this.#how());
      this.#more.hidden = answer.next_cursor === null;
      this.#keep();
      this.onTurned();
    } catch (error) {
      if (!signal.aborted) this.#failToTurn(error);
    } finally {
      this.#isTurning = false;
      this.#more.textContent = 'Load more';
    }
  }

  /** Ends the search that runs; what is there of it stays. */
  stop() {
    this.#leaving.abort();
  }

  /** Forgets answers that may have changed since. */
  forget() {
    this.#kept.clear();
  }

  #leave() {
    this.#leaving.abort();
    if (this.#found !== null) this.#found.scroll = scrollY;
    this.#found = null;
  }

  #begin() {
    this.notice.hide();
    this.empty.hide();
    this.#more.hidden = true;
    this.#summary.textContent = '';
    if (this.grid.isEmpty) this.grid.showSkeletons();
    this.grid.setStale(true);
    this.progress.begin();
  }

  /** @param {SearchEvent} event */
  #take(event) {
    if (event.kind === 'ranking') {
      scrollTo({ top: 0 });
      this.#found = begun(event.data);
      this.grid.setStale(false);
      this.grid.show(event.data.hits, { how: 'judging' });
      this.progress.judged(0, event.data.candidates);
    } else if (event.kind === 'matches') {
      const { matches, reranked, candidates } = event.data;
      this.#note(matches);
      this.grid.judge(matches);
      this.progress.judged(reranked, candidates);
    }
  }

  /** @param {Judged[]} judged */
  #note(judged) {
    if (this.#found === null) return;
    const matches = new Map(judged.map(({ id, match }) => [id, match]));
    for (const { match } of judged) this.#found.best = Math.max(this.#found.best ?? 0, match ?? 0);
    this.#found.hits = this.#found.hits.map((hit) => ({
      ...hit,
      match: matches.get(hit.id) ?? hit.match,
    }));
  }

  /**
   * @param {Found} found
   * @param {{isGliding?: boolean}} [options]
   */
  #finish(found, { isGliding = false } = {}) {
    const state = /** @type {State} */ (this.#state);
    this.#found = found;
    this.progress.end();
    this.notice.hide();
    this.empty.hide();
    this.grid.setStale(false);
    this.grid.show(found.hits, { how: this.#how(), isGliding });
    this.#more.hidden = found.answer.next_cursor === null;
    this.#summary.textContent = summaryOf(state, found.answer, found.took);
    if (found.hits.length > 0) return;
    const change = (/** @type {Change} */ wanted) => this.go(wanted);
    explainEmpty(this.empty, { state, answer: found.answer, best: found.best, change });
  }

  /** @param {unknown} error */
  #fail(error) {
    this.progress.end();
    this.grid.setStale(false);
    if (this.grid.isEmpty) this.grid.clear();
    if (this.#found !== null) this.grid.show(this.#found.hits, { how: 'judged' });
    const again = { label: 'Try again', run: () => this.#again() };
    if (wasAborted(error)) this.notice.show('waiting', 'The search was stopped.', again);
    else if (!(error instanceof ServiceError)) throw error;
    else if (!this.onRefused(error)) this.notice.show('error', spoken(error), again);
  }

  /** @param {unknown} error */
  #failToTurn(error) {
    if (!(error instanceof ServiceError)) throw error;
    // Until it is asked for: scrolling would ask again and again.
    this.#more.hidden = true;
    const turn = () => {
      this.notice.hide();
      this.#more.hidden = false;
      this.turn();
    };
    if (['cursor_expired', 'invalid_cursor'].includes(error.code)) {
      const again = { label: 'Search again', run: () => this.#again() };
      this.notice.show('waiting', 'These results were not kept any longer.', again);
    } else this.notice.show('error', spoken(error), { label: 'Try again', run: turn });
  }

  #again() {
    const state = /** @type {State} */ (this.#state);
    this.run(state, { isReturning: false });
  }

  #how() {
    const answer = this.#found?.answer;
    const isJudged = answer !== undefined && answer.reranked + answer.unverified > 0;
    return isJudged ? 'judged' : 'by likeness';
  }

  #keep() {
    if (this.#state === null || this.#found === null) return;
    const key = searchKey(this.#state);
    this.#kept.delete(key);
    this.#kept.set(key, this.#found);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT) this.#kept.delete(oldest);
  }
}

/** @param {ServiceError} error */
function spoken(error) {
  if (error.code !== 'unreachable') return error.message;
  return `${error.message} What is on the page stays, but may be out of date.`;
}
