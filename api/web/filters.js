/** @import {Kind} from './filtertext.js' */
/** @import {Change, State} from './types.js' */
import { find, icon, make } from './dom.js';
import { KINDS, narrowed } from './filtertext.js';

/** The filter in its short form, a builder that writes conditions into it, the threshold, the order. */
export class Filters {
  #panel = find('filters', HTMLElement);
  #toggle = find('filters-toggle', HTMLButtonElement);
  #chip = find('filter-chip', HTMLButtonElement);
  #field = find('filter', HTMLInputElement);
  #error = find('filter-error', HTMLElement);
  #builder = find('builder', HTMLFormElement);
  #match = find('match', HTMLInputElement);
  #said = find('match-said', HTMLOutputElement);
  #sort = find('sort', HTMLSelectElement);

  /** @param {(change: Change, options?: {isReplacing: boolean}) => void} go */
  constructor(go) {
    this.go = go;
    this.#toggle.addEventListener('click', () => this.#open(Boolean(this.#panel.hidden)));
    this.#chip.addEventListener('click', () => {
      this.#toggle.focus();
      go({ filter: '' });
    });
    find('filter-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      go({ filter: this.#field.value.trim() });
    });
    this.#match.addEventListener('input', () => this.#say());
    this.#match.addEventListener('change', () => {
      // Each press of an arrow key is a change: they are not steps to go back.
      go({ match: this.#match.valueAsNumber }, { isReplacing: true });
    });
    this.#sort.addEventListener('change', () => go({ sort: this.#sort.value }));
    this.#build();
  }

  /** @param {State} state */
  show({ filter, match, sort }) {
    this.#field.value = filter;
    this.#match.value = `${match}`;
    this.#sort.value = sort;
    this.#say();
    this.#chip.hidden = filter === '';
    this.#chip.replaceChildren(make('span', {}, filter), icon('close'));
    this.#chip.setAttribute('aria-label', `Remove the filter ${filter}`);
  }

  /**
   * @param {string} message empty where nothing is wrong
   * @param {number | null} [position] the character that it is about
   */
  refuse(message, position = null) {
    this.#error.textContent = message;
    if (message === '') {
      this.#field.removeAttribute('aria-invalid');
      return;
    }
    this.#open(true);
    this.#field.setAttribute('aria-invalid', 'true');
    this.#field.focus();
    if (position !== null) this.#field.setSelectionRange(position, position);
  }

  /** @param {boolean} isOpen */
  #open(isOpen) {
    this.#panel.hidden = !isOpen;
    this.#toggle.setAttribute('aria-expanded', String(isOpen));
    if (isOpen) this.#field.focus();
  }

  #say() {
    const least = this.#match.valueAsNumber;
    const said = least === 0 ? 'off' : `${least} %`;
    this.#said.value = said;
    this.#match.setAttribute('aria-valuetext', least === 0 ? 'off' : `${least} % or more`);
    this.#match.style.setProperty('--value', `${least / 99}`);
  }

  #build() {
    const kinds = make('select', { id: 'builder-kind' });
    kinds.append(...KINDS.map(({ label }, number) => make('option', { value: number }, label)));
    const fields = make('span', { class: 'row' });
    const add = make('button', { type: 'submit', class: 'outlined' }, 'Add');
    const kind = () => KINDS[Number(kinds.value)];
    const draw = () => fields.replaceChildren(...kind().fields.map(inputOf));
    this.#builder.append(make('label', {}, 'Add a condition ', kinds), fields, add);
    kinds.addEventListener('change', draw);
    this.#builder.addEventListener('submit', (event) => {
      event.preventDefault();
      const inputs = /** @type {HTMLInputElement[]} */ ([...fields.querySelectorAll('input, select')]);
      const values = inputs.map((input) => input.value);
      if (values.every((value) => value.trim() === '')) {
        inputs[0].focus();
        return;
      }
      this.go({ filter: narrowed(this.#field.value, kind().write(values)) });
      draw();
    });
    draw();
  }
}

/** @param {Kind['fields'][number]} field */
function inputOf({ label, type, choices }) {
  const input =
    choices === undefined
      ? make('input', { type, min: type === 'number' ? 1 : null, autocomplete: 'off' })
      : make('select', {}, ...choices.map((one) => make('option', { value: one }, one.replace('_', ' '))));
  return make('label', {}, `${label} `, input);
}
