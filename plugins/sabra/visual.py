"""Pooled features of subjects, objects and their unions, from the maps of a detector.

Letters: B images, N boxes, P pairs, D dims.
"""

from collections.abc import Sequence

import torch
from mmcv.ops import RoIAlign
from torch import Tensor, nn

from .image_boxes import ImageBoxes
from .roi_align_op import SAMPLES, roi_align


class PairPooling(nn.Module):
    """RoIAlign on one map: boxes once each, unions of the pairs that are asked for.

    Args:
        channels: of the map.
        stride: px of the input a cell.
        level: which of the detector's maps.
        dims: D, of each pooled feature.
        side: cells of a pooled box.
    """

    def __init__(self, channels: int, stride: int, level: int = 0, dims: int = 128, side: int = 5):
        super().__init__()
        self.level = level
        self.align = RoIAlign(side, 1 / stride, sampling_ratio=SAMPLES)
        self.box, self.union = (
            nn.Sequential(nn.Linear(channels * side**2, dims), nn.ReLU(), nn.Linear(dims, dims)) for _ in range(2)
        )
        self.width = 3 * dims

    def forward(self, feats: Sequence[Tensor], found: ImageBoxes, pairs: Tensor) -> Tensor:
        """(P, 3) image, subject, object -> (P, 3 D)."""
        maps = feats[self.level]
        count, most = found.valid.shape
        image, subject, object_ = pairs.unbind(1)
        every = torch.arange(count, device=pairs.device).repeat_interleave(most)
        boxes = self.box(self._pool(maps, every, found.boxes.flatten(0, 1))).view(count, most, -1)
        first, second = found.boxes[image, subject], found.boxes[image, object_]
        union = torch.cat([torch.minimum(first[:, :2], second[:, :2]), torch.maximum(first[:, 2:], second[:, 2:])], 1)
        return torch.cat([boxes[image, subject], boxes[image, object_], self.union(self._pool(maps, image, union))], 1)

    def _pool(self, maps: Tensor, image: Tensor, boxes: Tensor) -> Tensor:
        """(R,) image and (R, 4) xyxy px -> (R, channels side side)."""
        rois = torch.cat([image[:, None].to(boxes), boxes], 1)
        maps = maps.to(rois)  # maps of mixed precision: bfloat16 could not say 601 px
        if torch.compiler.is_exporting():
            return roi_align(maps, rois, self.align.output_size[0], self.align.spatial_scale).flatten(1)
        return self.align(maps, rois).flatten(1)
