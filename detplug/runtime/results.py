"""The finished results of ``detplug predict`` as arrays: which pictures were read, which boxes are in them.

F pictures (fields of view, whole slides or pages), D boxes, K classes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detplug.errors import UserError
from detplug.runtime.run_folder import INPUTS, RUN, read_run
from detplug.runtime.shard import finished, table_path
from detplug.runtime.tables import read_table


@dataclass(frozen=True)
class Picture:
    """One picture with its boxes.

    Attributes:
        name: as ``predict`` has it: the file, with ``#page=2`` or ``#frame=17`` where it holds several.
        pixels: width times height.
        boxes: (D, 4) xyxy px. scores: (D,). names: class of each box.
    """

    name: str
    pixels: float
    boxes: np.ndarray
    scores: np.ndarray
    names: np.ndarray


@dataclass(frozen=True)
class Results:
    """A folder of ``predict``.

    Attributes:
        score_thr: from this score on the run kept all; class_thr: class -> its lowest score, where that is lower.
        classes: of the detector where run.json names them, else those that have a box, sorted.
        failed: pictures that could not be read -> reason.
    """

    folder: Path
    shards: int
    score_thr: float
    classes: tuple[str, ...]
    failed: dict[str, str]
    class_thr: dict[str, float] = field(default_factory=dict)

    def lowest(self, name: str) -> float:
        """The lowest score that the run kept of a class."""
        return self.class_thr.get(name, self.score_thr)

    def pictures(self) -> Iterator[Picture]:
        """The pictures that were read, one shard in memory at a time."""
        for number in range(self.shards):
            yield from _of_shard(self.folder, number)


def read_results(folder: str | Path) -> Results:
    """The results of a finished run.

    Raises:
        UserError: no folder of ``predict``, or one that is not finished.
    """
    folder = Path(folder)
    run = read_run(folder)
    if not isinstance(run, dict) or not {'files', 'shard_size', 'settings'} <= run.keys():
        raise UserError(f'{folder}: no {RUN} of a prediction in it; give the folder that predict --out wrote')
    shards = -(-run['files'] // run['shard_size'])
    left = [number for number in range(shards) if not finished(folder, number)]
    if left:
        raise UserError(
            f'{folder}: {len(left)} of {shards} shards are not done; give the same predict command again '
            f'(its list is {folder / INPUTS})'
        )
    failed: dict[str, str] = {}
    classes: set[str] = set()
    for number in range(shards):
        images, boxes = (read_table(table_path(folder, name, number)) for name in ('images', 'part'))
        failed |= {n: e for n, e in zip(images['file_name'], images['error'], strict=True) if e is not None}
        classes.update(boxes.get('category_name', ()))
    known = tuple(run.get('engine', {}).get('classes', ()))  # runs of before do not say it
    names = known + tuple(sorted(classes.difference(known)))
    settings = run['settings']
    return Results(folder, shards, float(settings['score_thr']), names, failed, dict(settings.get('class_thr') or {}))


def detector_classes(folder: str | Path) -> tuple[str, ...]:
    """The classes that run.json names, without any table being read; empty where there is no such entry."""
    run = read_run(Path(folder))
    return tuple((run.get('engine') or {}).get('classes', ())) if isinstance(run, dict) else ()


def file_of(name: str) -> str:
    """The file of a picture: without ``#page=`` and ``#frame=``."""
    return re.sub(r'#(page|frame)=\d+$', '', name)


def by_end(name: str, table: Mapping[str, Any]) -> str | None:
    """The key of ``table`` that is the end of the path ``name``, the longest; None where there is none."""
    parts = Path(name).parts
    ends = ('/'.join(parts[start:]).replace('//', '/') for start in range(len(parts)))
    return next((end for end in ends if end in table), None)


def _of_shard(folder: Path, number: int) -> Iterator[Picture]:
    images, table = (read_table(table_path(folder, name, number)) for name in ('images', 'part'))
    columns = _columns(table)
    start = 0
    rows: list[tuple[Any, ...]] = list(zip(*(images[key] for key in ('file_name', 'width', 'height', 'boxes', 'error')),
                                           strict=True))  # fmt: skip
    for name, width, height, boxes, error in rows:
        if error is not None:
            continue
        part = slice(start, start + boxes)
        start += boxes
        yield Picture(name, float(width) * float(height), *(column[part] for column in columns))


def _columns(table: dict[str, list]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (D, 4) xyxy, scores (D,), names (D,) of a table, which may be empty."""
    if not table or not table['score']:
        return np.zeros((0, 4)), np.zeros(0), np.zeros(0, object)
    x, y, width, height = (np.array(table[key], np.float64) for key in ('x', 'y', 'width', 'height'))
    names = np.array(table['category_name'], object)
    return np.stack([x, y, x + width, y + height], 1), np.array(table['score'], np.float64), names
