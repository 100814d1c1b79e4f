"""Spatial mask decoder: from the spatial feature of a pair back to where its boxes lie, an aid of training.

SABRA (Jin et al., arXiv 2012.12510) states a decoder that learns the local, object-centric spatial configuration from
the graph's features; the layers, the frame and the loss are ours. Only the latent is needed at test; the transposed
convolutions then never run.

Letters: P pairs, D dims, S side of the masks.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 64
START = 4  # side of the first map


class SpatialMaskDecoder(nn.Module):
    """Latent of a pair, and the two masks that can be read from it.

    Args:
        inputs: width of the pair's input [x_s', x_o', r_so].
        dims: width of the latent.
        channels: of the first map; each transposed convolution halves them.
        masks: False is for a training without masks: what reads them is there but does not learn.
    """

    def __init__(self, inputs: int, dims: int = 256, channels: int = 64, masks: bool = True):
        super().__init__()
        self.latent = nn.Sequential(nn.Linear(inputs, dims), nn.ReLU(), nn.Linear(dims, dims), nn.ReLU())
        self.spread = nn.Linear(dims, channels * START**2)
        steps, width = [], channels
        while START * 2 ** (len(steps) // 2 + 1) < SIDE:
            steps += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1), nn.ReLU()]
            width //= 2
        self.grow = nn.Sequential(*steps, nn.ConvTranspose2d(width, 2, 4, 2, 1))
        for reader in (self.spread, self.grow):
            reader.requires_grad_(masks)

    def forward(self, pairs: Tensor) -> Tensor:
        """(P, inputs) -> (P, dims) latent, for the classifier."""
        return self.latent(pairs)

    def masks(self, latent: Tensor) -> Tensor:
        """(P, dims) -> (P, 2, 64, 64) logits of the subject's and the object's mask."""
        return self.grow(self.spread(latent).unflatten(1, (-1, START, START)))


def pair_masks(subjects: Tensor, objects: Tensor, side: int = SIDE) -> Tensor:
    """The two boxes in the square frame around their union.

    Args:
        subjects, objects: (P, 4) xyxy px.

    Returns:
        (P, 2, S, S) share of each cell that the box covers. The frame's side is the union's longer side, the union lies
        in its middle: the aspect is kept.
    """
    corner = torch.minimum(subjects[:, :2], objects[:, :2])
    end = torch.maximum(subjects[:, 2:], objects[:, 2:])
    length = (end - corner).amax(1).clamp(min=1e-3)
    origin = (corner + end) / 2 - length[:, None] / 2
    scale = side / length
    both = torch.stack([subjects, objects], 1)  # (P, 2, 4)
    both = (both - origin.repeat(1, 2)[:, None]) * scale[:, None, None]
    cells = torch.arange(side, device=both.device, dtype=both.dtype)
    low, high = both[..., None, :2], both[..., None, 2:]  # (P, 2, 1, 2)
    covered = (torch.minimum(high, cells[:, None] + 1) - torch.maximum(low, cells[:, None])).clamp(0, 1)  # (P, 2, S, 2)
    return covered[..., 1][..., :, None] * covered[..., 0][..., None, :]


def mask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean of binary cross entropy and dice loss over all masks; 0 for no pair.

    Args:
        logits, targets: (P, 2, S, S).
    """
    if not len(logits):
        return logits.sum()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets)
    chance = logits.sigmoid().flatten(2)
    target = targets.flatten(2)
    common, total = (chance * target).sum(2), chance.sum(2) + target.sum(2)
    return cross_entropy + (1 - (2 * common + 1) / (total + 1)).mean()
