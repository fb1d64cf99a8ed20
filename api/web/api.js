/** @import {Answer, Caption, Collection, Failure, ImageDetail, SearchEvent} from './types.js' */
import { readEvents } from './events.js';

const TRIES = 6;

/** An error of the service, or none of its answers at all (`unreachable`). */
export class ServiceError extends Error {
  /**
   * @param {Failure} failure
   * @param {number} [status]
   * @param {number | null} [retryAfter] in how many seconds the service wants to be asked again
   */
  constructor(failure, status = 0, retryAfter = null) {
    super(failure.message);
    this.code = failure.code;
    this.detail = failure.detail ?? {};
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * @typedef {object} Sending
 * @property {string} [method]
 * @property {object} [json]
 * @property {FormData} [form]
 * @property {string} [accept]
 * @property {AbortSignal} [signal]
 * @property {(seconds: number) => void} [onBusy] told when a busy service is asked again, and when
 * @property {(share: number) => void} [onSent] told how much of a form has been sent
 */

/** @param {unknown} error */
export const wasAborted = (error) => error instanceof DOMException && error.name === 'AbortError';

export class Api {
  /** @param {() => Promise<boolean>} signIn asks for a key; whether the service took it */
  constructor(signIn) {
    this.signIn = signIn;
  }

  /** @returns {Promise<Collection[]>} */
  async collections() {
    return (await this.#json('/v1/collections')).collections;
  }

  /**
   * Searches; the answer is the last event, those before it go to `onEvent`.
   *
   * @param {string} collection
   * @param {{query?: URLSearchParams, json?: object}} asked one of the two
   * @param {Sending & {onEvent: (event: SearchEvent) => void}} options
   * @returns {Promise<Answer>}
   */
  async search(collection, { query, json }, { onEvent, signal, onBusy }) {
    const path = `${pathOf(collection)}/search${query ? `?${query}` : ''}`;
    const accept = 'text/event-stream, application/json;q=0.9';
    const response = await this.#send(path, { json, accept, signal, onBusy });
    if (!response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
      return whole(response.json());
    }
    try {
      for await (const event of readEvents(/** @type {ReadableStream} */ (response.body))) {
        if (event.kind === 'result') return event.data;
        if (event.kind === 'error') throw new ServiceError(event.data.error, response.status);
        onEvent(/** @type {SearchEvent} */ (event));
      }
    } catch (error) {
      throw error instanceof ServiceError || wasAborted(error) ? error : unreachable();
    }
    throw unreachable();
  }

  /**
   * @param {string} collection
   * @param {string} cursor
   * @param {Sending & {limit: number}} options
   * @returns {Promise<Answer>}
   */
  more(collection, cursor, { limit, ...sending }) {
    return this.#json(`${pathOf(collection)}/search`, { ...sending, json: { cursor, limit } });
  }

  /**
   * @param {string} collection
   * @param {number} id
   * @param {Sending} sending
   * @returns {Promise<ImageDetail>}
   */
  image(collection, id, sending) {
    return this.#json(imagePath(collection, id), sending);
  }

  /**
   * @param {string} collection
   * @param {number} id
   * @param {Sending} sending
   * @returns {Promise<Caption>}
   */
  caption(collection, id, sending) {
    return this.#json(`${imagePath(collection, id)}/caption`, { ...sending, json: {} });
  }

  /**
   * @param {string} collection
   * @param {number} id
   * @param {string} question
   * @param {Sending} sending
   * @returns {Promise<{question: string, answer: string}>}
   */
  answer(collection, id, question, sending) {
    return this.#json(`${imagePath(collection, id)}/answer`, { ...sending, json: { question } });
  }

  /**
   * @param {string} collection
   * @param {number} id
   * @param {string} text
   * @param {Sending} sending
   * @returns {Promise<Blob>} a picture
   */
  async heatMap(collection, id, text, sending) {
    const query = new URLSearchParams({ text });
    const path = `${imagePath(collection, id)}/heatmap?${query}`;
    return whole((await this.#send(path, sending)).blob());
  }

  /**
   * Adds a picture to the collection.
   *
   * @param {string} collection
   * @param {File} file
   * @param {string[]} tags
   * @param {Sending} sending
   * @returns {Promise<{image: ImageDetail, isNew: boolean}>}
   */
  async upload(collection, file, tags, sending) {
    const form = new FormData();
    form.append('file', file, file.name);
    for (const tag of tags) form.append('tags', tag);
    const response = await this.#send(`${pathOf(collection)}/images`, { ...sending, form });
    return { image: await response.json(), isNew: response.status === 201 };
  }

  /** @param {string} key */
  async openSession(key) {
    await answered(await sent('/v1/session', { json: { key } }));
  }

  async closeSession() {
    await answered(await sent('/v1/session', { method: 'DELETE' }));
  }

  /**
   * @param {string} path
   * @param {Sending} [sending]
   * @returns {Promise<any>}
   */
  async #json(path, sending) {
    return whole((await this.#send(path, sending)).json());
  }

  /**
   * Sends a request; asks for a key where one is missing, and again where the service is busy.
   *
   * @param {string} path
   * @param {Sending} [sending]
   * @returns {Promise<Response>}
   */
  async #send(path, sending = {}) {
    for (let tried = 1; ; tried++) {
      try {
        return await answered(await sent(path, sending));
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        if (error.status === 401 && (await this.signIn())) continue;
        if (error.retryAfter === null || tried === TRIES) throw error;
        sending.onBusy?.(error.retryAfter);
        await pause(error.retryAfter, sending.signal);
      }
    }
  }
}

/**
 * @param {string} collection
 * @param {number} id
 * @param {number} size pixels of the longer side at most
 */
export const thumbnail = (collection, id, size) =>
  `${imagePath(collection, id)}/thumbnail?size=${size}`;

/**
 * @param {string} collection
 * @param {number} id
 */
export const fileOf = (collection, id) => `${imagePath(collection, id)}/file`;

/** @param {string} collection */
const pathOf = (collection) => `/v1/collections/${encodeURIComponent(collection)}`;

/**
 * @param {string} collection
 * @param {number} id
 */
const imagePath = (collection, id) => `${pathOf(collection)}/images/${id}`;

const unreachable = () =>
  new ServiceError({ code: 'unreachable', message: 'The server does not answer.' });

/**
 * The body of an answer; an error where the line broke in the middle of it.
 *
 * @template T
 * @param {Promise<T>} body
 * @returns {Promise<T>}
 */
const whole = (body) =>
  body.catch((error) => {
    throw wasAborted(error) ? error : unreachable();
  });

/**
 * @param {string} path
 * @param {Sending} sending
 * @returns {Promise<Response>}
 */
async function sent(path, sending) {
  const { method, json, form, accept = 'application/json', signal } = sending;
  const headers = new Headers({ Accept: accept });
  if (json) headers.set('Content-Type', 'application/json');
  try {
    if (form && sending.onSent) return await sentWithProgress(path, form, sending);
    return await fetch(path, {
      method: method ?? (json || form ? 'POST' : 'GET'),
      headers,
      body: json ? JSON.stringify(json) : form,
      cache: 'no-store',
      signal,
    });
  } catch (error) {
    throw wasAborted(error) ? error : unreachable();
  }
}

/**
 * Posts a form with XMLHttpRequest: fetch does not say how much has been sent.
 *
 * @param {string} path
 * @param {FormData} form
 * @param {Sending} sending
 * @returns {Promise<Response>}
 */
function sentWithProgress(path, form, { signal, onSent }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', path);
    request.upload.onprogress = (event) => onSent?.(event.loaded / event.total);
    request.onload = () => {
      const headers = new Headers();
      const retryAfter = request.getResponseHeader('Retry-After');
      if (retryAfter !== null) headers.set('Retry-After', retryAfter);
      resolve(new Response(request.responseText, { status: request.status, headers }));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException('left', 'AbortError'));
    signal?.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}

/**
 * @param {Response} response
 * @returns {Promise<Response>}
 */
async function answered(response) {
  if (response.ok) return response;
  const body = await response.json().catch((error) => {
    if (wasAborted(error)) throw error;
    return null;
  });
  const failure = body?.error ?? {
    code: 'unreachable',
    message: `The server answers with an error (${response.status}).`,
  };
  const seconds = Number(response.headers.get('Retry-After') ?? NaN);
  throw new ServiceError(failure, response.status, Number.isNaN(seconds) ? null : seconds);
}

/**
 * @param {number} seconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
