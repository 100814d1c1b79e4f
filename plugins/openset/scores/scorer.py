"""The one interface of all out-of-distribution scores.

N boxes, D features, K known classes, A rows of a head (1 for a two-stage head; the anchors of a YOLOv5 level).
Higher scores are further from what was labelled.
"""

from typing import NamedTuple

import torch
from mmengine.registry import Registry
from torch import Tensor, nn
from torch.nn.functional import softplus

SCORERS = Registry('ood scorer', scope='mmdet', locations=['plugins.openset.scores'])


class Head(NamedTuple):
    """The last layer, logits = weight[row] z + bias[row]: known classes only, no background.

    Args:
        weight: (A, K, D).
        bias: (A, K).
    """

    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor, rows: Tensor | None = None) -> Tensor:
        """(N, D) features, (N,) row of each (by default the first) -> (N, K)."""
        if rows is None or len(self.weight) == 1:
            return features @ self.weight[0].T + self.bias[0]
        return torch.einsum('nd,nkd->nk', features, self.weight[rows]) + self.bias[rows]


class Scorer(nn.Module):
    """Base of the scores; their state is in buffers of fixed size, so that it travels with the weights.

    Args:
        classes: K.
        width: D.
        sigmoid: the head's classes are independent sigmoids (YOLOv5) instead of a softmax.
    """

    is_probability = False  # True: scores are in 0..1
    uses_features = True  # False: the logits alone say it, whatever level of a head they come from

    def __init__(self, classes: int, width: int, sigmoid: bool = False):
        super().__init__()
        self.classes, self.width, self.sigmoid = classes, width, sigmoid

    @torch.no_grad()
    def fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None = None) -> 'Scorer':
        """Learn what the labelled boxes are like; scores that need no fit keep nothing.

        Args:
            features: (N, D), N >= 1.
            logits: (N, K) of the known classes.
            labels: (N,) 0..K-1.
            head: the last layer; needed by the scores that change features.

        Raises:
            ValueError: shapes that do not belong together, or no box.
        """
        wanted = ((len(labels), self.width), (len(labels), self.classes))
        if (tuple(features.shape), tuple(logits.shape)) != wanted or not len(labels):
            raise ValueError(
                f'{type(self).__name__}.fit: features {tuple(features.shape)} and logits {tuple(logits.shape)} '
                f'for {len(labels)} labels; wanted {wanted[0]} and {wanted[1]}, at least one'
            )
        self._fit(features.float(), logits.float(), labels, head)
        return self

    def _fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None) -> None:
        """By default there is nothing to learn."""

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        """(N,) scores of (N, D) features and (N, K) logits; ``rows`` (N,) is the head's row of each box."""
        raise NotImplementedError

    def class_scores(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        """(N, K) how little a box belongs to each class; by default the score for the class of the largest logit.

        inf where a box is not predicted as the class.
        """
        predicted = logits.argmax(1)[:, None] == torch.arange(logits.shape[1], device=logits.device)
        return torch.where(predicted, self.score(features, logits, rows)[:, None], torch.inf)

    def prepare_export(self) -> None:
        """Make :meth:`score` one that a graph can be traced of; by default it is."""

    def forward(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        return self.score(features, logits, rows)

    def probabilities(self, logits: Tensor) -> Tensor:
        """(N, K) of the known classes."""
        return logits.sigmoid() if self.sigmoid else logits.softmax(1)

    def energy(self, logits: Tensor, temperature: float = 1.0) -> Tensor:
        """-T log sum exp(l / T) of a softmax; -T sum log(1 + exp(l / T)) of sigmoids (joint energy)."""
        scaled = logits / temperature
        return -temperature * (softplus(scaled).sum(1) if self.sigmoid else scaled.logsumexp(1))
