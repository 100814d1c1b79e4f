"""Scores of the logits alone. N boxes, K known classes."""

import torch
from torch import Tensor

from .scorer import SCORERS, Head, Scorer


@SCORERS.register_module()
class MSP(Scorer):
    """1 - the largest probability of a known class (Hendrycks & Gimpel 2017)."""

    is_probability, uses_features = True, False

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        return 1 - self.probabilities(logits).amax(1)


@SCORERS.register_module()
class Rarity(Scorer):
    """1 - sum_k pi_k p_k, pi_k the share of class k among the labelled objects (ours).

    What looks like a class that was labelled often is ordinary; what looks like a rare class is less so. Where most
    objects are of one class, a rare name is weak evidence: most objects unlike that class that a detector has seen
    little of get one. With classes of one frequency it is the mean of 1 - p_k.
    """

    is_probability, uses_features = True, False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer('share', torch.full((self.classes,), 1 / self.classes))

    def _fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None) -> None:
        self.share.copy_(torch.bincount(labels, minlength=self.classes) / len(labels))

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        return 1 - (self.probabilities(logits) * self.share).sum(1)


@SCORERS.register_module()
class UnknownClass(Scorer):
    """0: nothing is strange but what the detector's own class "unknown" says."""

    is_probability, uses_features = True, False

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        return torch.zeros_like(logits[:, 0])


@SCORERS.register_module()
class MaxLogit(Scorer):
    """- the largest logit (Hendrycks et al. 2022)."""

    uses_features = False

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        return -logits.amax(1)

    def class_scores(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        return -logits


@SCORERS.register_module()
class Energy(Scorer):
    """The free energy of the logits (Liu et al. 2020; of sigmoids: Wang et al. 2021).

    Args:
        temperature: T.
    """

    uses_features = False

    def __init__(self, *args, temperature: float = 1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.temperature = temperature

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        return self.energy(logits, self.temperature)
