"""Sensitivity: water filling by what the detector's maps lose, not by what each layer's own output loses.

Ours. Each layer alone is cut until every bond has lost SHARE of its own energy; what then changes in the maps that the
heads see and give, over what the layer's output lost, is the layer's weight in water filling. That is one run of a few
images for each layer.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from detplug.compression.compressors import register_selector
from detplug.errors import UserError

from ..decomposition import kernel_from_chain
from ..distillation import map_distance, maps_of
from ..whitening import chain_from_kernel_and_moments
from .energy import smallest_rank
from .selector import CalibrationData, Layers
from .water_filling import LostEnergy, Prices, WaterFillingRanks, steps

SHARE = 0.05  # small enough that the change is in proportion to it
FEW = 2  # images that run at a time; see watched_maps
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
    weights = {}
    with torch.no_grad(), watched_maps(model, data.run) as maps:
        before = maps(data.images[0])
        if not before:
            raise UserError('--ranks sensitivity: the model has no neck and gives no maps; choose another selection')
        for name in layers:
            ranks = tuple(smallest_rank(bond, SHARE) for bond in lost[name])
            energy = sum(float(bond[rank]) for bond, rank in zip(lost[name], ranks, strict=True))
            cut = kernel_from_chain(chain_from_kernel_and_moments(modules[name].weight, ranks, *moments[name]))
            with other_kernel(modules[name], cut):
                changed = map_distance(maps(data.images[0]), before).item()
            weights[name] = changed / energy if energy > 0 else 0.0
    most = max(weights.values(), default=0.0)
    return {name: max(weight / most, LEAST) if weight else 1.0 for name, weight in weights.items()}


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
    """Function images -> the maps (N, C, H, W) that a neck gives to its heads, then those among the raw outputs.

    FEW images run at a time: that takes less memory, and on a CPU less time, than all at once.
    """
    heard: list[Tensor] = []

    def hear(module: nn.Module, inputs: tuple, output: object) -> None:
        heard.extend(maps_of(output))

    def few_maps(images: Tensor) -> list[Tensor]:
        heard.clear()
        outputs = maps_of(run(images))
        return [x for x in (*heard, *outputs) if x.dim() == 4 and len(x) == len(images)]

    def maps(images: Tensor) -> list[Tensor]:
        return [torch.cat(parts) for parts in zip(*map(few_maps, images.split(FEW)), strict=True)]

    necks = [module for name, module in model.named_modules() if name.rpartition('.')[2] == 'neck']
    handles = [neck.register_forward_hook(hear) for neck in necks]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()
