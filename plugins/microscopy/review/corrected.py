"""corrected.json: what was decided, as a COCO data set for ``train``.

Pictures on which something was decided, and no others; of a slide the fields of view around what was decided. Boxes
that were accepted, renamed, drawn or called unknown are labels; rejected ones are background. A box on which nothing
was decided, or that the edge of a field cuts, is written with ``ignore`` 1: it is neither learned nor background.
"""

import os
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detplug.errors import UserError
from detplug.images.sources import IMAGE, SLIDE, Item
from detplug.runtime.run_folder import write_json
from plugins.microscopy.review.decisions import COMPLETE, OPEN, REJECTED, UNKNOWN
from plugins.microscopy.review.fields_of_view import SIDE, Field, fields_around
from plugins.microscopy.review.results import Picture
from plugins.microscopy.review.review import Review

CORRECTED, PICTURES = 'corrected.json', 'pictures'


def write_corrected(review: Review, folder: Path) -> dict[str, Any]:
    """Write corrected.json into ``folder``.

    Pages of stacks, frames of videos and fields of view of slides, which training does not read, become
    ``pictures/NUMBER.png`` there. Those that cannot be read any more are left out.

    Returns:
        how many pictures, labels and ignored boxes it holds; ``left_out``: the reason for each picture that it lacks.

    Raises:
        OSError: it cannot be written.
    """
    with review.lock:
        states, where = dict(review.states), dict(review.picture)
    names = dict(review.names)
    if any(state and state['status'] == UNKNOWN for state in states.values()):
        names.setdefault('unknown', max(names.values(), default=0) + 1)
    images, annotations, left_out = [], [], []
    objects = Objects(review, states, where)
    taken = [picture.image_id for picture in review.results.pictures.values() if type(picture.image_id) is int]
    ids = count(max(taken, default=0) + 1)
    for number in sorted({where[key] for key, state in states.items() if counts(key, state)}):
        picture = review.results.pictures[number]
        for field in objects.fields(number):
            try:
                path = _file(picture.item, number, field, folder / PICTURES, review.results.window)
            except UserError as error:
                left_out.append(str(error))
                continue
            image_id = next(ids) if field else picture.image_id
            width, height = (field.width, field.height) if field else picture.size
            images.append(dict(id=image_id, file_name=os.path.abspath(path), width=width, height=height))
            annotations += [
                dict(id=len(annotations) + i, image_id=image_id, category_id=names[name], **entry)
                for i, (name, entry) in enumerate(objects.entries(number, field), start=1)
            ]
    content = dict(
        info=dict(
            model_sha256=review.results.model, config_sha256=review.results.config, decisions=len(review.revision)
        ),
        images=images,
        annotations=annotations,
        categories=[dict(id=number, name=name) for name, number in names.items()],
    )
    write_json(folder / CORRECTED, content)
    ignored = sum(row.get('ignore', 0) for row in annotations)
    return dict(pictures=len(images), labels=len(annotations) - ignored, ignored=ignored, left_out=left_out)


def counts(key: str, state: dict | None) -> bool:
    """Whether an object puts its picture into the data set: something is decided on it now."""
    return state['status'] != OPEN if state else False


class Objects:
    """What stands on each picture of a review now."""

    def __init__(self, review: Review, states: dict, where: dict) -> None:
        self.review, self.states = review, states
        self._drawn = {}
        for key, number in where.items():
            if key[0] == 'n':
                self._drawn.setdefault(number, []).append(key)
        self._decided = {}
        for key, state in states.items():
            if counts(key, state) and 'bbox' in state:
                self._decided.setdefault(where[key], []).append(state['bbox'])
        self._order = np.argsort(review.results.boxes.picture, kind='stable')

    def fields(self, number: int) -> list[Field | None]:
        """The fields of view of a slide on which something is decided; None, the whole, of another picture."""
        picture: Picture = self.review.results.pictures[number]
        if picture.item.kind != SLIDE:
            return [None]
        boxes = np.array(self._decided.get(number, []), np.float64).reshape(-1, 4)
        return fields_around(boxes, picture.size, self.review.results.tile or SIDE)

    def entries(self, number: int, field: Field | None) -> list[tuple[str, dict[str, Any]]]:
        """(class, fields of an annotation) of each object of a picture, or of those that a field shows."""
        boxes, found = self.review.results.boxes, []
        first, last = np.searchsorted(boxes.picture, [number, number + 1], sorter=self._order)
        chosen = np.sort(self._order[first:last])
        if field:  # no decision moves a box of the detector
            chosen = chosen[field.shares(boxes.xywh[chosen]) > 0]
        rows = {f'b{number}-{boxes.box[row]}': int(row) for row in chosen}
        for key in (*rows, *self._drawn.get(number, ())):
            state = self.states[key] if key in self.states else self.review.detected(key)
            if state is None or state['status'] in (REJECTED, COMPLETE):
                continue
            bbox, whole = state['bbox'], True
            if field:
                box = np.array([bbox])
                share = float(field.shares(box)[0])
                if share <= 0:
                    continue
                bbox, whole = field.clip(box)[0].round(2).tolist(), share > 1 - 1e-6
            ignored = dict(ignore=1) if state['status'] == OPEN or not whole else {}
            score = dict(score=float(boxes.score[rows[key]])) if key in rows else {}
            area = round(bbox[2] * bbox[3], 2)
            found.append(
                (state['name'], dict(bbox=bbox, area=area, iscrowd=0, **ignored, review=state['status'], **score))
            )
        return found


def _file(item: Item, number: int, field: Field | None, folder: Path, window: Any) -> Path:
    """The picture as training reads it; a field, page or frame is written as a file of its own.

    Raises:
        UserError: it cannot be read or written.
    """
    if item.kind == IMAGE:
        return item.path
    part_of = f'-{field.x}-{field.y}-{field.width}x{field.height}' if field else ''
    path = folder / f'{number:06d}{part_of}.png'
    if not path.exists():
        pixels = item.read_region(field.x, field.y, field.width, field.height) if field else item.read(window)
        path.parent.mkdir(exist_ok=True)
        part = path.with_name(f'.part-{path.name}')
        if not cv2.imwrite(str(part), pixels):
            raise UserError(f'{path}: not written; check the disk')
        os.replace(part, path)
    return path
