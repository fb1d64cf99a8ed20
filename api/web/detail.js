/** @import {Change, Hit, State} from './types.js' */
import { About } from './about.js';
import { fileOf, thumbnail, wasAborted } from './api.js';
import { levelOf } from './card.js';
import { find, isTyping, make } from './dom.js';
import { fileName, percent } from './wording.js';

/** Pixels of a picture's longer side in its detail. */
const LARGE = 1600;
const LOADING = 'Loading…';

/** One picture, large: how it matches and where, what it shows, what is known of its file. */
export class Detail {
  #dialog = find('detail', HTMLDialogElement);
  #picture = find('detail-picture', HTMLImageElement);
  #heat = find('detail-heat', HTMLImageElement);
  #heatToggle = find('detail-heat-toggle', HTMLButtonElement);
  #waiting = find('detail-waiting', HTMLElement);
  #name = find('detail-name', HTMLElement);
  #match = find('detail-match', HTMLElement);
  #file = find('detail-file', HTMLAnchorElement);
  #previous = find('detail-previous', HTMLButtonElement);
  #next = find('detail-next', HTMLButtonElement);
  #leaving = new AbortController();
  #shown = /** @type {{collection: string, id: number} | null} */ (null);

  /**
   * @param {object} parts
   * @param {import('./api.js').Api} parts.api
   * @param {import('./results.js').Results} parts.results
   * @param {(change: Change, options?: {isReplacing: boolean}) => void} parts.go
   * @param {(id: number) => void} parts.onClose told which picture was shown last
   */
  constructor({ api, results, go, onClose }) {
    this.api = api;
    this.results = results;
    this.go = go;
    this.onClose = onClose;
    this.about = new About(api);
    find('detail-close', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    this.#previous.addEventListener('click', () => this.#step(-1));
    this.#next.addEventListener('click', () => this.#step(1));
    this.#heatToggle.addEventListener('click', () => this.#toggleHeat());
    find('detail-similar', HTMLButtonElement).addEventListener('click', () => {
      if (this.#shown) this.go({ q: '', picture: null, like: this.#shown.id, hit: null });
    });
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#dialog.close(); // its backdrop
    });
    this.#dialog.addEventListener('keydown', (event) => this.#keydown(event));
    this.#dialog.addEventListener('close', () => this.#closed());
    this.#picture.addEventListener('load', () => {
      if (this.#waiting.textContent === LOADING) this.#say(''); // not that a heat map is drawn
    });
    this.#picture.addEventListener('error', () => this.#say('This picture cannot be shown.'));
  }

  /** @param {State} state */
  show({ collection, hit }) {
    if (hit === null) {
      this.#dialog.close();
      return;
    }
    if (this.#shown?.id === hit && this.#shown.collection === collection) return;
    this.#leaving.abort();
    this.#leaving = new AbortController();
    this.#shown = { collection, id: hit };
    this.#picture.src = thumbnail(collection, hit, LARGE);
    this.#file.href = fileOf(collection, hit);
    this.#nameIt('');
    this.#showHeat(null);
    this.#say(LOADING);
    if (!this.#dialog.open) this.#dialog.showModal();
    this.about.show(collection, hit, this.#leaving.signal, (path) => this.#nameIt(path));
    this.refresh();
  }

  /** Shows what the results say of the picture; again when they have changed. */
  refresh() {
    const hits = this.results.hits.filter((one) => !one.removed);
    const at = hits.findIndex((one) => one.id === this.#shown?.id);
    this.#previous.disabled = at <= 0;
    this.#next.disabled = at === -1 || at === hits.length - 1;
    this.#heatToggle.hidden = this.results.sentence === '';
    this.#match.replaceChildren(...(at === -1 ? [] : this.#matchOf(hits[at])));
    if (at !== -1) this.#nameIt(hits[at].path);
  }

  /** @param {Hit} hit */
  #matchOf({ match, cosine }) {
    const cosineSaid = make('p', { class: 'cosine' }, `Cosine ${cosine.toFixed(3)}`);
    if (match === null) return [cosineSaid];
    const fill = make('span', { class: 'match-fill' });
    fill.style.transform = `scaleX(${match})`;
    const said = make('p', {}, make('strong', {}, `${percent(match)} match`));
    if (this.results.sentence !== '') said.append(` with “${this.results.sentence}”`);
    const track = make('span', { class: 'match-track' }, fill);
    return [make('div', { class: 'match large', 'data-level': levelOf(match) }, said, track), cosineSaid];
  }

  /** @param {string} path */
  #nameIt(path) {
    this.#name.textContent = path === '' ? 'Picture' : fileName(path);
    this.#picture.alt = this.#name.textContent;
  }

  /** @param {string} text */
  #say(text) {
    this.#waiting.textContent = text;
  }

  /** @param {number} by */
  #step(by) {
    const hits = this.results.hits.filter((one) => !one.removed);
    const at = hits.findIndex((one) => one.id === this.#shown?.id);
    const to = at === -1 ? undefined : hits[at + by];
    if (to !== undefined) this.go({ hit: to.id }, { isReplacing: true });
  }

  async #toggleHeat() {
    if (!this.#heat.hidden || this.#shown === null) {
      this.#showHeat(null);
      return;
    }
    const { collection, id } = this.#shown;
    const { signal } = this.#leaving;
    const text = this.results.sentence;
    this.#heatToggle.setAttribute('aria-pressed', 'true');
    this.#say('Drawing the heat map…');
    this.#heat.parentElement?.scrollIntoView({ block: 'nearest' }); // on a small screen it is above
    try {
      const onBusy = () => this.#say('The server is busy; it is asked again soon.');
      this.#showHeat(await this.api.heatMap(collection, id, text, { signal, onBusy }));
      this.#heat.alt = `Heat map of “${text}”: which part of the picture answered to which word`;
      this.#say('');
    } catch (error) {
      if (wasAborted(error)) return;
      this.#showHeat(null);
      this.#say(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {Blob | null} drawn */
  #showHeat(drawn) {
    URL.revokeObjectURL(this.#heat.src);
    if (drawn) this.#heat.src = URL.createObjectURL(drawn);
    else this.#heat.removeAttribute('src');
    this.#heat.hidden = drawn === null;
    this.#picture.hidden = drawn !== null;
    this.#heatToggle.setAttribute('aria-pressed', String(drawn !== null));
  }

  /** @param {KeyboardEvent} event */
  #keydown(event) {
    if (isTyping(event) || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'ArrowLeft') this.#step(-1);
    if (event.key === 'ArrowRight') this.#step(1);
  }

  #closed() {
    if (this.#dialog.open) return; // another picture was opened before this was told
    this.#leaving.abort();
    this.#picture.removeAttribute('src');
    const id = this.#shown?.id;
    this.#shown = null;
    if (id !== undefined) this.onClose(id);
  }
}
