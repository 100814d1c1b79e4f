// The page: boxes of the run in a gallery, keys and buttons, what the header says.

import { Decisions, random } from './decisions.js';
import { Field } from './field.js';
import { Gallery } from './gallery.js';
import { Names } from './names.js';

const $ = id => document.getElementById(id);
const SIGNS = { open: '', accepted: '✓ accepted', renamed: '✎ renamed', unknown: '? unknown', rejected: '✕ rejected', drawn: '+ drawn', complete: '✓ complete' };
const KEYS = { a: 'accept', r: 'rename', u: 'unknown', x: 'reject', o: 'reopen', z: 'undo' };
const PICTURE = 0, BOX = 1, LABEL = 2, SCORE = 3, VALUE = 4, BBOX = 5, FRAME = 9; // columns of a box
const NOTE = 6000; // ms

const got = await fetch('/run');
if (!got.ok) document.body.textContent = await got.text();
const run = await got.json();
const version = `${run.run.slice(0, 12)}-${run.order}`;
const pictures = new Map(run.pictures.map(picture => [picture[0], picture]));
const objects = run.boxes.map(box => `b${box[PICTURE]}-${box[BOX]}`);
const indexOf = new Map(objects.map((object, index) => [object, index]));
const inPicture = Map.groupBy ? Map.groupBy(objects.keys(), index => run.boxes[index][PICTURE]) : grouped();

const decisions = new Decisions(run);
const names = new Names($('names'), $('names-text'), $('names-list'), run.names);
const gallery = new Gallery($('gallery'), $('sheet'), fill, index => ({ address: `/crop-${index}?run=${version}`, frame: run.boxes[index].slice(FRAME) }));
const field = new Field(
  { dialog: $('field'), stage: $('stage'), view: $('view'), boxes: $('boxes'), title: $('field-name'), note: $('field-note') },
  pictures, boxesOf, state => (state.status === 'open' ? state.name : `${SIGNS[state.status].slice(0, 1)} ${state.name}`), version,
);
let note = '', noteEnds;

function grouped() {
  const groups = new Map();
  for (const index of objects.keys()) {
    const number = run.boxes[index][PICTURE];
    groups.set(number, [...(groups.get(number) || []), index]);
  }
  return groups;
}

function detected(object) {
  const box = run.boxes[indexOf.get(object)];
  return box ? { status: 'open', name: run.names[box[LABEL]], bbox: box.slice(BBOX, FRAME) } : null;
}

const stateOf = object => (decisions.states.has(object) ? decisions.states.get(object) : detected(object));
const isDecided = object => (stateOf(object)?.status ?? 'open') !== 'open';

function boxesOf(number) {
  const found = (inPicture.get(number) || []).map(index => objects[index]);
  for (const [object, state] of decisions.states) if (object[0] === 'n' && state && decisions.pictures.get(object) === number) found.push(object);
  return found.map(object => [object, stateOf(object)]);
}

function fill(card, index) {
  const object = objects[index], box = run.boxes[index], state = stateOf(object), conflict = decisions.conflicts.get(object);
  const selected = card.classList.contains('selected') ? ' selected' : '';
  card.className = `card ${state.status}${selected}${decisions.pending(object) ? ' pending' : ''}${conflict ? ' conflict' : ''}`;
  card.name.textContent = state.name;
  card.score.textContent = box[SCORE].toFixed(2);
  card.state.textContent = conflict || SIGNS[state.status] || (box[VALUE] === null ? '' : `${run.value} ${box[VALUE].toFixed(3)}`);
  card.state.title = conflict || '';
  card.setAttribute('aria-label', `${state.name}, score ${box[SCORE].toFixed(2)}, ${SIGNS[state.status].slice(2) || 'no decision'}`);
}

