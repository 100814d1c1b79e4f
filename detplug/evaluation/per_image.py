"""Right, missed and false detections of each image, to show the worst images first."""

from collections.abc import Sequence
from dataclasses import dataclass

from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.matching import match_image, overlaps


@dataclass(frozen=True)
class ImageScore:
    """Counts of one image: true positives, objects missed, false positives, detections on unknown objects.

    The last count neither as right nor as false: nobody taught the detector what lies there.
    """

    true_positives: int
    missed: int
    false: int
    unknown: int = 0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + missed + false); 1 for an image without objects and detections."""
        total = 2 * self.true_positives + self.missed + self.false
        return 2 * self.true_positives / total if total else 1.0


def score_image(image: ImageResult, score_thr: float, iou_thr: float = 0.5) -> ImageScore:
    """Counts over the detections with at least ``score_thr``; ignored objects do not count."""
    match, ignored = match_image(image, iou_thr)
    kept = image.scores >= score_thr
    true_positives = int((kept & (match >= 0)).sum())
    nothing = kept & (match < 0) & ~ignored
    unknown = (overlaps(image.boxes, image.unknown_boxes) >= iou_thr).any(axis=1)
    missed = int((~image.gt_ignored).sum()) - true_positives
    return ImageScore(true_positives, missed, int((nothing & ~unknown).sum()), int((nothing & unknown).sum()))


def worst_first(
    images: Sequence[ImageResult], score_thr: float, iou_thr: float = 0.5
) -> list[tuple[ImageResult, ImageScore]]:
    """Images with their counts: lowest F1 first, of equal F1 the one with more mistakes."""
    scored = [(image, score_image(image, score_thr, iou_thr)) for image in images]
    return sorted(scored, key=lambda pair: (pair[1].f1, -pair[1].missed - pair[1].false))
