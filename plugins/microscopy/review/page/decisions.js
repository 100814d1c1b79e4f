// The decisions of this tab on their way to the disk, and what other tabs have decided. A decision stays in the
// browser's storage until the server has said that it is saved; its id lets the server take it once, however often sent.

const RETRY = [300, 1000, 2000, 5000]; // ms
const POLL = 1500, POLL_HIDDEN = 15000;

export const random = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), x => x.toString(16).padStart(2, '0')).join('');

export class Decisions extends EventTarget {
  constructor(run) {
    super();
    this.run = run.run;
    this.tab = random();
    this.seq = run.seq;
    this.states = new Map(); // object -> state, null for a drawn box that is gone
    this.revisions = new Map();
    this.pictures = new Map(); // object -> number of its picture
    this.conflicts = new Map(); // object -> what to say
    this.waiting = []; // requests in order
    this.trouble = '';
    this.sending = false;
    this.saved = 0;
    this.undoable = JSON.parse(sessionStorage.getItem(this.#undoKey()) || '[]');
    for (const change of run.changes) this.#take(change);
    this.#adopt();
    this.#pump();
    setTimeout(() => this.#poll(), POLL);
  }

  // a decision on an object; `more`: name, bbox, picture
  decide(object, action, more = {}) {
    this.conflicts.delete(object);
    this.waiting.push({ id: random(), run: this.run, tab: this.tab, object, action, revision: this.revisions.get(object) || 0, ...more });
    this.#keep();
    this.#tell('change', { object });
    this.#pump();
  }

  // the last decision of this tab that is not undone yet
  undo() {
    this.waiting.push({ id: random(), run: this.run, tab: this.tab, object: null, action: 'undo', revision: 0 });
    this.#keep();
    this.#pump();
  }

  pending(object) {
    return this.waiting.some(request => request.object === object);
  }

  async #pump() {
    if (this.sending) return;
    this.sending = true;
    for (let tries = 0; this.waiting.length; ) {
      const request = this.waiting[0];
      if (request.action === 'undo' && request.undoes === undefined) {
        const last = this.undoable.pop();
        if (!last) {
          this.waiting.shift();
          this.#keep();
          this.#tell('note', { text: 'nothing to undo in this tab' });
          continue;
        }
        [request.object, request.undoes] = last;
        this.#keep();
      }
      let answer, status;
      try {
        const got = await fetch('/decide', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(request) });
        status = got.status;
        answer = await got.json().catch(() => ({ error: 'the server refuses this page; open the address that detplug review has printed' }));
      } catch {
        status = 0;
        answer = { error: 'the server does not answer; start detplug review again' };
      }
      if (![200, 409, 413, 422].includes(status)) {
        this.#trouble(answer.error);
        await new Promise(done => setTimeout(done, RETRY[Math.min(tries++, RETRY.length - 1)]));
        continue;
      }
      tries = 0;
      this.#trouble('');
      this.waiting.shift();
      this.#answered(request, status, answer);
      this.#keep();
      this.#tell('change', { object: request.object });
    }
    this.sending = false;
  }

  #answered(request, status, answer) {
    if (status === 200) {
      this.saved = answer.seq;
      this.#take(answer);
      for (const later of this.waiting) if (later.object === request.object) later.revision = answer.seq;
      if (request.action !== 'undo') this.undoable.push([request.object, answer.seq]);
      else this.#tell('undone', { object: request.object });
    } else if (status === 409) {
      this.#take({ picture: request.picture, ...answer.now });
      this.conflicts.set(request.object, `conflict: ${request.action} was not made`);
      this.#tell('note', { text: `${answer.error}: ${request.action} was not made` });
    } else {
      this.#tell('note', { text: `not made: ${answer.error}` });
    }
  }

  #take(change) {
    if (change.seq < (this.revisions.get(change.object) || 0)) return;
    this.states.set(change.object, change.after);
    this.revisions.set(change.object, change.seq);
    if (change.picture !== undefined) this.pictures.set(change.object, change.picture);
  }

  async #poll() {
    try {
      const got = await fetch(`/changes?since=${this.seq}`);
      const answer = await got.json();
      if (answer.run !== this.run) throw new Error('another review is served here now; load this page again');
      this.seq = answer.seq;
      for (const change of answer.changes) {
        this.#take(change);
        this.#tell('change', { object: change.object, foreign: change.tab !== this.tab });
      }
      if (!this.waiting.length) this.#trouble(answer.error);
    } catch (error) {
      this.#trouble(error instanceof TypeError || error instanceof SyntaxError ? 'the server does not answer; start detplug review again' : error.message);
    }
    setTimeout(() => this.#poll(), document.hidden ? POLL_HIDDEN : POLL);
  }

  #trouble(text) {
    if (text !== this.trouble) {
      this.trouble = text;
      this.#tell('change', {});
    }
  }

  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  #undoKey() {
    return `detplug-undo:${this.run}`;
  }

  // what is not saved yet goes to the browser's storage, so that a closed tab loses nothing
  #keep() {
    sessionStorage.setItem(this.#undoKey(), JSON.stringify(this.undoable.slice(-1000)));
    const key = `detplug-waiting:${this.run}:${this.tab}`;
    if (this.waiting.length) localStorage.setItem(key, JSON.stringify(this.waiting));
    else localStorage.removeItem(key);
  }

  // decisions that a tab before this one could not send; if it is still open, the server takes each once
  #adopt() {
    const prefix = `detplug-waiting:${this.run}:`;
    for (const key of Object.keys(localStorage).filter(key => key.startsWith(prefix))) {
      const left = JSON.parse(localStorage.getItem(key)).filter(request => request.action !== 'undo' || request.undoes !== undefined);
      this.waiting.push(...left);
      this.#keep();
      localStorage.removeItem(key);
    }
  }
}
