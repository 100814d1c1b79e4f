// The field of view: a picture, or a part of a large one, with its boxes; a missed box is drawn by dragging.

const WHOLE = 1600, LEAST = 32, SMALLEST = 3; // px of the picture: shown whole up to; nearest; smallest box

export class Field extends EventTarget {
  // pictures: number -> [number, name, width, height]; boxesOf(number) -> [[object, state], ...]; caption(state) -> text
  constructor(elements, pictures, boxesOf, caption, version) {
    super();
    Object.assign(this, elements, { pictures, boxesOf, caption, version });
    this.numbers = [...pictures.keys()];
    this.selected = null;
    this.stage.addEventListener('pointerdown', event => this.#begin(event));
    this.stage.addEventListener('pointermove', event => this.#drag(event));
    this.stage.addEventListener('pointerup', event => this.#end(event));
    this.stage.addEventListener('pointercancel', () => this.#leave());
    this.stage.addEventListener('wheel', event => this.#wheel(event), { passive: false });
    this.view.addEventListener('error', () => this.#broken());
    this.view.draggable = false;
    addEventListener('resize', () => this.dialog.open && this.#fit());
  }

  get isOpen() {
    return this.dialog.open;
  }

  open(number, object, bbox) {
    this.#picture(number, bbox);
    this.selected = object;
    if (!this.dialog.open) this.dialog.showModal();
    this.#fit();
  }

  step(by) {
    const at = this.numbers.indexOf(this.number) + by;
    if (at < 0 || at >= this.numbers.length) return;
    this.selected = null;
    this.#picture(this.numbers[at]);
    this.#fit();
  }

  // towards a point of the picture, by default the box that is selected, else the middle
  zoom(factor, [x, y] = this.#middle()) {
    const [, , width, height] = this.pictures.get(this.number);
    const most = Math.max(width / this.width, height / this.height), least = LEAST / Math.min(this.width, this.height);
    factor = Math.max(Math.min(factor, most), Math.min(least, 1));
    this.#region(x - (x - this.x) * factor, y - (y - this.y) * factor, this.width * factor, this.height * factor);
    this.#fit();
  }

  pan(right, down) {
    this.#region(this.x + (right * this.width) / 4, this.y + (down * this.height) / 4, this.width, this.height);
    this.#fit();
  }

  select(object) {
    this.selected = object;
    this.refresh();
    this.dispatchEvent(new Event('select'));
  }

  // the next box (or the one before), as Tab goes
  cycle(by) {
    const objects = this.boxesOf(this.number).map(([object]) => object);
    if (objects.length) this.select(objects[(objects.indexOf(this.selected) + by + objects.length) % objects.length]);
  }

  refresh() {
    const found = this.boxesOf(this.number).map(([object, state]) => this.#box(object, state));
    this.boxes.replaceChildren(...found, ...(this.rubber ? [this.rubber] : []));
  }

  #middle() {
    const [, state] = this.boxesOf(this.number).find(([object]) => object === this.selected) || [];
    const [x, y, width, height] = state?.bbox ?? [this.x, this.y, this.width, this.height];
    return [x + width / 2, y + height / 2];
  }

  #picture(number, bbox) {
    this.number = number;
    const [, name, width, height] = this.pictures.get(number);
    this.title.textContent = name.split('/').pop();
    this.title.title = name;
    const shown = [Math.min(width, WHOLE), Math.min(height, WHOLE)];
    const middle = bbox ? [bbox[0] + bbox[2] / 2, bbox[1] + bbox[3] / 2] : [width / 2, height / 2];
    this.#region(middle[0] - shown[0] / 2, middle[1] - shown[1] / 2, ...shown);
  }

  // a region of whole pixels inside of the picture
  #region(x, y, width, height) {
    const [, , most, mostDown] = this.pictures.get(this.number);
    this.width = Math.round(Math.min(Math.max(width, Math.min(LEAST, most)), most));
    this.height = Math.round(Math.min(Math.max(height, Math.min(LEAST, mostDown)), mostDown));
    this.x = Math.round(Math.min(Math.max(x, 0), most - this.width));
    this.y = Math.round(Math.min(Math.max(y, 0), mostDown - this.height));
  }

  #fit() {
    const room = [this.dialog.clientWidth - 34, innerHeight - 190];
    const scale = Math.min(room[0] / this.width, room[1] / this.height);
    this.stage.style.width = `${this.width * scale}px`;
    this.stage.style.height = `${this.height * scale}px`;
    const { number, x, y, width, height } = this;
    const address = `/field-${number}?x=${x}&y=${y}&width=${width}&height=${height}&run=${this.version}`;
    if (!this.view.src.endsWith(address)) this.view.src = address;
    this.refresh();
    this.dispatchEvent(new Event('move'));
  }

  #box(object, state) {
    const box = document.createElement('b'), words = document.createElement('span');
    this.#put(box, state.bbox);
    box.className = state.status;
    box.classList.toggle('selected', object === this.selected);
    box.classList.toggle('top', state.bbox[1] - this.y < 0.03 * this.height);
    box.dataset.object = object;
    words.textContent = this.caption(state);
    box.append(words);
    return box;
  }

  #put(element, [x, y, width, height]) {
    Object.assign(element.style, {
      left: `${(100 * (x - this.x)) / this.width}%`, top: `${(100 * (y - this.y)) / this.height}%`,
      width: `${(100 * width) / this.width}%`, height: `${(100 * height) / this.height}%`,
    });
  }

  #at(event) {
    const area = this.stage.getBoundingClientRect();
    return [this.x + ((event.clientX - area.left) / area.width) * this.width, this.y + ((event.clientY - area.top) / area.height) * this.height];
  }

  #begin(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.start = this.#at(event);
    this.hit = event.target.closest('b')?.dataset.object ?? null;
    this.stage.setPointerCapture(event.pointerId);
  }

  #drag(event) {
    if (!this.start) return;
    if (!this.rubber) {
      this.rubber = document.createElement('i');
      this.boxes.append(this.rubber);
    }
    this.#put(this.rubber, this.#drawn(event));
  }

  #end(event) {
    if (!this.start) return;
    const bbox = this.#drawn(event), hit = this.hit;
    this.#leave();
    if (bbox[2] >= SMALLEST && bbox[3] >= SMALLEST) this.dispatchEvent(new CustomEvent('draw', { detail: bbox }));
    else this.select(hit);
  }

  #leave() {
    this.rubber?.remove();
    this.start = this.rubber = undefined;
  }

  #drawn(event) {
    const [, , most, mostDown] = this.pictures.get(this.number), end = this.#at(event);
    const clip = ([x, y]) => [Math.min(Math.max(x, 0), most), Math.min(Math.max(y, 0), mostDown)];
    const [a, b] = [clip(this.start), clip(end)];
    return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])].map(v => Math.round(v * 10) / 10);
  }

  #wheel(event) {
    event.preventDefault();
    if (!this.start) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.#at(event));
  }

  async #broken() {
    const answer = await fetch(this.view.src).then(got => got.json()).catch(() => ({ error: 'the server does not answer' }));
    this.note.textContent = `no picture: ${answer.error}`;
  }
}
