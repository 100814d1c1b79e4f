"""Random relations on a small grid, and an overlap in plain words.

Coordinates are small integers, so that equal overlaps, exact halves and several candidates happen often.
"""

from collections.abc import Callable

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import BaseDataElement

from plugins.sabra.relations import (
    NO_OBJECT,
    RelationImage,
    RelationNames,
    RelationResult,
    relation_image,
    truth_as_result,
)

SIZE = 16  # px


def iou(a, b, extra: float = 1) -> float:
    """IoU of two xyxy boxes whose sides are ``extra`` pixels longer than the difference of the corners."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + extra
    height = min(a[3], b[3]) - max(a[1], b[1]) + extra
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / (
        (a[2] - a[0] + extra) * (a[3] - a[1] + extra) + (b[2] - b[0] + extra) * (b[3] - b[1] + extra) - common
    )


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4) float32 boxes with sides of 2 to 9 px."""
    corner = rng.integers(0, SIZE - 9, (count, 2))
    return np.concatenate([corner, corner + rng.integers(2, 10, (count, 2))], axis=1).astype(np.float32)


def random_truth(
    rng: np.random.Generator, img_id: int, objects: int, relations: Callable[[np.ndarray], list], unannotated: float = 0
) -> RelationImage:
    """An image with 0 to 5 objects of ``objects`` classes; ``relations`` makes the rows from its labels."""
    count = int(rng.integers(0, 6))
    labels = rng.integers(0, objects, count)
    annotated = rng.random(count) >= unannotated
    rows = [row for row in relations(labels) if annotated[row[0]]]
    return relation_image(img_id, f'{img_id}.jpg', (SIZE, SIZE), random_boxes(rng, count), labels, rows, annotated)


def free_relations(rng: np.random.Generator, predicates: int, missing: bool = False) -> Callable:
    """Up to 6 rows of any two boxes; with ``missing`` some have no object."""

    def relations(labels: np.ndarray) -> list:
        low = NO_OBJECT if missing else 0
        return [
            (rng.integers(len(labels)), rng.integers(low, len(labels)), rng.integers(predicates))
            for _ in range(rng.integers(0, 7) if len(labels) else 0)
        ]

    return relations


def random_result(
    rng: np.random.Generator, image: RelationImage, objects: int, predicates: int, missing: bool = False
) -> RelationResult:
    """Boxes near those of the truth and others; relations of the truth, in part with another end or predicate."""
    near = image.boxes[rng.integers(0, len(image.boxes), 4)] if len(image.boxes) else np.zeros((0, 4))
    near = near + rng.integers(-2, 3, near.shape)
    boxes = np.concatenate([image.boxes, near, random_boxes(rng, int(rng.integers(0, 3)))])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    labels = np.concatenate([image.labels, rng.integers(0, objects, len(boxes) - len(image.boxes))])
    rows = []
    for _ in range(int(rng.integers(0, 15)) if len(boxes) else 0):
        if len(image.relations) and rng.random() < 0.7:
            row = image.relations[rng.integers(len(image.relations))].copy()
        else:
            row = np.array([rng.integers(len(boxes)), rng.integers(len(boxes)), rng.integers(predicates)])
        if rng.random() < 0.4:
            row[0] = rng.integers(len(boxes))
        if rng.random() < 0.4:
            row[1] = rng.integers(NO_OBJECT if missing else 0, len(boxes))
        rows.append(row)
    labels = np.where(rng.random(len(labels)) < 0.1, rng.integers(0, objects, len(labels)), labels)
    return RelationResult(
        boxes.astype(np.float32),
        labels,
        np.ones(len(boxes), np.float32),
        np.array(rows, np.int64).reshape(-1, 3),
        rng.integers(0, 40, len(rows)).astype(np.float32) / 40,  # some are equal
    )


def with_distinct_scores(rng: np.random.Generator, results: list[RelationResult]) -> list[RelationResult]:
    """The results with other scores, no two of which are equal."""
    scores = iter((rng.permutation(sum(len(x.triplets) for x in results)) + 1) / 2**16)
    return [
        RelationResult(
            x.boxes, x.labels, x.scores, x.triplets, np.array([next(scores) for _ in x.triplets], np.float32)
        )
        for x in results
    ]


def shuffled(rng: np.random.Generator, images: list, results: list) -> tuple[list, list]:
    """Images in another order, and the triplets of each too."""
    order = rng.permutation(len(images))
    mixed = []
    for result in (results[i] for i in order):
        rows = rng.permutation(len(result.triplets))
        mixed.append(
            RelationResult(
                result.boxes, result.labels, result.scores, result.triplets[rows], result.triplet_scores[rows]
            )
        )
    return [images[i] for i in order], mixed


def nothing() -> RelationResult:
    """A result without boxes."""
    return RelationResult(
        np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 3), np.int64), np.zeros(0)
    )


def result_of(boxes, labels, triplets, scores) -> RelationResult:
    """A result from lists."""
    return RelationResult(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.ones(len(labels), np.float32),
        np.array(triplets, np.int64).reshape(-1, 3),
        np.array(scores, np.float32),
    )


def perfect(images: list[RelationImage]) -> list[RelationResult]:
    """The truth as predictions."""
    return [truth_as_result(image) for image in images]


def best_precision_from(right: list[bool], place: int) -> float:
    """The highest precision of all prefixes that end at ``place`` or later."""
    return max(sum(right[: n + 1]) / (n + 1) for n in range(place, len(right)))


def voc_area(right: list[bool], objects: int) -> float:
    """Average precision at all points: each object found adds 1 / objects times the best precision from there on."""
    return sum(best_precision_from(right, n) for n, hit in enumerate(right) if hit) / objects


NAMES = RelationNames(('egg', 'worm'), ('on', 'near', 'in'))
META = dict(classes=NAMES.objects, predicates=NAMES.predicates)


def random_case(seed: int, images: int = 5, missing: bool = False, unannotated: float = 0):
    """Generator, truth and results with labels of ``NAMES``; see :func:`random_truth`."""
    rng = np.random.default_rng(seed)
    truth = [random_truth(rng, i, 2, free_relations(rng, 3, missing), unannotated) for i in range(images)]
    return rng, truth, [random_result(rng, image, 2, 3, missing) for image in truth]


def seven_images() -> tuple[list[RelationImage], list[RelationResult]]:
    """Images and predictions with the names of ``META``; some images have no relation, some no prediction."""
    rng = np.random.default_rng(0)
    images = [random_truth(rng, i, 2, free_relations(rng, 3)) for i in range(7)]
    return images, [nothing() if i == 4 else random_result(rng, image, 2, 3) for i, image in enumerate(images)]


def data_sample(image: RelationImage, result: RelationResult) -> dict:
    """What a metric gets of one image from a detector; tensors, as a model has them."""
    sample = DetDataSample(metainfo=dict(img_id=image.img_id, relation_truth=image))
    sample.pred_relations = BaseDataElement(**{name: torch.from_numpy(x) for name, x in vars(result).items()})
    return sample.to_dict()
