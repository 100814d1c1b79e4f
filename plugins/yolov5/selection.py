"""From YOLOv5's outputs to the final boxes of each image: threshold, classes, non-maximum suppression.

N images, A anchors a level, K classes, C candidates.
"""

import math
from collections.abc import Sequence

import torch
from mmcv.ops import batched_nms, nms
from torch import Tensor

from .box_coding import decode


def candidates(
    maps: Sequence[Tensor], anchors: Tensor, strides: Sequence[int], score_thr: float, multi_label: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Boxes that score above a threshold, of all images and levels.

    The score is objectness times class, so only anchors whose objectness passes are looked at further.

    Args:
        maps: (N, A * (5 + K), H, W) each.
        anchors: (levels, A, 2) pixels.
        score_thr: 0 to 1.
        multi_label: an anchor gives a box for each class above the threshold; otherwise for its best class only.

    Returns:
        (C,) image, (C, 4) boxes xyxy pixels, (C,) scores, (C,) labels, (C,) prior index: of the anchor among all of an
        image, by level, anchor, row, column.
    """
    threshold = -math.inf if score_thr <= 0 else math.inf if score_thr >= 1 else math.log(score_thr / (1 - score_thr))
    images, boxes, logits, prior_index, start = [], [], [], [], 0
    for raw, sizes, stride in zip(maps, anchors, strides, strict=True):
        raw = raw.float().unflatten(1, (len(sizes), -1))
        image, anchor, row, column = (raw[:, :, 4] > threshold).nonzero(as_tuple=True)
        picked = raw[image, anchor, :, row, column]
        rows, columns = raw.shape[3:]
        images.append(image)
        prior_index.append(start + (anchor * rows + row) * columns + column)
        start += len(sizes) * rows * columns
        logits.append(picked)
        boxes.append(decode(picked[:, :4], torch.stack([column, row], 1), sizes[anchor], stride))
    image, box, logits, prior_index = (torch.cat(parts) for parts in (images, boxes, logits, prior_index))
    scores = logits[:, 5:].sigmoid() * logits[:, 4:5].sigmoid()
    if multi_label:
        hit, label = (scores > score_thr).nonzero(as_tuple=True)
        return image[hit], box[hit], scores[hit, label], label, prior_index[hit]
    score, label = scores.max(1)
    kept = score > score_thr
    return image[kept], box[kept], score[kept], label[kept], prior_index[kept]


def best_of_each_class(labels: Tensor, limit: int) -> Tensor:
    """(C,) bool: the first ``limit`` of each class among ``labels`` (C,), which are in descending order of score."""
    by_label = labels.argsort(stable=True)
    ordered = labels[by_label]
    turn = torch.arange(len(labels), device=labels.device) - torch.searchsorted(ordered, ordered)
    return torch.empty_like(labels, dtype=torch.bool).scatter(0, by_label, turn < limit)


def best_candidates(scores: Tensor, labels: Tensor, limit: int, per_class: int | None) -> Tensor | slice:
    """The ``limit`` candidates of an image with the best scores (C,); with ``per_class``, so many of each class.

    Returns:
        Their index; everything where there are no more.
    """
    if len(scores) <= limit:
        return slice(None)
    if per_class is None:
        return scores.topk(limit).indices
    order = scores.argsort(descending=True, stable=True)
    return order[best_of_each_class(labels[order], limit)]


def suppress(
    boxes: Tensor, scores: Tensor, labels: Tensor, nms_cfg: dict, limit: int, per_class: int | None = None
) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression within each class, the best ``per_class`` boxes of each, of these the best ``limit``.

    Greedy suppression of the best C candidates is the beginning of that of all: where they leave ``limit`` boxes, the
    others cannot matter. So it starts with a few and takes all only if too few are left: the same result, sooner. With
    ``per_class`` that is done for each class by itself.

    Args:
        boxes: (C, 4) xyxy.
        nms_cfg: mmcv's config, such as ``dict(type='nms', iou_threshold=.6)``.
        per_class: boxes of one class; None is no limit.

    Returns:
        (D, 5) boxes and score, best first, and (D,) their index among the C.
    """
    order = scores.argsort(descending=True, stable=True)
    first = 4 * limit if per_class is None and nms_cfg.get('type', 'nms') == 'nms' else len(order)
    while True:
        chosen = order[:first]
        kept = suppress_sorted(boxes[chosen], scores[chosen], labels[chosen], nms_cfg, per_class)
        if len(kept) >= limit or first >= len(order):
            break
        first *= 4
    kept = chosen[kept[:limit]]
    return torch.cat([boxes[kept], scores[kept, None]], 1), kept


def suppress_sorted(
    boxes: Tensor, scores: Tensor, labels: Tensor, nms_cfg: dict, per_class: int | None = None
) -> Tensor:
    """Non-maximum suppression within each class of boxes that are sorted by score: (D,) indices kept, best first.

    At most ``per_class`` of each class are kept.

    mmcv's batched_nms moves each class to a place of its own, which rounds float32 coordinates (80 classes at 640 px:
    to 1/256 px) and turns decisions near the threshold; here each class is suppressed where it lies.
    """
    if not len(boxes):
        return labels
    if nms_cfg.get('type', 'nms') != 'nms':  # batched_nms tells classes apart for coordinates >= 0 only
        kept = batched_nms(boxes - boxes.amin(), scores, labels, nms_cfg)[1]
        return kept if per_class is None else kept[best_of_each_class(labels[kept], per_class)]
    kept = []
    for label in labels.unique():
        mine = (labels == label).nonzero()[:, 0]
        kept.append(mine[first_kept(boxes[mine], scores[mine], nms_cfg['iou_threshold'], per_class)])
    return torch.cat(kept).sort().values


def first_kept(boxes: Tensor, scores: Tensor, iou_threshold: float, limit: int | None) -> Tensor:
    """Indices of the first ``limit`` boxes that suppression keeps of one class, sorted by score; None: of all.

    As :func:`suppress`, it looks at the others only where the first leave too few.
    """
    first = len(boxes) if limit is None else 4 * limit
    while True:
        kept = nms(boxes[:first], scores[:first], iou_threshold)[1][:limit]
        if limit is None or len(kept) == limit or first >= len(boxes):
            return kept
        first *= 4
