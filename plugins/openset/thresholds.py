"""Class thresholds of OODFC: the better a class is found, the surer a pseudo-label of it must be. K classes.

That thresholds follow the class's AP is the paper's; the exponential form is that of a related implementation.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class ClassThresholds(nn.Module):
    """T_c = clip(exp(gamma (AP_c - 1)), lowest, highest), from a running mean of each class's AP on the val split.

    The APs are buffers: they travel with the weights, and an exported model knows its thresholds.

    Args:
        classes: K.
        gamma: how fast T falls with AP.
        lowest, highest: bounds of T.
        start: AP of every class before the first validation.
        momentum: weight of a new validation in the running mean; the first one counts wholly.
        fixed: a threshold for all classes instead of the rule (closed-world modes).
    """

    def __init__(
        self,
        classes: int,
        gamma: float = 1.5,
        lowest: float = 0.2,
        highest: float = 0.95,
        start: float = 0.5,
        momentum: float = 0.5,
        fixed: float | None = None,
    ):
        super().__init__()
        self.gamma, self.lowest, self.highest, self.momentum, self.fixed = gamma, lowest, highest, momentum, fixed
        self.register_buffer('ap', torch.full((classes,), start))
        self.register_buffer('validations', torch.tensor(0))

    @property
    def values(self) -> Tensor:
        """(K,) T_c."""
        if self.fixed is not None:
            return torch.full_like(self.ap, self.fixed)
        return (self.gamma * (self.ap - 1)).exp().clamp(self.lowest, self.highest)

    @property
    def bound(self) -> str:
        """Name of the argument below which no threshold falls."""
        return 'lowest' if self.fixed is None else 'fixed'

    def update(self, metrics: Mapping[str, float], names: tuple[str, ...]) -> None:
        """Take ``ap/NAME`` of a validation; a class without val boxes (no figure) keeps what it has."""
        share = self.momentum if self.validations else 1.0
        for k, name in enumerate(names):
            if f'ap/{name}' in metrics:
                self.ap[k] += share * (max(metrics[f'ap/{name}'], 0.0) - self.ap[k])
        self.validations += 1
