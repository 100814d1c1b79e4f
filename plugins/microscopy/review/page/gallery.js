// The gallery: thousands of boxes, of which only those on the screen are elements.

const WIDTH = 200, HEIGHT = 252, THUMB = 178, BEYOND = 3; // px of a place; rows above and below the screen

export class Gallery extends EventTarget {
  // fill(card, index) writes a card; crop(index) -> address and frame of its picture
  constructor(screen, sheet, fill, crop) {
    super();
    [this.screen, this.sheet, this.fill, this.crop] = [screen, sheet, fill, crop];
    this.shown = []; // indices of boxes, in order
    this.place = new Map(); // index -> its place in `shown`
    this.selected = 0; // place
    this.cards = new Map(); // place -> element
    this.free = [];
    screen.addEventListener('scroll', () => this.#later(), { passive: true });
    new ResizeObserver(() => this.#later()).observe(screen);
  }

  show(indices) {
    const before = this.current;
    this.shown = indices;
    this.place = new Map(indices.map((index, place) => [index, place]));
    this.selected = this.place.get(before) ?? 0;
    for (const place of [...this.cards.keys()]) this.#drop(place);
    this.screen.scrollTop = 0;
    this.#draw();
    this.select(this.selected);
  }

  get current() {
    return this.shown[this.selected];
  }

  get columns() {
    return Math.max(1, Math.floor(this.screen.clientWidth / WIDTH));
  }

  get rowsOnScreen() {
    return Math.max(1, Math.floor(this.screen.clientHeight / HEIGHT));
  }

  select(place) {
    const old = this.selected;
    this.selected = Math.min(Math.max(place, 0), Math.max(this.shown.length - 1, 0));
    const top = Math.floor(this.selected / this.columns) * HEIGHT;
    const { scrollTop, clientHeight } = this.screen;
    if (top < scrollTop) this.screen.scrollTop = top;
    else if (top + HEIGHT > scrollTop + clientHeight) this.screen.scrollTop = top + HEIGHT - clientHeight;
    this.#draw();
    for (const one of [old, this.selected]) this.#mark(one);
    this.dispatchEvent(new Event('select'));
  }

  refresh(index) {
    const card = this.cards.get(this.place.get(index));
    if (card) this.fill(card, index);
  }

  #later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.#draw();
    });
  }

  #draw() {
    const columns = this.columns, rows = Math.ceil(this.shown.length / columns);
    this.sheet.style.width = `${columns * WIDTH}px`;
    this.sheet.style.height = `${rows * HEIGHT}px`;
    const first = Math.max(0, Math.floor(this.screen.scrollTop / HEIGHT) - BEYOND) * columns;
    const end = Math.min(this.shown.length, (Math.ceil((this.screen.scrollTop + this.screen.clientHeight) / HEIGHT) + BEYOND) * columns);
    for (const place of [...this.cards.keys()]) if (place < first || place >= end) this.#drop(place);
    for (let place = first; place < end; place++) {
      let card = this.cards.get(place);
      if (!card) {
        card = this.#take(place);
        this.#mark(place);
      }
      card.style.transform = `translate(${(place % columns) * WIDTH + 4}px, ${Math.floor(place / columns) * HEIGHT + 4}px)`;
    }
  }

  #take(place) {
    const card = this.free.pop() || this.#make(), index = this.shown[place];
    this.cards.set(place, card);
    card.place = place;
    card.id = `box-${index}`;
    const { address, frame } = this.crop(index);
    const [left, top, width, height, aspect] = frame;
    card.crop.style.width = `${aspect >= 1 ? THUMB : THUMB * aspect}px`;
    card.crop.style.height = `${aspect >= 1 ? THUMB / aspect : THUMB}px`;
    Object.assign(card.box.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * width}%`, height: `${100 * height}%` });
    card.crop.hidden = false;
    card.reason.textContent = '';
    card.image.src = address;
    this.fill(card, index);
    this.sheet.append(card);
    return card;
  }

  #make() {
    const card = document.createElement('div');
    card.className = 'card';
    card.setAttribute('role', 'option');
    const add = (parent, kind, name = '') => {
      const element = document.createElement(kind);
      element.className = name;
      parent.append(element);
      return element;
    };
    const thumb = add(card, 'div', 'thumb');
    card.crop = add(thumb, 'div');
    card.image = add(card.crop, 'img');
    card.image.alt = '';
    card.image.decoding = 'async';
    card.image.draggable = false;
    card.image.addEventListener('error', () => this.#broken(card, card.image.src));
    card.box = add(card.crop, 'i');
    card.reason = add(thumb, 'span');
    const words = add(card, 'div', 'words');
    card.name = add(words, 'span', 'name');
    card.score = add(words, 'span', 'score');
    card.state = add(card, 'div', 'state');
    card.addEventListener('click', () => this.select(card.place));
    card.addEventListener('dblclick', () => this.dispatchEvent(new Event('open')));
    return card;
  }

  async #broken(card, address) {
    const answer = await fetch(address).then(got => got.json()).catch(() => ({ error: 'the server does not answer' }));
    if (card.image.src !== address) return;
    card.crop.hidden = true;
    card.reason.textContent = `no crop: ${answer.error}`;
  }

  #drop(place) {
    const card = this.cards.get(place);
    card.remove();
    card.image.removeAttribute('src');
    this.cards.delete(place);
    if (this.free.length < 200) this.free.push(card);
  }

  #mark(place) {
    const card = this.cards.get(place);
    if (!card) return;
    card.classList.toggle('selected', place === this.selected);
    card.setAttribute('aria-selected', String(place === this.selected));
    if (place === this.selected) this.screen.setAttribute('aria-activedescendant', card.id);
  }
}
