"""How far the number of detections of an image is from the number of its objects, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.matching import match_image


@dataclass(frozen=True)
class CountError:
    """Counts of one class over N images.

    Attributes:
        objects, counted: objects of the truth, and detections from the threshold on, of all images.
        bias: mean of counted - objects an image.
        absolute: mean of |counted - objects| an image.
        limits: (low, high) between which 95 % of the differences of an image lie (percentiles 2.5 and 97.5).
        exact: share of the images whose count is the number of their objects.
    """

    objects: int
    counted: int
    bias: float
    absolute: float
    limits: tuple[float, float]
    exact: float


def count_errors(images: Sequence[ImageResult], score_thrs: Sequence[float]) -> list[CountError]:
    """The error of each class where its detections count from ``score_thrs`` (K,) on; [] without images.

    Ignored objects are not counted, neither are detections inside them; a right box is not asked for: a missed object
    and a false detection in one image cancel, as they do when somebody counts.
    """
    if not images:
        return []
    thresholds, classes = np.asarray(score_thrs, float), len(score_thrs)
    objects, counted = np.zeros((2, len(images), classes), np.int64)
    for row, image in enumerate(images):
        _, ignored = match_image(image, 0.5)
        known = (image.labels >= 0) & (image.labels < classes) & ~ignored
        labels, scores = image.labels[known], image.scores[known]
        counted[row] = np.bincount(labels[scores >= thresholds[labels]], minlength=classes)
        objects[row] = np.bincount(image.gt_labels[~image.gt_ignored], minlength=classes)[:classes]
    difference = counted - objects
    limits = np.percentile(difference, [2.5, 97.5], axis=0, method='inverted_cdf')
    return [
        CountError(
            int(objects[:, k].sum()),
            int(counted[:, k].sum()),
            float(difference[:, k].mean()),
            float(np.abs(difference[:, k]).mean()),
            (float(limits[0, k]), float(limits[1, k])),
            float((difference[:, k] == 0).mean()),
        )
        for k in range(classes)
    ]
