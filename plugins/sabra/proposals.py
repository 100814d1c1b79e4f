"""Relation proposals and their labels: positive, or one of the five kinds of negatives of BNPS.

The split into five kinds is SABRA's (Jin et al., arXiv 2012.12510), the definitions are ours. A box is matched when its
IoU with an object of the truth is at least ``iou_thr`` (and, where the task names classes, the class is right).

Letters: B images, N boxes, G objects of the truth, R relations of the truth, C predicates.
"""

from typing import NamedTuple

import torch
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from .image_boxes import ImageBoxes
from .relations import NO_OBJECT

INVALID, POSITIVE = -1, 0
NEGATIVES = {
    1: 'both boxes are wrong',
    2: 'the object is wrong',
    3: 'the subject is wrong',
    4: 'both are right and take part in relations, but not in this one',
    5: 'both are right, at least one takes part in no relation',
}


class Truth(NamedTuple):
    """Relations of a batch.

    ``objects``: :class:`ImageBoxes` of the truth (B, G); ``relations`` (R, 4) int64: image, subject, object (or
    NO_OBJECT), predicate; ``annotated`` (B, G) bool, see RelationImage.
    """

    objects: ImageBoxes
    relations: Tensor
    annotated: Tensor


class ProposalLabels(NamedTuple):
    """What the truth says of all ordered pairs.

    ``kinds`` (B, N, N) int64: INVALID (padding, a box with itself, a subject that nobody annotated), POSITIVE, 1..5;
    ``matched`` (B, N, G) bool; ``annotated`` (B, N) bool: False for a box that matches unannotated objects alone.
    """

    kinds: Tensor
    matched: Tensor
    annotated: Tensor


def label_proposals(
    boxes: ImageBoxes, truth: Truth, iou_thr: float = 0.5, same_class: bool = True, subjects: Tensor | None = None
) -> ProposalLabels:
    """Label every ordered pair.

    Args:
        same_class: a box matches objects of its class only.
        subjects: (B, N) bool, boxes that may be a subject (persons); by default all.
    """
    objects = truth.objects
    matched = bbox_overlaps(boxes.boxes, objects.boxes) >= iou_thr
    matched &= boxes.valid[:, :, None] & objects.valid[:, None]
    if same_class:
        matched &= boxes.labels[:, :, None] == objects.labels[:, None]
    related = torch.zeros_like(objects.valid)  # objects that take part in a relation, one without object included
    related[truth.relations[:, 0], truth.relations[:, 1]] = True
    image, subject, object_, _ = pair_relations(truth).unbind(1)
    related[image, object_] = True
    linked = torch.zeros(*objects.valid.shape, objects.valid.shape[1], dtype=boxes.boxes.dtype, device=matched.device)
    linked[image, subject, object_] = 1
    weight = matched.to(linked.dtype)
    positive = weight @ linked @ weight.transpose(1, 2) > 0
    right = matched.any(2)
    takes_part = (matched & related[:, None]).any(2)
    kinds = torch.where(takes_part[:, :, None] & takes_part[:, None], 4, 5)
    kinds = torch.where(~right[:, :, None] & right[:, None], 3, kinds)
    kinds = torch.where(right[:, :, None] & ~right[:, None], 2, kinds)
    kinds = torch.where(~right[:, :, None] & ~right[:, None], 1, kinds)
    kinds = torch.where(positive, POSITIVE, kinds)
    annotated = ~right | (matched & truth.annotated[:, None]).any(2)
    allowed = boxes.pairs & annotated[:, :, None]
    if subjects is not None:
        allowed &= subjects[:, :, None]
    return ProposalLabels(kinds.masked_fill(~allowed, INVALID), matched, annotated)


def pair_relations(truth: Truth) -> Tensor:
    """(R', 4) the relations between two objects.

    One of an object with itself is none of a pair: two detections of one object are not related for it.
    """
    subject, object_ = truth.relations[:, 1], truth.relations[:, 2]
    return truth.relations[(object_ != NO_OBJECT) & (object_ != subject)]


def predicate_targets(labels: ProposalLabels, truth: Truth, pairs: Tensor, predicates: int) -> Tensor:
    """(P, C) float targets of P pairs.

    Args:
        pairs: (P, 3) int64: image, subject, object of each pair.
        predicates: C.
    """
    targets = labels.matched.new_zeros(len(pairs), predicates, dtype=torch.float32)
    relations = pair_relations(truth)
    if not len(pairs) or not len(relations):
        return targets
    image, subject, object_ = pairs.unbind(1)
    same = image[:, None] == relations[:, 0]  # (P, R)
    hit = same & labels.matched[image[:, None], subject[:, None], relations[:, 1]]
    hit &= labels.matched[image[:, None], object_[:, None], relations[:, 2]]
    pair, relation = hit.nonzero(as_tuple=True)
    targets[pair, relations[relation, 3]] = 1
    return targets


def intransitive_targets(labels: ProposalLabels, truth: Truth, predicates: int) -> Tensor:
    """(B, N, C) float targets of predicates whose object is missing, for each box as a subject."""
    matched = labels.matched
    targets = matched.new_zeros(*matched.shape[:2], predicates, dtype=torch.float32)
    relations = truth.relations[truth.relations[:, 2] == NO_OBJECT]
    hit = matched[relations[:, 0], :, relations[:, 1]]  # (R, N)
    relation, box = hit.nonzero(as_tuple=True)
    targets[relations[relation, 0], box, relations[relation, 3]] = 1
    return targets
