"""The boxes of a batch as padded tensors: what graph, sampling and head work on.

Letters: B images, N boxes of the fullest image (at least 1), D boxes of one image, E and U dims of given features.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence


class ImageBoxes(NamedTuple):
    """Detections, or boxes of the truth, of a batch.

    ``boxes`` (B, N, 4) xyxy px of the network's input without its padding; ``labels`` (B, N) object class; ``scores``
    (B, N) 0..1; ``valid`` (B, N) bool, False where a row is padding; ``sizes`` (B, 2) width and height of the images
    in px. Where there are such: ``features`` (B, N, E) of the boxes, of a detector's queries or of feature files;
    ``unions`` (B, N, N, U) of ordered pairs; ``offsets`` (B, 2) px of padding left of and above the images.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    valid: Tensor
    sizes: Tensor
    features: Tensor | None = None
    unions: Tensor | None = None
    offsets: Tensor | None = None

    @property
    def pairs(self) -> Tensor:
        """(B, N, N) bool: ordered pairs of two different boxes."""
        itself = torch.eye(self.valid.shape[1], dtype=torch.bool, device=self.valid.device)
        return self.valid[:, :, None] & self.valid[:, None] & ~itself


def every_pair(detections: ImageBoxes) -> Tensor:
    """(B N N, 3) int64 image, subject, object: all there are, padding and a box with itself too."""
    count, most = detections.valid.shape
    image, place = (torch.arange(x, device=detections.boxes.device) for x in (count, most))
    axes = (image[:, None, None], place[None, :, None], place[None, None])
    return torch.stack([x.expand(count, most, most).flatten() for x in axes], 1)


def pad_boxes(detections: Sequence[InstanceData], sizes: Tensor, offsets: Tensor | None = None) -> ImageBoxes:
    """From ``bboxes`` (D, 4), ``labels`` (D,) and ``scores`` (D,; 1 where missing) of each image; ``features`` (D, E)
    and ``unions`` (D, D, U) where every image has them.

    Args:
        sizes: (B, 2) width and height in px.
        offsets: (B, 2), see :class:`ImageBoxes`.
    """
    counts = [len(x) for x in detections]
    most = max([1, *counts])

    def padded(rows: list[Tensor]) -> Tensor:
        one = rows[0].new_zeros(most, *rows[0].shape[1:])
        return pad_sequence([*rows, one], batch_first=True)[:-1]

    def given(name: str) -> list[Tensor] | None:
        return [x[name] for x in detections] if all(name in x for x in detections) else None

    features, unions = given('features'), given('unions')
    if unions is not None:
        unions = [F.pad(x, (0, 0, 0, most - x.shape[1])) for x in unions]
    return ImageBoxes(
        padded([x.bboxes for x in detections]),
        padded([x.labels for x in detections]),
        padded([x.scores if 'scores' in x else torch.ones_like(x.bboxes[:, 0]) for x in detections]),
        torch.arange(most, device=sizes.device)[None] < torch.tensor(counts, device=sizes.device)[:, None],
        sizes,
        None if features is None else padded(features),
        None if unions is None else padded(unions),
        offsets,
    )
