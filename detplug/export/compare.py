"""Is what the runtime finds what torch finds? No bundle is written that fails here.

D detections, A anchors, K classes. Tolerances are those of float32 sums in another order, far below what a user sees.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from detplug.engine.torch_engine import TorchEngine
from detplug.errors import UserError
from detplug.images.reading import read_image
from detplug.runtime.bundle import Detector
from detplug.runtime.detections import Detections
from detplug.runtime.result_field import ResultField, result_fields

BOX_TOLERANCE = 0.05  # pixels of the original image
SCORE_TOLERANCE = 1e-4
EXTRA_TOLERANCE = 1e-3


@dataclass
class Agreement:
    """How torch and the runtime differ over a set of images.

    Attributes:
        max_box_px: largest difference of a coordinate of two matched boxes, pixels of the original image.
        max_score_diff: largest difference of their scores.
        max_extra_diff: largest difference of their fields (``Detections.fields``).
        images, boxes: how many were compared.
        unmatched: detections that only one of the two has.
        near_threshold: such detections whose score is within 1e-4 of the score that decides about keeping them;
            they do not count as unmatched, but more than a few are a failure too.
    """

    max_box_px: float = 0.0
    max_score_diff: float = 0.0
    images: int = 0
    boxes: int = 0
    unmatched: int = 0
    near_threshold: int = 0
    max_extra_diff: float = 0.0

    def add(
        self,
        torch_detections: Detections,
        detections: Detections,
        score_thr: float,
        limit: int,
        per_class: int | None = None,
    ) -> None:
        """Count one image; ``score_thr``, ``limit`` (detections an image) and ``per_class`` (of one class) are what
        both were selected with."""
        i, j = mutual_nearest(torch_detections, detections)
        self.images += 1
        self.boxes += len(i)
        if len(i):
            self.max_box_px = max(self.max_box_px, float(np.abs(torch_detections.boxes[i] - detections.boxes[j]).max()))
            self.max_score_diff = max(
                self.max_score_diff, float(np.abs(torch_detections.scores[i] - detections.scores[j]).max())
            )
            for name, value in detections.fields.items():
                known = result_fields().get(name, ResultField())
                difference = known.difference(torch_detections.fields[name], value, i, j)
                self.max_extra_diff = max(self.max_extra_diff, difference)
        both = (torch_detections, detections)
        classes = 1 + max((int(x.labels.max()) for x in both if len(x)), default=0)
        decisive = np.maximum(score_thr, np.maximum(*(last_scores(x, classes, limit, per_class) for x in both)))
        alone = [np.delete(np.arange(len(x)), matched) for x, matched in zip(both, (i, j), strict=True)]
        excused = sum(
            int((x.scores[unmatched] <= decisive[x.labels[unmatched]] + SCORE_TOLERANCE).sum())
            for x, unmatched in zip(both, alone, strict=True)
        )
        self.near_threshold += excused
        self.unmatched += sum(map(len, alone)) - excused

    @property
    def passed(self) -> bool:
        """Within the tolerances, no detection unmatched, at most 2 or 5 % of them at the threshold."""
        return (
            self.unmatched == 0
            and self.near_threshold <= max(2, self.boxes // 20)
            and self.max_box_px < BOX_TOLERANCE
            and self.max_score_diff < SCORE_TOLERANCE
            and self.max_extra_diff < EXTRA_TOLERANCE
        )

    @property
    def tied(self) -> bool:
        """Whether all that differs is which of many boxes with equal scores come into a list that is full."""
        return (
            self.near_threshold > max(2, self.boxes // 20)
            and self.unmatched == 0
            and self.max_score_diff < SCORE_TOLERANCE
            and self.max_extra_diff < EXTRA_TOLERANCE
        )

    def to_dict(self) -> dict[str, float]:
        """The error table of the manifest."""
        return asdict(self)


def last_scores(detections: Detections, classes: int, limit: int, per_class: int | None) -> np.ndarray:
    """(classes,) of each the last score of a list that is full: it decides as the threshold does; 0 where none is."""
    last = np.full(classes, float(detections.scores[-1]) if len(detections) >= limit else 0.0)
    if per_class is not None:
        for label in np.flatnonzero(np.bincount(detections.labels, minlength=classes) >= per_class):
            last[label] = max(last[label], float(detections.scores[detections.labels == label].min()))
    return last


def mutual_nearest(a: Detections, b: Detections) -> tuple[np.ndarray, np.ndarray]:
    """Indices (into ``a``, into ``b``) of the pairs of one class that are each other's nearest.

    The distance is the largest difference of a coordinate; it has no limit, so a shifted box is a pair with a large
    difference, not a missing box. Of boxes that are equal, as some beyond the image's edge are once they are clipped,
    the score decides.
    """
    if not len(a) or not len(b):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    distance = np.abs(a.boxes[:, None] - b.boxes[None]).max(axis=2)
    distance = distance + BOX_TOLERANCE * np.abs(a.scores[:, None] - b.scores[None])
    distance[a.labels[:, None] != b.labels[None]] = np.inf
    nearest = distance.argmin(axis=1)
    rows = np.arange(len(a))
    paired = (distance.argmin(axis=0)[nearest] == rows) & np.isfinite(distance[rows, nearest])
    return rows[paired], nearest[paired]


def compare(reference: TorchEngine, detector: Detector, paths: Sequence[str | Path]) -> Agreement:
    """Compare the torch model with a bundle end to end, from the image file to the boxes.

    torch computes in whole float32: 19-bit sums (TF32), which cuDNN takes for convolutions otherwise, are not within
    the tolerances.
    """
    nms, agreement = detector.manifest['nms'], Agreement()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for path in paths:
            image, limit = read_image(path, reference.window), nms['max_per_img']
            there = reference([image])[0]
            there = there.where(np.arange(len(there)) < limit)
            agreement.add(there, detector(path), nms['score_thr'], limit, nms.get('max_per_class'))
    return agreement


def check_decided(
    reference: TorchEngine, nudged_reference: TorchEngine, nms: Mapping, paths: Sequence[str | Path], what: str
) -> None:
    """Refuse a model whose own detections are others when its weights change in the last bit (:func:`nudged`).

    Torch and the runtime sum in another order. Of overlapping boxes with equal scores, which a detector that is not
    trained (or was pruned and not trained since) has by the dozen, rounding then says which one suppresses the others.

    Raises:
        UserError: nothing can be compared.
    """
    agreement, limit = Agreement(), nms['max_per_img']
    for path in paths:
        image = read_image(path, reference.window)
        pair = (engine([image])[0] for engine in (reference, nudged_reference))
        first, second = (each.where(np.arange(len(each)) < limit) for each in pair)
        agreement.add(first, second, nms['score_thr'], limit, nms.get('max_per_class'))
    if not agreement.passed:
        raise UserError(
            f"{what}: torch's own boxes are others when its weights change in the last bit ({agreement.unmatched} "
            f'unmatched of {agreement.boxes}): scores of overlapping boxes are equal, as those of an untrained '
            'detector are, so nothing can be compared; give a trained checkpoint'
        )


def nudged(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy whose weights are up to two units in the last place larger or smaller."""
    model, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            change = torch.empty(weight.shape).uniform_(-1, 1, generator=generator) * torch.finfo(torch.float32).eps
            weight.mul_(1 + change.to(weight.device))
    return model


def require(agreement: Agreement, what: str) -> None:
    """Refuse a bundle that differs from the torch model.

    Raises:
        UserError: the agreement is outside the tolerances.
    """
    if agreement.tied:
        raise UserError(
            f'{what}: {agreement.near_threshold} of {2 * agreement.boxes + agreement.near_threshold} boxes have equal '
            'scores at the end of the list of detections, as those of an untrained detector have: which of them are '
            'kept is chance, so nothing can be compared; give a trained checkpoint'
        )
    if not agreement.passed:
        raise UserError(
            f'{what}: differs from the torch model: {agreement.unmatched} boxes unmatched of {agreement.boxes}, '
            f'{agreement.near_threshold} at the threshold, max_box_px {agreement.max_box_px:.3g} '
            f'(limit {BOX_TOLERANCE}), '
            f'max_score_diff {agreement.max_score_diff:.3g} (limit {SCORE_TOLERANCE}), '
            f'max_extra_diff {agreement.max_extra_diff:.3g} (limit {EXTRA_TOLERANCE}); nothing was written'
        )