function filter() {
  const status = $('status').value, name = $('class').value;
  const wanted = index => {
    const object = objects[index];
    if (name !== '' && stateOf(object).name !== run.names[name] && !(name === 'unknown' && stateOf(object).name === 'unknown')) return false;
    return status === 'all' || (status === 'conflict' ? decisions.conflicts.has(object) : isDecided(object) === (status === 'decided'));
  };
  const shown = [...objects.keys()].filter(wanted);
  $('empty').hidden = shown.length > 0;
  gallery.show(shown);
}

function header() {
  const done = objects.reduce((sum, object) => sum + isDecided(object), 0);
  const drawn = [...decisions.states].reduce((sum, [object, state]) => sum + (object[0] === 'n' && state !== null), 0);
  $('bar').value = objects.length ? done / objects.length : 0;
  const beyond = run.total > objects.length ? ` (${run.total.toLocaleString('en')} in all)` : '';
  $('count').textContent = `${done.toLocaleString('en')} of ${objects.length.toLocaleString('en')} decided${beyond}` +
    (drawn ? `, ${drawn} drawn` : '') + (decisions.conflicts.size ? `, conflicts: ${decisions.conflicts.size}` : '');
  const waiting = decisions.waiting.length;
  $('saved').textContent = waiting ? `${waiting} to be saved` : 'saved';
  $('saved').classList.toggle('waiting', waiting > 0);
  const keeps = waiting ? ` Decisions that wait: ${waiting}; this browser keeps them and sends them then.` : '';
  const text = decisions.trouble ? `${decisions.trouble}.${keeps}` : note;
  $('banner').textContent = text;
  $('banner').hidden = !text;
}

function say(text) {
  note = text;
  clearTimeout(noteEnds);
  noteEnds = setTimeout(() => ((note = ''), later()), NOTE);
  later();
}

let frame;
const later = () => (frame ??= requestAnimationFrame(() => ((frame = undefined), header())));

function about() {
  const box = run.boxes[gallery.current];
  const name = box ? pictures.get(box[PICTURE])[1] : '';
  $('about').textContent = box ? `${gallery.selected + 1}. ${name.split('/').pop()}, box ${box[BOX]}` : '';
  $('about').title = name;
}

function aboutField() {
  const of = boxesOf(field.number).length, complete = isDecided(`f${field.number}`);
  const [, , width, height] = pictures.get(field.number);
  const part = field.width < width || field.height < height ? `, shown ${field.width}×${field.height}` : '';
  $('field-note').textContent = `${width}×${height} px${part}, ${of} box${of === 1 ? '' : 'es'}${complete ? ', ✓ complete' : ''}`;
}

async function act(action, name) {
  if (action === 'undo') return decisions.undo();
  const object = field.isOpen ? field.selected : objects[gallery.current];
  if (action === 'field') return openField();
  if (!object) return say('select a box first');
  if (action === 'rename' && name === undefined) {
    name = await names.ask(stateOf(object)?.name);
    if (name === undefined) return;
  }
  decisions.decide(object, action, name === undefined ? {} : { name });
  if (!field.isOpen && action !== 'reopen') next(gallery.selected + 1);
}

// the next box from `place` on without a decision, else the one at `place`
function next(place) {
  const { shown } = gallery;
  for (let i = place; i < shown.length; i++) {
    if (!isDecided(objects[shown[i]]) && !decisions.pending(objects[shown[i]])) return gallery.select(i);
  }
  gallery.select(place);
}

function openField() {
  const index = gallery.current;
  if (index !== undefined) field.open(run.boxes[index][PICTURE], objects[index], run.boxes[index].slice(BBOX, FRAME));
  else if (pictures.size) field.open([...pictures.keys()][0], null);
}

