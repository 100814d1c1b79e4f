"""OODFC's fusion: every teacher box becomes a known class, the class "unknown", or a region where nothing is learned.

The paper merges boxes found out-of-distribution into the pseudo-labels as an extra class and lets thresholds follow the
class's AP; the third way, ignore regions, and the numbers are ours. D boxes of one image, K known classes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

KNOWN, UNKNOWN, IGNORED, DROPPED = range(4)
FATES = ('known', 'unknown', 'ignored', 'dropped')
MODES = ('supervised', 'closed', 'filter', 'oodfc', 'cce', 'oodfc_cce', 'oracle')


class TeacherBoxes(NamedTuple):
    """What the teacher says of one image.

    ``boxes`` (D, 4) xyxy px; ``scores`` (D,) 0..1; ``labels`` (D,) 0..K, K is "unknown"; ``ood`` (D,) calibrated OOD
    score, 0..1; ``objectness`` (D,) 0..1.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    ood: Tensor
    objectness: Tensor


@dataclass(frozen=True)
class FusionRule:
    """Thresholds of the fusion.

    Args:
        tau_low: below it a box may be of a known class; a share of the labelled boxes.
        tau_high: from it on a box may be unknown.
        objectness: an unknown box needs.
        floor: boxes that score less are background, not regions to ignore: they would cover the image.
        iou: from it on a known and an unknown box are one object; the surer one stays.
    """

    tau_low: float = 0.95
    tau_high: float = 0.99
    objectness: float = 0.6
    floor: float = 0.05
    iou: float = 0.5


def fates(found: TeacherBoxes, thresholds: Tensor, mode: str, rule: FusionRule) -> Tensor:
    """(D,) KNOWN, UNKNOWN, IGNORED or DROPPED (learned as background).

    closed, cce, oracle: known from T_c on, the rest is dropped. filter: so is what looks out-of-distribution.
    oodfc, oodfc_cce: three ways; what is neither clearly known nor clearly unknown is ignored.

    Args:
        thresholds: (K,) T_c.
    """
    classes = len(thresholds)
    own = torch.cat([thresholds, thresholds.new_tensor([torch.inf])])[found.labels.clamp(max=classes)]
    sure = found.scores >= own
    if mode in ('closed', 'cce', 'oracle'):
        return torch.where(sure, KNOWN, DROPPED)
    known = sure & (found.ood < rule.tau_low)
    if mode == 'filter':
        return torch.where(known, KNOWN, DROPPED)
    unknown = ~known & (found.ood >= rule.tau_high) & (found.objectness >= rule.objectness)
    rest = torch.where(torch.maximum(found.scores, found.objectness * found.ood) >= rule.floor, IGNORED, DROPPED)
    fate = torch.where(known, KNOWN, torch.where(unknown, UNKNOWN, rest))
    return settle(found, fate, rule.iou)


def settle(found: TeacherBoxes, fate: Tensor, iou: float) -> Tensor:
    """One fate for one object: of unknown and known boxes that overlap, and of two unknown ones, the surer stays.

    How sure: score of a known box; objectness times OOD score of an unknown one. Two known boxes are left to the
    teacher's own suppression.
    """
    known, unknown = fate == KNOWN, fate == UNKNOWN
    if not unknown.any():
        return fate
    sure = torch.where(unknown, found.objectness * found.ood, found.scores)
    rival = (unknown[:, None] & (known | unknown)[None]) | (known[:, None] & unknown[None])
    order = torch.arange(len(sure), device=sure.device)
    beats = (sure[None] > sure[:, None]) | ((sure[None] == sure[:, None]) & (order[None] < order[:, None]))
    beaten_by = rival & beats & (bbox_overlaps(found.boxes, found.boxes) >= iou)
    alive = known | unknown
    while True:  # a box that was beaten beats nobody; at most as many rounds as boxes, two or three in practice
        left = (known | unknown) & ~(beaten_by & alive[None]).any(1)
        if torch.equal(left, alive):
            break
        alive = left
    return fate.masked_fill((known | unknown) & ~alive, DROPPED)
