"""Imbalanced pseudo-label regularisation (Xu and Lian, arXiv 2303.03946), as an option. K known classes.

In the form q_c ~ p_c / r_c^m, r_c the share of class c among the pseudo-labels so far: a frequent class needs a better
score where a rare one is plausible too. Ours: the label stays the teacher's, only its score moves; nothing is renamed.
"""

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn


class PseudoMarginal(nn.Module):
    """The running class shares of pseudo-labels, and scores that answer them.

    Args:
        classes: K.
        power: m, 0 to 1; 0 changes nothing.
        momentum: of the running shares, a step.
        smallest: share that a class has at least.
    """

    def __init__(self, classes: int, power: float = 0.0, momentum: float = 0.01, smallest: float = 1e-3):
        super().__init__()
        self.power, self.momentum, self.smallest = power, momentum, smallest
        self.register_buffer('shares', torch.full((classes,), 1 / classes))

    def update(self, counts: Tensor) -> None:
        """(K,) known pseudo-labels of each class in one step of this process; those of all processes count."""
        counts = counts.to(self.shares).clone()
        all_reduce(counts)
        total = counts.sum()
        self.shares.lerp_(torch.where(total > 0, counts / total.clamp(min=1), self.shares), self.momentum)

    def rescored(self, scores: Tensor, labels: Tensor, probabilities: Tensor) -> Tensor:
        """(D,) scores times q / p of each box's own class, at most 1; "unknown" (label K) keeps its score.

        Args:
            probabilities: (D, K) p of the known classes; q has their sum.
        """
        raised = probabilities / self.shares.clamp(min=self.smallest) ** self.power
        gain = raised / probabilities.clamp(min=1e-9) * (probabilities.sum(1) / raised.sum(1).clamp(min=1e-9))[:, None]
        ratio = torch.cat([gain, torch.ones_like(gain[:, :1])], 1)[torch.arange(len(labels)), labels]
        return (scores * ratio).clamp(max=1)
