"""Mean average precision of the known classes before and after fusion, over images that are in memory."""

from collections.abc import Sequence

import numpy as np

from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.image_result import ImageResult

from .budget import KnownObjects
from .fuse import FusedRule


def known_map(images: Sequence[KnownObjects], classes: int, rule: FusedRule | None, max_dets: int = 300) -> float:
    """COCO's mAP, 0 to 1, of K classes; ``rule`` None: of the detector's own names.

    Args:
        classes: K.
        max_dets: detections of a class in an image that count.
    """
    results = []
    for number, image in enumerate(images):
        boxes, scores, labels = image.boxes, image.scores, image.labels
        if rule is not None:
            fused = image.fused(rule)
            boxes, scores, labels = boxes[fused.index], fused.scores, fused.labels
        count, known = len(image.truth), labels < classes
        results.append(
            ImageResult(
                number,
                '',
                0,
                0,
                image.truth.astype(np.float64),
                image.classes,
                np.zeros(count, bool),
                (image.truth[:, 2:] - image.truth[:, :2]).prod(axis=1).astype(np.float64),
                boxes[known].astype(np.float64),
                labels[known],
                scores[known].astype(np.float64),
            )  # fmt: skip
        )
    return float(box_metrics(results, [str(k) for k in range(classes)], max_dets)['map'])
