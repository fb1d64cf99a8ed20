/** @import {ImageDetail} from './types.js' */
import { find, make } from './dom.js';

/** The dialog that adds pictures to the collection, one after the other. */
export class Adding {
  #dialog = find('adding', HTMLDialogElement);
  #files = find('adding-files', HTMLInputElement);
  #tags = find('adding-tags', HTMLInputElement);
  #list = find('adding-list', HTMLElement);
  #queue = Promise.resolve();
  #underWay = 0;
  #hasAdded = false;

  /**
   * @param {object} parts
   * @param {import('./api.js').Api} parts.api
   * @param {() => string} parts.collection that the pictures go to
   * @param {(image: ImageDetail) => void} parts.onOpen
   * @param {() => void} parts.onAdded told once the dialog is closed, if anything was added, and
   *   again when the last of what was still under way is there
   */
  constructor({ api, collection, onOpen, onAdded }) {
    this.api = api;
    this.collection = collection;
    this.onOpen = onOpen;
    this.onAdded = onAdded;
    find('add', HTMLButtonElement).addEventListener('click', () => this.#open());
    find('adding-close', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    find('adding-form', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());
    this.#files.addEventListener('change', () => {
      this.#add([...(this.#files.files ?? [])]);
      this.#files.value = '';
    });
    this.#dialog.addEventListener('drop', (event) => {
      event.preventDefault();
      this.#add([...(event.dataTransfer?.files ?? [])]);
    });
    this.#dialog.addEventListener('close', () => this.#tell());
  }

  #tell() {
    if (!this.#hasAdded || this.#dialog.open) return;
    this.#hasAdded = false;
    this.onAdded();
  }

  #open() {
    this.#list.replaceChildren();
    this.#dialog.showModal();
  }

  /** @param {File[]} files */
  #add(files) {
    const collection = this.collection();
    const tags = this.#tags.value.split(',').map((tag) => tag.trim());
    for (const file of files) {
      const said = make('span', { class: 'aside' }, 'Waiting');
      const bar = make('span', { class: 'match-fill' });
      const item = make('li', {}, make('span', { class: 'name' }, file.name), said);
      item.append(make('span', { class: 'match-track' }, bar));
      this.#list.append(item);
      const sending = { collection, file, tags: tags.filter(Boolean) };
      this.#underWay += 1;
      this.#queue = this.#queue.then(() => this.#send(sending, { item, said, bar }));
    }
  }

  /**
   * @param {{collection: string, file: File, tags: string[]}} asked
   * @param {{item: HTMLElement, said: HTMLElement, bar: HTMLElement}} shown
   */
  async #send({ collection, file, tags }, { item, said, bar }) {
    const onSent = (/** @type {number} */ share) => {
      bar.style.transform = `scaleX(${share})`;
      said.textContent = share < 1 ? 'Sending' : 'Looking at it';
    };
    const onBusy = () => (said.textContent = 'The server is busy; it is asked again soon');
    try {
      const sending = { onSent, onBusy };
      const { image, isNew } = await this.api.upload(collection, file, tags, sending);
      this.#hasAdded ||= isNew;
      item.dataset.state = 'done';
      const open = () => {
        this.#dialog.close();
        this.onOpen(image);
      };
      const look = make('button', { type: 'button', class: 'plain', click: open }, 'Show');
      said.replaceChildren(isNew ? 'Added ' : 'Was here already ', look);
    } catch (error) {
      item.dataset.state = 'failed';
      said.textContent = error instanceof Error ? error.message : String(error);
    }
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#tell();
  }
}
