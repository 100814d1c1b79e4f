"""How many pairs of each kind are drawn, and which: quotas in place of chances.

SABRA (Jin et al., arXiv 2012.12510) states sampling by the inverse frequency of five kinds. Drawing by such chances
gives every kind its share in the mean; quotas, which are ours, give it in every step. Positive pairs and the kinds of
negatives are the strata. A row is an image, or a batch whose images share their draws.

Letters: R rows, P pairs of a row, S strata.
"""

import torch
from torch import Tensor

NONE = -1  # stratum of what is no pair


def count_strata(strata: Tensor, number: int) -> Tensor:
    """(R, P) int64 strata, NONE included -> (R, ``number``) float64 counts."""
    numbers = torch.arange(number, device=strata.device)  # bincount would make the host wait
    return (strata[..., None] == numbers).sum(-2).double()


def divide(total: Tensor, shares: Tensor, counts: Tensor, replacement: bool) -> Tensor:
    """Draws of each stratum.

    Args:
        total: (R,) draws of each row.
        shares: (R, S) >= 0, what a stratum gets in relation to the others; one without pairs gets nothing.
        counts: (R, S) pairs of each stratum.
        replacement: a pair may be drawn again. Otherwise a stratum gives at most what it has, and what it cannot give
            is shared by those that can.

    Returns:
        (R, S) float64, in general no whole numbers. Rows sum to ``total``; to less where there is too little.
    """
    shares = torch.where(counts > 0, shares.double(), 0)
    limits = torch.full_like(counts, torch.inf) if replacement else counts
    draws, left = torch.zeros_like(counts), total.double()
    for _ in range(counts.shape[1]):  # each round fills at least one stratum, or is the last
        open_ = torch.where(draws < limits, shares, 0)
        part = open_ / open_.sum(1, keepdim=True).clamp(min=1e-300)
        draws = torch.minimum(draws + left[:, None] * part, limits)
        left = (total - draws.sum(1)).clamp(min=0)
    return torch.where(counts > 0, draws, 0)


def round_draws(draws: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """(R, S) numbers -> int64 of the same mean, each one of the two whole numbers around it, rows sum up alike.

    Systematic sampling: one random offset a row decides about all of its fractions.
    """
    offset = torch.rand(len(draws), 1, generator=generator, device=draws.device, dtype=draws.dtype)
    # rounding errors of the sums must not make two draws of none
    ends = (draws.cumsum(1).mul(2**20).round() / 2**20 + offset).floor()
    return torch.diff(ends, dim=1, prepend=torch.zeros_like(offset)).long()


def rank_within(strata: Tensor, keys: Tensor, counts: Tensor) -> Tensor:
    """(R, P) int64 place of each pair in its stratum by ascending ``keys`` (R, P) in [0, 1); NONE has none."""
    order = (strata + keys.double()).argsort(1)  # NONE, which is -1, comes first
    everywhere = torch.arange(strata.shape[1], device=order.device).expand_as(order)
    place = torch.empty_like(order).scatter_(1, order, everywhere)
    first = counts.cumsum(1) - counts + (strata == NONE).sum(1, keepdim=True)
    return place - first.long().gather(1, strata.clamp(min=0))


def repeat(strata: Tensor, quotas: Tensor, counts: Tensor, rank: Tensor) -> Tensor:
    """(R, P) float32: how often each pair is drawn.

    The quota of a stratum goes round its pairs in the order of ``rank`` (R, P): no pair is drawn twice before all are
    drawn once.
    """
    at, counts = strata.clamp(min=0), counts.clamp(min=1).long()
    rounds, rest = (x.gather(1, at) for x in (quotas // counts, quotas % counts))
    return ((rounds + (rank < rest)) * (strata != NONE)).float()
