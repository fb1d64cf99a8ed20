import { find } from './dom.js';

/** After how many milliseconds without a word from the server the page says that it waits. */
const PATIENCE = 4000;

/** The line under the header, what it means in words, and a note where nothing moves. */
export class Progress {
  #line = find('progress', HTMLElement);
  #words = find('judging', HTMLElement);
  #timer = 0;

  /**
   * @param {import('./notice.js').Notice} notice
   * @param {() => void} onStop
   */
  constructor(notice, onStop) {
    this.notice = notice;
    this.onStop = onStop;
  }

  begin() {
    this.#line.dataset.state = 'waiting';
    this.#line.style.setProperty('--done', '0');
    this.#watch();
  }

  /**
   * @param {number} done
   * @param {number} all
   */
  judged(done, all) {
    this.#line.dataset.state = 'judging';
    this.#line.style.setProperty('--done', `${all === 0 ? 1 : done / all}`);
    this.#words.textContent = `Judging ${done} of ${all}`;
    this.notice.hide();
    this.#watch();
  }

  /** @param {number} seconds until a busy server is asked again */
  wait(seconds) {
    const when = seconds < 1 ? 'soon' : `in ${Math.ceil(seconds)} s`;
    clearTimeout(this.#timer);
    this.notice.show('waiting', `The server is busy; it is asked again ${when}.`, this.#stop());
    this.#timer = setTimeout(() => this.#watch(), seconds * 1000);
  }

  end() {
    clearTimeout(this.#timer);
    delete this.#line.dataset.state;
    this.#words.textContent = '';
  }

  #watch() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.notice.show('waiting', 'Still working: this takes longer than usual.', this.#stop());
    }, PATIENCE);
  }

  #stop() {
    return { label: 'Stop', run: this.onStop };
  }
}
