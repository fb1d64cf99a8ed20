/** @import {Change, Collection, ImageDetail, State} from './types.js' */
import { Adding } from './adding.js';
import { Api, ServiceError, thumbnail } from './api.js';
import { Detail } from './detail.js';
import { find, isTyping, make } from './dom.js';
import { Filters } from './filters.js';
import { Grid } from './grid.js';
import { Empty, Notice } from './notice.js';
import { PictureChip, hasPicture, keepPicture, takePictures } from './pictures.js';
import { Results } from './results.js';
import { examplesFor } from './saying.js';
import { Signing } from './signing.js';
import { emptied, isBrowsing, readState, searchKey, urlOf } from './state.js';
import { count, counted } from './wording.js';

const field = find('q', HTMLInputElement);
const fieldError = find('q-error', HTMLElement);
const picker = find('collection', HTMLSelectElement);
const list = find('grid', HTMLElement);

let collections = /** @type {Collection[]} */ ([]);
let state = readState(location.search, history.state);
let searched = '';
let hasStarted = false;

const api = new Api(() => signing.ask());
const signing = new Signing(api);
const notice = new Notice();
const empty = new Empty();
const filters = new Filters(go);
const chip = new PictureChip(() => go({ picture: null, like: null, hit: null }));
const grid = new Grid(list, {
  addressesOf: (id) => ({
    href: urlOf({ ...state, hit: id }),
    small: thumbnail(state.collection, id, 320),
    large: thumbnail(state.collection, id, 640),
  }),
  onOpen: (id) => go({ hit: id }),
});
const onTurned = () => detail.refresh();
const results = new Results({ api, grid, notice, empty, go, onRefused: refuse, onTurned });
const detail = new Detail({ api, results, go, onClose: leaveDetail });
new Adding({ api, collection: () => state.collection, onOpen: open, onAdded: again });

/**
 * Goes to another state: a step of the browser's history, unless it takes the place of this one.
 *
 * @param {Change} change
 * @param {{isReplacing?: boolean}} [options]
 */
function go(change, { isReplacing = false } = {}) {
  const next = { ...state, ...change };
  const isOpened = isReplacing ? history.state?.isOpened : state.hit === null && next.hit !== null;
  const entry = { picture: next.picture, isOpened };
  if (isReplacing) history.replaceState(entry, '', urlOf(next));
  else history.pushState(entry, '', urlOf(next));
  show(next, { isReturning: false });
}

/**
 * @param {State} next
 * @param {{isReturning: boolean}} options
 */
async function show(next, { isReturning }) {
  // What is typed and not yet searched for stays.
  if (state.q !== next.q) field.value = next.q;
  state = next;
  const isHome = isBrowsing(state) && state.filter === '';
  document.body.dataset.view = isHome ? 'home' : 'results';
  document.title = state.q === '' ? 'blipsearch' : `${state.q} · blipsearch`;
  if (!hasStarted) return; // the rest follows as soon as the collections are known
  picker.value = state.collection;
  chip.show(state);
  filters.show(state);
  welcome();
  detail.show(state);
  if (searched !== searchKey(state)) {
    searched = searchKey(state);
    await results.run(state, { isReturning });
    detail.refresh();
  }
}

function welcome() {
  const collection = collections.find(({ name }) => name === state.collection);
  if (collection === undefined) return;
  const pictures = counted(collection.images, 'picture');
  find('lead', HTMLElement).textContent =
    `Each of the ${pictures} in “${collection.name}” is judged by how well it matches your sentence.`;
  const examples = examplesFor(collection).map((sentence) =>
    make('button', { type: 'button', class: 'chip', click: () => go({ q: sentence }) }, sentence),
  );
  find('examples', HTMLElement).replaceChildren(...examples);
}

/**
 * Says at its field what is wrong with a query or a filter.
 *
 * @param {ServiceError} error
 * @returns {boolean} whether there is a field for it
 */
function refuse(error) {
  const position = error.detail.position;
  const isFilter = error.code === 'invalid_filter';
  const isQuery = error.code === 'invalid_query';
  filters.refuse(isFilter ? error.message : '', typeof position === 'number' ? position : null);
  fieldError.textContent = isQuery ? error.message : '';
  if (isQuery) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
  return isFilter || isQuery;
}

/** @param {number} id of the picture whose detail was closed */
function leaveDetail(id) {
  grid.focus(id);
  if (state.hit === null) return;
  if (history.state?.isOpened) history.back();
  else go({ hit: null }, { isReplacing: true });
}

/** @param {ImageDetail} image */
function open(image) {
  go({ hit: image.id });
}

async function again() {
  results.forget();
  await listCollections();
  searched = '';
  show(state, { isReturning: false });
}

async function listCollections() {
  collections = await api.collections();
  const options = collections.map(({ name, images }) =>
    make('option', { value: name }, `${name} · ${count(images)}`),
  );
  picker.replaceChildren(...options);
  find('add', HTMLButtonElement).disabled = collections.length === 0;
}

async function start() {
  notice.hide();
  try {
    await listCollections();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    notice.show('error', error.message, { label: 'Try again', run: start });
    return;
  }
  const [first] = collections;
  if (first === undefined) {
    const command = make('code', {}, 'blipsearch index FOLDER');
    empty.show('There are no collections yet', make('span', {}, 'Make one with ', command, '.'));
    return;
  }
  hasStarted = true;
  const isElsewhere = document.activeElement !== document.body;
  if (isBrowsing(state) && !isElsewhere && matchMedia('(hover: hover)').matches) field.focus();
  const lost = state.picture !== null && !hasPicture(state.picture);
  const usual = collections.find(({ name }) => name === 'default') ?? first;
  const picture = lost ? null : state.picture;
  await show({ ...state, collection: state.collection || usual.name, picture }, { isReturning: false });
  // Where nothing came, the page says why already.
  if (lost && results.hits.length > 0) {
    notice.show('waiting', 'The picture you searched by is not kept over a reload.');
  }
}

find('search', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  searched = ''; // asking the same again is meant
  go({ q: field.value.trim(), hit: null }, { isReplacing: field.value.trim() === state.q });
});
find('home', HTMLAnchorElement).addEventListener('click', (event) => {
  event.preventDefault();
  field.value = '';
  go(emptied(state));
});
picker.addEventListener('change', () => go({ collection: picker.value, like: null, hit: null }));
takePictures((picture) => go({ picture: keepPicture(picture), like: null, hit: null }));
addEventListener('popstate', () => {
  const next = readState(location.search, history.state);
  const collection = next.collection || state.collection;
  const picture = next.picture !== null && hasPicture(next.picture) ? next.picture : null;
  show({ ...next, collection, picture }, { isReturning: true });
});
addEventListener('keydown', (event) => {
  if (isTyping(event) || document.querySelector('dialog[open]') !== null) return;
  if (event.key === '/') {
    event.preventDefault();
    field.select();
  }
});
field.addEventListener('keydown', (event) => {
  if (event.key !== 'ArrowDown') return;
  event.preventDefault();
  grid.focus(null);
});
history.scrollRestoration = 'manual';
field.value = state.q;
show(state, { isReturning: false });
start();
