"""Sensitivity: water filling by what the detector's maps lose, not by what each layer's own output loses.

Known parts, our combination: layers weighed by a measured perturbation (HAWQ, arXiv 1905.03696, by the Hessian;
CompressNAS, arXiv 2511.11716, by a proxy of accuracy), whitened energies (SVD-LLM, arXiv 2403.07378), a Lagrangian
knapsack (BALF, arXiv 2509.25136). Ours: what is watched are the maps that the heads see and give, each change is
replayed exactly, and the chain has two bonds. Each layer alone is cut until every bond has lost a share of its energy,
for each of SHARES; what then changes in the watched maps is a curve, and water filling takes it for the layer's loss.
That is one run of a few images for each layer and share.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from detplug.errors import UserError

from ..decomposition import kernel_from_chain
from ..distillation import maps_of
from ..replay import Recording, record, replayed
from ..whitening import whitened_kernel
from .budget import params_cost
from .energy import smallest_rank
from .selector import CalibrationData, Layers
from .selectors import register_selector
from .water_filling import ITSELF, LossCurve, LostEnergy, Prices, WaterFillingRanks, energy_lost, steps

SHARES = (0.02, 0.05, 0.2)  # of each bond's energy
WEIGHT = 1  # place in SHARES of the cut that the report's weight is of
IMAGES = 3  # that are run for each layer and share
LEAST = 1e-4  # weight beside the largest: below it is noise


class Cut(NamedTuple):
    """Of one layer: (len(SHARES),) energy that it loses, both bonds together, and the kernel that is left."""

    energies: list[float]
    kernels: list[Tensor]


@register_selector('sensitivity')
class SensitivityRanks(WaterFillingRanks):
    """As :class:`WaterFillingRanks`, a layer's loss is the measured change of the watched maps."""

    measures_cuts = True

    def scores(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Mapping[str, Prices]:
        lost = self.lost(model, layers, data)
        cuts = layer_cuts(model, layers, data, lost)
        changes = self.changes(model, {name: cut.kernels for name, cut in cuts.items()}, data)
        curves = loss_curves({name: cut.energies for name, cut in cuts.items()}, changes)
        cost = params_cost(layers)
        return {
            name: steps(layer, lost[name], cost, curves[name])._replace(weight=slope(curves[name]))
            for name, layer in layers.items()
        }

    def changes(
        self, model: nn.Module, kernels: Mapping[str, Sequence[Tensor]], data: CalibrationData
    ) -> dict[str, list[float]]:
        """What each of a layer's kernels changes, see :func:`map_changes`."""
        return map_changes(model, kernels, data)


def layer_cuts(model: nn.Module, layers: Layers, data: CalibrationData, lost: LostEnergy) -> dict[str, Cut]:
    """The cuts of each layer alone, at SHARES."""
    modules, moments, cuts = dict(model.named_modules()), data.moments(model, list(layers)), {}
    for name in layers:
        kernel, cuts[name] = whitened_kernel(modules[name].weight.detach(), *moments[name][:2]), Cut([], [])
        for share in SHARES:
            ranks = tuple(smallest_rank(bond, share) for bond in lost[name])
            cuts[name].energies.append(energy_lost(lost[name], ranks))
            cuts[name].kernels.append(kernel_from_chain(kernel.chain(ranks)))
    return cuts


def loss_curves(
    energies: Mapping[str, Sequence[float]], changes: Mapping[str, Sequence[float]]
) -> dict[str, LossCurve]:
    """Curve of each layer: 0 without a cut, then the changes at these energies, never falling.

    The scale is that of the layer whose maps change most for its energy at SHARES[WEIGHT], of which the slope is 1. A
    layer that changes none of the maps (it feeds something that is not watched) counts as that one.
    """
    curves = {name: curve_of(energies[name], changes[name]) for name in energies}
    most = max((slope(curve) for curve in curves.values()), default=0.0)
    found = {}
    for name, curve in curves.items():
        if not slope(curve):
            found[name] = ITSELF
            continue
        least = LEAST * curve.shares
        found[name] = LossCurve(curve.shares, np.maximum(curve.losses / most, least))
    return found


def curve_of(energies: Sequence[float], changes: Sequence[float]) -> LossCurve:
    """Through (0, 0) and the points whose energy rises; a layer that cannot be cut has none and loses nothing."""
    shares, losses = [0.0], [0.0]
    for energy, change in zip(energies, changes, strict=True):
        if energy > shares[-1]:
            shares.append(energy)
            losses.append(max(change, losses[-1]))
    if len(shares) == 1:
        shares, losses = [0.0, 1.0], [0.0, 0.0]
    return LossCurve(np.array(shares), np.array(losses))


def slope(curve: LossCurve) -> float:
    """Loss for each share of energy, at about SHARES[WEIGHT]."""
    point = min(WEIGHT + 1, len(curve.shares) - 1)
    return float(curve.losses[point] / curve.shares[point])


def map_changes(
    model: nn.Module, kernels: Mapping[str, Sequence[Tensor]], data: CalibrationData
) -> dict[str, list[float]]:
    """Change of the watched maps by each of a layer's kernels in place of its own, over the first IMAGES images.

    A change is the mean over the maps of ||changed - map||^2 / ||map||^2.

    Raises:
        UserError: a model without maps to watch.
    """
    changed: dict[str, list] = {name: [0.0] * len(choices) for name, choices in kernels.items()}
    energy: Tensor | float = 0.0
    with torch.no_grad(), watched_maps(model, data.run) as maps:
        for image in data.images[0][:IMAGES].split(1):  # a recording of large images is hundreds of MB
            before, recording = record(model, partial(maps, image))
            if not before:
                raise UserError('--ranks sensitivity: the model gives no maps to watch; choose another selection')
            energy = energy + torch.stack([x.square().sum() for x in before]).double()
            for name, choice, after in cut_maps(model, kernels, recording, partial(maps, image)):
                change = [(a - b).square().sum() for a, b in zip(after, before, strict=True)]
                changed[name][choice] = changed[name][choice] + torch.stack(change).double()
    return {
        name: [(change / energy.clamp(min=1e-12)).mean().item() for change in choices]
        for name, choices in changed.items()
    }


def cut_maps(
    model: nn.Module,
    kernels: Mapping[str, Sequence[Tensor]],
    recording: Recording,
    maps: Callable[[], list[Tensor]],
) -> Iterator[tuple[str, int, list[Tensor]]]:
    """(layer, place of the kernel, watched maps) with each kernel in place of its layer's own."""
    modules = dict(model.named_modules())
    for name, choices in kernels.items():
        for choice, kernel in enumerate(choices):
            with other_kernel(modules[name], kernel), replayed(recording, name):
                yield name, choice, maps()


@contextmanager
def other_kernel(conv: nn.Conv2d, kernel: Tensor) -> Iterator[None]:
    """The convolution has this kernel inside the block and its own after it."""
    original = conv.weight.detach().clone()
    conv.weight.copy_(kernel)
    try:
        yield
    finally:
        conv.weight.copy_(original)


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
