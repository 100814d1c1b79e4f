"""The threshold tau by a budget of false alarms among known objects; no hidden label is read. Needs no torch.

Conformal risk control (Angelopoulos et al. 2022, arXiv 2208.02814) with the loss "a known object is named unknown":
tau is the smallest with (k + 1) / (n + 1) <= alpha for k of n known objects of val, so that of new known objects at
most the share alpha is named unknown on average over draws of val. For a loss of 0 or 1 that falls with tau it is the
rule of split conformal prediction, the ceil((n + 1)(1 - alpha))-th smallest value. The choice of what is counted, names
after fusion, is ours. G known objects of an image, D detections.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from detplug.errors import UserError

from .fuse import Fused, FusedRule, fuse, overlapping

IOU = 0.5  # above it a detection is on an object


class KnownObjects(NamedTuple):
    """An image of val: ``truth`` (G, 4) boxes and ``classes`` (G,) of its known objects; the detector's detections,
    the arguments of :func:`fuse`; ``on`` (G, D) which detection is on which object."""

    truth: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    ood: np.ndarray
    objectness: np.ndarray
    own: np.ndarray
    on: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, classes: np.ndarray, *detections: np.ndarray) -> 'KnownObjects':
        """With ``on`` from the boxes."""
        return cls(truth, classes, *detections, overlapping(truth, detections[0], IOU))

    def fused(self, rule: FusedRule) -> Fused:
        """The detections after fusion."""
        return fuse(self.boxes, self.scores, self.labels, self.ood, self.objectness, self.own, rule)

    def named_unknown(self, rule: FusedRule) -> np.ndarray:
        """(G,) bool: the best detection on the object is "unknown" after fusion; an object not found is not."""
        fused = self.fused(rule)
        on = self.on[:, fused.index]
        if not on.size:
            return np.zeros(len(self.truth), bool)
        return on.any(1) & (fused.labels == rule.classes)[on.argmax(1)]


def count_named(images: Sequence[KnownObjects], rule: FusedRule) -> int:
    """Known objects that fusion names unknown."""
    return sum(int(image.named_unknown(rule).sum()) for image in images)


def false_alarm_share(images: Sequence[KnownObjects], budget: float, source: str) -> float:
    """alpha = budget / known objects an image.

    Raises:
        UserError: no known object, or too few for the bound.
    """
    objects = sum(len(image.truth) for image in images)
    if not objects:
        raise UserError(f'{source}: no known object in its {len(images)} images; tau needs labelled ones')
    alpha = budget * len(images) / objects
    if alpha * (objects + 1) < 1:
        raise UserError(
            f'--budget {budget:g}: one known object in {1 / alpha:.0f}, but {source} has {objects}; give at least '
            f'{1.001 * objects / (len(images) * (objects + 1)):.2g}, or more labelled images'
        )
    if alpha >= 1:
        raise UserError(
            f'--budget {budget:g}: {source} has {objects / len(images):.3g} known objects an image, so all of them may '
            'be named unknown; give less'
        )
    return alpha


def choose_tau(images: Sequence[KnownObjects], alpha: float, rule: FusedRule) -> float:
    """The smallest tau at which and above which (k + 1) / (n + 1) <= ``alpha``; 1 where there is none below.

    It is halfway to the next strangeness of an object, so that rounding, such as of an exported graph, renames none.
    """
    objects = sum(len(image.truth) for image in images)
    allowed = int(np.floor(alpha * (objects + 1) + 1e-9)) - 1
    values = [image.ood[image.on.any(0)] for image in images if len(image.truth)]
    values = np.unique(np.concatenate([np.zeros(1), *values, np.ones(1)]).astype(np.float64))
    low, high = 0, len(values) - 1  # the smallest good one is in low .. high
    while low < high:
        middle = (low + high) // 2
        if count_named(images, replace(rule, tau=float(values[middle]))) <= allowed:
            high = middle
        else:
            low = middle + 1
    while high < len(values) - 1 and count_named(images, replace(rule, tau=float(values[high]))) > allowed:
        high += 1  # counts need not fall with every step of tau
    return float(values[high : high + 2].mean())
