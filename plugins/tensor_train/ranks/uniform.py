"""The same share of every full rank: what a selection has to beat."""

from collections.abc import Mapping

from torch import nn

from .selector import CalibrationData, Layers, Ranks, ranks_of_shares
from .selectors import register_selector


@register_selector('uniform')
class UniformRanks:
    """The level is the share."""

    def scores(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Mapping[str, float]:
        """Nothing is looked at: 1 for each layer."""
        return dict.fromkeys(layers, 1.0)

    def ranks_at(self, scores: Mapping[str, float], layers: Layers, level: float) -> Ranks:
        return ranks_of_shares(layers, dict.fromkeys(layers, level))
