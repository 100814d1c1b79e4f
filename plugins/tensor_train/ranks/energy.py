"""Equal energy: every bond loses the same share of its kernel's squared singular values, the papers' baseline."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from ..decomposition import spectrum
from .selector import CalibrationData, Layers, Ranks
from .selectors import register_selector

DECADES = 8.0  # that the lost share falls from level 0, where all is lost, to just below level 1, where nothing is
Vectors = Mapping[str, tuple[Tensor, ...]]


@register_selector('energy')
class EnergyRanks:
    """Smallest ranks at which no bond loses more than the share 10^(-DECADES level); nothing is lost at level 1."""

    def spectra(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Vectors:
        """Singular values of each kernel, one vector a bond, descending, as many as the full rank."""
        modules = dict(model.named_modules())
        return {name: spectrum(modules[name].weight.detach()) for name in layers}

    def scores(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Vectors:
        """Of each layer and bond: share of the energy that is lost at rank 0, 1, ... full, see :func:`lost_energy`."""
        spectra = self.spectra(model, layers, data)
        return {name: tuple(lost_energy(values) for values in bonds) for name, bonds in spectra.items()}

    def ranks_at(self, scores: Vectors, layers: Layers, level: float) -> Ranks:
        if level >= 1:
            return {name: layer.max_ranks for name, layer in layers.items()}
        lost = 10 ** (-DECADES * level)
        return {name: tuple(smallest_rank(spectrum, lost) for spectrum in scores[name]) for name in layers}


def lost_energy(values: Tensor) -> Tensor:
    """(R,) singular values, descending -> (R + 1,) share of their squares beyond each rank: 1 first, 0 last.

    Zeros alone lose nothing anywhere.
    """
    energy = values.detach().cpu().double().square()
    beyond = torch.cat([energy.flip(0).cumsum(0).flip(0), energy.new_zeros(1)])
    return beyond / beyond[0] if beyond[0] > 0 else beyond


def smallest_rank(lost: Tensor | np.ndarray, most: float) -> int:
    """Smallest rank, at least 1, at which :func:`lost_energy` is at most ``most``."""
    return max(int((lost > most).sum()), 1)
