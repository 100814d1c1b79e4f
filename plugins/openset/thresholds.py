"""Class thresholds of OODFC: the better a class is found, the surer a pseudo-label of it must be. K classes.

That thresholds follow the class's AP is the paper's; the exponential form is that of a related implementation; that
they do not follow an AP that means nothing yet is ours.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from detplug.errors import UserError


class ClassThresholds(nn.Module):
    """T_c = clip(exp(gamma (AP_c - 1)), lowest, highest), from a running mean of each class's AP on the val split.

    While the best of the classes, nearly always the most frequent one, is below ``trust``, the teacher is too young for
    its APs to say anything: an AP of 0 would lower every threshold and flood the student with boxes.

    The APs are buffers: they travel with the weights, and an exported model knows its thresholds.

    Args:
        classes: K.
        gamma: how fast T falls with AP.
        lowest, highest: bounds of T.
        start: AP of every class before the first validation that is trusted.
        trust: AP of the best class from which on validations are trusted; 0 trusts all.
        momentum: weight of a new validation in the running mean; the first trusted one counts wholly.
        fixed: a threshold for all classes instead of the rule (closed-world modes).
        planted: val images into which chimeras are planted at each validation; their AP sets the threshold of "unknown"
            (:meth:`of_unknown`). 0 is without.
    """

    def __init__(
        self,
        classes: int,
        gamma: float = 1.5,
        lowest: float = 0.2,
        highest: float = 0.95,
        start: float = 0.5,
        trust: float = 0.3,
        momentum: float = 0.5,
        fixed: float | None = None,
        planted: int = 0,
    ):
        super().__init__()
        self.planted = planted
        self.gamma, self.lowest, self.highest, self.momentum, self.fixed = gamma, lowest, highest, momentum, fixed
        self.trust = trust
        self.register_buffer('ap', torch.full((classes,), start))
        self.register_buffer('validations', torch.tensor(0))  # trusted ones

    @property
    def values(self) -> Tensor:
        """(K,) T_c."""
        if self.fixed is not None:
            return torch.full_like(self.ap, self.fixed)
        return (self.gamma * (self.ap - 1)).exp().clamp(self.lowest, self.highest)

    def of_unknown(self, ap: float, low: float) -> float:
        """OOD score from which on a box is "unknown", for the AP of planted chimeras.

        The rule of the known classes gives a number in 0..1; boxes below ``low`` may be of known classes, so it is read
        on the rest of the scale (ours).
        """
        value = min(max(math.exp(self.gamma * (ap - 1)), self.lowest), self.highest)
        return low + (1 - low) * value

    @property
    def bound(self) -> str:
        """Name of the argument below which no threshold falls."""
        return 'lowest' if self.fixed is None else 'fixed'

    def update(self, metrics: Mapping[str, float], names: tuple[str, ...]) -> bool:
        """Take ``ap/NAME``, or ``PREFIX/ap/NAME``, of a validation; a class without a figure keeps what it has.

        Returns:
            whether any class has a figure.

        Raises:
            UserError: two metrics give an AP of one class.
        """
        ap = {k: value for k, name in enumerate(names) if (value := average_precision(metrics, name)) is not None}
        if ap and (self.validations or max(ap.values()) >= self.trust):
            share = self.momentum if self.validations else 1.0
            for k, value in ap.items():
                self.ap[k] += share * (max(value, 0.0) - self.ap[k])
            self.validations += 1
        return bool(ap)


def average_precision(metrics: Mapping[str, float], name: str) -> float | None:
    """The class's AP whatever prefix the metric has; None where there is none, or a class without val boxes (NaN)."""
    wanted = f'ap/{name}'
    keys = [key for key in metrics if key == wanted or key.endswith('/' + wanted)]
    if len(keys) > 1:
        raise UserError(
            f'config: val_evaluator: {" and ".join(keys)}: two APs of one class; thresholds follow one: keep one metric'
        )
    return float(metrics[keys[0]]) if keys and metrics[keys[0]] == metrics[keys[0]] else None
