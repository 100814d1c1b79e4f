"""The threshold tau by a budget of false alarms among known objects; no hidden label is read. Needs no torch.

Conformal risk control (Angelopoulos et al. 2022, arXiv 2208.02814) with the loss "a known object is named unknown":
tau is the smallest with (k + 1) / (n + 1) <= alpha for k of n known objects of val, so that of new known objects at
most the share alpha is named unknown on average over draws of val. For a loss of 0 or 1 that falls with tau it is the
rule of split conformal prediction, the ceil((n + 1)(1 - alpha))-th smallest value. The choice of what is counted, names
after fusion, is ours, and so is a second limit: of no known class more than a share of its objects of val loses its
name, because a budget of all objects is spent on the rarest classes, which look strangest. That share is of val, no
bound for new objects. G known objects of an image, D detections.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from detplug.errors import UserError
from detplug.images.box_geometry import area, intersection

from .fuse import Fused, FusedRule, fuse

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
    p_unknown: np.ndarray
    on: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, classes: np.ndarray, *detections: np.ndarray) -> 'KnownObjects':
        """With ``on`` from the boxes."""
        common = intersection(truth, detections[0])
        return cls(truth, classes, *detections, common > IOU * (area(truth)[:, None] + area(detections[0]) - common))

    def fused(self, rule: FusedRule) -> Fused:
        """The detections after fusion."""
        return fuse(self.boxes, self.scores, self.labels, self.ood, self.objectness, self.p_unknown, rule)

    def named_unknown(self, rule: FusedRule) -> np.ndarray:
        """(G,) bool: the best detection on the object is "unknown" after fusion; an object not found is not."""
        fused = self.fused(rule)
        on = self.on[:, fused.index]
        if not on.size:
            return np.zeros(len(self.truth), bool)
        return on.any(1) & (fused.labels == rule.classes)[on.argmax(1)]


def count_named(images: Sequence[KnownObjects], rule: FusedRule) -> np.ndarray:
    """(K,) known objects of each class that fusion names unknown."""
    return count_objects(images, rule.classes, lambda image: image.named_unknown(rule))


def count_objects(
    images: Sequence[KnownObjects], classes: int, chosen: Callable[[KnownObjects], np.ndarray] | None = None
) -> np.ndarray:
    """(K,) known objects of each class, all or those that ``chosen`` gives as (G,) bool."""
    labels = [x.classes[chosen(x)] if chosen else x.classes for x in images]
    return np.bincount(np.concatenate([np.zeros(0, int), *labels]), minlength=classes)


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


def choose_tau(images: Sequence[KnownObjects], alpha: float, rule: FusedRule, class_share: float = 1.0) -> float:
    """The smallest tau at which and above which (k + 1) / (n + 1) <= ``alpha`` and of each class at most
    ``class_share`` of its objects are named unknown; 1 where there is none below.

    It is halfway to the next strangeness of an object, so that rounding, such as of an exported graph, renames none.
    """
    of_class = count_objects(images, rule.classes)
    allowed, allowed_of_class = (
        np.floor(alpha * (of_class.sum() + 1) + 1e-9) - 1,
        np.floor(class_share * of_class + 1e-9),
    )
    values = [image.ood[image.on.any(0)] for image in images if len(image.truth)]
    values = np.unique(np.concatenate([np.zeros(1), *values, np.ones(1)]).astype(np.float64))

    def within(tau: float) -> bool:
        named = count_named(images, replace(rule, tau=tau))
        return named.sum() <= allowed and (named <= allowed_of_class).all()

    low, high = 0, len(values) - 1  # the smallest good one is in low .. high
    while low < high:
        middle = (low + high) // 2
        if within(float(values[middle])):
            high = middle
        else:
            low = middle + 1
    while high < len(values) - 1 and not within(float(values[high])):
        high += 1  # counts need not fall with every step of tau
    return float(values[high : high + 2].mean())
