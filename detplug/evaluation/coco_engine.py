"""COCO's matching and accumulation by a library: hotcoco, or faster-coco-eval where hotcoco is not installed.

Both give pycocotools' numbers (tests/evaluation/test_coco_engine.py: hotcoco bit for bit). Letters: T IoU thresholds,
R recall levels, K classes, A area ranges, M limits of detections.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec

import numpy as np
from mmengine.logging import print_log

from detplug.evaluation.coco_columns import DetectionColumns, TruthColumns

Tables = tuple[np.ndarray, np.ndarray]
Engine = Callable[[int, Sequence[str], TruthColumns, DetectionColumns, Sequence[int]], Tables]


def by_hotcoco(
    num_images: int,
    classes: Sequence[str],
    truth: TruthColumns,
    detections: DetectionColumns,
    limits: Sequence[int],
) -> Tables:
    """Precision (T, R, K, A, M) and recall (T, K, A, M), -1 where the truth has no object that counts.

    Args:
        num_images: images have the ids 1 .. num_images, with or without rows.
        classes: K names; categories have the ids 1 .. K.
        limits: M ascending numbers of detections of a class that count in an image.
    """
    return _tables(hotcoco_evaluation(num_images, classes, truth, detections, limits))


def hotcoco_evaluation(
    num_images: int,
    classes: Sequence[str],
    truth: TruthColumns,
    detections: DetectionColumns,
    limits: Sequence[int],
):
    """hotcoco's COCOeval of the arguments of :func:`by_hotcoco`, before ``evaluate()``."""
    from hotcoco import COCO, COCOeval

    frame = _frame(num_images, classes)
    objects = COCO.from_arrays(
        frame['images'],
        frame['categories'],
        truth.images,
        truth.categories,
        truth.boxes,
        area=truth.areas,
        iscrowd=truth.crowds,
    )
    rows = np.column_stack([detections.images, detections.boxes, detections.scores, detections.categories])
    evaluation = COCOeval(objects, objects.load_res(rows), 'bbox')
    evaluation.params.max_dets = list(limits)
    return evaluation


def by_faster_coco_eval(
    num_images: int,
    classes: Sequence[str],
    truth: TruthColumns,
    detections: DetectionColumns,
    limits: Sequence[int],
) -> Tables:
    """As :func:`by_hotcoco`, by faster-coco-eval."""
    from faster_coco_eval import COCO, COCOeval_faster

    objects, predictions = coco_dicts(num_images, classes, truth, detections)
    evaluation = COCOeval_faster(COCO(objects), COCO(predictions), iouType='bbox', print_function=_silent)
    evaluation.params.maxDets = list(limits)
    return _tables(evaluation)


@cache
def default_engine() -> Engine:
    """:func:`by_hotcoco`; without hotcoco :func:`by_faster_coco_eval`, which is said once."""
    if find_spec('hotcoco') is not None:
        return by_hotcoco
    print_log(
        'evaluation: hotcoco is not installed, faster-coco-eval does its work (same figures, slower); '
        "run make setup, or pip install 'detplug[train]'",
        logger='current',
        level=logging.WARNING,
    )
    return by_faster_coco_eval


def coco_dicts(
    num_images: int, classes: Sequence[str], truth: TruthColumns, detections: DetectionColumns
) -> tuple[dict, dict]:
    """Truth and detections as COCO dictionaries, for libraries with pycocotools' interface."""
    frame = _frame(num_images, classes)
    truth_keys = ('image_id', 'category_id', 'bbox', 'area', 'iscrowd')
    keys = ('image_id', 'category_id', 'bbox', 'score', 'area')
    columns = (*detections, detections.boxes[:, 2] * detections.boxes[:, 3])
    return frame | {'annotations': _rows(truth_keys, truth)}, frame | {'annotations': _rows(keys, columns)}


def _rows(keys: Sequence[str], columns: Sequence[np.ndarray]) -> list[dict]:
    values = zip(*(column.tolist() for column in columns), strict=True)
    return [dict(zip(keys, row, strict=True), id=number) for number, row in enumerate(values, start=1)]


def _frame(num_images: int, classes: Sequence[str]) -> dict[str, list[dict]]:
    return {
        'images': [{'id': i} for i in range(1, num_images + 1)],
        'categories': [{'id': k, 'name': name} for k, name in enumerate(classes, start=1)],
    }


def _tables(evaluation) -> Tables:
    evaluation.evaluate()
    evaluation.accumulate()
    return np.asarray(evaluation.eval['precision']), np.asarray(evaluation.eval['recall'])


def _silent(*_words) -> None:
    """faster-coco-eval's own messages are not for our screen."""
