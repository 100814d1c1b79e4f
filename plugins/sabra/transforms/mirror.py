"""Mirror an image with its relations: left of becomes right of."""

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from ..relations import RelationImage

Boxes = TypeVar('Boxes')


@TRANSFORMS.register_module()
class MirrorRelations(BaseTransform):
    """Turn left and right of the image (H, W, 3), where there is one, and of all boxes, with a chance.

    Boxes are gt_bboxes ((N, 4) numpy xyxy px, or mmdet's boxes), those of ``relation_truth`` and those of
    ``proposals``; the last two are in pixels of the original image.

    Args:
        prob: of mirroring.
        swaps: predicate -> predicate that it becomes in the mirror, both ways: VRD's 'on the left of' and 'on the right
            of'. Names as in the data set.
    """

    def __init__(self, prob: float = 0.5, swaps: Mapping[str, str] | None = None):
        self.prob = prob
        self.swaps = dict(swaps or {}) | {value: key for key, value in (swaps or {}).items()}

    def transform(self, results: dict) -> dict:
        if random.random() >= self.prob:
            return results
        truth = results['relation_truth']
        width = truth.width
        if 'img' in results:
            results['img'] = np.ascontiguousarray(results['img'][:, ::-1])
            width = results['img'].shape[1]
        if 'gt_bboxes' in results:
            results['gt_bboxes'] = mirrored(results['gt_bboxes'], width)
        if 'proposals' in results:
            boxes, *others = results['proposals']
            results['proposals'] = mirrored(boxes, truth.width), *others
        results['relation_truth'] = self._mirrored(truth, list(results['predicates']))
        return results

    def _mirrored(self, truth: RelationImage, names: list[str]) -> RelationImage:
        relations = truth.relations
        if self.swaps:
            becomes = np.array([names.index(self.swaps.get(name, name)) for name in names])
            relations = relations.copy()
            relations[:, 2] = becomes[relations[:, 2]]
        return replace(truth, boxes=mirrored(truth.boxes, truth.width), relations=relations)


def mirrored(boxes: Boxes, width: int) -> Boxes:
    """Boxes in an image of ``width`` px, left and right turned; a new object."""
    if isinstance(boxes, np.ndarray):
        return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    boxes = boxes.clone()
    boxes.flip_((1, width))  # (height, width); the height plays no part
    return boxes
