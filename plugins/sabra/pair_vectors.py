"""How two boxes lie to one another, as 36 numbers, and where one lies in its image, as 6.

The 36-d vector is that of SCG and UPT (Zhang et al., arXiv 2012.06060 and 2112.01838); the limits are ours: a side
counts as at least one pixel and no number is above ``LARGEST``, so that boxes of zero size stay finite.
"""

import math

import torch
from torch import Tensor

PAIR_WIDTH, NODE_WIDTH = 36, 6
LEAST_SCORE = 1e-4  # detection scores below count like it
LARGEST = 100.0
EPS = 1e-10  # of the logarithm


def centre_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 4) xyxy px -> (..., 2) centre and (..., 2) width and height, at least 1 px."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]).clamp(min=1)


def node_vectors(boxes: Tensor, sizes: Tensor) -> Tensor:
    """(..., 4) xyxy px and (..., 2) size of the image -> (..., 6) normalised centre, size, area, and log of the aspect.

    The logarithm of width over height keeps a line of 300 x 3 px (100; log 4.6) to the scale of the other numbers.
    """
    centre, side = centre_size(boxes)
    share = side / sizes
    aspect = (side[..., :1] / side[..., 1:]).log()
    return torch.cat([centre / sizes, share, share.prod(-1, keepdim=True), aspect], -1).clamp(max=LARGEST)


def score_vectors(scores: Tensor) -> Tensor:
    """(...) detection scores 0..1 -> (..., 1) numbers 0..2 for a network: how far log(score) is above log(1e-4)."""
    log = scores.clamp(min=LEAST_SCORE).log()[..., None]
    return 2 - 2 * log / math.log(LEAST_SCORE)


def pair_vectors(subjects: Tensor, objects: Tensor, sizes: Tensor) -> Tensor:
    """The relation of two boxes.

    Args:
        subjects, objects: (..., 4) xyxy px; they may broadcast, as (B, N, 1, 4) and (B, 1, N, 4) do.
        sizes: (..., 2) width and height of the image in px.

    Returns:
        (..., 36): both centres, both sizes, both areas (shares of the image), area of the object over the subject's,
        both aspect ratios (width over height), IoU, how far the object's centre lies right, left, below, above (in
        sides of the subject), and log(x + 1e-10) of these 18.
    """
    subjects, objects, sizes = broadcast(subjects, objects, sizes)
    (centre, side), (centre_o, side_o) = centre_size(subjects), centre_size(objects)
    areas = [x.prod(-1, keepdim=True) for x in (side / sizes, side_o / sizes)]
    corner = torch.maximum(subjects[..., :2], objects[..., :2])
    common = (torch.minimum(subjects[..., 2:], objects[..., 2:]) - corner).clamp(min=0).prod(-1, keepdim=True)
    union = side.prod(-1, keepdim=True) + side_o.prod(-1, keepdim=True) - common
    offset = (centre_o - centre) / side
    plain = torch.cat(
        [
            centre / sizes,
            centre_o / sizes,
            side / sizes,
            side_o / sizes,
            *areas,
            areas[1] / areas[0],
            side[..., :1] / side[..., 1:],
            side_o[..., :1] / side_o[..., 1:],
            common / union,
            offset.clamp(min=0)[..., :1],
            (-offset).clamp(min=0)[..., :1],
            offset.clamp(min=0)[..., 1:],
            (-offset).clamp(min=0)[..., 1:],
        ],
        -1,
    ).clamp(0.0, LARGEST)
    return torch.cat([plain, (plain + EPS).log()], -1)


def scaled(vectors: Tensor) -> Tensor:
    """The same numbers for a network: logarithms of nothing (-23) and large ratios come to the scale of the rest."""
    return vectors.clamp(-8.0, 8.0) / 4


def broadcast(subjects: Tensor, objects: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three with one shape but for the last dimension."""
    shape = torch.broadcast_shapes(subjects.shape[:-1], objects.shape[:-1], sizes.shape[:-1])
    return tuple(x.expand(*shape, x.shape[-1]) for x in (subjects, objects, sizes))
