/** @import {Caption, ImageDetail} from './types.js' */
import { wasAborted } from './api.js';
import { find, make } from './dom.js';
import { bytes, count, moment, percent } from './wording.js';

/** What captions begin with by default; before a picture it says nothing. */
const PROMPT = 'a picture of ';

/** What is known of a picture, and what the service can be asked about it. */
export class About {
  #captions = find('detail-captions', HTMLElement);
  #write = find('detail-caption', HTMLButtonElement);
  #captionError = find('detail-caption-error', HTMLElement);
  #question = find('question', HTMLInputElement);
  #answers = find('detail-answers', HTMLElement);
  #askError = find('detail-ask-error', HTMLElement);
  #facts = find('detail-facts', HTMLElement);
  #tags = find('detail-tags', HTMLElement);
  #panel = find('detail-panel', HTMLElement);
  #asked = { collection: '', id: 0, signal: new AbortController().signal };

  /** @param {import('./api.js').Api} api */
  constructor(api) {
    this.api = api;
    this.#write.addEventListener('click', () => this.#caption());
    find('detail-ask', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#ask(this.#question.value.trim());
    });
  }

  /**
   * @param {string} collection
   * @param {number} id
   * @param {AbortSignal} signal aborted when another picture is shown
   * @param {(path: string) => void} onNamed
   */
  async show(collection, id, signal, onNamed) {
    this.#asked = { collection, id, signal };
    this.#panel.scrollTop = 0;
    this.#question.value = '';
    this.#write.hidden = false;
    this.#write.disabled = false;
    for (const part of [this.#captions, this.#answers, this.#facts, this.#tags]) part.replaceChildren();
    for (const error of [this.#captionError, this.#askError]) error.textContent = '';
    try {
      const image = await this.api.image(collection, id, { signal });
      onNamed(image.path);
      for (const caption of image.captions) this.#showCaption(caption);
      for (const { question, answer } of image.answers) this.#showAnswer(question, answer);
      this.#tags.replaceChildren(...image.tags.map((tag) => make('span', { class: 'chip' }, tag)));
      this.#facts.replaceChildren(...factsOf(image).flatMap(described));
    } catch (error) {
      if (!wasAborted(error)) this.#facts.replaceChildren(...described(['Error', spoken(error)]));
    }
  }

  async #caption() {
    const { collection, id, signal } = this.#asked;
    this.#write.disabled = true;
    this.#captionError.textContent = '';
    this.#write.textContent = 'Writing…';
    try {
      this.#showCaption(await this.api.caption(collection, id, { signal }));
    } catch (error) {
      if (!wasAborted(error)) this.#captionError.textContent = spoken(error);
    } finally {
      this.#write.disabled = false;
      this.#write.textContent = 'Write a caption';
    }
  }

  /** @param {Caption} caption */
  #showCaption({ text, match }) {
    const words = text.startsWith(PROMPT) ? text.slice(PROMPT.length) : text;
    const said = make('p', { class: 'caption' }, words);
    if (match !== null) said.append(make('span', { class: 'aside' }, ` ${percent(match)} match`));
    this.#captions.append(said);
    if (this.#write === document.activeElement) this.#question.focus({ preventScroll: true });
    this.#write.hidden = true;
  }

  /** @param {string} question */
  async #ask(question) {
    if (question === '') return;
    const { collection, id, signal } = this.#asked;
    this.#askError.textContent = '';
    const answered = this.#showAnswer(question, 'Looking…');
    try {
      const { answer } = await this.api.answer(collection, id, question, { signal });
      answered.textContent = answer;
      if (this.#question.value.trim() === question) this.#question.value = '';
    } catch (error) {
      answered.parentElement?.remove();
      if (!wasAborted(error)) this.#askError.textContent = spoken(error);
    }
  }

  /**
   * @param {string} question
   * @param {string} answer
   */
  #showAnswer(question, answer) {
    const said = make('dd', {}, answer);
    this.#answers.prepend(make('div', {}, make('dt', {}, question), said));
    return said;
  }
}

/**
 * @param {ImageDetail} image
 * @returns {[string, string][]}
 */
function factsOf(image) {
  /** @type {[string, string | null][]} */
  const facts = [
    ['Size', image.width === null ? null : `${count(image.width)} × ${count(image.height ?? 0)}`],
    ['File', [image.format, bytes(image.bytes)].filter(Boolean).join(', ')],
    ['Taken', image.taken_at && moment(image.taken_at)],
    ['Camera', image.camera],
    ['Lens', image.lens],
    ['Place', image.latitude === null ? null : `${image.latitude}, ${image.longitude}`],
    ['Path', image.path],
    ['Source', image.source],
    ['Number', `${image.id}`],
    ...Object.entries(image.metadata).map(([key, value]) => written(key, value)),
  ];
  return facts.filter((fact) => Boolean(fact[1])).map(([name, value]) => [name, value ?? '']);
}

/**
 * @param {string} key
 * @param {unknown} value
 * @returns {[string, string]}
 */
const written = (key, value) => [key, typeof value === 'string' ? value : JSON.stringify(value)];

/** @param {[string, string]} fact */
const described = ([name, value]) => [make('dt', {}, name), make('dd', {}, value)];

/** @param {unknown} error */
const spoken = (error) => (error instanceof Error ? error.message : String(error));
