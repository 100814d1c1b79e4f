"""What a subject does, from its own pixels: where it faces, how it stands; ours.

A detector's maps tell classes and boxes; a pose or a gaze, which no box tells, is in them only when relations teach
them. Here a small network of its own looks at each subject, and the detector learns nothing of it. Where a subject
faces means something only together with where the object lies, so what is seen is multiplied by what is known of the
pair.

Letters: B images, N boxes, P pairs, D dims.
"""

from collections.abc import Sequence

import torch
from mmcv.ops import RoIAlign
from torch import Tensor, nn

from .image_boxes import ImageBoxes
from .roi_align_op import SAMPLES, roi_align

GROUPS = 8  # of channels that are normalised together


class SubjectCrops(nn.Module):
    """Boxes of subjects, resized to squares of the network's input, and a few convolutions of stride 2.

    Args:
        pair_width: of the vector that tells a pair.
        side: of a square, pixels; a multiple of 16.
        channels: of the convolutions, multiples of 8.
        dims: D.
    """

    def __init__(self, pair_width: int, side: int = 64, channels: Sequence[int] = (16, 32, 48, 64), dims: int = 64):
        super().__init__()
        self.align = RoIAlign(side, 1.0, sampling_ratio=SAMPLES)
        layers = []
        for before, after in zip((3, *channels), channels, strict=False):
            norm = nn.GroupNorm(GROUPS, after)  # not of a batch: there may be one subject, or none
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), norm, nn.SiLU()]
        cells = (side >> len(channels)) ** 2
        self.look = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels[-1] * cells, dims))
        self.of_pair = nn.Linear(pair_width, dims)
        self.dims, self.width = dims, 2 * dims

    def forward(self, pixels: Tensor, found: ImageBoxes, pairs: Tensor, known: Tensor) -> Tensor:
        """What is seen of each subject, and the same times what is known of the pair.

        Args:
            pixels: (B, 3, H, W) input of the network.
            pairs: (P, 3) image, subject, object.
            known: (P, pair_width).

        Returns:
            (P, 2 D).
        """
        image, subject, _ = pairs.unbind(1)
        if torch.compiler.is_exporting():  # every box, as shapes must not depend on what is in them
            count, most = found.valid.shape
            every = torch.arange(count * most, device=pairs.device)
            seen = self._look(pixels, every // most, found.boxes.flatten(0, 1))[image * most + subject]
        else:
            some, place = torch.stack([image, subject], 1).unique(dim=0, return_inverse=True)
            seen = self._look(pixels, some[:, 0], found.boxes[some[:, 0], some[:, 1]])[place]
        return torch.cat([seen, seen * self.of_pair(known)], 1)

    def _look(self, pixels: Tensor, image: Tensor, boxes: Tensor) -> Tensor:
        """(R,) image and (R, 4) xyxy px -> (R, D)."""
        rois = torch.cat([image[:, None].to(boxes), boxes], 1)
        if torch.compiler.is_exporting():
            return self.look(roi_align(pixels, rois, self.align.output_size[0], self.align.spatial_scale))
        return self.look(self.align(pixels, rois))
