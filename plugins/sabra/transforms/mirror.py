"""Mirror an image with its relations: left of becomes right of."""

import random
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MirrorRelations(BaseTransform):
    """Turn left and right of image (H, W, 3) and boxes ((N, 4) numpy xyxy px), with a chance.

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
        results['img'] = np.ascontiguousarray(results['img'][:, ::-1])
        boxes, width = results['gt_bboxes'], results['img'].shape[1]
        results['gt_bboxes'] = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
        if self.swaps:
            results['relation_truth'] = self._swapped(results['relation_truth'], list(results['predicates']))
        return results

    def _swapped(self, truth, names: list[str]):
        becomes = np.array([names.index(self.swaps.get(name, name)) for name in names])
        relations = truth.relations.copy()
        relations[:, 2] = becomes[relations[:, 2]]
        return replace(truth, relations=relations)
