"""Dense predictions of mmdet's one-stage heads, for exported graphs: boxes and scores as their ``predict`` has them.

A head of a plugin has ``dense_predictions(feats)`` itself; :data:`DENSE_HEADS` has the same for heads of mmdet, by the
name of their class. A subclass may predict otherwise and is not in the table.

N images, A anchors or points of all levels, K classes, C candidates; boxes are xyxy in input pixels.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

MOST = 3840  # largest K of TensorRT's TopK


def candidates(scores: Sequence[Tensor], score_thr: float, nms_pre: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best pairs of a box and a class of each level, as mmdet's ``filter_scores_and_topk`` takes them.

    Of a level the best ``nms_pre`` are taken, at most 3840. mmdet takes more where a config says so (RTMDet: 30,000);
    that makes a difference only where suppression leaves less than ``max_per_img`` boxes of them.

    Args:
        scores: (N, A_l, K) of each level.

    Returns:
        (N, C) anchor index over all levels, label, and score, which is 0 where it is not above ``score_thr``.
    """
    limit = nms_pre if 0 < nms_pre < MOST else MOST
    anchors, labels, values, start = [], [], [], 0
    for level in scores:
        classes = level.shape[2]
        flat = torch.where(level > score_thr, level, 0.0).flatten(1)
        flat = torch.cat([flat, flat.new_zeros(flat.shape[0], limit)], 1)  # a level may have fewer
        best, index = flat.topk(limit)
        index = torch.where(best > 0, index, 0)
        anchors.append(start + index // classes)
        labels.append(index % classes)
        values.append(best)
        start = start + level.shape[1]
    return torch.cat(anchors, 1), torch.cat(labels, 1), torch.cat(values, 1)


def by_class(scores: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Scores (N, C) and labels (N, C) -> (N, C, K), 0 for the other classes."""
    return torch.where(labels[..., None] == torch.arange(classes), scores[..., None], 0.0)


def take(values: Tensor, index: Tensor) -> Tensor:
    """Rows (N, A, D) at (N, C) -> (N, C, D)."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))


def clip(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Boxes (N, C, 4) inside images of ``sizes`` (N, 2), width and height in pixels."""
    return torch.minimum(boxes.clamp(min=0), sizes.repeat(1, 2)[:, None])


def large_enough(boxes: Tensor) -> Tensor:
    """Whether boxes (N, C, 4) have an area: (N, C) bool. mmdet's ``min_bbox_size=0``."""
    return (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])


def apply_deltas(anchors: Tensor, deltas: Tensor, coder: nn.Module) -> Tensor:
    """Boxes of deltas (..., 4) to anchors (..., 4) xyxy (R-CNN, arXiv 1311.2524, appendix C), not clipped.

    Args:
        coder: a DeltaXYWHBBoxCoder, for its means and standard deviations.
    """
    deltas = deltas * deltas.new_tensor(coder.stds) + deltas.new_tensor(coder.means)
    centre, size = (anchors[..., :2] + anchors[..., 2:]) / 2, anchors[..., 2:] - anchors[..., :2]
    centre = centre + size * deltas[..., :2]
    longest = abs(torch.log(torch.tensor(16 / 1000))).item()  # mmdet's wh_ratio_clip
    size = size * deltas[..., 2:].clamp(-longest, longest).exp()
    return torch.cat([centre - size / 2, centre + size / 2], -1)


def apply_distances(points: Tensor, distances: Tensor) -> Tensor:
    """Boxes of distances (..., 4) from points (..., 2) to the left, upper, right and lower side."""
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1)


def rows(maps: Sequence[Tensor], width: int) -> list[Tensor]:
    """Maps (N, B * width, H, W) -> (N, H * W * B, width) each: the order of mmdet's priors."""
    return [x.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, width)) for x in maps]


def priors(head: nn.Module, maps: Sequence[Tensor], **options) -> Tensor:
    """Anchors (A, 4) or points (A, 2) of all levels."""
    sizes = [x.shape[-2:] for x in maps]
    return torch.cat(head.prior_generator.grid_priors(sizes, maps[0].dtype, maps[0].device, **options))


def class_scores(head: nn.Module, maps: Sequence[Tensor]) -> list[Tensor]:
    """(N, A_l, K) of each level, 0 to 1."""
    logits = rows(maps, head.cls_out_channels)
    return [x.sigmoid() if head.use_sigmoid_cls else x.softmax(-1)[..., :-1] for x in logits]


def select_by_level(head: nn.Module, scores: Sequence[Tensor], values: Sequence[Tensor], origin: Tensor, sizes: Tensor):
    """Anchor index, labels, scores, clipped boxes of the candidates."""
    cfg = head.test_cfg
    index, labels, best = candidates(scores, float(cfg.get('score_thr', 0)), int(cfg.get('nms_pre', -1)))
    values, origin = take(torch.cat(values, 1), index), origin[index]
    deltas = hasattr(head.bbox_coder, 'stds')
    boxes = clip(apply_deltas(origin, values, head.bbox_coder) if deltas else apply_distances(origin, values), sizes)
    if cfg.get('min_bbox_size', -1) >= 0:
        best = torch.where(large_enough(boxes), best, 0.0)
    return index, labels, best, boxes


def anchor_or_point_head(head: nn.Module, feats: Sequence[Tensor], sizes: Tensor) -> tuple[Tensor, Tensor]:
    """RetinaNet (arXiv 1708.02002) and RTMDet (2212.07784): class scores and boxes alone."""
    maps, values = head(feats)
    _, labels, scores, boxes = select_by_level(
        head, class_scores(head, maps), rows(values, 4), priors(head, maps), sizes
    )
    return boxes, by_class(scores, labels, head.num_classes)


def fcos_head(head: nn.Module, feats: Sequence[Tensor], sizes: Tensor) -> tuple[Tensor, Tensor]:
    """FCOS (arXiv 1904.01355): class scores above the threshold are multiplied with centerness."""
    maps, values, centerness = head(feats)
    index, labels, scores, boxes = select_by_level(
        head, class_scores(head, maps), rows(values, 4), priors(head, maps), sizes
    )
    factor = take(torch.cat(rows(centerness, 1), 1), index)[..., 0].sigmoid()
    return boxes, by_class(scores * factor, labels, head.num_classes)


def yolox_head(head: nn.Module, feats: Sequence[Tensor], sizes: Tensor) -> tuple[Tensor, Tensor]:
    """YOLOX (arXiv 2107.08430): objectness times the best class of each point; nothing is clipped."""
    maps, values, objectness = head(feats)
    points = priors(head, maps, with_stride=True)
    values, strides = torch.cat(rows(values, 4), 1), points[:, 2:]
    centre, half = values[..., :2] * strides + points[:, :2], values[..., 2:].exp() * strides / 2
    scores, labels = torch.cat(rows(maps, head.cls_out_channels), 1).sigmoid().max(-1)
    scores = scores * torch.cat(rows(objectness, 1), 1)[..., 0].sigmoid()
    scores = torch.where(scores >= head.test_cfg['score_thr'], scores, 0.0)
    return torch.cat([centre - half, centre + half], -1), by_class(scores, labels, head.num_classes)


DenseHead = Callable[[nn.Module, Sequence[Tensor], Tensor], tuple[Tensor, Tensor]]
DENSE_HEADS: dict[str, DenseHead] = {
    'RetinaHead': anchor_or_point_head,
    'RTMDetHead': anchor_or_point_head,
    'RTMDetSepBNHead': anchor_or_point_head,
    'FCOSHead': fcos_head,
    'YOLOXHead': yolox_head,
}
