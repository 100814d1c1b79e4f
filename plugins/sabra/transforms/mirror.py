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

    Without an image (`boxes` mode) the boxes of ``relation_truth`` turn too, since proposals are made from them.

    Args:
        prob: of mirroring.
        swaps: predicate -> predicate that it becomes in the mirror, both ways: VRD's 'on the left of' and 'on the right
            of'. Names as in the data set.
        extent: without an image, mirror between the ends of what the boxes span; for annotations without sizes (VRD).
    """

    def __init__(self, prob: float = 0.5, swaps: Mapping[str, str] | None = None, extent: bool = False):
        self.prob, self.extent = prob, extent
        self.swaps = dict(swaps or {}) | {value: key for key, value in (swaps or {}).items()}

    def transform(self, results: dict) -> dict:
        if random.random() >= self.prob:
            return results
        boxes, truth = results['gt_bboxes'], results['relation_truth']
        if 'img' in results:
            results['img'] = np.ascontiguousarray(results['img'][:, ::-1])
            total = results['img'].shape[1]
        else:
            spans = self.extent and len(boxes)
            total = boxes[:, 0].min() + boxes[:, 2].max() if spans else results['width']
            truth = replace(truth, boxes=mirrored(truth.boxes, total))
        results['gt_bboxes'] = mirrored(boxes, total)
        results['relation_truth'] = self._swapped(truth, list(results['predicates'])) if self.swaps else truth
        return results

    def _swapped(self, truth, names: list[str]):
        becomes = np.array([names.index(self.swaps.get(name, name)) for name in names])
        relations = truth.relations.copy()
        relations[:, 2] = becomes[relations[:, 2]]
        return replace(truth, relations=relations)


def mirrored(boxes: np.ndarray, total: float) -> np.ndarray:
    """(N, 4) xyxy boxes with x turned into ``total - x``."""
    return np.stack([total - boxes[:, 2], boxes[:, 1], total - boxes[:, 0], boxes[:, 3]], 1)
