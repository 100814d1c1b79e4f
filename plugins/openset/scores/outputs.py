"""Scores of the logits alone. N boxes, K known classes."""

from torch import Tensor

from .scorer import SCORERS, Scorer


@SCORERS.register_module()
class MSP(Scorer):
    """1 - the largest probability of a known class (Hendrycks & Gimpel 2017)."""

    uses_features = False

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        return 1 - (logits.sigmoid() if self.sigmoid else logits.softmax(1)).amax(1)


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
