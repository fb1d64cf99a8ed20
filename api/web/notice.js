import { find, make } from './dom.js';

/** @typedef {{label: string, run: () => void}} Action */

/** The one line above the pictures for what went wrong or takes its time. */
export class Notice {
  #box = find('notice', HTMLElement);

  /**
   * @param {'error' | 'waiting'} tone
   * @param {string} text
   * @param {Action} [action]
   */
  show(tone, text, action) {
    this.#box.dataset.tone = tone;
    this.#box.setAttribute('role', tone === 'error' ? 'alert' : 'status');
    this.#box.hidden = false;
    this.#box.replaceChildren(make('p', {}, text), action ? button(action) : '');
  }

  hide() {
    this.#box.hidden = true;
    this.#box.replaceChildren();
  }
}

/** What stands where pictures would be when there are none, with ways to get some. */
export class Empty {
  #box = find('empty', HTMLElement);

  /**
   * @param {string} heading
   * @param {string | Node} text
   * @param {...Action} actions
   */
  show(heading, text, ...actions) {
    this.#box.hidden = false;
    this.#box.replaceChildren(
      make('h2', {}, heading),
      make('p', {}, text),
      make('div', { class: 'actions' }, ...actions.map(button)),
    );
  }

  hide() {
    this.#box.hidden = true;
    this.#box.replaceChildren();
  }
}

/** @param {Action} action */
const button = ({ label, run }) =>
  make('button', { type: 'button', class: 'outlined', click: run }, label);
