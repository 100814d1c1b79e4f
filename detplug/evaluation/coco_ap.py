"""COCO's average precision of a list of image results, computed in memory.

Letters: T IoU thresholds, R recall levels, K classes, A area ranges, M limits of detections.
The numbers equal pycocotools'; only the limit of detections is ours to choose, because COCO's 100 caps crowded images.
Detections with equal scores are in a fixed order, by label and box, where pycocotools keeps that of the file: a tie of
a right and a wrong box may count otherwise there.
"""

from collections.abc import Sequence

import numpy as np

from detplug.evaluation.coco_columns import detection_columns, truth_columns
from detplug.evaluation.coco_engine import Engine, default_engine
from detplug.evaluation.image_result import ImageResult

NO_OBJECTS = -1.0  # what COCO says where the truth holds no object that counts
DIGITS = 14  # COCO adds 2**-52 to a denominator: a perfect precision is 1 - 2**-52, which this makes 1
SMALL, MEDIUM, LARGE = 1, 2, 3  # positions of COCO's area ranges; 0 is all


def box_metrics(
    images: Sequence[ImageResult], classes: Sequence[str], max_dets: int, engine: Engine | None = None
) -> dict[str, float]:
    """Flat figures: map, map50, map75, ar, map_s, map_m, map_l, and ap/CLASS, ap50/CLASS, all 0 .. 1.

    Args:
        max_dets: detections of a class that count in an image, highest scores first.
        engine: what matches and accumulates; by default :func:`coco_engine.default_engine`.

    map, map50, map75 and ar are -1 where the images hold no object (as COCO has it); every other figure that
    does not exist, such as the ap of a class without objects, is left out.
    """
    if not images:
        return dict.fromkeys(('map', 'map50', 'map75', 'ar'), NO_OBJECTS)
    precision, recall = (engine or default_engine())(
        len(images),
        classes,
        truth_columns(images, len(classes)),
        detection_columns(images, len(classes)),
        sorted({1, min(10, max_dets), max_dets}),
    )
    precision, recall = precision[..., -1], recall[..., 0, -1]  # (T, R, K, A), (T, K)
    everywhere = precision[..., 0]
    metrics = {
        'map': _mean(everywhere),
        'map50': _mean(everywhere[0]),
        'map75': _mean(everywhere[5]),
        'ar': _mean(recall),
    }
    optional = {'map_s': precision[..., SMALL], 'map_m': precision[..., MEDIUM], 'map_l': precision[..., LARGE]}
    optional |= {f'ap/{name}': everywhere[:, :, k] for k, name in enumerate(classes)}
    optional |= {f'ap50/{name}': everywhere[0, :, k] for k, name in enumerate(classes)}
    return metrics | {name: _mean(values) for name, values in optional.items() if (values > NO_OBJECTS).any()}


def _mean(values: np.ndarray) -> float:
    values = values[values > NO_OBJECTS]
    return round(float(values.mean()), DIGITS) if values.size else NO_OBJECTS
