/** @import {State} from './types.js' */
import { thumbnail } from './api.js';
import { find } from './dom.js';

/** Pictures that the visitor searched by: kept while the page is, for going back to them. */
const kept = /** @type {Map<string, {file: Blob, name: string, url: string}>} */ (new Map());

/**
 * @param {Blob} file
 * @returns {string} what `State.picture` calls it
 */
export function keepPicture(file) {
  const token = crypto.randomUUID?.() ?? `${Date.now()}-${kept.size}`;
  const name = file instanceof File ? file.name : 'picture';
  kept.set(token, { file, name, url: URL.createObjectURL(file) });
  return token;
}

/** @param {string} token */
export const hasPicture = (token) => kept.has(token);

/**
 * @param {string} token
 * @returns {Promise<string>} its bytes in base64
 */
export function encodedPicture(token) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ''));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(kept.get(token)?.file ?? new Blob());
  });
}

/** The chip in the search field that shows which picture is searched by. */
export class PictureChip {
  #chip = find('chip', HTMLElement);
  #picture = find('chip-picture', HTMLImageElement);
  #name = find('chip-name', HTMLElement);

  /** @param {() => void} onRemove */
  constructor(onRemove) {
    find('chip-remove', HTMLButtonElement).addEventListener('click', onRemove);
  }

  /** @param {State} state */
  show(state) {
    const own = state.picture === null ? undefined : kept.get(state.picture);
    this.#chip.hidden = own === undefined && state.like === null;
    if (own !== undefined) {
      this.#picture.src = own.url;
      this.#name.textContent = own.name;
    } else if (state.like !== null) {
      this.#picture.src = thumbnail(state.collection, state.like, 96);
      this.#name.textContent = `Like picture ${state.like}`;
    }
  }
}

/**
 * Takes pictures that are chosen, pasted or dropped anywhere on the page, but for open dialogs.
 *
 * @param {(picture: Blob) => void} onPicture
 */
export function takePictures(onPicture) {
  const input = find('choose-file', HTMLInputElement);
  const drop = find('drop', HTMLElement);
  const isFree = () => document.querySelector('dialog[open]') === null;
  /** @param {DataTransfer | null} data */
  const take = (data) => {
    const file = [...(data?.files ?? [])].find((one) => one.type.startsWith('image/'));
    if (file) onPicture(file);
    return file !== undefined;
  };

  find('choose', HTMLButtonElement).addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const [file] = input.files ?? [];
    if (file) onPicture(file);
    input.value = '';
  });
  addEventListener('paste', (event) => {
    if (isFree() && take(event.clipboardData)) event.preventDefault();
  });
  addEventListener('dragover', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    drop.hidden = !isFree();
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) drop.hidden = true;
  });
  addEventListener('drop', (event) => {
    drop.hidden = true;
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault(); // the browser would leave the page for the file
    if (isFree()) take(event.dataTransfer);
  });
}
