import { find } from './dom.js';
import { recall, remember } from './memory.js';

const SIGNED_IN = 'blipsearch-signed-in';

/** Asks for the server's key; the key itself is kept in a cookie that no script can read. */
export class Signing {
  #dialog = find('signing', HTMLDialogElement);
  #key = find('signing-key', HTMLInputElement);
  #error = find('signing-error', HTMLElement);
  #out = find('sign-out', HTMLButtonElement);
  #asking = /** @type {Promise<boolean> | null} */ (null);
  #answer = /** @type {(isIn: boolean) => void} */ (() => {});

  /** @param {import('./api.js').Api} api */
  constructor(api) {
    this.api = api;
    find('signing-close', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    find('signing-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#sign();
    });
    this.#dialog.addEventListener('close', () => this.#answer(false));
    this.#out.addEventListener('click', () => this.#leave());
    this.#out.hidden = recall(SIGNED_IN) === null;
  }

  /** @returns {Promise<boolean>} whether there is a session now; asked once for all who wait */
  ask() {
    this.#asking ??= new Promise((resolve) => {
      this.#answer = (isIn) => {
        this.#asking = null;
        resolve(isIn);
      };
      this.#error.textContent = '';
      this.#know(false);
      this.#dialog.showModal();
    });
    return this.#asking;
  }

  async #sign() {
    this.#error.textContent = '';
    try {
      await this.api.openSession(this.#key.value.trim());
      this.#key.value = '';
      this.#know(true);
      this.#answer(true);
      this.#dialog.close();
    } catch (error) {
      this.#error.textContent = error instanceof Error ? error.message : String(error);
      this.#key.select();
    }
  }

  /** @param {boolean} isIn */
  #know(isIn) {
    remember(SIGNED_IN, isIn ? 'yes' : null);
    this.#out.hidden = !isIn;
  }

  async #leave() {
    await this.api.closeSession().catch(() => {}); // the session ends with the browser's anyway
    this.#know(false);
    location.assign('/');
  }
}
