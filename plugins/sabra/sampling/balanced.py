"""BNPS: every kind of proposal is drawn equally often (SABRA, Jin et al., arXiv 2012.12510).

The paper's abstract: BNPS works on mini-batches, "divides proposals into 5 well-defined sub-classes and generates a
balanced training distribution according to the inverse frequency". Two readings of the five, both ours:

    negatives   N1..N5 of proposals.py, beside positives up to a share
    proposals   positives, N1, N2, N3, and both boxes right but not related so (N4 and N5): each a fifth. In a data set
                whose objects are known through relations alone (VRD) there is no N5, and all five classes exist.
"""

from collections.abc import Sequence

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from .samplers import NEGATIVES, READINGS, SCOPES, PairSampler
from .strata import divide


@TASK_UTILS.register_module()
class BalancedNegativeSampler(PairSampler):
    """Quotas that are equal for every class of proposals that is present.

    In the scope of an image and without replacement a rare kind is never drawn more often than it exists: where the
    negatives of an image fit into ``num_pairs`` this sampler changes nothing. ``advice`` says so.

    Args:
        num_pairs, replacement, expected: as of PairSampler. With ``reading='proposals'`` positives too are drawn again.
        pos_fraction: as of PairSampler; with ``reading='proposals'`` there is none.
        scope: 'image', 'batch', or 'running': a batch draws together, and a kind gets what its frequency in this batch
            is over its mean frequency in the batches before.
        momentum: of that running mean.
        reading: 'negatives' or 'proposals', see above.
        kind_shares: five numbers >= 0: what the five classes get in relation to one another in place of equal parts; 0:
            never drawn.
    """

    scopes = (*SCOPES, 'running')

    def __init__(
        self,
        *args,
        scope: str = 'batch',
        replacement: bool = True,
        momentum: float = 0.02,
        reading: str = 'negatives',
        kind_shares: Sequence[float] = (1, 1, 1, 1, 1),
        **kwargs,
    ):
        super().__init__(*args, scope=scope, replacement=replacement, **kwargs)
        if reading not in READINGS:
            self.refuse('reading', reading, f'give one of {", ".join(READINGS)}')
        if reading == 'proposals' and (kwargs.get('pos_fraction') is not None or len(args) > 1):
            self.refuse('pos_fraction', self.pos_fraction, 'positives are one of five classes; leave it out')
        if len(kind_shares) != NEGATIVES or min(kind_shares) < 0 or not max(kind_shares) > 0:
            self.refuse('kind_shares', kind_shares, 'give five numbers from 0, not all of them 0')
        self.reading, self.strata, self.momentum = reading, READINGS[reading], momentum
        self.stratum_of_kind = torch.tensor(self.strata)
        self.register_buffer('kind_shares', torch.tensor(kind_shares, dtype=torch.float64), persistent=False)
        self.register_buffer('running', torch.zeros(NEGATIVES))

    def draws(self, counts: Tensor, total: Tensor) -> Tensor:
        if self.reading == 'negatives':
            return super().draws(counts, total)
        return divide(total, self.shares(counts), counts, self.replacement)

    def shares(self, counts: Tensor) -> Tensor:
        """Inverse frequency: N_c / N_c in the batch, N_c / mean N_c with the scope 'running'."""
        classes = counts[:, -NEGATIVES:]
        shares = self.kind_shares.expand_as(classes)
        if self.scope == 'running':
            shares = shares * classes / self._mean_counts(classes.sum(0)).clamp(min=1e-6)
        return torch.cat([torch.zeros_like(counts[:, :-NEGATIVES]), shares], 1)

    def _mean_counts(self, classes: Tensor) -> Tensor:
        known = torch.lerp(self.running, classes.float(), self.momentum)
        self.running.copy_(torch.where(self.running > 0, known, classes.float()))
        return self.running.double()

    def advice(self, figures: dict[str, float]) -> str:
        return self.counts.unmoved_advice(type(self).__name__, figures)
