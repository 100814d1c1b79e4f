"""A two-stage head whose ground-truth boxes may have a weight: how sure it is that an object of this class is there.

YOLOv5Loss does the same for the one-stage detector. G boxes of an image, P positive proposals.
"""

import torch
from mmdet.models.roi_heads import Shared2FCBBoxHead, StandardRoIHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample


@MODELS.register_module()
class WeightedRoIHead(StandardRoIHead):
    """mmdet's StandardRoIHead; ``gt_instances.weights`` (G,), if there, scales the class loss of each box's proposals.

    Its ``bbox_head`` is a :class:`WeightedBBoxHead`.
    """

    def loss(self, x, rpn_results_list, batch_data_samples: list[DetDataSample]) -> dict:
        self._weights = [sample.gt_instances.get('weights') for sample in batch_data_samples]
        return super().loss(x, rpn_results_list, batch_data_samples)

    def bbox_loss(self, x, sampling_results) -> dict:
        for result, weights in zip(sampling_results, self._weights, strict=True):
            result.weights = None if weights is None else weights[result.pos_assigned_gt_inds]
        return super().bbox_loss(x, sampling_results)


@MODELS.register_module()
class WeightedBBoxHead(Shared2FCBBoxHead):
    """mmdet's two-layer head; ``weights`` (P,) of a sampling result scale the class loss of its positives."""

    def get_targets(self, sampling_results, rcnn_train_cfg, concat: bool = True) -> tuple:
        """As mmdet's: labels, their weights, box targets, their weights; the positives of an image come first."""
        targets = super().get_targets(sampling_results, rcnn_train_cfg, concat=False)
        for result, label_weights in zip(sampling_results, targets[1], strict=True):
            if result.weights is not None:
                label_weights[: len(result.weights)] *= result.weights
        return tuple(map(torch.cat, targets)) if concat else targets
