"""Folders as ``predict`` writes them, of boxes that a test states."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detplug.images.sources import Item
from detplug.runtime.detections import Detections
from detplug.runtime.shard import Rows, Settings

SIDE = 100  # px of each picture


@dataclass
class Blank:
    """A picture that only has a size."""

    size: tuple[int, int]


def write_results(
    folder: Path, pictures: dict, classes=('egg', 'cyst'), score_thr=0.05, side=SIDE, class_thr=None
) -> Path:
    """``pictures``: name -> list of (class, score, box xyxy), or a text: the reason why it could not be read."""
    folder.mkdir(parents=True)
    names, shard_size = list(pictures), 2
    run = dict(
        files=len(names),
        shard_size=shard_size,
        settings=dict(score_thr=score_thr, category_ids=None, class_thr=class_thr or {}),
    )
    (folder / 'run.json').write_text(json.dumps(run | dict(engine=dict(classes=list(classes)))))
    for number, start in enumerate(range(0, len(names), shard_size)):
        rows = Rows({}, Settings(score_thr=score_thr, class_thr=class_thr or {}))
        for place, name in enumerate(names[start : start + shard_size], start=start):
            item = Item(place, name, Path(name))
            if isinstance(pictures[name], str):
                rows.fail(item, place + 1, pictures[name])
            else:
                rows.add(item, place + 1, Blank((side, side)), detections(pictures[name], classes))
        rows.write(folder, number)
    return folder


def detections(boxes, classes) -> Detections:
    """In descending order of score."""
    boxes = sorted(boxes, key=lambda box: -box[1])
    return Detections(
        np.array([box for _, _, box in boxes], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in boxes], np.float32),
        np.array([classes.index(name) for name, *_ in boxes], np.int64),
        tuple(classes),
    )


def write_truth(path: Path, pictures: dict, classes=('egg', 'cyst')) -> Path:
    """COCO json; ``pictures``: name -> list of (class, box xyxy)."""
    annotations = [
        dict(
            id=0,
            image_id=i,
            category_id=classes.index(name) + 1,
            bbox=[box[0], box[1], box[2] - box[0], box[3] - box[1]],
        )
        for i, boxes in enumerate(pictures.values())
        for name, box in boxes
    ]
    for number, entry in enumerate(annotations, start=1):
        entry['id'] = number
    content = dict(
        images=[dict(id=i, file_name=name, width=SIDE, height=SIDE) for i, name in enumerate(pictures)],
        annotations=annotations,
        categories=[dict(id=i, name=name) for i, name in enumerate(classes, start=1)],
    )
    path.write_text(json.dumps(content))
    return path


def box(place: int) -> tuple[int, int, int, int]:
    """The ``place``-th of 81 boxes that do not touch."""
    x, y = 11 * (place % 9), 11 * (place // 9)
    return (x, y, x + 10, y + 10)
