"""Which relation proposals a training step learns from: BNPS and the three ways it is compared with.

SABRA (Jin et al., arXiv 2012.12510) states Balanced Negative Proposal Sampling (BNPS) of mini-batches: proposals are
divided into five sub-classes and drawn by inverse frequency. Which five, the scopes and the quotas are ours, see
balanced.py. All samplers have the same scopes, so that two of them differ in what they choose alone.

Letters: B images, P ordered pairs of an image, Q drawn pairs, R rows (images, or one batch), S strata.
"""

from typing import NamedTuple

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor, nn

from detplug.errors import UserError

from .counts import PairCounts
from .strata import NONE, count_strata, divide, rank_within, repeat, round_draws

NEGATIVES = 5  # kinds of negatives, see proposals.py
SCOPES = ('image', 'batch')
# kind -1 (no pair), 0 (positive), 1..5 -> stratum
PLAIN = (NONE, 0, 1, 1, 1, 1, 1)
READINGS = {'negatives': (NONE, 0, 1, 2, 3, 4, 5), 'proposals': (NONE, 0, 1, 2, 3, 4, 4)}


class PairDraw(NamedTuple):
    """``index`` (Q, 2) int64: image and pair, each pair once; ``weight`` (Q,) float32: how often it was drawn."""

    index: Tensor
    weight: Tensor


class PairSampler(nn.Module):
    """Base: positives at random up to a share, the rest of the draws are negatives.

    Args:
        num_pairs: of an image; of a batch of B images, B times as many.
        pos_fraction: of them may be positive, as far as there are; by default a quarter.
        replacement: negatives may be drawn again, when all of their stratum were. Otherwise a step has at most the
            negatives that there are.
        scope: an 'image' draws for itself, or the images of a 'batch' draw together, so that what one image lacks comes
            from another.
        expected: every pair counts with the weight that it would be drawn with in the mean; nothing is random.

    Attributes:
        needs_losses: whether :meth:`forward` wants the loss of every pair.
        counts: what was there and what was drawn, see :class:`PairCounts`.

    Raises:
        UserError: a number out of range, an unknown scope.
    """

    needs_losses = False
    strata: tuple[int, ...] = PLAIN
    scopes = SCOPES

    def __init__(
        self,
        num_pairs: int = 64,
        pos_fraction: float | None = None,
        replacement: bool = False,
        scope: str = 'image',
        expected: bool = False,
    ):
        super().__init__()
        self.num_pairs, self.replacement, self.scope, self.expected = num_pairs, replacement, scope, expected
        self.pos_fraction = 0.25 if pos_fraction is None else pos_fraction
        if type(num_pairs) is not int or num_pairs < 1:
            self.refuse('num_pairs', num_pairs, 'give a whole number from 1')
        if not 0 <= self.pos_fraction <= 1:
            self.refuse('pos_fraction', pos_fraction, 'give a share from 0 to 1')
        if scope not in self.scopes:
            self.refuse('scope', scope, f'give one of {", ".join(self.scopes)}')
        self.counts = PairCounts()
        self.register_buffer('stratum_of_kind', torch.tensor(self.strata), persistent=False)

    def refuse(self, field: str, value, cure: str) -> None:
        """Raise the UserError of an argument."""
        raise UserError(f'config: {type(self).__name__}: {field} is {value!r}; {cure}')

    def forward(
        self, kinds: Tensor, losses: Tensor | None = None, generator: torch.Generator | None = None
    ) -> PairDraw:
        """Draw from (B, P) kinds (-1 for no pair, 0 positive, 1..5); ``losses`` (B, P) where they are needed."""
        rows = kinds if self.scope == 'image' else kinds.reshape(1, -1)
        strata = self.stratum_of_kind[rows + 1]
        counts = count_strata(strata, max(self.strata) + 1)
        total = counts.new_full((len(rows),), self.num_pairs * (len(kinds) / max(len(rows), 1)))
        draws = self.draws(counts, total)
        if self.expected:
            weight = draws / counts.clamp(min=1)
            weight = torch.where(strata == NONE, 0, weight.gather(1, strata.clamp(min=0))).float()
        else:
            keys = torch.rand(rows.shape, generator=generator, device=kinds.device)
            if self.needs_losses:  # the largest first; of positives any
                hardest = losses.reshape(rows.shape).argsort(1, descending=True).argsort(1)
                keys = torch.where(strata == 0, keys.double(), hardest / max(rows.shape[1], 1))
            quotas = round_draws(draws, generator)
            weight = repeat(strata, quotas, counts, rank_within(strata, keys, counts))
        self.counts.add(rows, weight)
        weight = weight.reshape(kinds.shape)
        index = (weight > 0).nonzero()
        return PairDraw(index, weight[index[:, 0], index[:, 1]])

    def draws(self, counts: Tensor, total: Tensor) -> Tensor:
        """(R, S) draws of each stratum, for (R, S) pairs that there are and (R,) draws in all."""
        positive = torch.minimum(counts[:, 0], (total * self.pos_fraction).floor())
        shares = self.shares(counts)[:, 1:]
        negative = divide(total - positive, shares, counts[:, 1:], self.replacement)
        return torch.cat([positive[:, None], negative], 1)

    def shares(self, counts: Tensor) -> Tensor:
        """(R, S) what each stratum gets in relation to the others; the first one, positives, is not asked for."""
        return torch.ones_like(counts)

    def advice(self, figures: dict[str, float]) -> str:
        """One line where this sampler chose next to nothing by ``figures`` of :meth:`PairCounts.take`, else ''."""
        return self.counts.scarce_advice(type(self).__name__, figures)


@TASK_UTILS.register_module()
class UniformSampler(PairSampler):
    """Every negative pair is as likely as another: mostly easy ones."""


@TASK_UTILS.register_module()
class HardNegativeSampler(PairSampler):
    """OHEM (Shrivastava et al., arXiv 1604.03540): the negatives with the largest loss of each image, or of the batch.

    Raises:
        UserError: ``expected``: what is hard is not known in the mean.
    """

    needs_losses = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.expected:
            self.refuse('expected', True, 'the largest losses have no mean; leave it out')


@TASK_UTILS.register_module()
class AllPairsSampler(PairSampler):
    """No sampling: every pair once, left to the focal loss. It has no options."""

    def __init__(self):
        super().__init__()

    def draws(self, counts: Tensor, total: Tensor) -> Tensor:
        return counts

    def advice(self, figures: dict[str, float]) -> str:
        return ''
