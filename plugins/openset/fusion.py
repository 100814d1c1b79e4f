"""OODFC's fusion: every teacher box becomes a known class, the class "unknown", or a region where nothing is learned.

The paper merges boxes found out-of-distribution into the pseudo-labels as an extra class and lets thresholds follow the
class's AP. Ours: ignore regions, the decision by object instead of by box, the noisy-or of the OOD score and the
teacher's own class "unknown", and the numbers. D boxes of one image, K known classes.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from mmcv.ops import nms
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from .plan import ModePlan

KNOWN, UNKNOWN, IGNORED, DROPPED = range(4)
FATES = ('known', 'unknown', 'ignored', 'dropped')


class TeacherBoxes(NamedTuple):
    """What the teacher says of one image.

    ``boxes`` (D, 4) xyxy px; ``scores`` (D,) objectness times probability of the label, 0..1; ``labels`` (D,) 0..K, K
    is "unknown"; ``ood`` (D,) calibrated OOD score of the known classes' logits, 0..1; ``objectness`` (D,) 0..1.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    ood: Tensor
    objectness: Tensor

    def select(self, chosen: Tensor) -> 'TeacherBoxes':
        """The chosen boxes, by (D,) bool or by index."""
        return TeacherBoxes(*(x[chosen] for x in self))

    def p_unknown(self, classes: int) -> Tensor:
        """(D,) probability of class "unknown" given an object, where that is the label; else 0."""
        chance = self.scores / self.objectness.clamp(min=1e-6)
        return torch.where(self.labels == classes, chance.clamp(max=1), 0.0)


@dataclass(frozen=True)
class FusionRule:
    """Thresholds of the fusion; ``u`` is the strangeness of :func:`by_object`.

    Args:
        tau_low: an object with a smaller u may be of a known class.
        tau_high: from it on an object may be unknown.
        objectness: an unknown object needs.
        floor: an object that scores less than this share of its class's threshold, and is no strange object of this
            share of ``objectness``, is background instead of a region to ignore: those would cover the image.
        iou: boxes that overlap more are one object, whatever their names.
        most: known pseudo-labels of an image at most, as a multiple of the mean labelled objects of an image; the
            boxes beyond, those that score least, are ignored. None is without limit.
        weigh_unknown: class and objectness loss of an "unknown" pseudo-label count u (1 - false-discovery rate).
        max_false_discovery: rate above which "unknown" pseudo-labels are ignored; None is without limit.
    """

    tau_low: float = 0.95
    tau_high: float = 0.99
    objectness: float = 0.6
    floor: float = 0.5
    iou: float = 0.5
    most: float | None = 1.3
    weigh_unknown: bool = False
    max_false_discovery: float | None = None

    @property
    def asks_discovery(self) -> bool:
        """Whether anything depends on the false-discovery rate."""
        return self.weigh_unknown or self.max_false_discovery is not None


class Decision(NamedTuple):
    """What becomes of D boxes.

    ``fate`` (D,) KNOWN, UNKNOWN, IGNORED or DROPPED; ``weights`` (D,) of "unknown" pseudo-labels, 0..1; ``objects`` ()
    objects that pass the rule's objectness, and ``passed`` () those of them whose OOD score is ``tau_high`` or more.
    """

    fate: Tensor
    weights: Tensor
    objects: Tensor
    passed: Tensor


