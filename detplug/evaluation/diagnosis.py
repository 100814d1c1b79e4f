"""Why an average precision is not higher (TIDE: Bolya et al., ECCV 2020), and whether scores are probabilities.

Both by hotcoco.

Letters: K classes.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

from detplug.evaluation.coco_columns import detection_columns, truth_columns
from detplug.evaluation.coco_engine import hotcoco_evaluation
from detplug.evaluation.image_result import ImageResult

KINDS = {  # TIDE's name -> what it is
    'Cls': 'on an object of another class (IoU from .5)',
    'Loc': 'on an object of its class, box too far off (IoU .1 to .5)',
    'Both': 'on an object of another class, box too far off',
    'Dupe': 'on an object that has a detection with a higher score',
    'Bkg': 'on no object (IoU below .1)',
    'Miss': 'object without a detection of any of the kinds above',
}
BINS = 10  # of the scores


class Diagnosis(NamedTuple):
    """``ap50``: mean AP at IoU .5. ``counts``, ``gains``: error kind -> how many, and AP50 gained if all were mended.

    ``calibration_error``: mean difference of score and precision, weighted by detections (expected calibration error).
    ``bins``: (mean score, precision, detections) of each tenth of the scores that has detections.
    """

    ap50: float
    counts: dict[str, int]
    gains: dict[str, float]
    calibration_error: float
    bins: list[tuple[float, float, int]]


def diagnose(images: Sequence[ImageResult], classes: Sequence[str], max_dets: int = 300) -> Diagnosis | None:
    """The diagnosis of an evaluation; None without objects or detections, and where hotcoco is not installed.

    Args:
        max_dets: detections of a class that count in an image, highest scores first.
    """
    if find_spec('hotcoco') is None or not images:
        return None
    truth, detections = truth_columns(images, len(classes)), detection_columns(images, len(classes))
    if not len(detections.scores) or truth.crowds.all():
        return None
    evaluation = hotcoco_evaluation(len(images), classes, truth, detections, [max_dets])
    evaluation.evaluate()
    errors, scores = evaluation.tide_errors(pos_thr=0.5, bg_thr=0.1), evaluation.calibration(BINS, 0.5)
    return Diagnosis(
        errors['ap_base'],
        {kind: int(errors['counts'][kind]) for kind in KINDS},
        {kind: float(errors['delta_ap'][kind]) for kind in KINDS},
        scores['ece'],
        [(x['avg_confidence'], x['avg_accuracy'], x['count']) for x in scores['bins'] if x['count']],
    )
