"""The boxes of a batch as padded tensors: what graph, sampling and head work on.

Letters: B images, N boxes of the fullest image (at least 1), D boxes of one image.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class ImageBoxes(NamedTuple):
    """Detections, or boxes of the truth, of a batch.

    ``boxes`` (B, N, 4) xyxy px of the network's input; ``labels`` (B, N) object class; ``scores`` (B, N) 0..1;
    ``valid`` (B, N) bool, False where a row is padding; ``sizes`` (B, 2) width and height of the images in px.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    valid: Tensor
    sizes: Tensor

    @property
    def pairs(self) -> Tensor:
        """(B, N, N) bool: ordered pairs of two different boxes."""
        own = torch.eye(self.valid.shape[1], dtype=torch.bool, device=self.valid.device)
        return self.valid[:, :, None] & self.valid[:, None] & ~own


def pad_boxes(found: Sequence[InstanceData], sizes: Tensor) -> ImageBoxes:
    """From ``bboxes`` (D, 4), ``labels`` (D,) and ``scores`` (D,; 1 where missing) of each image.

    Args:
        sizes: (B, 2) width and height in px.
    """
    counts = torch.tensor([len(x) for x in found], device=sizes.device)
    most = max(int(counts.max()), 1) if len(found) else 1

    def padded(rows: list[Tensor]) -> Tensor:
        one = rows[0].new_zeros(most, *rows[0].shape[1:])
        return pad_sequence([*rows, one], batch_first=True)[:-1]

    return ImageBoxes(
        padded([x.bboxes for x in found]),
        padded([x.labels for x in found]),
        padded([x.scores if 'scores' in x else torch.ones_like(x.bboxes[:, 0]) for x in found]),
        torch.arange(most, device=sizes.device)[None] < counts[:, None],
        sizes,
    )
