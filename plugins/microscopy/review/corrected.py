"""corrected.json: what was decided, as a COCO data set for ``train``.

Pictures on which something was decided, and no others. Boxes that were accepted, renamed, drawn or called unknown are
labels; rejected ones are background. A box of such a picture on which nothing was decided is written with ``ignore`` 1:
it is neither learned nor background.
"""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detplug.errors import UserError
from detplug.images.sources import IMAGE, SLIDE, Item
from detplug.runtime.run_folder import write_json
from plugins.microscopy.review.decisions import COMPLETE, OPEN, REJECTED, UNKNOWN
from plugins.microscopy.review.results import Picture, Results
from plugins.microscopy.review.review import Review

CORRECTED, PICTURES = 'corrected.json', 'pictures'


def write_corrected(review: Review, folder: Path) -> dict[str, Any]:
    """Write corrected.json into ``folder``.

    Pages of stacks and frames of videos, which training does not read, become ``pictures/NUMBER.png`` there. Slides,
    and pages and frames that cannot be read any more, are left out.

    Returns:
        how many pictures, labels and ignored boxes it holds; ``left_out``: the reason for each picture that it lacks.

    Raises:
        OSError: it cannot be written.
    """
    with review.lock:
        states, where = dict(review.states), dict(review.picture)
    chosen = sorted({where[key] for key, state in states.items() if counts(key, state)})
    images, left_out = {}, []
    for number in chosen:
        try:
            images[number] = _image(review.results.pictures[number], number, folder, review.results)
        except UserError as error:
            left_out.append(str(error))
    names = dict(review.names)
    if any(state and state['status'] == UNKNOWN for state in states.values()):
        names.setdefault('unknown', max(names.values(), default=0) + 1)
    annotations = _annotations(review, states, where, images, names)
    content = dict(
        info=dict(
            model_sha256=review.results.model, config_sha256=review.results.config, decisions=len(review.revision)
        ),
        images=list(images.values()),
        annotations=annotations,
        categories=[dict(id=number, name=name) for name, number in names.items()],
    )
    write_json(folder / CORRECTED, content)
    ignored = sum(row.get('ignore', 0) for row in annotations)
    return dict(pictures=len(images), labels=len(annotations) - ignored, ignored=ignored, left_out=left_out)


def counts(key: str, state: dict | None) -> bool:
    """Whether an object puts its picture into the data set: something is decided on it now."""
    return state['status'] != OPEN if state else False


def _annotations(review: Review, states: dict, where: dict, images: dict[int, dict], names: dict) -> list[dict]:
    boxes = review.results.boxes
    rows = np.flatnonzero(np.isin(boxes.picture, list(images)))
    keys = {f'b{boxes.picture[row]}-{boxes.box[row]}': int(row) for row in rows}
    drawn = {key: None for key, number in where.items() if key[0] == 'n' and number in images}
    found = []
    for key, row in (keys | drawn).items():
        state = states[key] if key in states else review.detected(key)
        if state is None or state['status'] in (REJECTED, COMPLETE):
            continue
        number = int(boxes.picture[row]) if row is not None else where[key]
        score = {} if row is None else dict(score=float(boxes.score[row]))
        found.append(
            dict(
                id=len(found) + 1,
                image_id=images[number]['id'],
                category_id=names[state['name']],
                bbox=state['bbox'],
                area=round(state['bbox'][2] * state['bbox'][3], 2),
                iscrowd=0,
                **({'ignore': 1} if state['status'] == OPEN else {}),
                review=state['status'],
                **score,
            )  # fmt: skip
        )
    return found


def _image(picture: Picture, number: int, folder: Path, results: Results) -> dict[str, Any]:
    """The entry of a picture.

    Raises:
        UserError: training cannot read it.
    """
    width, height = picture.size
    if picture.item.kind == SLIDE:
        raise UserError(f'{picture.item.name}: a slide, which training does not read; its decisions are in audit.jsonl')
    path = os.path.abspath(picture.item.path)
    if picture.item.kind != IMAGE:
        path = os.path.abspath(_as_png(picture.item, folder / PICTURES / f'{number:06d}.png', results))
    return dict(id=picture.image_id, file_name=path, width=width, height=height)


def _as_png(item: Item, path: Path, results: Results) -> Path:
    """A page or a frame as a file of its own.

    Raises:
        UserError: it cannot be read or written.
    """
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        part = path.with_name(f'.part-{path.name}')
        if not cv2.imwrite(str(part), item.read(results.window)):
            raise UserError(f'{path}: not written; check the disk')
        os.replace(part, path)
    return path