def fates(
    detections: TeacherBoxes, thresholds: Tensor, plan: ModePlan, rule: FusionRule, mean_objects: float = 0.0
) -> Decision:
    """KNOWN, UNKNOWN, IGNORED or DROPPED (learned as background); one box an object has a fate, the rest is dropped.

    Without an OOD source: known from T_c on. With one that drops: unless u, or the OOD score of the very box that gives
    the name, is tau_low or more. With class "unknown": three ways; what is neither clearly known nor clearly unknown,
    and an object of two names of which one looks strange, is ignored. In all of them known boxes beyond ``rule.most``
    are ignored.

    Args:
        thresholds: (K,) T_c.
        mean_objects: of a labelled image; 0 where it is not known, which sets no limit.
    """
    classes = len(thresholds)
    threshold = torch.cat([thresholds, thresholds.amin()[None]])[detections.labels]
    owner = leaders(detections.boxes, detections.scores, rule.iou)
    leads = owner == torch.arange(len(owner), device=owner.device)
    least, p_unknown = by_object(detections, owner, threshold, classes)
    u = 1 - (1 - least) * (1 - p_unknown)
    known = leads & (detections.labels < classes) & (detections.scores >= threshold)
    if plan.ood_source is not None:
        known &= (u < rule.tau_low) & (detections.ood < rule.tau_low)
    surplus = known & ~best(detections.scores, known, limit(rule, mean_objects))
    ignored, unknown = surplus, torch.zeros_like(known)
    if plan.unknown:
        strange = leads & ~known & (u >= rule.tau_low)
        unknown = strange & (u >= rule.tau_high) & (detections.objectness >= rule.objectness)
        unsure = leads & (detections.scores >= rule.floor * threshold)
        ignored = ignored | ((unsure | strange & (detections.objectness >= rule.floor * rule.objectness)) & ~known)
    fate = torch.full_like(owner, DROPPED)
    for value, chosen in ((IGNORED, ignored), (KNOWN, known & ~surplus), (UNKNOWN, unknown)):
        fate = fate.masked_fill(chosen, value)
    objects = leads & (detections.objectness >= rule.objectness)
    return Decision(fate, u, objects.sum(), (objects & (least >= rule.tau_high)).sum())


def leaders(boxes: Tensor, scores: Tensor, iou: float) -> Tensor:
    """(D,) index of the box that stands for the object of each box: suppression over all classes, best score first.

    Scores are comparable whatever the label: all are objectness times the probability of the label.
    """
    if not len(boxes):
        return torch.zeros(0, dtype=torch.long, device=boxes.device)
    kept = nms(boxes, scores, iou)[1]
    overlap = bbox_overlaps(boxes, boxes[kept])
    overlap[kept, torch.arange(len(kept), device=kept.device)] = 2  # a leader leads itself
    return kept[(overlap > iou).float().argmax(1)]  # the first, that is the best, that suppresses it


def gated(decision: Decision, rate: Tensor, rule: FusionRule) -> Decision:
    """The decision at a false-discovery ``rate`` () of "unknown": it weighs less; above the limit it is ignored."""
    rate, fate = rate.to(decision.weights), decision.fate
    if rule.max_false_discovery is not None:
        fate = torch.where((rate > rule.max_false_discovery) & (fate == UNKNOWN), IGNORED, fate)
    return decision._replace(fate=fate, weights=decision.weights * (1 - rate))


def by_object(detections: TeacherBoxes, owner: Tensor, thresholds: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """s and p, (D,) each, of each box's object; its strangeness is u = 1 - (1 - s)(1 - p).

    s: least OOD score of its leader and of its boxes that score at least half the threshold: one sure ordinary box
    makes the object ordinary. p: the largest probability of the teacher's own class "unknown" among those boxes.

    Args:
        owner: (D,) of :func:`leaders`.
        thresholds: (D,) threshold of each box's label; that of "unknown" is the smallest of the known classes'.
    """
    counts = (owner == torch.arange(len(owner), device=owner.device)) | (detections.scores >= thresholds / 2)
    p_unknown = torch.where(counts, detections.p_unknown(classes), 0.0)
    ood = torch.where(counts, detections.ood, 1.0)
    least = torch.ones_like(ood).scatter_reduce_(0, owner, ood, 'amin')[owner]
    return least, torch.zeros_like(p_unknown).scatter_reduce_(0, owner, p_unknown, 'amax')[owner]


def limit(rule: FusionRule, mean_objects: float) -> int | None:
    """Known pseudo-labels of an image at most; None without a limit."""
    return None if rule.most is None or not mean_objects else math.ceil(rule.most * mean_objects)


def best(scores: Tensor, chosen: Tensor, count: int | None) -> Tensor:
    """(D,) bool: among the chosen boxes the ``count`` that score best; all without a count."""
    if count is None or len(scores) <= count:
        return chosen
    top = torch.where(chosen, scores, -1.0).topk(count).indices
    return chosen & torch.zeros_like(chosen).index_fill(0, top, True)
