// The choice of a class: type a part of its name, a number, or take it with the arrows.

export class Names {
  constructor(dialog, text, list, names) {
    [this.dialog, this.text, this.list, this.names] = [dialog, text, list, names];
    this.last = 0; // number of the class that was chosen last
    text.addEventListener('input', () => this.#show(0));
    dialog.addEventListener('keydown', event => this.#key(event));
    dialog.addEventListener('close', () => {
      const done = this.done;
      this.done = undefined;
      done?.(this.chosen);
    });
  }

  // the name that is chosen, undefined for none
  ask(name) {
    this.chosen = undefined;
    this.text.value = '';
    this.#show(Math.max(0, this.names.indexOf(name ?? this.names[this.last])));
    this.dialog.showModal();
    this.text.focus();
    return new Promise(done => (this.done = done));
  }

  #show(selected) {
    const part = this.text.value.toLowerCase();
    this.found = this.names.filter(name => name.toLowerCase().includes(part));
    this.selected = Math.min(selected, Math.max(this.found.length - 1, 0));
    this.list.replaceChildren(
      ...this.found.map((name, i) => {
        const item = document.createElement('li');
        item.value = this.names.indexOf(name) + 1;
        item.textContent = name;
        item.classList.toggle('selected', i === this.selected);
        item.addEventListener('click', () => this.#choose(name));
        return item;
      }),
    );
    this.list.children[this.selected]?.scrollIntoView({ block: 'nearest' });
  }

  #key(event) {
    if (event.key === 'Escape') return; // closes the dialog
    event.stopPropagation();
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const step = event.key === 'ArrowDown' ? 1 : -1;
      this.#show((this.selected + step + this.found.length) % Math.max(this.found.length, 1));
    } else if (event.key === 'Enter') {
      if (this.found.length) this.#choose(this.found[this.selected]);
    } else if (/^[1-9]$/.test(event.key) && !this.text.value && event.key <= this.names.length) {
      this.#choose(this.names[event.key - 1]);
    } else return;
    event.preventDefault();
  }

  #choose(name) {
    this.chosen = name;
    this.last = this.names.indexOf(name);
    this.dialog.close();
  }
}
