"""Claim: box_metrics with hotcoco gives pycocotools' figures many times faster.

5,000 images with COCO val2017's numbers of objects and 80 classes, 20 detections an image, a tenth of the objects
crowds. From the list of image results to the flat figures: with hotcoco (columns), with faster-coco-eval and with
pycocotools (COCO dictionaries). CPU seconds of the process, all its threads, one run. ``max_difference`` is over
the figures and the precision and recall tables of this set and of small random sets with crowds, equal scores and empty
images, at limits of 100, 300 and 5,000 detections, in equal order.
Usage: python benchmarks/evaluation.py
"""

import contextlib
import io
import time
from collections.abc import Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from record import record

from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.coco_columns import detection_columns, truth_columns
from detplug.evaluation.coco_engine import Engine, by_faster_coco_eval, by_hotcoco, coco_dicts
from detplug.evaluation.image_result import ImageResult

IMAGES, CLASSES, DETECTIONS, SEED = 5000, tuple(f'class {k}' for k in range(80)), 20, 0
SMALL_SETS, FEW, LIMITS = 30, ('a', 'b', 'c'), (100, 300, 5000)


def random_image(rng: np.random.Generator, number: int, classes: int, objects: int, detections: int) -> ImageResult:
    """Two of three detections are noisy copies of an object, the others lie anywhere; 640 x 480 px."""
    corners = rng.uniform(0, (500, 380), (objects, 2))
    truth = np.concatenate([corners, corners + rng.lognormal(3.8, 0.9, (objects, 2)).clip(2, 400)], axis=1)
    labels = rng.integers(0, classes, objects)
    corners = rng.uniform(0, (500, 380), (detections, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 100, (detections, 2))], axis=1)
    found = rng.integers(0, classes, detections)
    if objects:
        copied, source = rng.random(detections) < 2 / 3, rng.integers(0, objects, detections)
        boxes = np.where(copied[:, None], truth[source] + rng.normal(0, 4, (detections, 4)), boxes)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        found = np.where(copied, labels[source], found)
    areas = (truth[:, 2:] - truth[:, :2]).prod(axis=1) * rng.uniform(0.5, 1, objects)
    crowds = rng.random(objects) < 0.1
    frame = (number, f'{number}.jpg', 640, 480)
    return ImageResult(*frame, truth, labels, crowds, areas, boxes, found, rng.random(detections).round(3))


def random_images(seed: int, number: int, classes: int, objects: float, detections: int) -> list[ImageResult]:
    """``objects`` and ``detections`` an image on average; some images have none."""
    rng = np.random.default_rng(seed)
    counts = zip(rng.geometric(1 / (1 + objects), number) - 1, rng.poisson(detections, number), strict=True)
    return [random_image(rng, i, classes, *map(int, pair)) for i, pair in enumerate(counts)]


def by_pycocotools(num_images: int, classes: Sequence[str], truth, detections, limits: Sequence[int]):
    """Precision and recall tables of the reference."""
    objects, found = COCO(), COCO()
    objects.dataset, found.dataset = coco_dicts(num_images, classes, truth, detections)
    with contextlib.redirect_stdout(io.StringIO()):
        objects.createIndex()
        found.createIndex()
        evaluation = COCOeval(objects, found, 'bbox')
        evaluation.params.maxDets = list(limits)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval['precision'], evaluation.eval['recall']


ENGINES = {'hotcoco': by_hotcoco, 'faster_coco_eval': by_faster_coco_eval, 'pycocotools': by_pycocotools}


def tables_of(engine: Engine, images: Sequence[ImageResult], classes: Sequence[str], limit: int):
    """Precision and recall of ``engine`` at limits of 1, 10 and ``limit`` detections."""
    columns = truth_columns(images, len(classes)), detection_columns(images, len(classes))
    return engine(len(images), classes, *columns, [1, 10, limit])


def difference(tables, expected) -> float:
    """Largest difference of a number in two pairs of tables."""
    return max(float(np.abs(ours - theirs).max()) for ours, theirs in zip(tables, expected, strict=True))


def timed(engine: Engine, images: Sequence[ImageResult]):
    """(CPU seconds of box_metrics, its figures, the tables they were made from)."""
    tables = []

    def kept(*columns):
        tables.append(engine(*columns))
        return tables[-1]

    start = time.process_time()
    figures = box_metrics(images, CLASSES, 100, kept)
    return time.process_time() - start, figures, tables[0]


def main() -> None:
    """Compare the tables on small sets, which also imports the libraries; then time the engines, and record."""
    largest = dict.fromkeys(ENGINES, 0.0)
    for seed in range(SMALL_SETS):
        small = random_images(seed, 12, len(FEW), 6, 120)
        for limit in LIMITS:
            expected = tables_of(by_pycocotools, small, FEW, limit)
            for name, engine in ENGINES.items():
                largest[name] = max(largest[name], difference(tables_of(engine, small, FEW, limit), expected))
    images = random_images(SEED, IMAGES, len(CLASSES), 7.4, DETECTIONS)
    seconds, figures, tables = zip(*(timed(engine, images) for engine in ENGINES.values()), strict=True)
    seconds, figures, tables = (dict(zip(ENGINES, values, strict=True)) for values in (seconds, figures, tables))
    metrics = max(abs(figures['hotcoco'][name] - value) for name, value in figures['pycocotools'].items())
    for name in ENGINES:
        largest[name] = max(largest[name], difference(tables[name], tables['pycocotools']))
    record(
        'evaluation',
        {f'{name}_seconds': value for name, value in seconds.items()}
        | dict(
            images=IMAGES,
            detections=sum(len(x.scores) for x in images),
            objects=sum(len(x.gt_labels) for x in images),
            map=figures['hotcoco']['map'],
            over_pycocotools=seconds['pycocotools'] / seconds['hotcoco'],
            over_faster=seconds['faster_coco_eval'] / seconds['hotcoco'],
            max_difference=max(metrics, largest['hotcoco']),
            max_difference_faster_coco_eval=largest['faster_coco_eval'],
        ),
        seeds=[SEED, *range(SMALL_SETS)],
    )


if __name__ == '__main__':
    main()
