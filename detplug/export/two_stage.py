"""Faster R-CNN of mmdet (arXiv 1506.01497) in exported graphs: proposals, RoIAlign, boxes and classes of each.

N images, R proposals an image, K classes, C candidates, S cells a side; boxes are xyxy in input pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detplug.export.dense_heads import (
    apply_deltas,
    by_class,
    candidates,
    class_scores,
    clip,
    priors,
    rows,
    select_by_level,
    take,
)
from detplug.export.nms_op import select_detections
from detplug.export.roi_align_op import roi_align_rows


def proposals(head: nn.Module, feats: Sequence[Tensor], sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (N, R, 4) of an RPNHead and how many of each image's R are there (N,); the others are zero boxes."""
    maps, deltas = head(feats)
    _, _, scores, boxes = select_by_level(head, class_scores(head, maps), rows(deltas, 4), priors(head, maps), sizes)
    levels = torch.arange(len(maps)).repeat_interleave(scores.shape[1] // len(maps))  # suppressed level by level
    cfg = head.test_cfg
    scores = by_class(scores, levels.expand_as(scores), len(maps))
    limit = int(cfg.max_per_img)
    count, boxes, *_ = select_detections(boxes, scores, 0.0, float(cfg.nms['iou_threshold']), limit, limit)
    return boxes, count


def pooled(extractor: nn.Module, feats: Sequence[Tensor], boxes: Tensor) -> Tensor:
    """What SingleRoIExtractor takes for boxes (N, R, 4) from the level of their size: (N * R, channels, S, S)."""
    images = torch.arange(boxes.shape[0])[:, None].expand(boxes.shape[:2])
    rois = torch.cat([images[..., None].to(boxes), boxes], 2).flatten(0, 1)
    levels = extractor.map_roi_levels(rois, extractor.num_inputs)
    side = extractor.roi_layers[0].output_size[0]
    out = rois.new_zeros(rois.shape[0], extractor.out_channels, side, side)
    for level, layer in enumerate(extractor.roi_layers):
        out = roi_align_rows(
            out, feats[level], rois, levels == level, side, layer.spatial_scale, layer.sampling_ratio, layer.aligned
        )
    return out


def two_stage_predictions(model: nn.Module, feats: Sequence[Tensor], sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (N, C, 4) and scores (N, C, K), which are 0 where the second stage's are not above its ``score_thr``."""
    boxes, count = proposals(model.rpn_head, feats, sizes)
    head, cfg = model.roi_head.bbox_head, model.roi_head.test_cfg
    extractor = model.roi_head.bbox_roi_extractor
    logits, deltas = head(pooled(extractor, feats[: extractor.num_inputs], boxes))
    there = torch.arange(boxes.shape[1]) < count[:, None]
    scores = logits.softmax(-1)[:, :-1].unflatten(0, boxes.shape[:2]) * there[..., None]
    index, labels, best = candidates([scores], float(cfg.score_thr), -1)
    of_class = torch.zeros_like(labels) if head.reg_class_agnostic else labels
    kinds = 1 if head.reg_class_agnostic else head.num_classes
    deltas = deltas.unflatten(0, boxes.shape[:2]).unflatten(2, (kinds, 4)).flatten(1, 2)
    chosen = apply_deltas(take(boxes, index), take(deltas, index * kinds + of_class), head.bbox_coder)
    return clip(chosen, sizes), by_class(best, labels, head.num_classes)
