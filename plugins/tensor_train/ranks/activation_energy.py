"""Equal activation energy (ours): every bond loses the same share of what flows for real images, not of the kernel."""

from torch import nn

from ..whitening import activation_spectrum
from .energy import EnergyRanks, Vectors
from .selector import CalibrationData, Layers
from .selectors import register_selector


@register_selector('activation_energy')
class ActivationEnergyRanks(EnergyRanks):
    """As :class:`EnergyRanks`, of what the layer's output loses for the calibration images."""

    def spectra(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Vectors:
        """Of each bond, see :func:`activation_spectrum`."""
        modules, moments = dict(model.named_modules()), data.moments(model, list(layers))
        return {name: activation_spectrum(modules[name].weight.detach(), *moments[name][:2]) for name in layers}
