"""Scores that change the features, apply the last layer again and take the energy.

N boxes, D features, K known classes, A rows of the head.
"""

import torch
from torch import Tensor

from .scorer import SCORERS, Head, Scorer


class Shaping(Scorer):
    """Base: energy of the head's logits at ``shape(z)``.

    Args:
        rows: A.
    """

    def __init__(self, *args, rows: int = 1, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer('weight', torch.zeros(rows, self.classes, self.width))
        self.register_buffer('bias', torch.zeros(rows, self.classes))

    def _fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None) -> None:
        if head is None or head.weight.shape != self.weight.shape:
            shape = None if head is None else tuple(head.weight.shape)
            raise ValueError(
                f'{type(self).__name__}.fit: head: weight {shape}, wanted {tuple(self.weight.shape)}: (rows, K, D)'
            )
        self.weight.copy_(head.weight)
        self.bias.copy_(head.bias)

    def shape(self, features: Tensor) -> Tensor:
        """(N, D) -> (N, D)."""
        raise NotImplementedError

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        return self.energy(Head(self.weight, self.bias).logits(self.shape(features), rows))


@SCORERS.register_module()
class ReAct(Shaping):
    """Features cut at a quantile of all labelled activations (Sun et al. 2021): min(z, c).

    Args:
        quantile: that gives c.
    """

    def __init__(self, *args, quantile: float = 0.9, **kwargs):
        super().__init__(*args, **kwargs)
        self.quantile = quantile
        self.register_buffer('limit', torch.tensor(torch.inf))

    def _fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None) -> None:
        super()._fit(features, logits, labels, head)
        self.limit.copy_(quantiles(features, [self.quantile])[0])

    def shape(self, features: Tensor) -> Tensor:
        return features.minimum(self.limit)


@SCORERS.register_module()
class ASHS(Shaping):
    """ASH-S (Djurisic et al. 2023): the lowest features become 0, the others grow by exp(sum before / sum after).

    Written for non-negative features. Where the sum of what is left is not positive (SiLU), the ratio is taken as 1.

    Args:
        quantile: share of a box's features that becomes 0.
    """

    def __init__(self, *args, quantile: float = 0.65, **kwargs):
        super().__init__(*args, **kwargs)
        self.quantile = quantile

    def shape(self, features: Tensor) -> Tensor:
        kept = features.shape[1] - round(features.shape[1] * self.quantile)
        values, indices = features.topk(kept, dim=1)
        before, after = features.sum(1, keepdim=True), values.sum(1, keepdim=True)
        ratio = torch.where(after > 0, before / torch.where(after > 0, after, torch.ones_like(after)), 1.0)
        return torch.zeros_like(features).scatter(1, indices, values * ratio.exp())


@SCORERS.register_module()
class VRA(Shaping):
    """Variational rectified activations (Xu et al., NeurIPS 2023): 0 below alpha, z + gamma between, beta above.

    gamma = 0 is VRA, gamma > 0 VRA+. Other toolboxes raise low activations to alpha instead of setting them to 0.

    Args:
        low, high: quantiles of all labelled activations that give alpha and beta.
        gamma: added between them.
    """

    def __init__(self, *args, low: float = 0.6, high: float = 0.9, gamma: float = 0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.quantiles, self.gamma = (low, high), gamma
        self.register_buffer('limits', torch.tensor([-torch.inf, torch.inf]))

    def _fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None) -> None:
        super()._fit(features, logits, labels, head)
        self.limits.copy_(quantiles(features, self.quantiles))

    def shape(self, features: Tensor) -> Tensor:
        alpha, beta = self.limits
        return torch.where(features < alpha, 0.0, torch.where(features > beta, beta, features + self.gamma))


@SCORERS.register_module()
class VRAPlus(VRA):
    """VRA+: the published defaults for CIFAR-10."""

    def __init__(self, *args, low: float = 0.6, high: float = 0.95, gamma: float = 0.6, **kwargs):
        super().__init__(*args, low=low, high=high, gamma=gamma, **kwargs)


@SCORERS.register_module()
class VRAPlusPlus(VRA):
    """VRA++: the energy at VRA's features plus a sum (z - m)^2 of the raw ones.

    The published a = .01 and m = 4 are for CIFAR-10's activations: where features are small, that term is about
    -2 a m sum(z), and the more a box excites the network the less strange it is. By default m is the mean of the
    labelled activations and a makes the term vary as much as the energy over the labelled boxes (ours).

    Args:
        scale: a.
        middle: m.
    """

    def __init__(
        self,
        *args,
        low: float = 0.5,
        high: float = 0.85,
        scale: float | None = None,
        middle: float | None = None,
        **kwargs,
    ):
        super().__init__(*args, low=low, high=high, **kwargs)
        self.given = (scale, middle)
        self.register_buffer('scale', torch.tensor(0.0 if scale is None else float(scale)))
        self.register_buffer('middle', torch.tensor(0.0 if middle is None else float(middle)))

    def _fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None) -> None:
        super()._fit(features, logits, labels, head)
        scale, middle = self.given
        if middle is None:
            self.middle.copy_(features.mean())
        if scale is None:  # the energy of the logits that the head gave: rows of single boxes are not known here
            distance, energy = (features - self.middle).square().sum(1), self.energy(logits)
            self.scale.copy_(energy.std(correction=0) / distance.std(correction=0).clamp(min=1e-12))

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        return super().score(features, logits, rows) + self.scale * (features - self.middle).square().sum(1)


def quantiles(values: Tensor, shares: list[float] | tuple[float, ...]) -> Tensor:
    """Linearly interpolated quantiles of all values (torch.quantile alone refuses more than 16 million)."""
    ordered = values.flatten().sort().values
    ranks = torch.tensor(shares, dtype=torch.float64) * (len(ordered) - 1)
    low = ranks.floor().long()
    step = (ranks - low).to(ordered)
    high = (low + 1).clamp(max=len(ordered) - 1)
    return ordered[low] + step * (ordered[high] - ordered[low])
