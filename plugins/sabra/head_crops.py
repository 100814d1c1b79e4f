"""Where a subject looks: its head, cut out of the network's input, beside where the object lies from there. Ours.

The crop is the upper part of the subject's box at the input's resolution, whether a head is there or not.

Letters: B images, N boxes, P pairs, R crops, C predicates, D dims.
"""

from collections.abc import Sequence

import torch
from mmcv.ops import RoIAlign
from torch import Tensor, nn

from detplug.errors import UserError

from .image_boxes import ImageBoxes
from .pair_vectors import LARGEST, PAIR_WIDTH, centre_size, pair_vectors, scaled
from .roi_align_op import SAMPLES, roi_align
from .visual import in_input

DIRECTION_WIDTH = 7
EYES = 0.13  # how far below the top of a person the eyes are, in heights of a standing person


class HeadCrops(nn.Module):
    """Logits of the predicates that a gaze says, from crops of subjects times the direction to the object.

    No other predicate sees the crops; interactiveness does, because a score is the product of both.

    Args:
        count: C, of all predicates.
        predicates: indices of the K that a gaze says.
        dims: D of a crop.
        side: px of the square that a crop is resampled to.
        part: upper share of the subject's box that is cut out.
        margin: by how much wider than the box and above its top, in shares of its width and height.
        dropout: share of a crop's inputs to its last layer.
        jitter: in training each side of a box is moved by so much of the box's width or height (standard deviation), as
            those of a detector are.

    Raises:
        UserError: no predicates, or one that does not exist.
    """

    reads_input = True

    def __init__(
        self,
        count: int,
        predicates: Sequence[int],
        dims: int = 32,
        side: int = 28,
        part: float = 0.33,
        margin: float = 0.05,
        dropout: float = 0.3,
        jitter: float = 0.03,
    ):
        super().__init__()
        self.dims, self.part, self.margin, self.jitter = dims, part, margin, jitter
        self.align = RoIAlign(side, 1.0, sampling_ratio=SAMPLES)
        cells = (side + 3) // 4
        self.network = nn.Sequential(
            *convolution(3, 16, 1), *convolution(16, 32, 2), *convolution(32, 32, 1), *convolution(32, 64, 2),
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(64 * cells**2, dims),
        )  # fmt: skip
        if not predicates or min(predicates) < 0 or max(predicates) >= count:
            raise UserError(f'model.head.head_crops.predicates: {list(predicates)}: give indices from 0 to {count - 1}')
        columns = torch.eye(count + 1)[[*predicates, count]]
        self.register_buffer('columns', columns, persistent=False)  # (K + 1, C + 1)
        self.classify = nn.Sequential(
            nn.Linear(5 * dims + DIRECTION_WIDTH + PAIR_WIDTH, 2 * dims), nn.ReLU(), nn.Dropout(dropout / 2),
            nn.Linear(2 * dims, len(predicates) + 1),
        )  # fmt: skip

    def forward(self, images: Tensor, detections: ImageBoxes, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """What to add to the logits of the predicates, and of interactiveness.

        Args:
            images: (B, 3, H, W), the network's input.
            pairs: (P, 3) int64 image, subject, object.

        Returns:
            (P, C), 0 for predicates that no gaze says, and (P,).
        """
        logits = self.classify(self.inputs(images, detections, pairs)) @ self.columns
        return logits[:, :-1], logits[:, -1]

    def inputs(self, images: Tensor, detections: ImageBoxes, pairs: Tensor) -> Tensor:
        """(P, 5 D + 7 + 36): the crop, the crop times each number of the direction and the offset, these numbers, and
        how the boxes lie to one another."""
        image, subject, object_ = pairs.unbind(1)
        most = detections.valid.shape[1]
        if torch.compiler.is_exporting():  # a graph has no rows of unknown number
            each = torch.arange(detections.valid.numel(), device=pairs.device)
            of_pair = image * most + subject
        else:
            each, of_pair = (image * most + subject).unique(return_inverse=True)
        seen = self._read(images, detections, each // most, each % most)[of_pair]
        first, second = detections.boxes[image, subject], detections.boxes[image, object_]
        where, between = directions(first, second), scaled(pair_vectors(first, second, detections.sizes[image]))
        turned = (seen[:, :, None] * where[:, None, :4]).flatten(1)
        return torch.cat([seen, turned, where, between], 1)

    def _read(self, images: Tensor, detections: ImageBoxes, image: Tensor, place: Tensor) -> Tensor:
        """(R,) image and number of the box -> (R, D)."""
        boxes = detections.boxes[image, place]
        if self.training:
            boxes = boxes + self.jitter * torch.randn_like(boxes) * centre_size(boxes)[1].repeat(1, 2)
        boxes = in_input(upper_part(boxes, self.part, self.margin), image, detections)
        rois = torch.cat([image[:, None].to(boxes), boxes], 1)
        if torch.compiler.is_exporting():
            return self.network(roi_align(images, rois, self.align.output_size[0], 1.0))
        if not len(rois):  # the statistics of nothing are not defined; the parameters stay part of the loss
            return boxes.new_zeros(0, self.dims) + 0 * sum(x.sum() for x in self.network.parameters())
        return self.network(self.align(images.to(rois), rois))


def upper_part(boxes: Tensor, part: float, margin: float) -> Tensor:
    """(..., 4) xyxy px -> the upper ``part`` of each, with ``margin`` at the sides and the top."""
    left, top, right, bottom = boxes.unbind(-1)
    wide, high = (right - left).clamp(min=1), (bottom - top).clamp(min=1)
    return torch.stack([left - margin * wide, top - margin * high, right + margin * wide, top + part * high], -1)


def directions(subjects: Tensor, objects: Tensor) -> Tensor:
    """Where objects lie from the subjects' eyes, (..., 7) of (..., 4) xyxy px each.

    Unit vector to the object's centre, the same not normalised, its length, and the object's width and height; lengths
    in heights of the subject.
    """
    centre, side = centre_size(subjects)
    target, size = centre_size(objects)
    eyes = torch.stack([centre[..., 0], subjects[..., 1] + EYES * side[..., 1]], -1)
    offset = (target - eyes) / side[..., 1:]
    away = offset.norm(dim=-1, keepdim=True).clamp(min=0.01)
    numbers = torch.cat([offset / away, offset, away, size / side[..., 1:]], -1)
    return numbers.clamp(-(LARGEST**0.5), LARGEST**0.5)


def convolution(inputs: int, outputs: int, stride: int) -> Sequence[nn.Module]:
    """3 x 3, normalised, ReLU."""
    return (
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
