"""What ``predict`` writes, whichever engine detects: pictures, predictions.json and relations.json. Needs no torch."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from detplug.export.detections import Detections
from detplug.export.relations import NO_OBJECT, Relations
from detplug.images.reading import read_image
from detplug.report.drawing import draw_boxes
from detplug.report.field_drawers import FieldDrawer, field_drawers
from detplug.report.relation_drawing import draw_relations


@dataclass(frozen=True)
class Engine:
    """A detector that is ready to predict.

    Attributes:
        detect: ``(image (H, W, 3) uint8 BGR, its path, its number) -> Detections``, in descending order of score.
        fields: names of what it states that it says of each detection beside box, score and label; the user is told
            which of them are not shown.
        has_relations: whether it tells relations between detections.
        device: what it computes on, for the screen.
    """

    detect: Callable[[np.ndarray, Path, int], Detections]
    fields: tuple[str, ...] = ()
    has_relations: bool = False
    device: str = 'cpu'


def write_predictions(
    engine: Engine, images: Sequence[Path], out: Path, score_thr: float = 0.25, relation_thr: float = 0.1
) -> None:
    """Write a picture of every image, predictions.json, and relations.json where the engine tells relations.

    A box: image_id (position in ``images``, from 1), file_name, category_id (label + 1), category_name, bbox (x, y,
    width, height; pixels of the original image) and score, as COCO's result format has it, and a column for each field
    that has a drawer. A relation: image_id, file_name, subject and object (positions in the list of boxes, from 0; no
    object in the picture is null), predicate_id (label + 1), predicate and score.

    Raises:
        UserError: an image that does not decode.
    """
    out.mkdir(parents=True, exist_ok=True)
    boxes, relations = [], []
    drawers: dict[str, FieldDrawer] | None = None
    for image_id, path in enumerate(track(images, 'predict', disable=len(images) < 2), start=1):
        image = read_image(path)
        found = engine.detect(image, path, image_id)
        if drawers is None:
            drawers = field_drawers(tuple(found.extra))
        found = found.where(found.scores >= score_thr)
        if found.relations is not None:
            found = with_relations(found, relation_thr)
            rows = relation_rows(found.relations, len(boxes))
            relations += [dict(image_id=image_id, file_name=str(path)) | row for row in rows]
        boxes += [dict(image_id=image_id, file_name=str(path)) | row for row in box_rows(found, drawers)]
        cv2.imwrite(str(out / f'{image_id:04d}_{path.stem}.jpg'), draw(image, found, drawers))
    (out / 'predictions.json').write_text(json.dumps(boxes, indent=1) + '\n')
    print(f'{len(boxes)} boxes in {len(images)} pictures: {out}/predictions.json')
    if engine.has_relations:
        (out / 'relations.json').write_text(json.dumps(relations, indent=1) + '\n')
        print(f'{len(relations)} relations: {out}/relations.json')
    for name in engine.fields:
        if name not in drawers:
            print(f'{name}: neither drawn nor written, no installed plugin has a drawer for this field')


def draw(image: np.ndarray, found: Detections, drawers: dict[str, FieldDrawer]) -> np.ndarray:
    """A copy of the picture with boxes, relations, and the fields that have a drawer."""
    shown = found.boxes, found.labels, found.scores, found.names
    relations = found.relations
    if relations is None:
        picture = draw_boxes(image, *shown)
    else:
        picture = draw_relations(image, *shown, relations.triplets, relations.scores, relations.names)
    for name, drawer in drawers.items():
        drawer.draw(picture, found, found.extra[name])
    return picture


def box_rows(found: Detections, drawers: dict[str, FieldDrawer]) -> list[dict]:
    """A row of predictions.json for each detection of an image."""
    rows = [
        dict(
            category_id=label + 1,
            category_name=found.names[label],
            bbox=[round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)],
            score=round(score, 5),
        )
        for (x1, y1, x2, y2), label, score in zip(
            found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True
        )
    ]
    for name, drawer in drawers.items():
        for row, value in zip(rows, drawer.column(found.extra[name]), strict=True):
            row[name] = value
    return rows


def with_relations(found: Detections, relation_thr: float) -> Detections:
    """``found`` with only the relations of at least ``relation_thr``."""
    relations = found.relations
    good = relations.scores >= relation_thr
    kept = Relations(relations.triplets[good], relations.scores[good], relations.names)
    return Detections(found.boxes, found.scores, found.labels, found.names, found.extra, kept)


def relation_rows(relations: Relations, first: int) -> list[dict]:
    """A row of relations.json for each relation; ``first`` is the position of the image's first box."""
    return [
        dict(
            subject=first + subject,
            object=None if target == NO_OBJECT else first + target,
            predicate_id=predicate + 1,
            predicate=relations.names[predicate],
            score=round(score, 5),
        )
        for (subject, target, predicate), score in zip(
            relations.triplets.tolist(), relations.scores.tolist(), strict=True
        )
    ]
