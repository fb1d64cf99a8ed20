/** @import {Hit} from './types.js' */
import { make } from './dom.js';
import { fileName, percent } from './wording.js';

/** Pictures wider or higher than this are cut in the grid, and whole in their detail. */
const NARROWEST = 0.5;
const WIDEST = 2.8;

/**
 * How good a match is, for its colour.
 *
 * @param {number} match
 */
export const levelOf = (match) => (match >= 0.8 ? 'strong' : match >= 0.5 ? 'fair' : 'weak');

/** One picture of the grid, a link to its detail. */
export class Card {
  /**
   * @param {Hit} hit
   * @param {{href: string, small: string, large: string}} addresses
   */
  constructor(hit, { href, small, large }) {
    this.hit = hit;
    this.isBroken = false;
    this.element = make('li', { class: 'card' });
    const ratio = (hit.width ?? 1) / (hit.height ?? 1);
    const shown = Math.min(WIDEST, Math.max(NARROWEST, ratio));
    this.element.style.setProperty('--ratio', shown.toFixed(4));
    this.link = make('a', { class: 'card-link', href, tabindex: -1, 'data-id': hit.id });
    this.match = make('span', { class: 'match' });
    if (hit.removed) {
      const said = make('span', { class: 'card-picture removed' }, 'Removed');
      this.element.append(said);
      return;
    }
    const frame = make('span', { class: 'card-picture' });
    const picture = make('img', {
      alt: fileName(hit.path),
      loading: 'lazy',
      decoding: 'async',
      width: Math.round(shown * 240),
      height: 240,
      srcset: `${small} 1x, ${large} 2x`,
      src: small,
      load: () => frame.classList.add('loaded'),
      error: () => {
        this.isBroken = true;
        frame.replaceChildren(make('span', { class: 'broken' }, fileName(hit.path)));
      },
    });
    frame.append(picture);
    this.link.append(frame, this.match);
    this.element.append(this.link);
  }

  get canBeOpened() {
    return !this.hit.removed;
  }

  /**
   * Shows how well the picture matches.
   *
   * @param {number | null} match
   * @param {'judging' | 'judged' | 'by likeness'} how null is still to come, could not be had, or
   *   was not asked for
   */
  tell(match, how) {
    this.hit = { ...this.hit, match };
    this.link.title = `${this.hit.path}\ncosine ${this.hit.cosine.toFixed(3)}`;
    if (match === null && how === 'by likeness') {
      this.match.replaceChildren();
      return;
    }
    if (this.match.childElementCount === 0) this.match.append(...bar());
    const [track, text] = /** @type {HTMLElement[]} */ ([...this.match.children]);
    const fill = /** @type {HTMLElement} */ (track.firstElementChild);
    const pending = how === 'judging' ? 'pending' : 'none';
    this.match.dataset.level = match === null ? pending : levelOf(match);
    fill.style.transform = `scaleX(${match ?? 0})`;
    if (match !== null) text.replaceChildren(percent(match), unseen(' match'));
    else text.replaceChildren(how === 'judging' ? unseen('not judged yet') : 'not judged');
  }
}

function bar() {
  return [
    make('span', { class: 'match-track' }, make('span', { class: 'match-fill' })),
    make('span', { class: 'match-text' }),
  ];
}

/** @param {string} text */
const unseen = (text) => make('span', { class: 'unseen' }, text);
