/** @import {Hit, Judged} from './types.js' */
import { Card } from './card.js';
import { make } from './dom.js';
import { arrange } from './settle.js';

const SKELETONS = [1.5, 0.75, 1, 1.33, 1.78, 0.67, 1.5, 1, 1.33, 0.8, 1.6, 1.2];

/** The justified grid of hits. Tab enters it at one picture, arrow keys go from there. */
export class Grid {
  #cards = /** @type {Map<number, Card>} */ (new Map());

  /**
   * @param {HTMLElement} list
   * @param {object} options
   * @param {(id: number) => {href: string, small: string, large: string}} options.addressesOf
   * @param {(id: number) => void} options.onOpen
   */
  constructor(list, { addressesOf, onOpen }) {
    this.list = list;
    this.addressesOf = addressesOf;
    this.onOpen = onOpen;
    list.addEventListener('click', (event) => this.#click(event));
    list.addEventListener('keydown', (event) => this.#keydown(event));
    list.addEventListener('focusin', (event) => this.#rove(event.target));
  }

  get isEmpty() {
    return this.#cards.size === 0;
  }

  /**
   * Shows these hits and no others; those that are there already glide to their places.
   *
   * @param {Hit[]} hits
   * @param {{how: 'judging' | 'judged' | 'by likeness', isGliding?: boolean}} options
   */
  show(hits, { how, isGliding = false }) {
    const before = this.#cards;
    this.#cards = new Map();
    const cards = hits.map((hit) => this.#put(hit, before.get(hit.id), how));
    arrange(this.list, elementsOf(cards), { isGliding });
    this.#letIn();
  }

  /**
   * @param {Hit[]} hits the next page
   * @param {'judged' | 'by likeness'} how
   */
  append(hits, how) {
    this.list.append(...elementsOf(hits.map((hit) => this.#put(hit, undefined, how))));
    this.#letIn();
  }

  /** @param {Judged[]} judged */
  judge(judged) {
    for (const { id, match } of judged) this.#cards.get(id)?.tell(match, 'judged');
  }

  /** Shows where pictures will be. */
  showSkeletons() {
    this.#cards = new Map();
    const items = SKELETONS.map((ratio) => {
      const item = make('li', { class: 'card skeleton', 'aria-hidden': 'true' });
      item.style.setProperty('--ratio', `${ratio}`);
      item.append(make('span', { class: 'card-picture' }), make('span', { class: 'match' }));
      return item;
    });
    arrange(this.list, items, { isGliding: false });
  }

  clear() {
    this.#cards = new Map();
    this.list.replaceChildren();
  }

  /** @param {boolean} isStale whether what is shown answers an earlier search */
  setStale(isStale) {
    this.list.classList.toggle('stale', isStale);
    this.list.setAttribute('aria-busy', String(isStale));
  }

  /** @param {number | null} id; null is the first picture */
  focus(id) {
    const card = id === null ? this.#openable()[0] : this.#cards.get(id);
    card?.link.focus();
    card?.element.scrollIntoView({ block: 'nearest' });
  }

  /**
   * @param {Hit} hit
   * @param {Card | undefined} card
   * @param {'judging' | 'judged' | 'by likeness'} how
   */
  #put(hit, card, how) {
    if (card === undefined || card.isBroken || card.canBeOpened === Boolean(hit.removed)) {
      card = new Card(hit, this.addressesOf(hit.id));
    }
    card.hit = hit;
    card.link.href = this.addressesOf(hit.id).href;
    card.tell(hit.match, how);
    this.#cards.set(hit.id, card);
    return card;
  }

  /** Lets Tab into the grid, at its first picture if it was at none before. */
  #letIn() {
    const isReached = this.list.querySelector('[tabindex="0"]') !== null;
    if (!isReached) this.#openable()[0]?.link.setAttribute('tabindex', '0');
  }

  #openable() {
    return [...this.#cards.values()].filter((card) => card.canBeOpened);
  }

  /** @param {EventTarget | null} target */
  #rove(target) {
    if (!(target instanceof HTMLAnchorElement)) return;
    this.list.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1');
    target.setAttribute('tabindex', '0');
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const wantsTab = event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (link === null || wantsTab) return;
    event.preventDefault();
    this.onOpen(Number(link.dataset.id));
  }

  /** @param {KeyboardEvent} event */
  #keydown(event) {
    const cards = this.#openable();
    const at = cards.findIndex((card) => card.link === event.target);
    if (at === -1 || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = destination(event.key, at, cards);
    if (to === undefined) return;
    event.preventDefault();
    to.link.focus();
  }
}

/** @param {Card[]} cards */
const elementsOf = (cards) => cards.map((card) => card.element);

/**
 * @param {string} key
 * @param {number} at
 * @param {Card[]} cards
 * @returns {Card | undefined}
 */
function destination(key, at, cards) {
  switch (key) {
    case 'ArrowLeft':
      return cards[at - 1];
    case 'ArrowRight':
      return cards[at + 1];
    case 'Home':
      return cards[0];
    case 'End':
      return cards.at(-1);
    case 'ArrowUp':
      return nearest(cards[at], cards.slice(0, at).reverse());
    case 'ArrowDown':
      return nearest(cards[at], cards.slice(at + 1));
    default:
      return undefined;
  }
}

/**
 * The card of the next row that is most nearly above or below.
 *
 * @param {Card} from
 * @param {Card[]} others beginning with the nearest
 */
function nearest(from, others) {
  const { element } = from;
  const row = others.find((card) => card.element.offsetTop !== element.offsetTop)?.element.offsetTop;
  const middle = element.offsetLeft + element.offsetWidth / 2;
  /** @param {Card} card */
  const aside = ({ element: one }) => Math.abs(one.offsetLeft + one.offsetWidth / 2 - middle);
  const inRow = others.filter((card) => card.element.offsetTop === row);
  return inRow.sort((a, b) => aside(a) - aside(b))[0];
}
