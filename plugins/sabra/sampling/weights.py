"""How often each negative pair is drawn.

SABRA (Jin et al., arXiv 2012.12510) states sampling by the inverse frequency of the five kinds of negatives; dividing
by the number of kinds present is ours.
"""

import torch
from torch import Tensor

KINDS = 5


def count_kinds(kinds: Tensor) -> Tensor:
    """(..., P) int64 of kinds 1..5 (others are no negatives) -> (..., 5) float counts."""
    numbers = torch.arange(1, KINDS + 1, device=kinds.device)
    return (kinds[..., None] == numbers).sum(-2).float()


def balanced_weights(kinds: Tensor, counts: Tensor) -> Tensor:
    """Weights that give each kind that is present the same chance in all: P(x) = 1 / (K N_c).

    Args:
        kinds: (..., P) int64, 1..5; others get 0.
        counts: (..., 5) N_c >= 0, of the pairs themselves or of a larger scope.

    Returns:
        (..., P) float32; sums to 1 where ``counts`` are those of the pairs and there are any.
    """
    present = (counts > 0).sum(-1, keepdim=True).clamp(min=1)
    share = torch.where(counts > 0, 1 / (present * counts.clamp(min=1e-12)), torch.zeros_like(counts))
    negative = (kinds >= 1) & (kinds <= KINDS)
    return share.gather(-1, (kinds - 1).clamp(0, KINDS - 1)) * negative


def draw(weights: Tensor, number: Tensor, replacement: bool, generator: torch.Generator | None = None) -> Tensor:
    """Draw by weight from each row.

    Args:
        weights: (B, P) >= 0.
        number: (B,) int64 wanted; rows with fewer positive weights give as many as they have, without replacement, and
            none where all are 0.

    Returns:
        (Q, 2) int64: row and column of each draw.

    Without replacement by the keys log(u) / w of Efraimidis and Spirakis (2006): their largest are such a draw.
    """
    most = int(number.max()) if len(number) else 0
    if not most or not weights.shape[1]:
        return torch.zeros(0, 2, dtype=torch.int64, device=weights.device)
    if replacement:
        some = weights.sum(1) > 0
        safe = torch.where(some[:, None], weights, torch.ones_like(weights))
        drawn = torch.multinomial(safe, most, replacement=True, generator=generator)
        able = some[:, None].expand_as(drawn)
    else:
        uniform = torch.rand(weights.shape, generator=generator, device=weights.device).clamp(min=1e-30)
        keys = torch.where(weights > 0, uniform.log() / weights.clamp(min=1e-30), -torch.inf)
        best, drawn = keys.topk(min(most, weights.shape[1]), dim=1)
        able = best > -torch.inf
    wanted = torch.arange(drawn.shape[1], device=weights.device)[None] < number[:, None]
    row, place = (able & wanted).nonzero(as_tuple=True)
    return torch.stack([row, drawn[row, place]], 1)
