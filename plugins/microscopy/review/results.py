"""What ``predict`` left in a folder, as a reviewer needs it: every picture, every box, the order to look at them.

N boxes. All columns stay in arrays, so that a million boxes need no million objects.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detplug.errors import UserError
from detplug.images.sources import FrozenList, Item
from detplug.images.window import Window, check_window
from detplug.runtime.collect import BOX
from detplug.runtime.result_field import numbers
from detplug.runtime.review_queue import UNCERTAIN, Order, orders
from detplug.runtime.run_folder import INPUTS, RUN, RunFolder, read_run
from detplug.runtime.shard import table_path
from detplug.runtime.tables import read_table

KEYS = {'engine', 'files', 'settings', 'shard_size'}


@dataclass(frozen=True)
class Picture:
    """A picture that was read: its item, the id in the results, (width, height) px."""

    item: Item
    image_id: Any
    size: tuple[int, int]


@dataclass(frozen=True)
class Boxes:
    """N boxes in the order of the review.

    Attributes:
        picture: (N,) int64, number of the picture in the list of the run.
        box: (N,) int64, number of the box in its picture.
        xywh: (N, 4) float64, x, y, width, height; px of the picture.
        score: (N,) float64.
        name: N class names.
        value: (N,) float64, the value by which they are ordered.
    """

    picture: np.ndarray
    box: np.ndarray
    xywh: np.ndarray
    score: np.ndarray
    name: list[str]
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True)
class Results:
    """A finished prediction.

    Attributes:
        pictures: number in the list of the run -> picture; those that could not be read are missing.
        failed: how many those are.
        names: class name -> category id.
        window: how pictures of more than 8 bit become 8 bit.
        model, config: sha256 of the network's file, and of all else that the results depend on.
        thresholds: what ``predict`` kept.
        tile: side of its tiles, px; 0: whole pictures.
        identity: sha256 of the whole run, list of pictures included.
    """

    out: Path
    pictures: dict[int, Picture]
    failed: int
    boxes: Boxes
    order: Order
    names: dict[str, int]
    window: Window | None
    model: str
    config: str
    thresholds: dict[str, float]
    tile: int
    identity: str


def read_results(out: Path, order: str | None = None) -> Results:
    """The results in the folder ``out``; ``order`` is one of ``predict --queue``, by default the best there is.

    Raises:
        UserError: no finished run in the folder, or boxes without what the order needs.
    """
    content = read_run(out)
    if content is None:
        raise UserError(f'{out}: no {RUN}: not a folder of results; give the --out of detplug predict')
    if not isinstance(content, dict) or not KEYS <= content.keys():
        raise UserError(f'{out}/{RUN}: not as detplug predict writes it ({", ".join(sorted(KEYS))}); predict anew')
    run = RunFolder(out, FrozenList(out / INPUTS), content['files'], content['shard_size'], True)
    waiting = run.left()
    if waiting:
        raise UserError(
            f'{out}: {len(waiting)} of {len(run.shards)} shards are not there; finish detplug predict first'
        )
    items = list(run.items)
    numbers_of = {item.name: item.number for item in items}
    pictures = _pictures(run, items)
    tables = [table for table in (read_table(table_path(out, 'part', n)) for n in run.shards) if table.get('score')]
    chosen = _order(order, tables, out)
    settings, engine = content['settings'], content['engine']
    names = _names(engine, settings, tables)
    return Results(
        out, pictures, len(items) - len(pictures), _boxes(tables, numbers_of, chosen), chosen, names,
        check_window(engine.get('window'), f'{out}/{RUN}'), _model(engine), _digest([engine, settings]),
        dict(score_thr=settings['score_thr']) | settings['thresholds'], settings.get('tile', 0),
        _digest(content),
    )  # fmt: skip


def _pictures(run: RunFolder, items: Sequence[Item]) -> dict[int, Picture]:
    numbers_of = {item.name: item.number for item in items}
    found = {}
    for shard in run.shards:
        table = read_table(table_path(run.out, 'images', shard))
        columns = (table[key] for key in ('file_name', 'image_id', 'width', 'height'))
        for name, image_id, width, height in zip(*columns, strict=True):
            if width is not None:
                number = numbers_of[name]
                found[number] = Picture(items[number], image_id, (int(width), int(height)))
    return found


def _order(name: str | None, tables: Sequence[dict], out: Path) -> Order:
    known = orders()
    if name is not None and name not in known:
        raise UserError(f'--order {name}: no such order; one of {", ".join(known)}')
    if name is None:
        fitting = [x for x in known.values() if x.field and all(x.field in table for table in tables)]
        return fitting[0] if fitting and tables else known[UNCERTAIN.name]
    order = known[name]
    if order.field and any(order.field not in table for table in tables):
        raise UserError(f'{out}: no {order.field}, by which --order {name} orders boxes; give --order {UNCERTAIN.name}')
    return order


def _boxes(tables: Sequence[dict], numbers_of: dict[str, int], order: Order) -> Boxes:
    def column(key: str, kind: type) -> np.ndarray:
        return np.concatenate([np.asarray(table[key], kind) for table in tables] or [np.zeros(0, kind)])

    picture = np.array([numbers_of[name] for table in tables for name in table['file_name']], np.int64)
    names = [name for table in tables for name in table['category_name']]
    box, score = column('box', np.int64), column('score', np.float64)
    xywh = np.stack([column(key, np.float64) for key in BOX], 1).round(2)
    priority = np.concatenate([order.priority(table) for table in tables] or [np.zeros(0)]).astype(np.float64)
    ranks = np.lexsort([box, picture, -score, -priority])
    value = np.array(numbers(order.shown(priority[ranks])), np.float64)
    return Boxes(picture[ranks], box[ranks], xywh[ranks], score[ranks].round(5), [names[i] for i in ranks], value)


def _names(engine: dict, settings: dict, tables: Sequence[dict]) -> dict[str, int]:
    """Of the detector where the run says them, else those of the boxes that are there."""
    ids = settings.get('category_ids') or {}
    classes = engine.get('classes') or engine.get('bundle', {}).get('classes')
    if classes:
        return {name: ids.get(name, label + 1) for label, name in enumerate(classes)}
    seen = {x: n for table in tables for x, n in zip(table['category_name'], table['category_id'], strict=True)}
    return dict(sorted((seen | ids).items(), key=lambda pair: pair[1]))


def _model(engine: dict) -> str:
    return engine['checkpoint'] if 'checkpoint' in engine else engine['bundle']['model']['sha256']


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
