"""Which of the detections go into the relation head, and what becomes of indices into them.

SCG and UPT (Zhang et al., arXiv 2012.06060 and 2112.01838) keep 3 to 15 boxes each of persons and of objects, so that
32 confident persons do not leave an image without a pair; one limit with seats for both roles is ours.

Letters: D detections, K that are kept, P pairs.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from detplug.export.graph import GraphDetections

from .relations import NO_OBJECT


@dataclass(frozen=True)
class BoxLimits:
    """``max_boxes`` an image, of at least ``score_thr``; ``min_per_role`` of them are for classes that may be a
    subject and as many for those that may not, where so many were found."""

    max_boxes: int = 32
    score_thr: float = 0.05
    min_per_role: int = 3


def keep_boxes(scores: Tensor, may_be_subject: Tensor, limits: BoxLimits) -> Tensor:
    """(..., D) bool, which detections the head gets; (..., D) scores in descending order, (..., D) bool."""
    good = scores >= limits.score_thr
    role = torch.stack([may_be_subject & good, ~may_be_subject & good], -1)
    reserved = (role & (role.cumsum(-2) <= limits.min_per_role)).any(-1)
    others = reserved.sum(-1, keepdim=True) + (good & ~reserved).cumsum(-1)
    return good & (torch.where(reserved, reserved.cumsum(-1), others) <= limits.max_boxes)


class SelectedBoxes(NamedTuple):
    """``every`` detection of an image by descending score; ``kept`` (K,) their positions that the head gets; ``chosen``
    those detections; ``pairs`` (P, 2) indices into ``chosen`` of the pairs that the data ask about, or None."""

    every: InstanceData
    kept: Tensor
    chosen: InstanceData
    pairs: Tensor | None


def select_of_image(
    detections: InstanceData, may_be_subject: Tensor, limits: BoxLimits, asked: Tensor | None = None
) -> SelectedBoxes:
    """:func:`keep_boxes` of detections in any order.

    Args:
        may_be_subject: (D,) bool.
        asked: (P, 2) indices into ``detections``; their boxes are kept whatever the limits say.
    """
    order = detections.scores.argsort(dim=0, descending=True, stable=True)
    every = take_boxes(detections, order)
    pairs = None if asked is None else renumbered(asked, order, len(order))
    mask = keep_boxes(every.scores, may_be_subject[order], limits)
    if pairs is not None:
        mask[pairs] = True
    kept = mask.nonzero()[:, 0]
    pairs = None if pairs is None else renumbered(pairs, kept, len(order))
    return SelectedBoxes(every, kept, take_boxes(every, kept), pairs)


def take_boxes(boxes: InstanceData, positions: Tensor) -> InstanceData:
    """``boxes`` at (K,) positions; ``unions`` (D, D, U) become (K, K, U)."""
    taken = boxes[positions]
    if 'unions' in taken:
        taken.unions = taken.unions[:, positions]
    return taken


def renumbered(pairs: Tensor, positions: Tensor, count: int) -> Tensor:
    """(P, 2) indices into ``count`` detections as indices into those at ``positions``, which have them all."""
    place = positions.new_empty(count)
    place[positions] = torch.arange(len(positions), device=positions.device)
    return place[pairs]


def original_numbers(triplets: Tensor, positions: Tensor) -> Tensor:
    """(T, 3) triplets whose subjects and objects index ``positions``, as indices into all detections."""
    subject, object_, predicate = triplets.unbind(1)
    object_ = torch.where(object_ == NO_OBJECT, NO_OBJECT, positions[object_]) if len(positions) else object_
    return torch.stack([positions[subject], object_, predicate], 1)


def limit_detections(detections: GraphDetections, may_be_subject: Tensor, limits: BoxLimits) -> GraphDetections:
    """:func:`keep_boxes` in an exported graph: at most ``max_boxes`` rows, padding last.

    Args:
        may_be_subject: (N, D) bool.
    """
    count = detections.scores.shape[1]
    position = torch.arange(count, device=detections.scores.device)
    mask = keep_boxes(detections.scores, may_be_subject, limits) & (position < detections.count[:, None])
    rows = torch.where(mask, count - position, 0).topk(min(limits.max_boxes, count)).indices
    number = mask.sum(1)
    valid = torch.arange(rows.shape[1], device=rows.device) < number[:, None]
    boxes = detections.boxes.gather(1, rows[..., None].expand(-1, -1, 4)) * valid[..., None]
    scores, prior_index = detections.scores.gather(1, rows) * valid, detections.prior_index.gather(1, rows) * valid
    labels = torch.where(valid, detections.labels.gather(1, rows), -1)
    return GraphDetections(number.to(detections.count.dtype), boxes, scores, labels, prior_index)
