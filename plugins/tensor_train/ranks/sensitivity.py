"""Sensitivity: water filling by what the detector's maps lose, not by what each layer's own output loses.

Ours. Each layer alone is cut until every bond has lost SHARE of its own energy; what then changes in the maps that the
heads see and give, over what the layer's output lost, is the layer's weight in water filling. That is one run of a few
images for each layer.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from detplug.compression.compressors import register_selector
from detplug.errors import UserError

from ..decomposition import kernel_from_chain
from ..distillation import maps_of
from ..replay import record, replayed
from ..whitening import chain_from_kernel_and_moments
from .energy import smallest_rank
from .selector import CalibrationData, Layers
from .water_filling import LostEnergy, Prices, WaterFillingRanks, steps

SHARE = 0.05  # small enough that the change is in proportion to it
LEAST = 1e-4  # weight beside the largest: below it is noise


@register_selector('sensitivity')
class SensitivityRanks(WaterFillingRanks):
    """As :class:`WaterFillingRanks`, each layer's lost energy times its weight."""

    def scores(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Mapping[str, Prices]:
        lost = self.lost(model, layers, data)
        weights = layer_weights(model, layers, data, lost)
        return {
            name: steps(layer, [weights[name] * own for own in lost[name]])._replace(weight=weights[name])
            for name, layer in layers.items()
        }


def layer_weights(model: nn.Module, layers: Layers, data: CalibrationData, lost: LostEnergy) -> dict[str, float]:
    """Change of the watched maps for each share of a layer's energy; the largest is 1.

    A change is the mean of ||changed - map||^2 / ||map||^2. A layer that changes none of the maps (it feeds something
    that is not watched) counts as the one that changes most.

    Raises:
        UserError: a model without maps to watch.
    """
    modules, moments = dict(model.named_modules()), data.moments(model, list(layers))
    kernels, energies = {}, {}
    for name in layers:
        ranks = tuple(smallest_rank(bond, SHARE) for bond in lost[name])
        energies[name] = sum(float(bond[rank]) for bond, rank in zip(lost[name], ranks, strict=True))
        kernels[name] = kernel_from_chain(chain_from_kernel_and_moments(modules[name].weight, ranks, *moments[name]))
    changes = map_changes(model, kernels, data)
    weights = {name: changes[name] / own if own > 0 else 0.0 for name, own in energies.items()}
    most = max(weights.values(), default=0.0)
    return {name: max(weight / most, LEAST) if weight else 1.0 for name, weight in weights.items()}


def map_changes(model: nn.Module, kernels: Mapping[str, Tensor], data: CalibrationData) -> dict[str, float]:
    """Change of the watched maps by each kernel in place of its layer's own, over the first batch of images.

    Raises:
        UserError: a model without maps to watch.
    """
    modules = dict(model.named_modules())
    changed = dict.fromkeys(kernels, 0.0)
    energy = 0.0
    with torch.no_grad(), watched_maps(model, data.run) as maps:
        for image in data.images[0].split(1):  # a recording of large images is hundreds of MB
            before, recording = record(model, partial(maps, image))
            if not before:
                raise UserError('--ranks sensitivity: the model gives no maps to watch; choose another selection')
            energy = energy + torch.stack([x.square().sum() for x in before]).double()
            for name, kernel in kernels.items():
                with other_kernel(modules[name], kernel), replayed(recording, name):
                    pairs = zip(maps(image), before, strict=True)
                    changed[name] = changed[name] + torch.stack([(a - b).square().sum() for a, b in pairs]).double()
    return {name: (own / energy.clamp(min=1e-12)).mean().item() for name, own in changed.items()}


@contextmanager
def other_kernel(conv: nn.Conv2d, kernel: Tensor) -> Iterator[None]:
    """The convolution has this kernel inside the block and its own after it."""
    own = conv.weight.detach().clone()
    conv.weight.copy_(kernel)
    try:
        yield
    finally:
        conv.weight.copy_(own)


@contextmanager
def watched_maps(model: nn.Module, run: Callable[[Tensor], object]) -> Iterator[Callable[[Tensor], list[Tensor]]]:
    """Function images -> the maps (N, C, H, W) that a neck gives to its heads, then those among the raw outputs."""
    heard: list[Tensor] = []

    def hear(module: nn.Module, inputs: tuple, output: object) -> None:
        heard.extend(maps_of(output))

    def maps(images: Tensor) -> list[Tensor]:
        heard.clear()
        outputs = maps_of(run(images))
        return [x for x in (*heard, *outputs) if x.dim() == 4 and len(x) == len(images)]

    necks = [module for name, module in model.named_modules() if name.rpartition('.')[2] == 'neck']
    handles = [neck.register_forward_hook(hear) for neck in necks]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()
