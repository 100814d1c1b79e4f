"""Which relation proposals a training step learns from: BNPS and the three ways it is compared with.

Each draws up to ``num_pairs`` pairs an image, of which at most ``pos_fraction`` are positive; the rest are negatives.

Letters: B images, P ordered pairs of an image, Q drawn pairs.
"""

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor, nn

from ..proposals import POSITIVE
from .weights import KINDS, balanced_weights, count_kinds, draw

SCOPES = ('image', 'batch', 'running')


class PairSampler(nn.Module):
    """Base: positives at random, negatives by :meth:`negative_weights`.

    Args:
        num_pairs: of one image.
        pos_fraction: of them may be positive.
        replacement: negatives may be drawn more than once.

    Attributes:
        needs_losses: whether :meth:`forward` wants the loss of every pair.
        found, drawn: (6,) pairs of each kind (0 is positive) that were there and were drawn since :meth:`take_counts`.
    """

    needs_losses = False

    def __init__(self, num_pairs: int = 64, pos_fraction: float = 0.25, replacement: bool = False):
        super().__init__()
        self.num_pairs, self.pos_fraction, self.replacement = num_pairs, pos_fraction, replacement
        self.found, self.drawn = torch.zeros(KINDS + 1), torch.zeros(KINDS + 1)

    def forward(self, kinds: Tensor, losses: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """(B, P) kinds (-1 for no pair) -> (Q, 2) int64 image and pair; ``losses`` (B, P) where they are needed."""
        positive = (kinds == POSITIVE).float()
        most = int(self.num_pairs * self.pos_fraction)
        positives = draw(positive, positive.sum(1).long().clamp(max=most), False, generator)
        got = torch.bincount(positives[:, 0], minlength=len(kinds))
        negatives = self.draw_negatives(kinds, self.num_pairs - got, losses, generator)
        chosen = torch.cat([positives, negatives])
        self._note(kinds, kinds[chosen[:, 0], chosen[:, 1]])
        return chosen

    def _note(self, found: Tensor, drawn: Tensor) -> None:
        """Add kinds to the counts, which stay on their device until :meth:`take_counts`."""
        self.found = self.found.to(found.device) + _count_all(found)
        self.drawn = self.drawn.to(drawn.device) + _count_all(drawn)

    def draw_negatives(
        self, kinds: Tensor, number: Tensor, losses: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        """(Q, 2) image and pair; ``number`` (B,) wanted."""
        return draw(self.negative_weights(kinds), number, self.replacement, generator)

    def negative_weights(self, kinds: Tensor) -> Tensor:
        """(B, P) chances of the negatives of each image, up to a factor."""
        raise NotImplementedError

    def take_counts(self) -> dict[str, float]:
        """Counts by kind since the last call, for a log."""
        names = ['positive', *(f'n{k}' for k in range(1, KINDS + 1))]
        counts = {f'found/{n}': float(x) for n, x in zip(names, self.found.tolist(), strict=True)}
        counts |= {f'drawn/{n}': float(x) for n, x in zip(names, self.drawn.tolist(), strict=True)}
        self.found.zero_()
        self.drawn.zero_()
        return counts


@TASK_UTILS.register_module()
class BalancedNegativeSampler(PairSampler):
    """BNPS: every kind of negative that is present is drawn equally often.

    Args:
        scope: what N_c counts: pairs of the 'image', of the 'batch', or a 'running' mean over batches. With 'batch' and
            'running' all images share their draws, so that a kind which one image lacks comes from another.
        momentum: of the running mean.
    """

    def __init__(self, *args, scope: str = 'image', momentum: float = 0.02, **kwargs):
        super().__init__(*args, **kwargs)
        if scope not in SCOPES:
            raise ValueError(f'BalancedNegativeSampler: scope is {scope!r}; give one of {", ".join(SCOPES)}')
        self.scope, self.momentum = scope, momentum
        self.register_buffer('running', torch.zeros(KINDS))

    def draw_negatives(
        self, kinds: Tensor, number: Tensor, losses: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        if self.scope == 'image':
            return super().draw_negatives(kinds, number, losses, generator)
        together = draw(self.negative_weights(kinds).view(1, -1), number.sum()[None], self.replacement, generator)
        columns = max(kinds.shape[1], 1)
        return torch.stack([together[:, 1] // columns, together[:, 1] % columns], 1)

    def negative_weights(self, kinds: Tensor) -> Tensor:
        counts = count_kinds(kinds)
        if self.scope == 'image':
            return balanced_weights(kinds, counts)
        total = counts.sum(0)
        if self.scope == 'running':
            first = not bool(self.running.any())
            self.running.copy_(total if first else torch.lerp(self.running, total, self.momentum))
            total = torch.where(total > 0, self.running.clamp(min=1e-6), torch.zeros_like(total))
        return balanced_weights(kinds, total.expand_as(counts))


@TASK_UTILS.register_module()
class UniformSampler(PairSampler):
    """Every negative pair is as likely as another: mostly easy ones."""

    def negative_weights(self, kinds: Tensor) -> Tensor:
        return (kinds > POSITIVE).float()


@TASK_UTILS.register_module()
class HardNegativeSampler(PairSampler):
    """OHEM (Shrivastava et al., arXiv 1604.03540): the negatives with the largest loss of each image."""

    needs_losses = True

    def draw_negatives(
        self, kinds: Tensor, number: Tensor, losses: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        hard = losses.masked_fill(kinds <= POSITIVE, -torch.inf)
        order = hard.argsort(dim=1, descending=True, stable=True)
        rank = torch.arange(kinds.shape[1], device=kinds.device)
        image, place = ((rank < number[:, None]) & (hard.gather(1, order) > -torch.inf)).nonzero(as_tuple=True)
        return torch.stack([image, order[image, place]], 1)


@TASK_UTILS.register_module()
class AllPairsSampler(PairSampler):
    """No sampling: every pair, left to the focal loss."""

    def forward(self, kinds: Tensor, losses: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._note(kinds, kinds)
        return (kinds >= POSITIVE).nonzero()


def _count_all(kinds: Tensor) -> Tensor:
    numbers = torch.arange(KINDS + 1, device=kinds.device)  # bincount would make the host wait
    return (kinds.flatten()[:, None] == numbers).sum(0).float()