const FIELD = {
  previous: () => field.step(-1), next: () => field.step(1), in: () => field.zoom(0.7), out: () => field.zoom(1 / 0.7),
  complete: () => decisions.decide(`f${field.number}`, isDecided(`f${field.number}`) ? 'reopen' : 'complete', { picture: field.number }),
  close: () => $('field').close(),
};
const FIELD_KEYS = {
  '[': FIELD.previous, ']': FIELD.next, '+': FIELD.in, '=': FIELD.in, '-': FIELD.out, c: FIELD.complete,
  ArrowLeft: () => field.pan(-1, 0), ArrowRight: () => field.pan(1, 0), ArrowUp: () => field.pan(0, -1), ArrowDown: () => field.pan(0, 1),
  f: FIELD.close,
};
const GALLERY_KEYS = {
  ArrowLeft: () => gallery.select(gallery.selected - 1), ArrowRight: () => gallery.select(gallery.selected + 1),
  ArrowUp: () => gallery.select(gallery.selected - gallery.columns), ArrowDown: () => gallery.select(gallery.selected + gallery.columns),
  PageUp: () => gallery.select(gallery.selected - gallery.columns * gallery.rowsOnScreen),
  PageDown: () => gallery.select(gallery.selected + gallery.columns * gallery.rowsOnScreen),
  Home: () => gallery.select(0), End: () => gallery.select(gallery.shown.length - 1),
  n: () => next(gallery.selected + 1), f: openField, Enter: openField, '?': () => $('help').showModal(),
};

addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || $('names').open || $('help').open) return;
  if (event.target.closest('select, input')) return;
  if (event.key === 'Enter' && event.target.closest('button')) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (field.isOpen && key === 'Tab') field.cycle(event.shiftKey ? -1 : 1);
  else if ((field.isOpen ? FIELD_KEYS : GALLERY_KEYS)[key]) (field.isOpen ? FIELD_KEYS : GALLERY_KEYS)[key]();
  else if (KEYS[key]) act(KEYS[key]);
  else if (/^[1-9]$/.test(key)) run.names[key - 1] === undefined ? say(`no class has the number ${key}`) : act('rename', run.names[key - 1]);
  else return;
  event.preventDefault();
});

$('actions').addEventListener('click', event => {
  const action = event.target.closest('button')?.dataset.action;
  if (action) act(action);
});
$('field').addEventListener('click', event => FIELD[event.target.closest('button')?.dataset.field]?.());
$('help-button').addEventListener('click', () => $('help').showModal());
$('write').addEventListener('click', async () => {
  const answer = await fetch('/write', { method: 'POST' }).then(got => got.json()).catch(() => ({ error: 'the server does not answer' }));
  const left = answer.left_out?.length ? `; left out: ${answer.left_out.join('; ')}` : '';
  say(answer.error ?? `corrected.json: ${answer.labels} labels in ${answer.pictures} pictures, ${answer.ignored} boxes without a decision${left}`);
});
for (const id of ['status', 'class']) $(id).addEventListener('change', () => (filter(), $('gallery').focus()));
gallery.addEventListener('select', about);
gallery.addEventListener('open', openField);
field.addEventListener('move', aboutField);
field.addEventListener('draw', async ({ detail: bbox }) => {
  const name = await names.ask();
  if (name === undefined) return;
  const object = `n${random()}`;
  field.selected = object;
  decisions.decide(object, 'draw', { name, bbox, picture: field.number });
});
$('field').addEventListener('close', () => $('gallery').focus());
decisions.addEventListener('change', ({ detail: { object } }) => {
  if (indexOf.has(object)) gallery.refresh(indexOf.get(object));
  if (field.isOpen) field.refresh(), aboutField();
  later();
});
decisions.addEventListener('undone', ({ detail: { object } }) => {
  const place = gallery.place.get(indexOf.get(object));
  if (!field.isOpen && place !== undefined) gallery.select(place);
});
decisions.addEventListener('note', ({ detail: { text } }) => say(text));
addEventListener('beforeunload', event => decisions.waiting.length && event.preventDefault());

$('folder').textContent = run.folder;
$('folder').title = run.folder;
document.title = `Review ${run.folder}`;
run.names.forEach((name, i) => $('class').append(new Option(name, i)));
if (!run.names.includes('unknown')) $('class').append(new Option('unknown', 'unknown'));
if (!objects.length) $('empty').textContent = 'The detector has found no box; F shows the pictures, to draw what it missed.';
filter();
header();
$('gallery').focus();
